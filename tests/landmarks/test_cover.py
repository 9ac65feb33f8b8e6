"""What landmarks say against judging a face."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.landmarks.base import Landmarks
from edgefer.landmarks.cover import CoverGate
from edgefer.landmarks.points import REGIONS
from edgefer.values import Pose

SHAPE = (100, 80)
POINTS = np.zeros((68, 2), np.float32)
#: Nearest to each edge that is still in the picture: edges lie half a pixel outside the centres of the last pixels.
EDGES = {"left": (-0.5, 40), "right": (79.5, 40), "top": (40, -0.5), "bottom": (40, 99.5)}


def marks(pose=(0, 0, 0), **hidden: float) -> Landmarks:
    return Landmarks(POINTS, Pose(*pose), None, dict.fromkeys(REGIONS, 0.95) | hidden)


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        (marks(), ()),
        (marks(mouth=0.05), ("occluded",)),
        (marks(right_eye=0.05, left_eye=0.05), ("occluded",)),
        (marks(right_eye=0.05), ()),
        (marks(jaw=0.05, nose=0.05), ()),
        (marks((70, 0, 0)), ("turned",)),
        (marks((-70, 0, 0)), ("turned",)),
        (marks((20, -20, 20)), ()),
        (marks((0, 0, 180)), ("tilted",)),
        (marks((0, 0, -90), mouth=0.0), ("occluded", "tilted")),
        (None, ("occluded",)),
        (Landmarks(POINTS, None), ()),
    ],
    ids=[
        *["bare", "a mask", "sunglasses", "hair over an eye", "a scarf", "left", "right", "a little of each"],
        *["upside down", "lying, masked", "nothing seen", "a network that says nothing of it"],
    ],
)
def test_reasons(given, reasons):
    assert CoverGate().reasons(given, SHAPE) == reasons


def test_bounds_can_be_set():
    gate = CoverGate(max_yaw_deg=5, max_roll_deg=180)
    assert gate.reasons(marks((6, 0, 179)), SHAPE) == ("turned",)


def beyond(edge: str, *points: int) -> Landmarks:
    """Some points lie just outside an edge of the picture, all others just inside it."""
    x, y = EDGES[edge]
    found = np.tile(np.float32([x, y]), (68, 1))
    found[list(points)] += np.sign(np.float32([x - 40, y - 40])) * 0.1
    return Landmarks(found, Pose(0, 0, 0), None, dict.fromkeys(REGIONS, 0.95))


@pytest.mark.parametrize("edge", EDGES)
def test_what_mostly_lies_outside_the_picture_cannot_be_seen(edge):
    """However sure the network is of it: it has seen the edge's pixels go on."""
    right, left, mouth = range(36, 42), range(42, 48), range(48, 68)
    gate = CoverGate()
    assert gate.reasons(beyond(edge), SHAPE) == ()
    assert gate.reasons(beyond(edge, *mouth[:11]), SHAPE) == ("occluded",)
    assert gate.reasons(beyond(edge, *mouth[:10], *range(36)), SHAPE) == ()
    assert gate.reasons(beyond(edge, *right, *left[:3]), SHAPE) == ()
    assert gate.reasons(beyond(edge, *right, *left[:4]), SHAPE) == ("occluded",)
    covered = beyond(edge, *right)
    covered.seen["left_eye"] = 0.05
    assert gate.reasons(covered, SHAPE) == ("occluded",)
    assert gate.reasons(Landmarks(beyond(edge, *mouth).points, None), SHAPE) == ("occluded",)
