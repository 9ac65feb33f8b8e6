"""Images that break kernels, and the variants that this processor can run: for the tests of every family."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from edgefer import kernels

WIDTHS = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97)
HEIGHTS = (1, 2, 3, 9, 33)
BORDERS = {"replicate": cv2.BORDER_REPLICATE, "reflect101": cv2.BORDER_REFLECT101}
OUTPUTS = {
    "sobel": (2, np.int16),
    "laplacian": (1, np.int16),
    "gradients": (3, np.int16),
    "shi_tomasi": (1, np.float32),
}
IMAGE_KERNELS = tuple(OUTPUTS)
GUARD = 171  # what memory about an output is filled with
ROUNDING = 2.0**-24  # half a unit in the last place of float32, relative


def walk(*ops: str):
    """One case for each variant of each operation that this processor can run."""
    cases = [(op, variant) for op in ops for variant in kernels.variants(op)]
    return pytest.mark.parametrize(("op", "variant"), cases, ids=[f"{op}-{variant}" for op, variant in cases])


def variants_of(op: str):
    return pytest.mark.parametrize("variant", kernels.variants(op))


@cache
def images(height: int, width: int) -> dict[str, np.ndarray]:
    """The kinds of image that break kernels."""
    rng = np.random.default_rng([height, width])
    y, x = np.mgrid[:height, :width]
    impulse = np.zeros((height, width), np.uint8)
    impulse[height // 2, width // 2] = 255
    kinds = {
        "random": rng.integers(0, 256, (height, width), dtype=np.uint8),
        "constant": np.full((height, width), 200, np.uint8),
        "impulse": impulse,
        "checkerboard": ((x + y) % 2 * 255).astype(np.uint8),
        "full contrast": rng.integers(0, 2, (height, width), dtype=np.uint8) * np.uint8(255),
        "step": ((x >= width // 2) * 255).astype(np.uint8),
    }
    for image in kinds.values():
        image.setflags(write=False)
    return kinds


def all_images():
    return [image for height in HEIGHTS for width in WIDTHS for image in images(height, width).values()]


def strided_view(image: np.ndarray) -> np.ndarray:
    """The same pixels, in the middle of a wider and taller array of other values."""
    height, width = image.shape
    around = np.full((height + 2, width + 37), 99, np.uint8)
    around[1:-1, 5 : 5 + width] = image
    return around[1:-1, 5 : 5 + width]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def guarded(height: int, width: int, dtype=np.uint8) -> tuple[np.ndarray, np.ndarray]:
    """A view with a row stride wider than its width, and the memory about it, filled with guard bytes."""
    memory = np.full((height + 2, width + 13), GUARD, np.uint8).view(dtype)
    return memory, memory[1:-1, 5 : 5 + width]


def assert_guards_stand(memory: np.ndarray, width: int) -> None:
    around = memory.view(np.uint8).copy()
    around[1:-1, 5 : 5 + width] = GUARD
    assert (around == GUARD).all()
