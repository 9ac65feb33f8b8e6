"""F1 to F18 from landmarks, and V1 to V12 by Table I, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sketch_faces import a_face

from edgefer.preprocess.points import features

#: F1 to F18 at places that make every distance of Table I a whole number.
POINTS = np.array(
    [
        (30, 40), (30, 46), (20, 43), (40, 43),  # left eye: upper, lower, left, right
        (80, 40), (80, 48), (70, 44), (90, 43),  # right eye
        (55, 70),  # nose
        (15, 30), (45, 30), (30, 27),  # left brow: left, right, above the eye
        (65, 28), (99, 28), (80, 25),  # right brow
        (39, 86), (72, 91), (55, 85),  # lips: left, right, below the nose
    ],
    np.float64,
)  # fmt: skip
#: (30, 46) to (39, 86) is 9 aside and 40 down: 41; (80, 48) to (72, 91) is 8 and 43.
BY_HAND = [6, 20, 8, np.hypot(20, 1), 30, 34, np.hypot(33, 5), 13, 15, 15, 41, np.hypot(8, 43)]


def test_distances_are_those_of_table_i_in_pixels():
    got = features.distances(POINTS, normalised=False)
    assert got.dtype == np.float32 and got.shape == (12,)
    np.testing.assert_allclose(got, BY_HAND, rtol=1e-6)


def test_distances_are_divided_by_the_distance_of_the_outer_corners():
    """F3 is at (20, 43) and F8 at (90, 43): 70 pixels."""
    assert features.interocular(POINTS) == 70
    np.testing.assert_allclose(features.distances(POINTS), np.array(BY_HAND) / 70, rtol=1e-6)


def test_normalised_distances_do_not_know_size_place_or_roll_and_raw_ones_grow_with_the_face():
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    other = 3 * POINTS @ turn.T + (500, -20)
    np.testing.assert_allclose(features.distances(other), features.distances(POINTS), rtol=1e-5)
    np.testing.assert_allclose(
        features.distances(other, normalised=False), 3 * features.distances(POINTS, normalised=False), rtol=1e-5
    )


def test_many_faces_are_measured_at_once():
    both = features.distances(np.stack([POINTS, 2 * POINTS]), normalised=False)
    np.testing.assert_allclose(both, [BY_HAND, 2 * np.array(BY_HAND)], rtol=1e-6)


@pytest.mark.parametrize("shape", [(17, 2), (18, 3), (36,)], ids=str)
def test_points_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected points of shape \(\.\.\., 18, 2\)"):
        features.distances(np.zeros(shape))


def test_eyes_whose_outer_corners_coincide_have_no_normalised_distances():
    points = POINTS.copy()
    points[7] = points[2]
    with pytest.raises(ValueError, match="F3, F8"):
        features.distances(points)
    features.distances(points, normalised=False)


def test_points_follow_from_landmarks_as_documented():
    marks = a_face().astype(np.float64)
    points = features.from_landmarks(marks)
    assert points.dtype == np.float32
    for number, expected in {
        1: (marks[37] + marks[38]) / 2,
        2: (marks[40] + marks[41]) / 2,
        3: marks[36],
        4: marks[39],
        7: marks[42],
        8: marks[45],
        9: marks[30],
        10: marks[17],
        11: marks[21],
        13: marks[22],
        14: marks[26],
        16: marks[48],
        17: marks[54],
        18: (marks[51] + marks[62]) / 2,
    }.items():
        np.testing.assert_allclose(points[number - 1], expected, atol=1e-4, err_msg=f"F{number}")


def test_the_brow_is_met_above_the_eyes_centre():
    """Brow from (0, 10) over (10, 4) to (40, 4); the eye's centre at x = 5: half the way of the first piece."""
    marks = np.zeros((68, 2))
    marks[17:22] = [(0, 10), (10, 4), (20, 4), (30, 4), (40, 4)]
    marks[22:27] = [(60, 4), (70, 4), (80, 4), (90, 4), (100, 10)]
    marks[36:42] = [(0, 20), (3, 18), (7, 18), (10, 20), (7, 22), (3, 22)]
    marks[42:48] = [(90, 20), (93, 18), (97, 18), (100, 20), (97, 22), (93, 22)]
    points = features.from_landmarks(marks)
    np.testing.assert_allclose(points[11], (5, 7), atol=1e-5)
    np.testing.assert_allclose(points[14], (95, 7), atol=1e-5)


def test_a_turned_face_has_the_same_points_turned():
    marks = a_face().astype(np.float64)
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    np.testing.assert_allclose(
        features.from_landmarks(marks @ turn.T), features.from_landmarks(marks) @ turn.T, atol=2e-3
    )


def test_landmarks_of_another_number_are_refused():
    with pytest.raises(ValueError, match=r"expected points of shape \(68, 2\), got \(5, 2\)"):
        features.from_landmarks(np.zeros((5, 2)))
