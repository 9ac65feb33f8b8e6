"""The eighteen feature points F1 to F18 of a face and the twelve distances V1 to V12 between them.

Khan, Facial Expression Recognition using Facial Landmark Detection and Feature Extraction on Neural Networks,
sections VII and VIII, Table I. Left and right are those of the image, as in the paper's figures: the left eye is
the one on the viewer's left.
"""

from __future__ import annotations

import numpy as np

#: What each point is, in the order of F1 to F18.
NAMES = (
    "left eye, upper corner",
    "left eye, lower corner",
    "left eye, left corner",
    "left eye, right corner",
    "right eye, upper corner",
    "right eye, lower corner",
    "right eye, left corner",
    "right eye, right corner",
    "nose",
    "left eyebrow, left corner",
    "left eyebrow, right corner",
    "left eyebrow, above the eye's centre",
    "right eyebrow, left corner",
    "right eyebrow, right corner",
    "right eyebrow, above the eye's centre",
    "lips, left corner",
    "lips, right corner",
    "upper lip, below the nose",
)
COUNT = len(NAMES)

#: Table I: the two points that each of V1 to V12 lies between, as numbers of the paper (F1 is 1).
TABLE_I = (
    (1, 2),  # V1, left eye height
    (4, 3),  # V2, left eye width
    (5, 6),  # V3, right eye height
    (8, 7),  # V4, right eye width
    (11, 10),  # V5, left eyebrow width
    (14, 13),  # V6, right eyebrow width
    (17, 16),  # V7, lip width
    (12, 1),  # V8, left eye to its eyebrow
    (15, 5),  # V9, right eye to its eyebrow
    (9, 18),  # V10, nose to lips
    (2, 16),  # V11, left eye to the left corner of the lips
    (6, 17),  # V12, right eye to the right corner of the lips
)
_FROM, _TO = (np.array(ends) - 1 for ends in zip(*TABLE_I, strict=True))

#: The outer corners of the eyes, F3 and F8, as indices.
_OUTER = (2, 7)


def interocular(points: np.ndarray) -> np.ndarray:
    """The distance between the outer corners of the eyes, F3 and F8, as 300-W defines it.

    Args:
        points: float, shape (..., 18, 2).

    Returns:
        float, shape (...).
    """
    return np.linalg.norm(points[..., _OUTER[1], :] - points[..., _OUTER[0], :], axis=-1)


def distances(points: np.ndarray, normalised: bool = True) -> np.ndarray:
    """V1 to V12: Euclidean distances between the points, by Table I.

    Args:
        points: float, shape (..., 18, 2), x and y in pixels.
        normalised: divide by the inter-ocular distance, so that the size of the face does not count; False gives
            the paper's own form, pixels.

    Returns:
        float32, shape (..., 12).

    Raises:
        ValueError: another shape, or the outer corners of the eyes coincide.
    """
    points = np.asarray(points, np.float64)
    if points.shape[-2:] != (COUNT, 2):
        raise ValueError(f"distances: expected points of shape (..., {COUNT}, 2), got {points.shape}")
    lengths = np.linalg.norm(points[..., _FROM, :] - points[..., _TO, :], axis=-1)
    if normalised:
        unit = interocular(points)
        if not (unit > 0).all():
            raise ValueError("distances: the outer corners of the eyes (F3, F8) lie on each other")
        lengths = lengths / unit[..., np.newaxis]
    return lengths.astype(np.float32)


def from_landmarks(landmarks: np.ndarray) -> np.ndarray:
    """F1 to F18 from the 68 points of iBUG.

    Upper and lower corners of an eye are the middles of its two upper and its two lower points; F9 is the tip of the
    nose; F12 and F15 lie on the line of the eyebrow where the axis of the face through the eye's centre meets it; F18
    is the middle of the upper lip, between its upper and its lower edge.

    Args:
        landmarks: float, shape (68, 2).

    Returns:
        float32, shape (18, 2).

    Raises:
        ValueError: another shape.
    """
    marks = np.asarray(landmarks, np.float64)
    if marks.shape != (68, 2):
        raise ValueError(f"from_landmarks: expected points of shape (68, 2), got {marks.shape}")
    across = marks[45] - marks[36]
    points = np.array(
        [
            (marks[37] + marks[38]) / 2,
            (marks[40] + marks[41]) / 2,
            marks[36],
            marks[39],
            (marks[43] + marks[44]) / 2,
            (marks[46] + marks[47]) / 2,
            marks[42],
            marks[45],
            marks[30],
            marks[17],
            marks[21],
            _above(marks[17:22], marks[36:42].mean(axis=0), across),
            marks[22],
            marks[26],
            _above(marks[22:27], marks[42:48].mean(axis=0), across),
            marks[48],
            marks[54],
            (marks[51] + marks[62]) / 2,
        ]
    )
    return points.astype(np.float32)


def _above(brow: np.ndarray, eye: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Where the line of a brow passes above an eye, seen along the axis from one eye to the other."""
    along = brow @ across
    order = np.argsort(along, kind="stable")
    at = eye @ across
    return np.array([np.interp(at, along[order], brow[order, axis]) for axis in (0, 1)])
