"""The teacher's points turn with the face, and agree with hand-made labels as its table says."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edgefer.measure.points import HELEN, labelled_faces, point_errors
from edgefer.train import teachers

DATA = Path(os.environ.get("EDGEFER_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="module")
def teacher():
    if not (DATA / "teachers" / "face_landmarks_v2.tflite").exists():
        pytest.skip("needs face_landmarks_v2.tflite of the shared data (set EDGEFER_DATA)")
    return teachers.MeshTeacher(DATA)


def test_points_turn_move_and_grow_with_the_mesh(teacher):
    mesh = np.random.default_rng(0).uniform(0, 100, (478, 2))
    turn = 2 * np.array([[0.8, -0.6], [0.6, 0.8]])
    np.testing.assert_allclose(teacher.ibug(mesh @ turn.T + (5, 7)), teacher.ibug(mesh) @ turn.T + (5, 7))


def test_hand_labelled_faces_are_found_as_closely_as_stated(teacher):
    images, truth = labelled_faces(DATA / HELEN)
    errors = point_errors(np.stack([teacher.label(image).points for image in images[:40]]), truth[:40])
    assert errors.inner < 3.5 and errors.all < 4.8, "3.06 and 4.23 over all 200"
