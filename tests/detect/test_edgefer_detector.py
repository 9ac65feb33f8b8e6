"""Our own detector: small, on any size of picture, on tilted heads, with key points where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from portrait import backdrop, face_box, paste

from edgefer.detect import borne_out, open_detector
from edgefer.detect.edgefer import EdgeferDetector
from edgefer.errors import ModelError, UsageError
from edgefer.geometry import iou
from edgefer.models import directory, store
from edgefer.values import Detection

CENTRE, SIDE = (330.0, 250.0), 96.0


@pytest.fixture(scope="module")
def ours() -> EdgeferDetector:
    return open_detector("edgefer")


def test_the_network_that_ships_is_small():
    manifest, content = directory.read(store.find("edgefer-face"))
    assert manifest.kind == "detector"
    assert len(content) <= 110_000


def test_key_points_lie_in_the_face_in_their_order(ours):
    look = ours.look(paste(backdrop(), CENTRE, SIDE), face_box(CENTRE, SIDE))
    right, left, nose, mouth_right, mouth_left = (look.points - CENTRE) / SIDE
    assert -0.3 < right[0] < -0.08 < 0.08 < left[0] < 0.3
    assert max(right[1], left[1]) < nose[1] < min(mouth_right[1], mouth_left[1])
    assert mouth_right[0] < nose[0] < mouth_left[0]
    assert np.abs(look.points - CENTRE).max() < SIDE / 2


@pytest.mark.parametrize("roll", [-40, -20, 20, 40])
def test_a_tilted_head_is_found_without_being_turned_upright(ours, roll):
    (face,) = ours.detect(paste(backdrop(), CENTRE, SIDE, roll=roll))
    assert iou(face.box, face_box(CENTRE, SIDE)) > 0.5
    assert face.score >= ours.levels.likely


def test_a_view_of_a_vga_frame_is_the_whole_frame():
    views = open_detector("edgefer", min_face_px=60)._views((480, 640))
    assert views == [(0, 0, 640, 480)]


def test_a_small_face_on_a_large_frame_is_found_in_one_of_the_parts(ours):
    scene = paste(backdrop((1920, 1080)), (1500, 300), 90)
    parts = [face for part in range(ours.parts) for face in ours.detect(scene, part=part)]
    assert any(iou(face.box, face_box((1500, 300), 90)) > 0.5 for face in parts)


def test_a_face_that_is_known_is_not_reported(ours):
    scene = paste(paste(backdrop(), (150, 200), 90), (470, 260), 120, mirrored=True)
    (face,) = ours.detect(scene, known=[face_box((150, 200), 90)])
    assert iou(face.box, face_box((470, 260), 120)) > 0.6


@pytest.mark.parametrize(("score", "sure", "found"), [(0.6, 0.99, True), (0.6, 0.01, False), (0.3, 0.99, True)])
def test_of_a_likely_face_the_witness_has_a_say(score, sure, found):
    scene, box = paste(backdrop(), CENTRE, SIDE), face_box(CENTRE, SIDE)
    content = directory.read(store.find("edgefer-face"))[1]
    asked = []
    detector = EdgeferDetector(content, "edgefer-face", witness=lambda grey, box: asked.append(box) or sure)
    look = detector.examine(scene, Detection(box, score))
    assert (look is not None) == found
    assert asked == [box]
    assert look is None or iou(look.box, box) > 0.6


def test_what_is_no_face_is_not_borne_out(ours):
    scene = np.random.default_rng(3).integers(0, 255, (480, 640), np.uint8)
    assert borne_out(ours, scene, Detection(face_box(CENTRE, SIDE), 0.9)) is None


def test_faint_faces_come_only_when_asked_for(ours):
    """Of a face that is dimmed step by step the score falls through the levels."""
    scenes = [(paste(backdrop(), CENTRE, 60) * (light / 100)).astype(np.uint8) for light in range(1, 13)]
    plain, faint = ([ours.detect(scene, faint=faint) for scene in scenes] for faint in (False, True))
    assert min(face.score for faces in plain for face in faces) >= ours.levels.keep
    assert ours.faint <= min(face.score for faces in faint for face in faces) < ours.levels.keep
    assert all(len(few) <= len(many) for few, many in zip(plain, faint, strict=True))


def test_what_is_no_such_network_is_refused():
    with pytest.raises(ModelError, match="holds another model, edgefer-s"):
        open_detector("edgefer:edgefer-s")
    with pytest.raises(UsageError, match="unknown model 'nowhere'"):
        open_detector("edgefer:nowhere")
    with pytest.raises(ModelError, match="expected int8 input"):
        EdgeferDetector(directory.read(store.find("edgefer-s"))[1], "edgefer-s")
