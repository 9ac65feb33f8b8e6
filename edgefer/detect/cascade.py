"""OpenCV's cascades of Haar-like features, read from its files and searched by our kernel."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import cv2
import cv2.data
import numpy as np

from edgefer import kernels
from edgefer.errors import ModelError
from edgefer.geometry import Box, xywh_to_xyxy

#: Taken off the thresholds of stages, as by OpenCV.
EPSILON = np.float32(1e-5)


#: The kernel's bound on the width of an image.
MOST_COLUMNS = 1264


class CascadeSearch:
    """Groups of windows at which a cascade finds what it was trained for.

    The groups equal those of cv2.CascadeClassifier.detectMultiScale2; `kernels.cascade` does the search.
    """

    def __init__(self, name: str):
        """Read `name`, a cascade of trees of at most two nodes, from OpenCV's.

        Raises:
            ModelError: it is not there, or not of that kind.
        """
        # OpenCV 5 has neither the files nor, in some builds, the module that says where they are
        path = Path(getattr(getattr(cv2, "data", None), "haarcascades", "")) / name
        try:
            self._cascade = _read(path.read_text())
        except (OSError, ValueError, IndexError) as error:
            raise ModelError(
                f"cannot load the Haar cascade {path}: {error}; choose the detector edgefer, which needs no such file, "
                "or install opencv-python-headless<5, which carries it"
            ) from None

    def windows(self, image: np.ndarray, step: float, smallest: int, largest: int) -> list[tuple[Box, int]]:
        """Groups of accepted windows, with the number in each; groups of one are left out.

        Args:
            image: uint8, shape (H, W).
            step: factor from one window size to the next, above 1.
            smallest, largest: window sizes searched, pixels of the image.
        """
        height, width = image.shape
        windows: list[list[int]] = []
        factor = 1.0
        while True:
            scale = np.float32(factor)  # OpenCV's arithmetic: sizes step in float64, all else is float32
            side = round(self._cascade.width * factor)
            if side > min(largest, height, width):
                break
            if side >= smallest:
                size = int(np.rint(np.float32(width) / scale)), int(np.rint(np.float32(height) / scale))
                level = image
                if size != (width, height):
                    level = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR_EXACT)
                corners = self._accepted(level, 1 if scale >= 2 else 2)
                if len(corners):
                    corners = np.rint(corners.astype(np.float32) * scale).astype(int)
                    windows += ([x, y, side, side] for x, y in corners.tolist())
            factor *= step
        if not windows:
            return []
        boxes, counts = cv2.groupRectangles(windows, 1, 0.2)
        return sorted((xywh_to_xyxy(*box), int(count)) for box, count in zip(boxes, counts, strict=True))

    def _accepted(self, level: np.ndarray, step: int) -> np.ndarray:
        """The accepted windows of an image of any width, by strips where it is too wide for the kernel."""
        width = level.shape[1]
        if width <= MOST_COLUMNS:
            return kernels.cascade(level, self._cascade, step)
        strips = []
        advance = (MOST_COLUMNS - self._cascade.width) // step * step + step  # to the first window that did not fit
        for start in range(0, width - self._cascade.width + 1, advance):
            found = kernels.cascade(level[:, start : start + MOST_COLUMNS], self._cascade, step)
            strips.append(found + np.array([start, 0], np.int32))
        return np.concatenate(strips)


def _read(text: str) -> kernels.Cascade:
    """From OpenCV's XML, with plain expressions: a parser takes twice as long, at every start.

    Trees are lists of nodes, whose links are other nodes or, from 0 down, leaves.
    """
    stages = [trees.count("<internalNodes>") for trees in text.split("<weakClassifiers>")[1:]]
    count = sum(stages)
    nodes = _numbers(_texts(text, "internalNodes")).reshape(count, -1, 4)
    leaves = _numbers(_texts(text, "leafValues")).reshape(count, -1)
    depth = nodes.shape[1]
    if depth > 2 or leaves.shape[1] != depth + 1:
        raise ValueError(f"its trees have {depth} nodes and {leaves.shape[1]} leaves; at most 2 and 3 will do")

    features = [feature.split("</rects>", 1)[0] for feature in text.split("<rects>")[1:]]
    sizes = [feature.count("<_>") for feature in features]
    listed = _numbers(feature.replace("<_>", "").replace("</_>", "") for feature in features).reshape(-1, 5)
    listed[:, 2:4] += listed[:, :2]  # width and height to the right and the bottom
    rectangles = np.zeros((len(features), 3, 5))
    column = np.arange(len(listed)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rectangles[np.repeat(np.arange(len(features)), sizes), column] = listed

    trees = np.zeros((count, 2, 3, 5))
    trees[:, :depth] = rectangles[nodes[:, :, 2].astype(int)]
    thresholds = np.zeros((count, 2))
    thresholds[:, :depth] = nodes[:, :, 3]
    links = nodes[:, :, :2].astype(int)
    ends = np.repeat(links[:, 0], 2, axis=1)  # each leaf of the first node in two columns
    for side in (0, 1):
        further = links[:, 0, side] > 0  # or the two leaves of the second node
        ends[further, 2 * side : 2 * side + 2] = links[further, -1]
    width, height = (int(_texts(text, side)[0]) for side in ("width", "height"))
    return kernels.Cascade(
        width,
        height,
        np.ascontiguousarray(trees[..., :4], np.int8),
        np.ascontiguousarray(trees[..., 4], np.float32),
        thresholds.astype(np.float32),
        np.take_along_axis(leaves, -ends, axis=1).astype(np.float32),
        np.array(stages, np.int32),
        _numbers(_texts(text, "stageThreshold")).astype(np.float32) - EPSILON,
    )


def _texts(text: str, tag: str) -> list[str]:
    return re.findall(f"<{tag}>([^<]*)", text)


def _numbers(texts: Iterable[str]) -> np.ndarray:
    return np.fromstring(" ".join(texts), sep=" ")
