"""The quality gate: a face that cannot be judged is uncertain, and says why."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from portrait import portrait

from edgefer.geometry import Box, moved, squared
from edgefer.track import QualityGate

FACE = squared(Box(151, 100, 387, 336))


def test_the_portrait_is_fit_to_be_judged():
    quality = QualityGate().measure(portrait(), FACE)
    assert quality.reasons == ()
    assert quality.side_px == 236
    assert 60 < quality.brightness < 200


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda image: cv2.GaussianBlur(image, (0, 0), 2.5 * 236 / 64), "blurred"),
        (lambda image: (image * 0.15).astype(np.uint8), "dark"),
        (lambda image: np.clip(image * 3.0 + 120, 0, 255).astype(np.uint8), "bright"),
        (lambda image: np.full_like(image, 20), "dark"),
        (lambda image: np.full_like(image, 250), "bright"),
    ],
    ids=["blurred", "dim", "overexposed", "black", "white"],
)
def test_a_spoiled_portrait_is_uncertain_for_the_reason(spoil, reason):
    assert QualityGate().measure(spoil(portrait()), FACE).reasons == (reason,)


def test_blur_is_seen_through_the_noise_of_the_sensor():
    blurred = cv2.GaussianBlur(cv2.resize(portrait(), None, fx=0.4, fy=0.4), (0, 0), 3.5)
    noisy = np.clip(blurred + np.random.default_rng(3).normal(0, 4, blurred.shape), 0, 255).astype(np.uint8)
    assert "blurred" in QualityGate().measure(noisy, Box(*(value * 0.4 for value in FACE))).reasons


def test_sharpness_does_not_depend_on_contrast():
    image = portrait()
    half = (image // 2 + 60).astype(np.uint8)
    gate = QualityGate()
    assert gate.measure(half, FACE).sharpness == pytest.approx(gate.measure(image, FACE).sharpness, rel=0.1)


def test_a_tiny_face_is_small():
    image = cv2.resize(portrait(), None, fx=0.1, fy=0.1, interpolation=cv2.INTER_AREA)
    assert "small" in QualityGate().measure(image, Box(*(value * 0.1 for value in FACE))).reasons


def test_thresholds_can_be_set():
    image = portrait()
    assert QualityGate(min_side_px=300).measure(image, FACE).reasons == ("small",)
    assert QualityGate(dark=200, bright=220).measure(image, FACE).reasons == ("dark",)
    with pytest.raises(ValueError, match="dark below bright"):
        QualityGate(dark=230)


def test_a_box_outside_the_image_is_measured_without_a_crash():
    assert QualityGate().measure(portrait(), moved(FACE, 5000, 5000)).reasons == ("dark",)  # the corner, black
