"""What the pipeline needs of whatever finds landmarks."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

import numpy as np

from edgefer.support.registry import Registry
from edgefer.values import Face, Frame, Pose


class Landmarks(NamedTuple):
    """The points of one face.

    Attributes:
        points: float32, shape (68, 2), x and y in pixels of the source, in the order of iBUG.
        pose: of the head; None where it is not told.
    """

    points: np.ndarray
    pose: Pose | None


class Landmarker(Protocol):
    """Finds the landmarks of faces that are followed."""

    def find(self, frame: Frame, face: Face) -> Landmarks | None:
        """The points of a face in the next frame; None where they cannot be seen."""

    def forget(self, tracks: Collection[int]) -> None:
        """Drops what is kept of faces that will not come back."""


LANDMARKERS = Registry("landmark network")
