"""What may happen to a face between the photograph and the camera: random versions of a training image.

The training faces are 48x48, cropped alike and enlarged; a camera gives crops of any resolution, cut a little
off by the detector, in any light. Each step stands for one of these differences.
"""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 64
SHIFT = 0.08  # of the side: a detector's box is not centred like the training crops
SCALE = 0.12  # nor as wide
ROTATION_DEGREES = 10.0
STRETCH = 0.05


def augment(image: np.ndarray, rng: np.random.Generator, side: int = SIDE) -> np.ndarray:
    """A random version of a face: mirrored, moved, turned, sharper or softer, lit otherwise, partly hidden.

    Args:
        image: uint8, shape (H, W).
        rng: source of the draws; the same state gives the same image.
        side: of the result, pixels.

    Returns:
        uint8, shape (side, side).
    """
    out = _warp(image, rng, side)
    out = _focus(out, rng)
    out = _light(out, rng)
    if rng.random() < 0.2:
        _hide(out, rng)
    return out


def _warp(image: np.ndarray, rng: np.random.Generator, side: int) -> np.ndarray:
    height, width = image.shape
    scale = side / max(height, width) * np.exp(rng.uniform(-SCALE, SCALE))
    stretch = np.exp(rng.uniform(-STRETCH, STRETCH))
    angle = np.deg2rad(rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    dx, dy = rng.uniform(-SHIFT, SHIFT, 2) * side
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos * stretch * mirror, -sin / stretch], [sin * stretch * mirror, cos / stretch]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = np.array([(side - 1) / 2 + dx, (side - 1) / 2 + dy]) - linear @ centre
    matrix = np.hstack([linear, offset[:, None]])
    # edge pixels repeat, as where a crop reaches outside the frame
    return cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _focus(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A quarter each: softened, sharpened; the rest as it is."""
    draw = rng.random()
    if draw < 0.25:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4))
    if draw < 0.5:
        amount = rng.uniform(0.3, 1.5)
        return cv2.addWeighted(image, 1 + amount, cv2.GaussianBlur(image, (0, 0), 1.0), -amount, 0)
    return image


def _light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gamma, contrast, brightness and a little sensor noise."""
    gamma, contrast = np.exp(rng.uniform(-0.35, 0.35)), np.exp(rng.uniform(-0.3, 0.3))
    levels = (np.arange(256) / 255.0) ** gamma * 255.0
    levels = (levels - 128) * contrast + 128 + rng.uniform(-20, 20)
    out = cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8))
    if rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(2, 8), out.shape)
        out = np.clip(np.rint(out + noise), 0, 255).astype(np.uint8)
    return out


def _hide(image: np.ndarray, rng: np.random.Generator) -> None:
    """One rectangle of 2 to 15 % of the image gets a flat grey, in place."""
    side = image.shape[0]
    area, aspect = rng.uniform(0.02, 0.15) * side * side, np.exp(rng.uniform(-0.8, 0.8))
    height = min(side, max(1, int(round(np.sqrt(area * aspect)))))
    width = min(side, max(1, int(round(np.sqrt(area / aspect)))))
    y, x = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
    image[y : y + height, x : x + width] = rng.integers(0, 256)
