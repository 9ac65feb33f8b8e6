"""Photographs in the pipeline: each by itself, all of its faces, and nothing kept."""

from __future__ import annotations

import time

import numpy as np
import pytest
from loop_doubles import FixedGovernor, StubRecognizer, StubSmoother, StubTracker, face, pipeline

from edgefer.errors import UsageError
from edgefer.labels import UNCERTAIN
from edgefer.landmarks.base import Landmarks
from edgefer.loop.marks import Marks
from edgefer.loop.pipeline import Pipeline
from edgefer.loop.turns import Turns
from edgefer.recognize.base import Needs
from edgefer.values import STAGES, Frame, Pose


def photograph(index: int = 0, name: str = "photo.jpg") -> Frame:
    grey = np.zeros((8, 8), np.uint8)
    return Frame(index, grey, 0, time.monotonic_ns(), source="folder", still=True, image=name)


class StubPhotographs:
    """Finds the faces it is given."""

    def __init__(self, *faces) -> None:
        self.faces = list(faces)

    def find(self, frame):
        return list(self.faces)


class NeverUpdated(StubTracker):
    def update(self, frame):
        raise AssertionError("a photograph is not followed")


class NeverSmooth(StubSmoother):
    def update(self, track, scores, media_ns):
        raise AssertionError("a photograph is not smoothed")


def of_photographs(*faces, recognizer=None, **options) -> Pipeline:
    recognizers = recognizer if isinstance(recognizer, list) else [recognizer or StubRecognizer()]
    return Pipeline(NeverUpdated(), recognizers, NeverSmooth, photographs=StubPhotographs(*faces), **options)


def test_a_photograph_is_neither_followed_nor_smoothed():
    reading = of_photographs(face(1)).process(photograph())
    assert [each.expression for each in reading.faces] == ["happiness"]
    assert (reading.t_s, reading.source, reading.image) == (0.0, "folder", "photo.jpg")
    assert list(reading.latency_ms) == [stage for stage in STAGES if stage != "landmarks"]


def test_all_faces_of_a_photograph_are_judged_whatever_the_limits():
    """Those of a live source: faces a frame, and the governor's budget and rates."""
    governor = FixedGovernor(level=3, budget_p95_ms=0.001)
    governor.observe = lambda total_ms: pytest.fail("the governor is not asked")
    loop = of_photographs(*(face(track) for track in range(1, 31)), turns=Turns(max_faces=4), governor=governor)
    for index in range(3):
        reading = loop.process(photograph(index))
        assert [each.track for each in reading.faces] == list(range(1, 31))
        assert all(each.confidence == pytest.approx(0.8) for each in reading.faces)


def test_nothing_of_a_photograph_is_kept():
    """Recognizers and landmarks are told that its faces will not come back."""
    recognizer, landmarker = StubRecognizer(), StubLandmarker()
    loop = of_photographs(
        face(1), face(2), recognizer=recognizer, marks=Marks(landmarker, always=True, interval_ms=200)
    )
    loop.process(photograph())
    assert recognizer.forgotten == landmarker.forgotten == {1, 2}
    assert not loop._models[0].scores and not loop._turns.recognized


class StubLandmarker:
    def __init__(self) -> None:
        self.forgotten: set[int] = set()

    def find(self, frame, face):
        return Landmarks(np.full((68, 2), face.track, np.float32), Pose(1.0, 2.0, 3.0))

    def forget(self, tracks) -> None:
        self.forgotten |= set(tracks)


def test_a_photographs_faces_get_their_landmarks():
    reading = of_photographs(face(3), marks=Marks(StubLandmarker(), always=True, interval_ms=200)).process(photograph())
    assert (reading.faces[0].landmarks == 3).all() and reading.faces[0].pose == Pose(1.0, 2.0, 3.0)
    assert list(reading.latency_ms) == list(STAGES)


def test_a_face_the_gate_holds_back_is_uncertain_in_a_photograph_too():
    recognizer = StubRecognizer()
    (held, fit) = of_photographs(face(1, "blurred"), face(2), recognizer=recognizer).process(photograph()).faces
    assert held.expression == UNCERTAIN and list(held.scores.values()) == pytest.approx([1 / 3] * 3)
    assert fit.expression == "surprise"
    assert len(recognizer.boxes) == 1


def test_several_models_judge_a_photograph():
    demanding = StubRecognizer(name="demanding")
    demanding.needs = Needs(min_face_px=100)
    loop = of_photographs(face(1), recognizer=[StubRecognizer(name="a"), StubRecognizer(name="b"), demanding])
    (reading,) = loop.process(photograph()).faces
    assert reading.models["b"].expression == reading.expression == "happiness"
    assert reading.models["demanding"].expression == UNCERTAIN


def test_a_photograph_amid_a_film_leaves_its_faces_alone():
    """The film's tracks, scores and turns are as without it."""
    loop = pipeline(face(1), photographs=StubPhotographs(face(1), face(2)))
    film = Frame(0, np.zeros((8, 8), np.uint8), 0, time.monotonic_ns())
    loop.process(film)
    kept = dict(loop._models[0].scores), dict(loop._turns.recognized)
    loop.process(photograph())
    assert (loop._models[0].scores, loop._turns.recognized) == kept


def test_a_model_with_a_window_refuses_a_photograph():
    windowed = StubRecognizer(name="windowed")
    windowed.needs = Needs(window_s=1.5)
    with pytest.raises(UsageError, match=r"model windowed judges 1\.5 s of film; a photograph has none"):
        of_photographs(face(1), recognizer=windowed).process(photograph())
