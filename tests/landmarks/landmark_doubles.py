"""A head that can be drawn as 68 points, and a landmark network that knows where it is."""

from __future__ import annotations

import numpy as np

from edgefer.geometry import Box, squared
from edgefer.landmarks.points import REGIONS
from edgefer.landmarks.pose import HEAD


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Of a head, by values.Pose: x to the viewer's right, y down, z away from the viewer."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_neck = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_ears = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    in_plane = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return in_plane @ about_neck @ about_ears


def head_points(centre=(100.0, 100.0), eyes_px: float = 50.0, yaw=0.0, pitch=0.0, roll=0.0) -> np.ndarray:
    """float32, shape (68, 2): the generic head from far away; `centre` is the middle between its eyes."""
    turned = HEAD @ rotation(yaw, pitch, roll).T
    return (turned[:, :2] * eyes_px + np.array(centre)).astype(np.float32)


class KnowingNetwork:
    """Finds `points` as a network would: where the square lies well about them, and less exactly where less well.

    Attributes:
        points: what is there; None: no face. squares: those it was asked about.
        hidden: regions that cannot be seen.
    """

    def __init__(self, points: np.ndarray | None) -> None:
        self.points = points
        self.squares: list[Box] = []
        self.hidden: set[str] = set()

    def locate(self, grey: np.ndarray, square: Box) -> tuple[np.ndarray, np.ndarray]:
        self.squares.append(square)
        confidence = np.array([0.0 if region in self.hidden else 0.999 for region in REGIONS], np.float32)
        if self.points is None:
            return np.zeros((68, 2), np.float32), np.zeros(len(REGIONS), np.float32)
        best = self.around_points(self.points)
        off = (np.array(square.centre) - best.centre) / best.width
        if np.abs(off).max() > 0.5 or not 0.5 < square.width / best.width < 2:
            confidence[0] = 0.1
        return (self.points + off * 0.1 * best.width).astype(np.float32), confidence

    def study(self, grey: np.ndarray, square: Box) -> tuple[np.ndarray, np.ndarray]:
        return self.locate(grey, square)

    def around_face(self, box: Box) -> Box:
        return squared(box, 0.2)

    def around_points(self, points: np.ndarray) -> Box:
        low, high = points.min(axis=0) + 0.5, points.max(axis=0) + 0.5
        return squared(Box(*low.tolist(), *high.tolist()), 0.15)
