"""Emotion sketches: equations and drawing against points worked out by hand, and small ones against large ones."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from sketch_faces import a_face, turned

from edgefer.preprocess.sketch import NoSketch, SketchTensor, draw, level, place, sketch


def test_points_go_where_the_equations_put_them():
    """x = (240 (x - 100) + 10 (300 - x)) / 200 and y = (210 (y - 160) + 70 (220 - y)) / 60, by hand."""
    placed = place(a_face())
    assert placed[[0, 16], 0] == pytest.approx([10, 240])
    assert placed[[27, 33], 1] == pytest.approx([70, 210])
    # FL36 (135, 165): x (240*35 + 10*165)/200 = 50.25; y (210*5 + 70*55)/60 = 81.667, and 50 down
    assert placed[36] == pytest.approx([50.25, 131.6667], abs=1e-3)
    # FL17 (120, 140): x (240*20 + 10*180)/200 = 33; y (210*-20 + 70*80)/60 = 23.333, and 50 down
    assert placed[17] == pytest.approx([33, 73.3333], abs=1e-3)
    # FL48 (160, 255): x (240*60 + 10*140)/200 = 79; y (210*95 + 70*-35)/60 = 291.667, and 70 up
    assert placed[48] == pytest.approx([79, 221.6667], abs=1e-3)


def test_the_sketch_does_not_depend_on_place_size_or_width_of_the_face():
    points = a_face()
    np.testing.assert_allclose(place(points * [3.0, 0.5] + [70, -20]), place(points), atol=1e-9)


def test_the_paper_s_sketch_is_250_wide_with_opencv_s_lines_of_7():
    image = sketch(a_face())
    assert image.shape == (250, 250) and image.dtype == np.uint8
    assert set(np.unique(image)) == {0, 255}
    placed = place(a_face())
    flat = np.tile([[125.0, 500.0]], (68, 1))  # outside of the image
    flat[17:22] = [(x, 100) for x in (50, 75, 100, 125, 150)]
    brow = draw(flat)
    expected = np.zeros((250, 250), np.uint8)
    cv2.line(expected, (50, 100), (150, 100), 255, 7)
    np.testing.assert_array_equal(brow, expected)
    assert np.flatnonzero(brow[:, 60]).tolist() == list(range(96, 105))  # OpenCV's 7 cover 9 rows
    assert not brow[:, 160].any()  # a brow is open
    x, y = np.rint(placed[48:60].mean(axis=0)).astype(int)
    assert image[y, x] == 0 and image[round(placed[66, 1]), x] == 255  # the inner contour stays hollow
    closing = np.rint((placed[36] + placed[41]) / 2).astype(int)
    assert image[closing[1], closing[0]] == 255  # an eye is closed


def test_nothing_but_brows_eyes_and_mouth_is_drawn():
    points = a_face()
    moved = points.copy()
    moved[1:16] += 17
    moved[28:33] -= 9
    np.testing.assert_array_equal(sketch(moved), sketch(points))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p.__setitem__((16, 0), p[0, 0]), "FL16 right of FL0"),
        (lambda p: p.__setitem__((33, 1), p[27, 1]), "FL33 below FL27"),
        (lambda p: p.__imul__([1, -1]), "FL33 below FL27"),
        (lambda p: p.__imul__([-1, 1]), "FL16 right of FL0"),
        (lambda p: p.__setitem__((50, 0), np.nan), "expected numbers"),
        (lambda p: p.fill(5), "FL16 right of FL0"),
    ],
    ids=["equal-x", "equal-y", "upside-down", "mirrored", "not-a-number", "one-point"],
)
def test_landmarks_without_a_scale_have_no_sketch_and_a_reason(change, said):
    points = a_face()
    change(points)
    with pytest.raises(NoSketch, match=said):
        sketch(points, 64)
    with pytest.raises(NoSketch):
        SketchTensor(64, upright=False)(points)


def test_another_number_of_points_is_an_error():
    with pytest.raises(ValueError, match=r"\(68, 2\), got \(5, 2\)"):
        place(np.zeros((5, 2)))


def test_points_far_outside_are_drawn_without_overflow():
    points = a_face()
    points[48:60] *= 1e7
    assert sketch(points, 64).shape == (64, 64)


@pytest.mark.parametrize("degrees", [-40, 15, 40])
def test_upright_levels_a_tilted_head(degrees):
    points = a_face()
    tilted = turned(points, degrees)
    assert np.abs(place(tilted) - place(points)).max() > 20
    np.testing.assert_allclose(place(tilted, upright=True), place(points), atol=1e-6)
    np.testing.assert_allclose(level(points), points, atol=1e-9)


def faces() -> np.ndarray:
    """Faces that were not made for this: hand-annotated ones where they are there, and altered plain ones."""
    rng = np.random.default_rng(3)
    made = np.array([turned(a_face() + rng.normal(0, 3, (68, 2)), rng.uniform(-20, 20)) for _ in range(40)])
    data = Path(os.environ.get("EDGEFER_DATA", "../shared/data")) / "landmarks" / "helen_val.npz"
    if data.exists():
        with np.load(data) as kept:
            made = np.concatenate([made, kept["points"]])
    return made


@pytest.mark.parametrize("side", [48, 64])
def test_a_small_sketch_is_the_large_one_shrunk_by_area(side):
    """Corners are rounded to a quarter pixel, at most 0.18 pixels off along a line's normal, on either side: an edge
    pixel may differ by half, a picture by little."""
    differences = []
    for points in faces():
        large, small = sketch(points), sketch(points, side)
        shrunk = cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)
        differences.append(small.astype(float) - shrunk)
    errors = np.array(differences)
    assert np.abs(errors).mean() < 3  # of 255 levels
    assert np.sqrt(np.square(errors).mean(axis=(1, 2))).max() < 16
    assert np.abs(errors).max() < 160


def test_the_tensor_holds_the_levels_less_128():
    make = SketchTensor(64, upright=True)
    image = make(a_face())
    assert make.tensor.shape == (1, 64, 64, 1) and make.tensor.dtype == np.int8
    np.testing.assert_array_equal(make.tensor[0, :, :, 0].astype(int), image.astype(int) - 128)
    np.testing.assert_array_equal(image, sketch(a_face(), 64, upright=True))
