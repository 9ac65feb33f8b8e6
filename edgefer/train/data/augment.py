"""What may happen to a face between the photograph and the camera: random versions of a training image.

The training faces are 48x48, cropped alike and enlarged; a camera gives crops of any resolution, cut a little
off by the detector, in any light. Each step stands for one of these differences.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from edgefer.train.data.randaugment import randaugment

SIDE = 64
SHIFT = 0.08  # of the side: a detector's box is not centred like the training crops
SCALE = 0.12  # nor as wide
ROTATION_DEGREES = 10.0
STRETCH = 0.05
MIXUP_BETA = 0.2  # most blends are close to one of the two images


class Alterations(NamedTuple):
    """What is done to the images of a training.

    Attributes:
        share: of the images that are altered; the others are mirrored or not, and no more.
        operations: of RandAugment, in place of all that follows the mirror; 0 for none.
        moved_alone: they are mirrored, moved, turned and stretched, as the papers have it, and no more.
    """

    share: float = 1.0
    operations: int = 0
    moved_alone: bool = False


#: All of them, for every image.
WHOLE = Alterations()


def augment(image: np.ndarray, rng: np.random.Generator, side: int = SIDE, how: Alterations = WHOLE) -> np.ndarray:
    """A random version of a face: mirrored, moved, turned, sharper or softer, lit otherwise, partly hidden.

    Args:
        image: uint8, shape (H, W).
        rng: source of the draws; the same state gives the same image.
        side: of the result, pixels.
        how: all of that for every image, or less of it.

    Returns:
        uint8, shape (side, side).
    """
    if how.share < 1 and rng.random() >= how.share:
        return _warp(image, rng, side, 0.0)
    if how.operations:
        return randaugment(_warp(image, rng, side, 0.0), rng, how.operations)
    out = _warp(image, rng, side)
    if how.moved_alone:
        return out
    out = _focus(out, rng)
    out = _light(out, rng)
    if rng.random() < 0.2:
        _hide(out, rng)
    return out


def _warp(image: np.ndarray, rng: np.random.Generator, side: int, strength: float = 1.0) -> np.ndarray:
    height, width = image.shape
    scale = side / max(height, width) * np.exp(strength * rng.uniform(-SCALE, SCALE))
    stretch = np.exp(strength * rng.uniform(-STRETCH, STRETCH))
    angle = np.deg2rad(strength * rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    dx, dy = strength * rng.uniform(-SHIFT, SHIFT, 2) * side
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos * stretch * mirror, -sin / stretch], [sin * stretch * mirror, cos / stretch]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = np.array([(side - 1) / 2 + dx, (side - 1) / 2 + dy]) - linear @ centre
    matrix = np.hstack([linear, offset[:, None]])
    # edge pixels repeat, as where a crop reaches outside the frame
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


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


def mixup(images: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Each image blended with the one before it in the batch, its target likewise.

    Args:
        images: uint8, shape (N, H, W), in random order. targets: float32, shape (N, classes).

    Returns:
        Arrays of the same kind.

    Reference: Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018, equation 1.
    """
    share = rng.beta(MIXUP_BETA, MIXUP_BETA)
    blend = np.rint(share * images + (1 - share) * np.roll(images, 1, axis=0)).astype(np.uint8)
    return blend, _blended(targets, share)


def cutmix(images: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Each image with a rectangle of the one before it in the batch; the target by what is left of its own.

    Args and Returns: as of `mixup`.

    Reference: Yun et al., CutMix, ICCV 2019, equations 1 and 2, its share drawn evenly.
    """
    height, width = images.shape[1:]
    side = np.sqrt(1 - rng.random())
    y, x = rng.random(2) * (height, width)
    y0, y1 = np.rint(np.clip([y - side * height / 2, y + side * height / 2], 0, height)).astype(int)
    x0, x1 = np.rint(np.clip([x - side * width / 2, x + side * width / 2], 0, width)).astype(int)
    mixed = images.copy()
    mixed[:, y0:y1, x0:x1] = np.roll(images, 1, axis=0)[:, y0:y1, x0:x1]
    return mixed, _blended(targets, 1 - (y1 - y0) * (x1 - x0) / (height * width))


def _blended(targets: np.ndarray, share: float) -> np.ndarray:
    return (share * targets + (1 - share) * np.roll(targets, 1, axis=0)).astype(np.float32)
