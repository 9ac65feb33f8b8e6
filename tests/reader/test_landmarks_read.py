"""Landmarks through the front door: where the points lie, in whatever way a picture is read."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from portrait import as_frames, backdrop, paste

import edgefer
from edgefer.commands.console import main
from edgefer.landmarks.points import eye_distance

#: Where a person sees them in the portrait, pixels: outer corners of the eyes, tip of the nose, corners of the
#: mouth, chin.
SEEN = {36: (208, 196), 45: (320, 191), 30: (267, 235), 48: (233, 279), 54: (303, 276), 8: (271, 335)}


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """The portrait as a file, and its pixels."""
    from edgefer.sources.demo import portrait_path

    try:
        content = portrait_path().read_bytes()
    except edgefer.EdgeferError:
        pytest.skip("the demo's portrait needs matplotlib")
    path = tmp_path_factory.mktemp("landmarks") / "portrait.jpg"
    path.write_bytes(content)
    return path, cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


@pytest.fixture(scope="module")
def points(picture) -> np.ndarray:
    (face,) = edgefer.read(picture[0], landmarks=True)
    return face.landmarks


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """Mean distance of the points of one face, parts of the distance between the eyes' outer corners."""
    return float(np.hypot(*(first - second).T).mean()) / eye_distance(second)


def test_the_points_lie_where_a_person_sees_them(points):
    assert points.shape == (68, 2) and points.dtype == np.float32
    for index, place in SEEN.items():
        assert np.hypot(*(points[index] - place)) < 0.1 * eye_distance(points), index


def test_a_face_that_looks_into_the_camera_has_a_pose_near_zero(picture):
    (face,) = edgefer.read(picture[0], landmarks=True)
    assert max(map(abs, face.pose)) < 12
    assert face.quality.reasons == ()


def test_without_asking_there_are_no_points(picture):
    (face,) = edgefer.read(picture[0])
    assert face.landmarks is None and face.pose is None


@pytest.mark.parametrize("rotate", [90, 180, 270])
def test_a_picture_that_is_turned_upright_has_the_points_a_viewer_sees(picture, points, tmp_path, rotate):
    turned = np.rot90(picture[1], rotate // 90)  # counter-clockwise; the option turns it back
    cv2.imwrite(str(tmp_path / "turned.png"), turned)
    with edgefer.stream(tmp_path / "turned.png", rotate=rotate, landmarks=True) as readings:
        (face,) = next(readings).faces
    assert apart(face.landmarks, points) < 0.02


def test_in_a_mirror_right_and_left_change_places(picture, points, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture[1])
    with edgefer.stream(tmp_path / "a.png", flip="horizontal", landmarks=True) as readings:
        (face,) = next(readings).faces
    mirrored = np.array([picture[1].shape[1] - 1, 0]) + face.landmarks * (-1, 1)
    assert np.hypot(*(mirrored[36] - points[45])) < 0.06 * eye_distance(points)
    assert np.hypot(*(mirrored[54] - points[48])) < 0.08 * eye_distance(points)


def test_points_in_a_region_are_told_in_the_whole_picture(picture, points, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture[1])
    with edgefer.stream(tmp_path / "a.png", region=(60, 20, 460, 420), landmarks=True) as readings:
        (face,) = next(readings).faces
    assert apart(face.landmarks, points) < 0.02


@pytest.mark.parametrize("scale", [0.25, 0.5, 3.0])
def test_points_grow_with_the_picture(picture, points, scale):
    """The middle of the first pixel stays where it is, at (0, 0), only for the edges' sake at another place."""
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    (face,) = edgefer.read(cv2.resize(picture[1], None, fx=scale, fy=scale, interpolation=how), landmarks=True)
    assert apart((face.landmarks + 0.5) / scale - 0.5, points) < 0.03


def test_the_points_of_a_still_face_stay_within_three_thousandths(picture):
    """Sixty frames of the portrait with a sensor's noise, of three levels: RMS of each point about its mean."""
    grey = cv2.cvtColor(picture[1], cv2.COLOR_BGR2GRAY)
    random = np.random.default_rng(0)
    reader = edgefer.Reader(landmarks=True)
    found = []
    for index in range(60):
        noisy = np.clip(grey + random.normal(0, 3, grey.shape), 0, 255).astype(np.uint8)
        (face,) = reader.process(noisy, index / 30).faces
        found.append(face.landmarks)
    steady = np.array(found[20:])
    spread = np.sqrt(np.square(steady - steady.mean(axis=0)).sum(axis=2).mean())
    assert spread / eye_distance(steady[0]) < 0.003


def test_the_points_of_a_moving_face_keep_up_with_it():
    """At two thirds of the face's size a second they are less than a fiftieth of the eye distance behind."""
    reader, wall, behind = edgefer.Reader(landmarks=True), backdrop(), []
    still = edgefer.read(paste(wall, (200.0, 240.0), 120), landmarks=True)[0].landmarks
    for index, frame in enumerate(as_frames(paste(wall, (200.0 + 2.7 * i, 240.0), 120) for i in range(45))):
        (face,) = reader.process(frame.grey, index / 30).faces
        behind.append((still + (2.7 * index, 0) - face.landmarks)[:, 0].mean() / eye_distance(still))
    assert abs(float(np.mean(behind[15:]))) < 0.02


def test_the_command_line_writes_points_and_pose(picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "-q", "--source", str(picture[0]), "--landmarks", "--output", "jsonl:a", "--output", "csv:b"]
    assert main([*arguments, "--output", "image:drawn"]) == 0
    (line,) = (tmp_path / "a").read_text().splitlines()
    (face,) = json.loads(line)["faces"]
    assert len(face["landmarks"]) == 68 and set(face["pose"]) == {"yaw", "pitch", "roll"}
    head, row = (text.split(",") for text in (tmp_path / "b").read_text().splitlines())
    assert float(dict(zip(head, row, strict=True))["yaw"]) == face["pose"]["yaw"]
    drawn = cv2.imread(str(next((tmp_path / "drawn").iterdir())))
    x, y = (round(value) for value in face["landmarks"][30])
    assert (drawn[y - 3 : y + 4, x - 3 : x + 4] != picture[1][y - 3 : y + 4, x - 3 : x + 4]).any()


def test_a_profile_can_ask_for_points(picture, tmp_path):
    (tmp_path / "p.toml").write_text("[landmarks]\npoints = true\n")
    (face,) = edgefer.read(picture[0], profile=tmp_path / "p.toml")
    assert face.landmarks is not None


# -- the gate, without anybody asking for points


def masked(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A face mask over nose, mouth and chin."""
    drawn = image.copy()
    outline = np.vstack([points[2:15], points[28]])
    cv2.fillPoly(drawn, [np.rint(outline).astype(np.int32)], (200, 190, 180), cv2.LINE_AA)
    return drawn


def test_a_masked_face_is_not_judged(picture, points):
    for face in edgefer.read(masked(picture[1], points)):
        assert face.expression == "uncertain" and "occluded" in face.quality.reasons
        assert face.landmarks is None


def test_a_masked_face_in_a_film_is_not_judged_and_when_bared_it_is(picture, points):
    reader = edgefer.Reader(detector="haar")
    bare, covered = picture[1], masked(picture[1], points)
    seen = []
    for index in range(24):
        faces = reader.process(covered if 8 <= index < 16 else bare, index / 30).faces
        seen.append([face.expression == "uncertain" for face in faces])
    assert seen[7] == [False] and seen[23] == [False]
    assert seen[15] in ([True], [])  # the detector may not know it any more


def test_a_face_upside_down_is_not_judged(picture):
    for face in edgefer.read(picture[1][::-1, ::-1]):
        assert face.expression == "uncertain"
        assert {"tilted", "occluded"} & set(face.quality.reasons)


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_face_of_a_photograph_on_its_side_is_found_and_not_judged(picture, quarters):
    (face,) = edgefer.read(np.rot90(picture[1], quarters), landmarks=True)
    assert face.expression == "uncertain" and face.quality.reasons == ("tilted",)
    assert face.pose.roll == pytest.approx(-90 if quarters == 1 else 90, abs=15)


def test_the_check_can_be_turned_off(picture, points, tmp_path):
    (tmp_path / "p.toml").write_text("[quality]\ncover = false\n")
    for face in edgefer.read(masked(picture[1], points), profile=tmp_path / "p.toml"):
        assert "occluded" not in face.quality.reasons


def test_readings_with_points_compare_by_content(picture):
    first, second = (edgefer.read(picture[0], landmarks=True) for _ in range(2))
    assert first == second
    second[0].landmarks[30, 0] += 1
    assert first != second
    second[0].landmarks = None
    assert first != second
