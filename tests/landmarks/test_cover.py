"""What landmarks say against judging a face."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.landmarks.base import Landmarks
from edgefer.landmarks.cover import CoverGate
from edgefer.landmarks.points import REGIONS
from edgefer.values import Pose

POINTS = np.zeros((68, 2), np.float32)


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
    assert CoverGate().reasons(given) == reasons


def test_bounds_can_be_set():
    gate = CoverGate(max_yaw_deg=5, max_roll_deg=180)
    assert gate.reasons(marks((6, 0, 179))) == ("turned",)
