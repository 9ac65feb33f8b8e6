"""Whether a face may be judged, by its landmarks: not where it is covered, tilted or turned away."""

from __future__ import annotations

import numpy as np

from edgefer import defaults
from edgefer.landmarks.base import Landmarks

#: The points of the eyes, and those of the mouth.
_EYES, _MOUTH = (("right_eye", slice(36, 42)), ("left_eye", slice(42, 48))), slice(48, 68)


class CoverGate:
    """The reasons against judging a face that its landmarks show.

    A part of which more than half lies outside the picture cannot be seen, whatever the network says: it takes what
    the edge's pixels look like when they go on.

    Args:
        min_eyes, min_mouth: a face of which the eyes or the mouth are seen with less confidence is "occluded"; of
            the eyes the one that is seen better counts, for the other may be behind the nose.
        max_yaw_deg: from which it is "turned".
        max_roll_deg: from which it is "tilted", as one that is upside down.
    """

    def __init__(
        self,
        min_eyes: float = defaults.MIN_EYES,
        min_mouth: float = defaults.MIN_MOUTH,
        max_yaw_deg: float = defaults.MAX_YAW_DEG,
        max_roll_deg: float = defaults.MAX_ROLL_DEG,
    ) -> None:
        self.min_eyes = min_eyes
        self.min_mouth = min_mouth
        self.max_yaw_deg = max_yaw_deg
        self.max_roll_deg = max_roll_deg

    def reasons(self, marks: Landmarks | None, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Of "occluded", "turned" and "tilted", those that hold; None stands for a face that cannot be seen.

        Args:
            marks: of the face. shape: height and width of the picture it is in.
        """
        if marks is None:
            return ("occluded",)
        reasons = []
        out, seen = _outside(marks, shape), marks.seen or {}
        eyes = any(seen.get(eye, 1.0) >= self.min_eyes and not _most(out, points) for eye, points in _EYES)
        if not eyes or seen.get("mouth", 1.0) < self.min_mouth or _most(out, _MOUTH):
            reasons.append("occluded")
        if marks.pose is not None:
            if abs(marks.pose.yaw) > self.max_yaw_deg:
                reasons.append("turned")
            if abs(marks.pose.roll) > self.max_roll_deg:
                reasons.append("tilted")
        return tuple(reasons)


_NONE_OUTSIDE = np.zeros(68, bool)


def _outside(marks: Landmarks, shape: tuple[int, ...]) -> np.ndarray:
    """Which points lie outside a picture; none where the face's square is inside, which has the eyes and the mouth."""
    height, width = shape[:2]
    if marks.box is not None and marks.box.x0 >= 0 <= marks.box.y0 and marks.box.x1 <= width and marks.box.y1 <= height:
        return _NONE_OUTSIDE
    x, y = marks.points[:, 0], marks.points[:, 1]  # the first pixel's centre is (0, 0)
    return (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)


def _most(out: np.ndarray, part: slice) -> bool:
    """Whether more than half of a part lies outside."""
    return out is not _NONE_OUTSIDE and bool(2 * np.count_nonzero(out[part]) > part.stop - part.start)
