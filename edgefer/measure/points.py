"""How far landmarks lie from hand-made labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edgefer.geometry import Box
from edgefer.landmarks.network import LandmarkNetwork

#: Where labelled faces lie under the folder of the data.
HELEN = Path("landmarks") / "helen_val.npz"
#: The first look at such a face: the middle of its picture, in parts of the side. Others are round the points found.
FIRST_LOOK = 0.8


class PointErrors(NamedTuple):
    """Mean distances in percent of the distance of the labelled outer corners of the eyes."""

    inner: float
    all: float
    jaw: float
    jaw_across: float


def point_errors(points: np.ndarray, truth: np.ndarray) -> PointErrors:
    """Errors of the 51 inner points, of all 68, of the jaw's 17, and of these across the labelled contour.

    Args:
        points, truth: shape (N, 68, 2), same pixels, in the order of iBUG.
    """
    error = (points - truth).astype(np.float64)
    eyes = np.linalg.norm(truth[:, 45] - truth[:, 36], axis=1)[:, None]
    parts = 100 * np.linalg.norm(error, axis=2) / eyes
    way = np.gradient(truth[:, :17].astype(np.float64), axis=1)
    way /= np.maximum(np.linalg.norm(way, axis=2, keepdims=True), 1e-9)
    across = 100 * np.abs(error[:, :17, 0] * way[..., 1] - error[:, :17, 1] * way[..., 0]) / eyes
    figures = parts[:, 17:].mean(), parts.mean(), parts[:, :17].mean(), across.mean()
    return PointErrors(*(float(figure) for figure in figures))


def labelled_faces(path: Path) -> tuple[Sequence[np.ndarray], np.ndarray]:
    """Grey images and their points, float32 (N, 68, 2), of a file such as helen_val.npz."""
    with np.load(path) as archive:
        webp, offset, points = archive["webp"], archive["offset"], archive["points"]
    spans = zip(offset[:-1], offset[1:], strict=True)
    return [np.asarray(cv2.imdecode(webp[start:end], cv2.IMREAD_GRAYSCALE)) for start, end in spans], points


def measured(
    network: LandmarkNetwork, images: Sequence[np.ndarray], truth: np.ndarray, full: bool = False
) -> PointErrors:
    """A network's errors on labelled faces: after two looks, or with the full effort a photograph gets."""
    found = []
    for image in images:
        height, width = image.shape
        x, y, half = width / 2, height / 2, FIRST_LOOK * max(width, height) / 2
        square = network.around_points(network.locate(image, Box(x - half, y - half, x + half, y + half)).points)
        found.append((network.study if full else network.locate)(image, square).points)
    return point_errors(np.stack(found), truth)
