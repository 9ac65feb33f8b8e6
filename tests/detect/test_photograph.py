"""Photographs are searched at every size, by every detector."""

import cv2
import numpy as np
import pytest
from portrait import FACE_CENTRE, FACE_SIDE, backdrop, data_file, face_box, paste, portrait

from edgefer.detect import Levels, Look, open_detector
from edgefer.detect.base import Survey, distinct
from edgefer.detect.photograph import find_faces, tiles
from edgefer.errors import EdgeferError
from edgefer.geometry import Box, iou, moved
from edgefer.track import Photographs
from edgefer.values import Detection, Frame

TEACHERS = {"yunet": "teachers/face_detection_yunet_2023mar.onnx", "blazeface": "teachers/blazeface_short_range.tflite"}


@pytest.fixture(scope="module", params=["haar", "yunet", "blazeface"])
def detector(request, tmp_path_factory):
    if request.param == "haar":
        return open_detector("haar")
    from edgefer.detect.network import pack
    from edgefer.detect.registry import DETECTORS

    directory = tmp_path_factory.mktemp("detectors") / request.param
    pack(data_file(TEACHERS[request.param]), directory, DETECTORS.find(request.param), name=request.param, licence="x")
    try:
        return open_detector(f"{request.param}:{directory}")
    except EdgeferError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def haar():
    return open_detector("haar")


def wall(width: int, height: int) -> np.ndarray:
    """A plain wall, so that a large picture is searched quickly."""
    return np.tile(np.linspace(70, 150, width).astype(np.uint8), (height, 1))


def found_at(faces: list[Look], box: Box) -> bool:
    return any(iou(face.box, box) > 0.4 for face in faces)  # detectors differ in how much is the face


def test_sixty_faces_of_a_4k_photograph_are_found(haar):
    """Of 36 to 200 pixels; the search of a film's frame of that size leaves out those below 240."""
    rng = np.random.default_rng(0)
    scene, boxes = backdrop((3840, 2160)), []
    for row in range(6):
        for column in range(10):
            centre, side = (190 + 380 * column, 180 + 360 * row), float(rng.uniform(36, 200))
            x0, y0 = 380 * column, 360 * row
            part = scene[y0 : y0 + 360, x0 : x0 + 380]
            pasted = paste(part, (190, 180), side, roll=float(rng.uniform(-12, 12)), mirrored=bool(column % 2))
            scene[y0 : y0 + 360, x0 : x0 + 380] = pasted
            boxes.append(face_box(centre, side))
    faces = find_faces(haar, scene, 30)
    assert sum(found_at(faces, box) for box in boxes) >= 58
    assert len(faces) <= 60


def test_a_face_of_296_pixels_in_an_8k_photograph_is_found(haar):
    scene = wall(7680, 4320)
    scene[1500:2300, 4000:4800] = paste(scene[1500:2300, 4000:4800], (400, 400), 296)
    faces = find_faces(haar, scene, 30)
    assert found_at(faces, face_box((4400, 1900), 296))
    assert len(faces) == 1


@pytest.mark.parametrize("side", [34, 60, 130, 400])
def test_a_face_of_any_size_is_found(detector, side):
    scene = paste(backdrop((900, 700)), (430, 360), side)
    faces = find_faces(detector, scene, 30)
    assert len(faces) == 1 and found_at(faces, face_box((430, 360), side))


def test_a_face_in_a_panorama_is_found_wherever_it_is(detector):
    """Also where two tiles meet, and at the very edges."""
    scene = wall(20_000, 500)
    places = [60, 1170, 1290, 4800, 11_111, 19_950]
    for x in places:
        x0 = min(max(0, x - 200), 19_600)
        scene[:, x0 : x0 + 400] = paste(scene[:, x0 : x0 + 400], (x - x0, 250), 90)
    faces = find_faces(detector, scene, 30)
    assert [found_at(faces, face_box((x, 250), 90)) for x in places] == [True] * len(places)
    assert len(faces) == len(places)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_a_face_that_fills_the_picture_is_found(haar, scale):
    """From brows to chin, and nothing around it; the edge goes on beyond the picture."""
    (x, y), half = FACE_CENTRE, FACE_SIDE * 0.55
    close = portrait()[round(y - half) : round(y + half), round(x - half) : round(x + half)]
    close = cv2.resize(close, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    (face,) = find_faces(haar, close, 30)
    assert iou(face.box, Box(0, 0, close.shape[1], close.shape[0])) > 0.5


@pytest.mark.parametrize("roll", [-28, -20, 20, 28])
def test_a_tilted_head_is_found_and_judged(haar, roll):
    faces = find_faces(haar, paste(backdrop(), (320, 240), 120, roll=roll), 30)
    assert len(faces) == 1 and found_at(faces, face_box((320, 240), 120))
    assert not faces[0].turned


def test_faces_come_the_largest_first(haar):
    scene = backdrop((900, 400))
    for x, side in ((150, 90), (450, 150), (760, 60)):
        scene = paste(scene, (x, 200), side)
    sides = [face.box.width for face in find_faces(haar, scene, 30)]
    assert len(sides) == 3 and sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (19, 19), (2, 5000)], ids=str)
def test_a_picture_too_small_for_a_face_has_none(detector, shape):
    assert find_faces(detector, np.full(shape, 90, np.uint8), 30) == []


@pytest.mark.parametrize("name", ["edgefer", "haar"])
@pytest.mark.parametrize("photo", ["wall", "noise", "checks", "stripes"])
def test_a_picture_without_a_face_has_none(name, photo):
    """Textures of every scale; whichever way up they are looked at."""
    rng = np.random.default_rng(3)
    if photo == "wall":
        image = backdrop((1600, 1200))
    elif photo == "noise":
        image = sum(
            cv2.resize(rng.normal(0, 18, (1200 >> k, 1600 >> k)).astype(np.float32), (1600, 1200)) for k in range(7)
        )
        image = np.clip(image + 128, 0, 255).astype(np.uint8)
    else:
        y, x = np.mgrid[:1200, :1600]
        pattern = (x // 40 + y // 40) % 2 if photo == "checks" else (x + y) // 30 % 2
        image = (60 + 130 * pattern).astype(np.uint8)
    assert find_faces(open_detector(name), image, 30) == []


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("name", ["edgefer", "haar"])
def test_a_photograph_that_was_never_turned_upright_has_its_face(name, quarters):
    scene = paste(backdrop((900, 700)), (330, 290), 150)
    upright = find_faces(open_detector(name), scene, 30)[0].box
    turned = np.ascontiguousarray(np.rot90(scene, quarters))
    (face,) = find_faces(open_detector(name), turned, 30)
    x, y = upright.centre
    x, y = {1: (y, 900 - x), 2: (900 - x, 700 - y), 3: (700 - y, x)}[quarters]
    assert face.box.centre == pytest.approx((x, y), abs=10) and face.box.width == pytest.approx(upright.width, rel=0.1)


class Corner:
    """A detector that sees a grey block as a face, where the picture's upper left corner is white."""

    levels, parts = Levels(sure=0.9, likely=0.5, keep=0.3), 1
    survey = Survey(640, 30, 160, lying=0.8)

    def __init__(self, score: float, lying: float | None = 0.8) -> None:
        self.score, self.survey, self.searches = score, self.survey._replace(lying=lying), 0

    def detect(self, grey, region=None, *, part=None, known=()):
        raise AssertionError("a photograph is searched in tiles")

    look = smallest_px = detect

    def candidates(self, tile, thorough):
        return []

    def verified(self, grey, candidates):
        self.searches += 1
        return [Look(block(grey), self.score)] if grey[0, 0] == 255 else []


def block(grey: np.ndarray) -> Box:
    y, x = (grey == 90).nonzero()
    return Box(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1)


@pytest.mark.parametrize("quarters", range(4))
def test_a_lying_face_counts_where_it_is_surer_than_an_upright_one_must_be(quarters):
    scene = np.zeros((70, 120), np.uint8)
    scene[0, 0], scene[10:40, 20:45] = 255, 90
    scene = np.ascontiguousarray(np.rot90(scene, quarters))
    for score, lying in ((0.85, 0.8), (0.75, 0.8), (0.85, None)):
        detector = Corner(score, lying)
        seen = not quarters or score >= (lying or 2)
        assert [face.box for face in find_faces(detector, scene, 30)] == [block(scene)] * seen
        # where nobody surely stands upright it is searched in the other three ways
        assert detector.searches == (1 if lying is None or (not quarters and score >= lying) else 4)
    detector = Corner(0.85)
    assert len(find_faces(detector, scene, 30, lying=False)) == (not quarters) and detector.searches == 1


@pytest.mark.parametrize("quarters", range(4))
def test_a_lying_face_is_tilted_whatever_its_points_are_taken_for(quarters):
    scene = np.zeros((70, 120), np.uint8)
    scene[0, 0], scene[10:40, 20:45] = 255, 90
    grey = np.ascontiguousarray(np.rot90(scene, quarters))
    (face,) = Photographs(Corner(0.85)).find(Frame(0, grey, 0, 0))
    assert ("tilted" in face.quality.reasons) == bool(quarters)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_who_is_found_upright_is_not_moved_by_what_is_seen_from_a_side(quarters):
    """As a head that tilts by 42 degrees. On its head, what seemed upright was none."""

    class Both(Corner):
        def verified(self, grey, candidates):
            if self.searches == 0:
                self.searches += 1
                return [Look(moved(block(grey), 3, 2), 0.6)]
            return super().verified(grey, candidates)

    scene = np.zeros((70, 120), np.uint8)
    scene[0, 0], scene[10:40, 20:45] = 255, 90
    scene = np.ascontiguousarray(np.rot90(scene, -quarters % 4))
    (face,) = find_faces(Both(0.95), scene, 30)
    assert (face.box == block(scene), face.lying) == (quarters == 2, quarters == 2)


class Likely:
    """A detector that knows no tiles, and is never sure at first sight."""

    levels, parts = Levels(sure=0.9, likely=0.5, keep=0.3), 1

    def __init__(self, second: float) -> None:
        self.second, self.looks = second, []

    def detect(self, grey, region=None, *, part=None, known=()):
        return [Detection(Box(10, 10, 50, 50), 0.95), Detection(Box(60, 10, 100, 50), 0.6)]

    def look(self, grey, box, thorough=False):
        self.looks.append((box, thorough))
        return Look(box, self.second)


@pytest.mark.parametrize("second", [0.2, 0.7])
def test_a_likely_face_gets_its_second_look_at_once(second):
    """Whatever the detector: there is no next frame in which it could get one."""
    detector = Likely(second)
    faces = find_faces(detector, np.zeros((60, 120), np.uint8), 30)
    assert [face.box.x0 for face in faces] == [10, 60][: 1 + (second > 0.5)]
    assert detector.looks == [(Box(60, 10, 100, 50), True)]


def test_a_nose_is_no_second_face():
    face, nose, neighbour = (
        Look(Box(0, 0, 100, 100), 0.8),
        Look(Box(30, 40, 60, 70), 0.9),
        Look(Box(90, 0, 190, 100), 0.6),
    )
    assert distinct([face, neighbour]) == [face, neighbour]
    assert distinct([face, nose]) == [nose]
    assert distinct([nose], before=[face]) == []


@pytest.mark.parametrize("shape", [(480, 640), (4320, 7680), (500, 20_000), (31, 31), (9000, 100)], ids=str)
@pytest.mark.parametrize("survey", [Survey(1200, 25, 62, 0.25), Survey(128, 24, 60), Survey(640, 30, 160)], ids=str)
def test_tiles_hold_every_face_of_every_size(shape, survey):
    """Somewhere it is between the sizes of the survey, and whole."""
    height, width = shape
    laid = list(tiles(shape, survey, 30))
    rng = np.random.default_rng(0)
    for _ in range(100):
        side = min(30 * 1.2 ** float(rng.uniform(0, 40)), height, width)
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        assert any(
            survey.smallest_px * 0.999 <= side * scale <= survey.largest_px * 1.001
            and tile.x0 <= x + 1e-6
            and tile.y0 <= y + 1e-6
            and tile.x1 >= x + side - 1e-6
            and tile.y1 >= y + side - 1e-6
            for scale, tile in laid
        ), (side, x, y)
    assert all(round(tile.width * scale) <= survey.tile_px for scale, tile in laid)


@pytest.mark.parametrize("shape", [(10_000, 10_000), (3000, 4000), (400, 250_000)], ids=str)
def test_the_work_grows_with_the_pixels_alone(shape):
    """So that a photograph of a hundred megapixels ends, after some twenty times what one of five takes."""
    laid = tiles(shape, open_detector("haar").survey, 30)
    searched = sum(tile.area * scale**2 for scale, tile in laid)
    assert searched < 2 * (25 / 30) ** 2 * shape[0] * shape[1]


def test_each_detector_tells_the_smallest_face_that_it_searches_a_frame_for(detector):
    assert detector.smallest_px((480, 640)) == pytest.approx(60, rel=0.3)
    large = detector.smallest_px((1080, 1920))
    assert large > 80
    scene = paste(wall(1920, 1080), (900, 500), large * 0.45)
    assert detector.detect(scene) == []
    assert found_at(find_faces(detector, scene, 30), face_box((900, 500), large * 0.45))
