"""What the pipeline needs of whatever finds landmarks."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

import numpy as np

from edgefer.geometry import Box
from edgefer.support.registry import Entry, Registry
from edgefer.values import Face, Frame, Pose


class Landmarks(NamedTuple):
    """The points of one face.

    Attributes:
        points: float32, shape (68, 2), x and y in pixels of the source, in the order of iBUG.
        pose: of the head; None where it is not told.
        box: the face's square by these points; None where the box that was given stands.
        seen: by name of REGIONS, how sure it is that this part of the face can be seen, 0 to 1; None where it
            is not told.
    """

    points: np.ndarray
    pose: Pose | None
    box: Box | None = None
    seen: dict[str, float] | None = None


class Landmarker(Protocol):
    """Finds the landmarks of faces that are followed."""

    def find(self, frame: Frame, face: Face) -> Landmarks | None:
        """The points of a face in the next frame in which it is looked at; None where they cannot be seen."""

    def another(self, steady: bool = True) -> Landmarker:
        """One for another film, with a memory of its own; the network is shared.

        Args:
            steady: points are filtered over time; needless where nobody sees them.
        """

    def forget(self, tracks: Collection[int]) -> None:
        """Drops what is kept of faces that will not come back."""


#: A maker gets, by name, `model` (a shipped name or a directory) and `threads`; it gives a Landmarker.
LANDMARKERS = Registry("landmark network")
LANDMARKERS.add(Entry("network", "68 points by a network", "edgefer.landmarks.follow:open_landmarker"))
