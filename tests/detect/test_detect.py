"""Detectors: what they find, where, within which bounds, and which files they refuse."""

from __future__ import annotations

import functools
import shutil

import cv2
import msgspec
import numpy as np
import pytest
from portrait import backdrop, data_file, face_box, paste

from edgefer.detect import DETECTORS, Levels, open_detector
from edgefer.detect.blazeface import blazeface_anchors
from edgefer.detect.edgefer import EdgeferDetector
from edgefer.detect.haar import HaarDetector
from edgefer.detect.network import pack
from edgefer.errors import ModelError, UsageError
from edgefer.geometry import Box, iou, moved
from edgefer.models import directory

CENTRE, SIDE = (330.0, 250.0), 96.0
TEACHERS = {"yunet": "teachers/face_detection_yunet_2023mar.onnx", "blazeface": "teachers/blazeface_short_range.tflite"}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Gives the model directory of a network detector, made once from its file."""

    @functools.cache
    def directory(kind):
        out = tmp_path_factory.mktemp("detectors") / kind
        pack(data_file(TEACHERS[kind]), out, DETECTORS.find(kind), name=kind, licence="as its authors state")
        return out

    return directory


@pytest.fixture(scope="module")
def haar() -> HaarDetector:
    return open_detector("haar")


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    return paste(backdrop(), CENTRE, SIDE)


@pytest.fixture(params=["edgefer", "haar", "yunet", "blazeface"])
def detector(request, packed):
    return open_detector(f"{request.param}:{packed(request.param)}" if request.param in TEACHERS else request.param)


def test_every_detector_finds_the_portrait_and_gives_the_same_kind_of_box(detector, scene):
    (face,) = detector.detect(scene)
    assert iou(face.box, face_box(CENTRE, SIDE)) > 0.7
    assert face.box.width == pytest.approx(face.box.height)
    assert detector.levels.likely <= face.score <= 1


def test_every_detector_finds_nothing_on_a_wall(detector):
    assert detector.detect(backdrop()) == []


def test_every_detector_confirms_a_face_from_a_box_beside_it(detector, scene):
    beside = moved(face_box(CENTRE, SIDE), 15, -12, 1.1)
    look = detector.look(scene, beside)
    assert iou(look.box, face_box(CENTRE, SIDE)) > 0.7
    assert not look.turned
    assert detector.look(scene, moved(beside, -250, 0)) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (5, 3), (47, 47)], ids=str)
def test_every_detector_finds_nothing_in_an_image_too_small_for_a_face(detector, shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert detector.detect(noise) == []
    assert detector.look(noise, Box(0, 0, 60, 60), thorough=True) is None


def test_every_detector_searches_a_huge_image_at_a_bounded_size(detector):
    """A face of a third of the height is found in 8000x6000."""
    huge = cv2.resize(paste(backdrop(), CENTRE, 180), (8000, 6000), interpolation=cv2.INTER_LINEAR)
    face, *others = detector.detect(huge)
    assert len(others) <= isinstance(detector, EdgeferDetector)  # it takes the badge on the cap for one, too
    assert iou(face.box, face_box((CENTRE[0] * 12.5, CENTRE[1] * 12.5), 180 * 12.5)) > 0.7


def test_boxes_do_not_depend_on_what_was_searched_before(haar, scene):
    first = haar.detect(scene)
    haar.detect(backdrop((300, 200)))
    assert haar.detect(scene) == first


def test_a_region_limits_the_search_and_boxes_stay_in_pixels_of_the_image(detector, scene):
    (face,) = detector.detect(scene, Box(200, 120, 460, 380))
    assert iou(face.box, face_box(CENTRE, SIDE)) > 0.7
    assert detector.detect(scene, Box(0, 0, 200, 480)) == []
    assert detector.detect(scene, Box(-300, -300, -10, -10)) == []


@pytest.mark.parametrize("side", [62, 90, 140, 260])
def test_the_parts_of_a_search_find_what_the_whole_search_finds(haar, side):
    scene = paste(backdrop(), CENTRE, side)
    (whole,) = haar.detect(scene)
    parts = [face for part in range(haar.parts) for face in haar.detect(scene, part=part)]
    assert any(iou(face.box, whole.box) > 0.8 for face in parts)


def test_a_face_that_is_known_is_not_reported(haar):
    scene = paste(paste(backdrop(), (150, 200), 90), (470, 260), 120, mirrored=True)
    faces = haar.detect(scene, known=[face_box((150, 200), 90)])
    assert iou(faces[0].box, face_box((470, 260), 120)) > 0.7
    assert all(face.score < haar.levels.likely for face in faces[1:])


def test_an_image_with_a_row_stride_is_searched_like_its_copy(haar, scene):
    wide = np.zeros((480, 900), np.uint8)
    wide[:, 100:740] = scene
    assert haar.detect(wide[:, 100:740]) == haar.detect(scene)


def test_several_faces_come_back_best_first(detector):
    scene = paste(paste(backdrop(), (150, 200), 90), (470, 260), 120, mirrored=True)
    faces = [face for face in detector.detect(scene) if face.score >= detector.levels.likely]
    assert len(faces) == 2
    assert faces[0].score >= faces[1].score
    assert sorted(round(face.box.centre[0], -2) for face in faces) == [100, 500]


def test_faces_below_the_minimum_are_left_out():
    scene = paste(backdrop(), CENTRE, 80)
    assert len(open_detector("haar", min_face_px=60).detect(scene)) == 1
    assert open_detector("haar", min_face_px=150).detect(scene) == []


def test_the_smallest_face_asked_for_is_found():
    scene = paste(backdrop(), CENTRE, 62)
    assert len(open_detector("haar", min_face_px=60).detect(scene)) == 1


@pytest.mark.parametrize("roll", [-32, 32])
def test_a_tilted_head_is_confirmed_only_by_a_thorough_look(haar, roll):
    scene = paste(backdrop(), CENTRE, SIDE, roll=roll)
    box = face_box(CENTRE, SIDE)
    assert haar.look(scene, box) is None
    look = haar.look(scene, box, thorough=True)
    assert iou(look.box, box) > 0.6
    assert not look.turned


def test_of_two_faces_side_by_side_the_expected_one_is_confirmed(haar):
    centres = (250.0, 240.0), (345.0, 240.0)
    scene = paste(paste(backdrop(), centres[0], 90), centres[1], 90, mirrored=True)
    for centre in centres:
        assert iou(haar.look(scene, face_box(centre, 90)).box, face_box(centre, 90)) > 0.6


def test_the_score_of_a_face_exceeds_that_of_the_same_face_upside_down(haar, scene):
    assert haar.detect(scene)[0].score >= haar.levels.sure
    assert all(face.score < haar.levels.sure for face in haar.detect(np.ascontiguousarray(scene[::-1])))


def test_levels_rise_from_keeping_a_face_to_taking_a_new_one(detector):
    levels = detector.levels
    assert isinstance(levels, Levels)
    assert 0 < levels.keep < levels.likely < levels.sure <= 1


def test_anchors_are_two_to_a_fine_cell_then_six_to_a_coarse_one():
    anchors = blazeface_anchors()
    assert anchors.shape == (896, 2)
    np.testing.assert_allclose(anchors[[0, 1, 2]], [[1 / 32, 1 / 32], [1 / 32, 1 / 32], [3 / 32, 1 / 32]])
    borders = [[31 / 32] * 2, [1 / 16] * 2, [1 / 16] * 2, [3 / 16, 1 / 16]]
    np.testing.assert_allclose(anchors[[511, 512, 517, 518]], borders)
    np.testing.assert_allclose(anchors[895], [15 / 16, 15 / 16])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"choice": "hog"}, "unknown detector 'hog'; available: edgefer[:MODEL], haar, yunet:MODEL, blazeface:MODEL"),
        ({"choice": "harr"}, "unknown detector 'harr'; did you mean 'haar'?"),
        ({"choice": "haar:x.onnx"}, "unknown detector 'haar:x.onnx'; available: edgefer[:MODEL], haar, yunet:MODEL"),
        ({"choice": "yunet"}, "model is missing; write yunet:MODEL"),
        ({"choice": "blazeface"}, "model is missing; write blazeface:MODEL"),
        ({"min_face_px": 3}, "min_face_px must be 20 to 2000, got 3"),
        ({"max_side_px": 9999}, "max_side_px must be 64 to 4096, got 9999"),
    ],
    ids=["kind", "near-miss", "haar-model", "yunet-none", "blazeface-none", "min", "max"],
)
def test_a_wrong_request_is_a_usage_error_of_one_line(arguments, message):
    with pytest.raises(UsageError) as caught:
        open_detector(**arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["yunet", "blazeface"])
def test_a_bare_file_is_refused_with_the_command_that_makes_a_directory_of_it(tmp_path, kind):
    (tmp_path / "net.onnx").write_bytes(b"network")
    with pytest.raises(UsageError, match=f"edgefer models pack .*net.onnx DIRECTORY --decoding {kind}"):
        open_detector(f"{kind}:{tmp_path / 'net.onnx'}")
    with pytest.raises(ModelError, match="No such file"):
        open_detector(f"{kind}:{tmp_path / 'nowhere'}")


@pytest.mark.parametrize("kind", ["yunet", "blazeface"])
@pytest.mark.parametrize(
    "content", [b"", b"hello, I am no model\n" * 50, bytes(range(256)) * 64], ids=["empty", "text", "bytes"]
)
def test_a_file_that_is_no_model_is_not_packed(tmp_path, capfd, kind, content):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        pack(path, tmp_path / "out", DETECTORS.find(kind), name="x", licence="none")
    assert "model.bin" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["yunet", "blazeface"])
def test_a_truncated_network_is_not_packed(tmp_path, kind):
    data = data_file(TEACHERS[kind]).read_bytes()
    path = tmp_path / "half"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="half"):
        pack(path, tmp_path / "out", DETECTORS.find(kind), name="x", licence="none")


def test_a_tflite_model_of_other_shapes_is_not_packed(tmp_path):
    file = data_file("teachers/face_landmark_468.tflite")
    with pytest.raises(ModelError, match="not the short-range model: expected float32 input"):
        pack(file, tmp_path / "out", DETECTORS.find("blazeface"), name="x", licence="none")


@pytest.mark.parametrize(("kind", "other"), [("yunet", "blazeface"), ("blazeface", "yunet")])
def test_the_model_of_another_detector_is_refused(packed, kind, other):
    with pytest.raises(ModelError, match=f"detector {kind}: .* holds another model, {other}"):
        open_detector(f"{kind}:{packed(other)}")


@pytest.mark.parametrize("kind", ["yunet", "blazeface"])
def test_a_damaged_directory_and_a_failed_self_test_are_refused(packed, tmp_path, kind):
    place = tmp_path / "copy"
    shutil.copytree(packed(kind), place)
    manifest = directory.load(place)
    wrong = msgspec.structs.replace(manifest.self_test[0], score=1 - manifest.self_test[0].score)
    directory.write(place, msgspec.structs.replace(manifest, self_test=(wrong,)))
    with pytest.raises(ModelError, match="self-test 0 failed"):
        open_detector(f"{kind}:{place}")
    with (place / manifest.network).open("r+b") as file:
        file.write(b"damage")
    with pytest.raises(ModelError, match="is damaged"):
        open_detector(f"{kind}:{place}")
