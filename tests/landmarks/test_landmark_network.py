"""What the shipped landmark network gives, where it looks, and which directories are refused."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import pytest

from edgefer.errors import ModelError
from edgefer.geometry import Box, moved
from edgefer.landmarks.network import LandmarkNetwork, open_network
from edgefer.landmarks.points import MIRROR, REGIONS, eye_distance, face_square
from edgefer.models import directory, store
from edgefer.sources.demo import portrait_path

NAME = "edgefer-landmarks"


@pytest.fixture(scope="module")
def network():
    return open_network(NAME)


@pytest.fixture(scope="module")
def portrait():
    return cv2.imread(str(portrait_path()), cv2.IMREAD_GRAYSCALE)


@pytest.fixture(scope="module")
def found(network, portrait):
    """The portrait's face, by looks that begin at its detector's box."""
    from edgefer.detect import open_detector

    (face, *_) = open_detector("haar").detect(portrait)
    square = network.around_face(face.box)
    for _ in range(3):
        located = network.locate(portrait, square)
        square = network.around_points(located.points)
    return located, face.box


def test_a_face_is_seen_whole_and_its_points_lie_in_order(found):
    points, confidence = found[0]
    assert (points.shape, points.dtype, confidence.shape, confidence.dtype) == ((68, 2), np.float32, (6,), np.float32)
    assert (confidence > 0.5).all(), dict(zip(REGIONS, confidence, strict=True))
    eyes, nose, mouth, chin = points[36:48].mean(axis=0), points[30], points[48:].mean(axis=0), points[8]
    assert eyes[1] < nose[1] < mouth[1] < chin[1]
    assert points[36, 0] < points[39, 0] < points[42, 0] < points[45, 0], "the person's right is the viewer's left"


def test_the_square_of_the_points_is_the_detectors(found):
    (points, _), box = found
    ours = face_square(points)
    assert abs(ours.width / box.width - 1) < 0.2
    assert np.hypot(*(np.array(ours.centre) - box.centre)) < 0.1 * box.width


def test_a_second_look_lands_where_the_first_did(network, portrait, found):
    points = found[0].points
    again = network.locate(portrait, network.around_points(points)).points
    assert np.linalg.norm(again - points, axis=1).mean() < 0.02 * eye_distance(points)


def test_points_move_with_the_picture(network, portrait, found):
    """By whole pixels the crop is the same, so only float32 rounding is between them."""
    square = network.around_points(found[0].points)
    square = Box(*(float(round(edge)) for edge in square))
    wide = cv2.copyMakeBorder(portrait, 31, 0, 17, 0, cv2.BORDER_REPLICATE)
    here, there = network.locate(portrait, square), network.locate(wide, moved(square, 17, 31))
    np.testing.assert_allclose(there.points, here.points + (17, 31), atol=2e-3)
    np.testing.assert_allclose(there.confidence, here.confidence, atol=1e-6)


def test_full_effort_ends_where_single_looks_do_and_sees_mirrors_alike(network, portrait, found):
    points = found[0].points
    square = network.around_points(points)
    studied = network.study(portrait, square)
    assert np.linalg.norm(studied.points - points, axis=1).mean() < 0.04 * eye_distance(points)
    width = portrait.shape[1]
    other = network.study(
        np.ascontiguousarray(portrait[:, ::-1]), Box(width - square.x1, square.y0, width - square.x0, square.y1)
    ).points
    back = np.column_stack([width - 1 - other[:, 0], other[:, 1]])[MIRROR]
    assert np.linalg.norm(back - studied.points, axis=1).mean() < 0.02 * eye_distance(points)


def test_a_mirrored_face_has_mirrored_points(network, portrait, found):
    points = found[0].points
    square = network.around_points(points)
    flipped = np.ascontiguousarray(portrait[:, ::-1])
    width = portrait.shape[1]
    other = network.locate(flipped, Box(width - square.x1, square.y0, width - square.x0, square.y1)).points
    back = np.column_stack([width - 1 - other[:, 0], other[:, 1]])[MIRROR]
    assert np.linalg.norm(back - points, axis=1).mean() < 0.06 * eye_distance(points)


@pytest.mark.parametrize("picture", ["flat", "noise", "stripes"])
def test_where_there_is_no_face_none_is_seen(network, picture):
    rng = np.random.default_rng(4)
    image = {
        "flat": np.full((90, 90), 120, np.uint8),
        "noise": rng.integers(0, 256, (90, 90), np.uint8),
        "stripes": np.tile(np.where(np.arange(90) // 6 % 2, 200, 60).astype(np.uint8), (90, 1)),
    }[picture]
    assert network.locate(image, Box(0, 0, 90, 90)).confidence[0] < 0.5


def test_an_upside_down_face_is_not_seen(network, portrait, found):
    square = network.around_points(found[0].points)
    height, width = portrait.shape
    turned = np.ascontiguousarray(portrait[::-1, ::-1])
    there = Box(width - square.x1, height - square.y1, width - square.x0, height - square.y0)
    assert network.locate(turned, there).confidence[0] < 0.5


@pytest.mark.parametrize(
    ("cover", "hidden", "free"), [("mask", "mouth", "right_eye"), ("glasses", "left_eye", "mouth")]
)
def test_what_is_covered_is_not_seen_and_the_rest_is(network, portrait, found, cover, hidden, free):
    from edgefer.train.landmarks.cover import dark_glasses, face_mask

    points = found[0].points.astype(np.float64)
    square = network.around_points(points)
    image = portrait.copy()
    draw = {"mask": face_mask, "glasses": dark_glasses}[cover]
    draw(image, points, np.random.default_rng(2))
    confidence = dict(zip(REGIONS, network.locate(image, square).confidence, strict=True))
    assert confidence[hidden] < 0.5 < confidence[free], confidence


@pytest.mark.parametrize(
    ("image", "kind"), [(np.zeros((9, 9, 3), np.uint8), ValueError), ([1], TypeError)], ids=["colour", "list"]
)
def test_what_is_no_grey_image_is_refused(network, image, kind):
    with pytest.raises((kind, TypeError)):
        network.locate(image, Box(0, 0, 9, 9))


def test_a_model_of_another_kind_is_refused_in_one_line():
    with pytest.raises(ModelError, match="a model of another kind, edgefer-s"):
        open_network("edgefer-s")


def test_other_regions_and_another_self_test_are_refused():
    manifest, content = directory.read(store.find(NAME))
    with pytest.raises(ModelError, match="expected the regions"):
        LandmarkNetwork(content, msgspec.structs.replace(manifest, regions=REGIONS[::-1]))
    vector = manifest.self_test[0]
    wrong = msgspec.structs.replace(vector, points=tuple(value + 0.1 for value in vector.points))
    with pytest.raises(ModelError, match="self-test 0 failed"):
        LandmarkNetwork(content, msgspec.structs.replace(manifest, self_test=(wrong,))).self_test()


def test_the_self_test_agrees_to_a_fiftieth_of_a_pixel(network):
    """XNNPACK's int8 arithmetic is the same on every processor; the heads are float32, summed in another order."""
    assert network.self_test() < 0.02
