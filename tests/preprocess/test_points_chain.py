"""The classic chain on a real face, stage by stage, and what it says where a stage finds nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from portrait import BOX, NOSE, POINTS, landmarks_of, portrait

from edgefer.geometry import Box, scaled
from edgefer.measure.stages import draw_stages
from edgefer.preprocess.points import chain, edges, eyes, face, features, fitted, patterns


@pytest.fixture(scope="module")
def found():
    return chain.find(portrait(), BOX, NOSE)


def errors(points, wanted=POINTS):
    return np.linalg.norm(points - wanted, axis=1) / features.interocular(wanted)


def test_all_eighteen_points_are_found_near_the_landmarks(found):
    assert found.failed == "" and found.points.shape == (18, 2) and found.points.dtype == np.float32
    assert errors(found.points).max() <= 0.12


def test_every_stage_can_be_looked_at(found):
    assert found.face.image.shape == found.even.image.shape == (face.FACE_PX, face.FACE_PX)
    np.testing.assert_array_equal(found.smooth, cv2.GaussianBlur(found.face.image, (3, 3), 0))
    irises = found.even.outward(found.eyes.centres)
    np.testing.assert_allclose(irises, [(222, 192), (306, 188)], atol=10)
    assert set(found.eyes.radii) <= set(eyes.RADII)
    assert found.level.image.shape == face.LEVEL_PX[::-1]
    assert len(found.boxes) == len(found.brows) == 2
    for part in (*found.brows, found.lip):
        assert set(np.unique(part.binary)) <= {0, 255}
        assert part.binary[part.ys - part.window.y0, part.xs - part.window.x0].all()


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_the_size_of_the_picture_does_not_matter(scale):
    image = cv2.resize(portrait(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else 1)
    found = chain.find(image, scaled(BOX, scale), (NOSE + 0.5) * scale - 0.5)
    assert errors((found.points + 0.5) / scale - 0.5).max() <= 0.14


@pytest.mark.parametrize("degrees", [-12, 12])
def test_a_tilted_head_is_levelled(degrees):
    centre = ((BOX.x0 + BOX.x1) / 2, (BOX.y0 + BOX.y1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, degrees, 1)
    image = cv2.warpAffine(portrait(), matrix, portrait().shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    there = POINTS @ matrix[:, :2].T + matrix[:, 2]
    found = chain.find(image, BOX, there[8])
    assert found.failed == ""
    assert np.median(errors(found.points, there)) <= 0.08
    left, right = (found.level.inward(there[rows]).mean(axis=0) for rows in ([2, 3], [6, 7]))
    assert abs(right[1] - left[1]) <= 6


@pytest.mark.parametrize(
    ("image", "box", "nose", "stage"),
    [
        (np.full((200, 200), 90, np.uint8), Box(20, 20, 180, 180), (100, 120), "eyes"),
        (np.full((200, 200), 90, np.uint8), Box(20, 20, 40, 40), (30, 33), "face"),
        (np.full((200, 200), 90, np.uint8), Box(20, 20, 180, 180), (-9, 120), "nose"),
        (np.full((200, 200), 90, np.uint8), Box(20, 20, 180, 180), (100, 30), "nose"),
        (np.full((200, 200), 90, np.uint8), Box(20, 20, 180, 180), (np.nan, 120), "nose"),
    ],
    ids=["flat", "small", "nose outside", "nose above", "no nose"],
)
def test_a_stage_that_fails_is_named_with_its_reason(image, box, nose, stage):
    found = chain.find(image, box, np.array(nose))
    assert found.failed == stage and found.reason and found.points is None
    assert stage in chain.STAGES


def test_a_face_without_a_mouth_fails_at_the_lips():
    image = portrait().copy()
    image[245:400, 140:400] = 170
    found = chain.find(image, BOX, NOSE)
    assert found.failed == "lips" and "below the nose" in found.reason


def test_points_that_do_not_go_together_name_the_part_that_is_off():
    strayed = np.full(18, 0.01)
    chain.check(strayed)
    for row, stage in ((0, "eyes"), (11, "eyebrows"), (16, "lips")):
        with pytest.raises(chain.StageFailed) as failure:
            chain.check(np.where(np.arange(18) == row, 0.2, strayed))
        assert failure.value.stage == stage


def test_points_near_those_of_the_landmarks_stay(found):
    beside = chain.find(portrait(), BOX, NOSE, landmarks_of(POINTS))
    assert beside.failed == "" and beside.apart.max() <= chain.MOST_APART
    np.testing.assert_array_equal(beside.points, found.points)
    assert found.beside is None and found.apart is None


@pytest.mark.parametrize(
    ("row", "stage", "name"),
    [(2, "eyes", "left eye, left corner"), (13, "eyebrows", "right eyebrow, right corner"), (15, "lips", "lips")],
)
def test_a_point_far_from_the_landmarks_is_a_fault_of_its_stage(found, row, stage, name):
    """The whole face as it is, and one landmark elsewhere: 20 % of the inter-ocular distance from what was found."""
    moved = POINTS.copy()
    moved[row] = found.points[row] + (0, 0.2 * features.interocular(POINTS))
    beside = chain.find(portrait(), BOX, NOSE, landmarks_of(moved))
    assert beside.failed == stage and beside.points is None
    assert f"F{row + 1}, the {name}" in beside.reason and "expected 12 % at most" in beside.reason
    assert int(beside.apart.argmax()) == row
    picture = draw_stages(beside)
    assert picture.shape == draw_stages(found).shape and (picture == (40, 160, 250)).all(axis=-1).any()


@pytest.mark.parametrize("value", [np.nan, 265.0])
def test_landmarks_of_no_face_are_refused(value):
    beside = chain.find(portrait(), BOX, NOSE, np.full((68, 2), value))
    assert (beside.failed, beside.points) == ("face", None) and "not those of a face" in beside.reason


def test_circles_are_found_where_they_are_drawn():
    image = np.full((60, 60), 200, np.uint8)
    cv2.circle(image, (33, 26), 6, 40, -1)
    votes = eyes.hough(image)
    assert votes.shape == (len(eyes.RADII), 60, 60)
    found = eyes.circles(image, eyes.Window(0, 0, 60, 60))
    np.testing.assert_allclose(found.centres[0], (33, 26), atol=1)
    assert found.radii[0] in (5, 6, 7) and (np.diff(found.votes) <= 0).all()


def test_a_light_circle_is_no_iris():
    """Gradients point outwards from what is dark, so a bright disc has its votes outside."""
    image = np.full((60, 60), 40, np.uint8)
    cv2.circle(image, (30, 30), 6, 200, -1)
    assert eyes.hough(image)[:, 30, 30].max() == 0


def test_the_fast_search_of_a_pattern_equals_its_features(found):
    """Eight roundings of float32 on sums of 131 products of order one: 1e-4 is far above them."""
    weights = [fitted.fitted().lip, fitted.fitted().eye, fitted.fitted().brow_outer]
    expected = np.array([[(60.0, 100.0), (110.4, 90.0)], [(3.2, 2.0), (170.0, 165.0)], [(170.0, 165.0), (3.2, 2.0)]])
    best = patterns.best_places(found.gradients, weights, expected)
    for pattern, both, places, tops in zip(weights, expected, best.places, best.scores, strict=True):
        for start, place, top, mirror in zip(both, places, tops, (1, -1), strict=True):
            scores = patterns.pattern_features(found.gradients, start, mirror) @ pattern
            assert top == pytest.approx(scores.max(), abs=1e-4)
            shift = patterns.SHIFTS[scores.argmax()] * (mirror, 1)
            np.testing.assert_array_equal(place, np.rint(start + shift))


def test_the_band_of_the_eyes_is_a_part_of_the_levelled_face(found):
    """The box of an eye is the same whether the other rows are there or not."""
    whole = face.levelled(found.even, found.eyes.centres)
    band = face.levelled(found.even, found.eyes.centres, face.EYE_ROWS)
    # OpenCV 5 interpolates in float, where a place that is reckoned otherwise rounds otherwise
    np.testing.assert_allclose(band.image, whole.image[face.EYE_ROWS].astype(int), atol=1)
    there, above = (chain.eye_boxes(face.gradients(part.image), top) for part, top in ((whole, 0), (band, 30)))
    np.testing.assert_array_equal(there, above + (0, face.EYE_ROWS.start))


def test_a_corner_is_the_best_shi_tomasi_score_nearby(found):
    corners = found.gradients.corners
    inside, outside = patterns.snapped(found.gradients, np.array([(80.0, 90.0), (-9.0, 999.0)])).astype(int)
    assert corners[inside[1], inside[0]] == corners[89:92, 79:82].max()
    assert corners[outside[1], outside[0]] == corners[-3:, :3].max()


def test_an_edge_has_its_lighter_side_above():
    """The upper edge of a dark bar, not its lower one; the left end and the right one are the bar's."""
    level = np.full(face.LEVEL_PX[::-1], 180, np.uint8)
    level[40:47, 40:80] = 60
    part = edges.brow(face.gradients(level).edges, np.array([60.0, 60.0]), 1)
    assert part.ys.min() >= 38 and part.ys.max() <= 41
    np.testing.assert_allclose(part.ends[:2, 0], (40, 80), atol=2)


def test_noise_below_the_area_filter_is_no_brow():
    level = np.full(face.LEVEL_PX[::-1], 180, np.uint8)
    level[40, 60] = 20
    assert edges.brow(face.gradients(level).edges, np.array([60.0, 60.0]), 1) is None


def test_pictures_are_placed_in_each_other(found):
    for placed in (found.face, found.level):
        np.testing.assert_allclose(placed.inward(placed.outward(POINTS)), POINTS, atol=1e-6)
    np.testing.assert_allclose(
        found.level.inward(found.even.outward(found.even.inward(POINTS))), found.level.inward(POINTS), atol=1e-6
    )
