"""Whether a face may be judged, by its landmarks: not where it is covered, tilted or turned away."""

from __future__ import annotations

from edgefer import defaults
from edgefer.landmarks.base import Landmarks


class CoverGate:
    """The reasons against judging a face that its landmarks show.

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

    def reasons(self, marks: Landmarks | None) -> tuple[str, ...]:
        """Of "occluded", "turned" and "tilted", those that hold; None stands for a face that cannot be seen."""
        if marks is None:
            return ("occluded",)
        reasons = []
        if marks.seen is not None:
            eyes = max(marks.seen["right_eye"], marks.seen["left_eye"])
            if eyes < self.min_eyes or marks.seen["mouth"] < self.min_mouth:
                reasons.append("occluded")
        if marks.pose is not None:
            if abs(marks.pose.yaw) > self.max_yaw_deg:
                reasons.append("turned")
            if abs(marks.pose.roll) > self.max_roll_deg:
                reasons.append("tilted")
        return tuple(reasons)
