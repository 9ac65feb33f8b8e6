"""RandAugment: some operations on an image, drawn from a list, all of one strength.

Reference: Cubuk, Zoph, Shlens and Le, RandAugment, 2019; the list and its ranges are of Cubuk et al., AutoAugment,
2019, Table 6, without what is of colour alone.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

#: Of each operation's range; the paper has 9 of 30 for small networks.
STRENGTH = 0.3
SHEAR, TRANSLATE, ROTATE_DEGREES, FACTOR = 0.3, 0.3, 30.0, 0.9
#: What sharpness goes away from.
SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13


def randaugment(image: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """An image after so many operations.

    Args:
        image: uint8, shape (H, W). rng: source of the draws.

    Returns:
        uint8, shape (H, W).
    """
    for number in rng.integers(0, len(OPERATIONS), count):
        strength = STRENGTH * (1.0 if rng.random() < 0.5 else -1.0)
        image = OPERATIONS[number](image, strength)
    return image


def _identity(image: np.ndarray, strength: float) -> np.ndarray:
    return image


def _autocontrast(image: np.ndarray, strength: float) -> np.ndarray:
    low, high = int(image.min()), int(image.max())
    return image if high == low else _levels(image, (np.arange(256) - low) * (255 / (high - low)))


def _equalize(image: np.ndarray, strength: float) -> np.ndarray:
    return cv2.equalizeHist(image)


def _solarize(image: np.ndarray, strength: float) -> np.ndarray:
    levels = np.arange(256)
    return _levels(image, np.where(levels >= 256 * (1 - abs(strength)), 255 - levels, levels))


def _posterize(image: np.ndarray, strength: float) -> np.ndarray:
    bits = 8 - round(4 * abs(strength))
    return image & np.uint8(0xFF << (8 - bits) & 0xFF)


def _contrast(image: np.ndarray, strength: float) -> np.ndarray:
    return _levels(image, image.mean() + (np.arange(256) - image.mean()) * (1 + FACTOR * strength))


def _brightness(image: np.ndarray, strength: float) -> np.ndarray:
    return _levels(image, np.arange(256) * (1 + FACTOR * strength))


def _sharpness(image: np.ndarray, strength: float) -> np.ndarray:
    smooth = cv2.filter2D(image, -1, SMOOTH, borderType=cv2.BORDER_REPLICATE)
    return cv2.addWeighted(image, 1 + FACTOR * strength, smooth, -FACTOR * strength, 0)


def _rotate(image: np.ndarray, strength: float) -> np.ndarray:
    angle = np.deg2rad(ROTATE_DEGREES * strength)
    return _moved(image, ((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))


def _shear_x(image: np.ndarray, strength: float) -> np.ndarray:
    return _moved(image, ((1, SHEAR * strength), (0, 1)))


def _shear_y(image: np.ndarray, strength: float) -> np.ndarray:
    return _moved(image, ((1, 0), (SHEAR * strength, 1)))


def _translate_x(image: np.ndarray, strength: float) -> np.ndarray:
    return _moved(image, ((1, 0), (0, 1)), (TRANSLATE * strength * image.shape[1], 0))


def _translate_y(image: np.ndarray, strength: float) -> np.ndarray:
    return _moved(image, ((1, 0), (0, 1)), (0, TRANSLATE * strength * image.shape[0]))


def _levels(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return cv2.LUT(image, np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _moved(image: np.ndarray, linear, by: tuple[float, float] = (0, 0)) -> np.ndarray:
    """About the centre; edge pixels repeat."""
    height, width = image.shape
    linear, centre = np.array(linear, float), np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.column_stack([linear, centre - linear @ centre + by])
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


OPERATIONS: tuple[Callable[[np.ndarray, float], np.ndarray], ...] = (
    *(_identity, _autocontrast, _equalize, _solarize, _posterize, _contrast, _brightness, _sharpness),
    *(_rotate, _shear_x, _shear_y, _translate_x, _translate_y),
)
