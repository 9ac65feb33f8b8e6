"""From a frame to its reading: clocks, turns, several models, windows, landmarks."""

from __future__ import annotations

import datetime
import time
from types import SimpleNamespace

import numpy as np
import pytest
from loop_doubles import FixedGovernor, StubRecognizer, StubSmoother, StubTracker, face, frame_at, pipeline
from msgspec import structs

from edgefer.errors import UsageError
from edgefer.labels import UNCERTAIN
from edgefer.landmarks.base import Landmarks
from edgefer.loop.governor import LEVELS
from edgefer.loop.marks import Marks
from edgefer.loop.pipeline import Pipeline
from edgefer.loop.smooth import Smoother
from edgefer.recognize.base import Needs, Observation, Refused
from edgefer.values import STAGES, Event, Pose


def test_a_reading_tells_time_age_and_the_latency_of_every_stage():
    """In order of execution; the parts add up to no more than the total."""
    captured_ns = time.monotonic_ns() - 50_000_000
    loop = pipeline(face(1), recognizer=StubRecognizer(0.003))
    loop._tracker.clock = {"detect": 0.0, "track": 0.0}
    reading = loop.process(frame_at(5, captured_ns))
    assert reading.frame == 5
    assert list(reading.latency_ms) == [stage for stage in STAGES if stage != "landmarks"]
    stages = reading.latency_ms
    assert 50 <= stages["capture"] <= reading.age_ms
    assert reading.age_ms == pytest.approx(stages["capture"] + stages["total"], abs=0.5)
    assert stages["infer"] >= 3
    assert sum(stages[stage] for stage in stages if stage not in ("capture", "total")) <= stages["total"] + 0.01


def test_the_time_is_that_of_capture_in_iso_8601():
    """With milliseconds and the offset from UTC."""
    before = datetime.datetime.now(datetime.timezone.utc)
    reading = pipeline().process(frame_at(0, time.monotonic_ns() - 2_000_000_000))
    taken = datetime.datetime.fromisoformat(reading.time)
    assert taken.utcoffset() is not None
    assert len(reading.time.split(".")[1]) == len("123+00:00")
    assert abs((before - taken).total_seconds() - 2.0) < 0.5


def test_the_strongest_label_is_the_expression():
    """Scores by label, confidence theirs."""
    (reading,) = pipeline(face(1)).process(frame_at(0)).faces
    assert reading.expression == "happiness"
    assert reading.confidence == pytest.approx(0.8)
    assert list(reading.scores) == ["neutral", "happiness", "surprise"]
    assert sum(reading.scores.values()) == pytest.approx(1.0)


def test_a_face_held_back_by_the_gate_is_uncertain_and_not_recognized():
    """It keeps the scores of its last good moment, and gets its expression back with the next."""
    loop = pipeline(face(1))
    loop.process(frame_at(0))
    loop._tracker.faces = [face(1, "blurred")]
    (held,) = loop.process(frame_at(1)).faces
    assert held.expression == UNCERTAIN
    assert held.scores["happiness"] == pytest.approx(0.8)
    assert len(loop._models[0].recognizer.boxes) == 1
    loop._tracker.faces = [face(1)]
    assert loop.process(frame_at(2)).faces[0].expression == "happiness"


def test_a_face_that_was_never_fit_has_equal_scores():
    """Nothing is known of it."""
    (reading,) = pipeline(face(4, "small")).process(frame_at(0)).faces
    assert reading.expression == UNCERTAIN
    assert list(reading.scores.values()) == pytest.approx([1 / 3] * 3)


def test_all_faces_are_recognized_within_the_limit():
    """Three faces, three readings, in the tracker's order."""
    loop = pipeline(face(1), face(2), face(3), turns={"max_faces": 3})
    reading = loop.process(frame_at(0))
    assert [f.track for f in reading.faces] == [1, 2, 3]
    assert [f.expression for f in reading.faces] == ["happiness", "surprise", "neutral"]


def test_with_more_faces_than_the_limit_they_take_turns():
    """Each has its turn within ceil(5 / 2) frames."""
    loop = pipeline(*(face(track) for track in range(1, 6)), turns={"max_faces": 2})
    for index in range(9):
        loop.process(frame_at(index))
    tracks = [int(box.x0) for box in loop._models[0].recognizer.boxes]
    assert len(tracks) == 18
    for start in range(len(tracks) - 5):
        assert set(tracks[start : start + 6]) == {1, 2, 3, 4, 5}


def test_faces_take_turns_when_the_budget_leaves_no_time_for_all(monkeypatch):
    """Two faces of 8 ms fit 20 ms, four do not; nobody is left out for long."""
    clock = SimpleNamespace(now_ns=0)
    monkeypatch.setattr(
        "edgefer.loop.pipeline.time", SimpleNamespace(monotonic_ns=lambda: clock.now_ns, time_ns=time.time_ns)
    )

    class Slow(StubRecognizer):
        def observe(self, frame, face):
            clock.now_ns += 8_000_000
            self.boxes.append(face.box)
            return Observation(np.full(3, 1 / 3, np.float32), {"infer": 8_000_000})

    recognizer = Slow()
    loop = pipeline(*(face(track) for track in (1, 2, 3, 4)), recognizer=recognizer)
    loop.governor = FixedGovernor(budget_p95_ms=20.0)
    totals = [loop.process(frame_at(index, 0)).latency_ms["total"] for index in range(8)]
    assert totals == [16.0] * 8
    assert [int(box.x0) for box in recognizer.boxes] == [1, 2, 3, 4] * 4


def test_one_face_is_always_recognized():
    """However small the budget."""
    recognizer = StubRecognizer(0.005)
    loop = pipeline(face(1), recognizer=recognizer)
    loop.governor = FixedGovernor(budget_p95_ms=0.1)
    for index in range(3):
        loop.process(frame_at(index))
    assert len(recognizer.boxes) == 3


def test_at_a_lower_rate_scores_are_carried():
    """Recognition in every third frame; a new face does not wait for it."""
    loop = pipeline(face(1))
    loop.governor = FixedGovernor(level=next(i for i, rates in enumerate(LEVELS) if rates.recognize_factor == 3))
    for index in range(4):
        assert loop.process(frame_at(index)).faces[0].expression == "happiness"
    loop._tracker.faces.append(face(2))
    assert loop.process(frame_at(4)).faces[1].expression == "surprise"
    assert [int(box.x0) for box in loop._models[0].recognizer.boxes] == [1, 1, 2]


def test_tracks_that_are_gone_are_forgotten():
    """A service must not grow with the number of people it has seen."""
    loop = pipeline()
    for index in range(1100):
        loop._tracker.faces = [face(index // 10)]
        loop.process(frame_at(index))
    (model,) = loop._models
    assert len(model.scores) < 80
    assert loop._turns.recognized.keys() == model.scores.keys()
    assert model.smoother.forgotten == model.recognizer.forgotten
    assert len(model.recognizer.forgotten) + len(model.scores) == 110


def test_the_pipeline_passes_the_rate_to_the_tracker():
    """And gives the profile's interval back later."""
    loop = pipeline(face(1))
    loop.governor = FixedGovernor(level=2)
    loop.governor.observe = lambda total_ms: True  # the rates have changed
    loop.process(frame_at(0))
    assert loop._tracker.detect_interval_ms == 400.0 * LEVELS[2].detect_interval_factor
    loop.governor.rates = LEVELS[0]
    loop.process(frame_at(1))
    assert loop._tracker.detect_interval_ms == 400.0


def pipeline_of(*recognizers, faces=None, **options) -> Pipeline:
    return Pipeline(StubTracker(*(faces or [face(1)])), recognizers, StubSmoother, **options)


def test_the_first_of_several_models_gives_the_expression():
    """The others stand under their names; one that has not spoken is uncertain."""

    class Silent(StubRecognizer):
        def observe(self, frame, face):
            return None

    loop = pipeline_of(StubRecognizer(name="a"), StubRecognizer(name="b"), Silent(name="c"))
    (reading,) = loop.process(frame_at(0)).faces
    assert reading.expression == "happiness"
    assert list(reading.models) == ["b", "c"]
    assert reading.models["b"].expression == "happiness"
    assert reading.models["b"].scores == reading.scores
    assert reading.models["c"].expression == UNCERTAIN
    assert list(reading.models["c"].scores.values()) == pytest.approx([1 / 3] * 3)


class StubUnits:
    """Reads two action units, the same in every face; a change at will."""

    labels: tuple[str, ...] = ()
    needs = Needs()
    name = "units"
    units = ("AU6", "AU12")

    def __init__(self) -> None:
        self.said = np.array([[1.0, 4.0], [0.2, 0.9]], np.float32)

    def observe(self, frame, face):
        return Observation(np.zeros(0, np.float32), units=self.said)

    def forget(self, tracks):
        pass


@pytest.mark.parametrize("order", [1, -1], ids=["after", "before"])
def test_action_units_stand_beside_the_expression(order):
    """Wherever their model stands; it is none of those that give an expression."""
    loop = pipeline_of(*[StubRecognizer(name="a"), StubUnits()][::order])
    assert loop.labels == StubRecognizer.labels and loop.further_labels == {} and loop.units == ("AU6", "AU12")
    (reading,) = loop.process(frame_at(0)).faces
    assert reading.expression == "happiness" and reading.models == {}
    assert reading.units == pytest.approx({"AU6": 1.0, "AU12": 4.0})
    assert reading.unit_scores == pytest.approx({"AU6": 0.2, "AU12": 0.9})


def test_action_units_are_held_while_a_face_is_not_judged():
    """As scores are; one that never was judged has none."""
    loop = pipeline_of(StubRecognizer(name="a"), StubUnits())
    loop.process(frame_at(0))
    loop._tracker.faces = [face(1, "blurred"), face(2, "small")]
    held, never = loop.process(frame_at(1)).faces
    assert held.units == pytest.approx({"AU6": 1.0, "AU12": 4.0})
    assert never.units == {}


def test_action_units_follow_with_the_lag_of_scores():
    """A step has gone 63 % of its way when the lag has passed."""
    units = StubUnits()
    loop = Pipeline(StubTracker(face(1)), [StubRecognizer(name="a"), units], lambda: Smoother(330.0))
    loop.process(frame_at(0))
    units.said = np.array([[1.0, 0.0], [0.2, 0.0]], np.float32)
    for index in range(1, 11):  # frames are 33 ms apart
        (reading,) = loop.process(frame_at(index)).faces
    assert reading.units["AU12"] == pytest.approx(4 * np.exp(-1), rel=1e-3)
    assert reading.units["AU6"] == pytest.approx(1.0)


def test_a_photograph_has_action_units_too():
    loop = pipeline_of(StubRecognizer(name="a"), StubUnits(), photographs=SimpleNamespace(find=lambda _: [face(1)]))
    (reading,) = loop.process(structs.replace(frame_at(0), still=True)).faces
    assert reading.units == pytest.approx({"AU6": 1.0, "AU12": 4.0})


def test_action_units_alone_are_refused():
    """An expression is what every reading has."""
    with pytest.raises(UsageError, match="model units gives no expression; .*--model edgefer-s --model units"):
        pipeline_of(StubUnits())


def test_two_models_of_one_name_are_refused():
    with pytest.raises(UsageError, match="expected each model once, got a, a"):
        pipeline_of(StubRecognizer(name="a"), StubRecognizer(name="a"))


def test_a_face_too_small_for_one_model_is_left_to_the_others():
    demanding = StubRecognizer(name="demanding")
    demanding.needs = Needs(min_face_px=100)
    (reading,) = pipeline_of(StubRecognizer(name="a"), demanding).process(frame_at(0)).faces
    assert reading.expression == "happiness"
    assert reading.models["demanding"].expression == UNCERTAIN
    assert demanding.boxes == []


def test_the_governor_thins_inference_but_never_the_frames_of_a_window():
    """At every third frame, the other two are gathered; so is each frame of a face that is held back."""
    windowed = StubRecognizer(name="windowed")
    windowed.needs = Needs(window_s=1.0)
    gathered = []
    windowed.gather = lambda frame, face: gathered.append((frame.index, face.track))
    loop = pipeline_of(windowed, faces=(face(1), face(2, "blurred")))
    loop.governor = FixedGovernor(level=next(i for i, rates in enumerate(LEVELS) if rates.recognize_factor == 3))
    for index in range(6):
        loop.process(frame_at(index))
    assert [int(box.x0) for box in windowed.boxes] == [1, 1]  # in frames 0 and 3
    assert gathered == [(i, t) for i in range(6) for t in (1, 2) if t == 2 or i not in (0, 3)]


@pytest.mark.parametrize("alone", [True, False])
def test_a_model_whose_window_has_a_gap_is_silent(alone):
    """What it said is of another time; the age of the first model's scores is theirs, and goes on."""

    class Windowed(StubRecognizer):
        needs = Needs(window_s=1.0)
        whole = True

        def observe(self, frame, face):
            return super().observe(frame, face) if self.whole else None

        def gather(self, frame, face):
            pass

    windowed = Windowed(name="windowed")
    loop = pipeline_of(*[windowed] if alone else [StubRecognizer(name="first"), windowed], faces=(face(1),))
    said = [loop.process(frame_at(index)).faces[0] for index in range(2)]
    windowed.whole = False
    said += [loop.process(frame_at(index)).faces[0] for index in range(2, 5)]
    spoken = [each.expression if alone else each.models["windowed"].expression for each in said]
    assert spoken == ["happiness"] * 2 + [UNCERTAIN] * 3
    assert [each.scores_age_ms for each in said] == ([0.0] * 2 + [None] * 3 if alone else [0.0] * 5)


def test_the_age_of_scores_goes_on_where_a_model_of_single_frames_says_nothing():
    silent = StubRecognizer()
    loop = pipeline_of(silent, faces=(face(1),))
    ages = [loop.process(frame_at(0)).faces[0].scores_age_ms]
    silent.observe = lambda frame, face: None
    ages += [loop.process(frame_at(index)).faces[0].scores_age_ms for index in (1, 2)]
    assert ages == pytest.approx([0.0, 33.0, 66.0])


@pytest.mark.parametrize("still", [False, True])
def test_what_a_model_lacks_is_among_the_reasons_until_it_judges(still):
    """Only of the model that gives the expression, and only where the gate has no reason of its own."""
    lacking, other = StubRecognizer(), StubRecognizer(name="other")
    faces = [face(1), face(2, "dark")]
    options = {"photographs": SimpleNamespace(find=lambda _: faces)} if still else {}
    loop = pipeline_of(lacking, other, faces=faces, **options)
    observe, other.observe = lacking.observe, lambda frame, face: Refused("lips")
    lacking.observe = lambda frame, face: Refused("eyebrows")
    said = loop.process(structs.replace(frame_at(0), still=still)).faces
    assert [(each.expression, each.quality.reasons) for each in said] == [
        (UNCERTAIN, ("eyebrows",)),
        (UNCERTAIN, ("dark",)),
    ]
    assert faces[0].quality.reasons == (), "the tracker's face is not held back by it"
    lacking.observe = observe
    (first, _) = loop.process(structs.replace(frame_at(1), still=still)).faces
    assert (first.expression, first.quality.reasons) == ("happiness", ())


class Points(StubRecognizer):
    """Judges points until it finds none."""

    lacks = False

    def observe(self, frame, face):
        if self.lacks:
            return Refused("lips")
        seen = {"points": np.ones((18, 2), np.float32), "sketch": np.zeros((8, 8), np.uint8)}
        return structs.replace(super().observe(frame, face), **seen)


def test_what_a_model_said_stands_for_a_second_while_it_cannot_judge():
    first, further = Points(), Points(name="further")
    loop = pipeline_of(first, further, faces=(face(1),))
    loop.process(frame_at(0))
    first.lacks = further.lacks = True
    said = [loop.process(frame_at(index)).faces[0] for index in range(1, 90)]
    spoken = [each.expression != UNCERTAIN for each in said]
    assert spoken == [index * 0.033 <= 1 for index in range(1, 90)]
    assert [each.models["further"].expression != UNCERTAIN for each in said] == spoken
    assert [each.quality.reasons for each in said] == [() if stands else ("lips",) for stands in spoken]
    assert said[-1].scores_age_ms is None and len(set(said[-1].scores.values())) == 1
    first.lacks = False
    assert loop.process(frame_at(90)).faces[0].expression == "happiness"


def test_a_face_that_a_model_cannot_judge_takes_no_turn_of_others():
    class Lacking(StubRecognizer):
        def observe(self, frame, face):
            return Refused("lips") if face.track == 1 else super().observe(frame, face)

    loop = pipeline(face(1), face(2), face(3), recognizer=Lacking(), turns={"rate_hz": 6.0, "max_faces": 1})
    said = [loop.process(frame_at(index)).faces for index in range(60)][-1]
    assert [each.expression for each in said] == [UNCERTAIN, "surprise", "neutral"]
    assert [each.quality.reasons for each in said] == [("lips",), (), ()]


def test_a_face_that_the_gate_holds_back_has_no_points_and_no_sketch_of_before():
    shown = face(1)
    loop = pipeline(shown, recognizer=Points())
    (said,) = loop.process(frame_at(0)).faces
    assert said.points is not None and said.sketch is not None
    shown.quality = structs.replace(shown.quality, reasons=("turned",))
    (said,) = loop.process(frame_at(1)).faces
    assert said.points is None and said.sketch is None


class StubLandmarker:
    def __init__(self) -> None:
        self.forgotten: set[int] = set()

    def find(self, frame, face):
        return Landmarks(np.full((68, 2), face.track, np.float32), Pose(1.0, 2.0, 3.0))

    def forget(self, tracks) -> None:
        self.forgotten |= set(tracks)


def test_landmarks_reach_recognizers_and_readings_where_something_needs_them():
    seen = []

    class Geometry(StubRecognizer):
        needs = Needs(landmarks=True)

        def observe(self, frame, face):
            seen.append(face.landmarks)
            return super().observe(frame, face)

    with pytest.raises(UsageError, match="model stub needs landmarks"):
        pipeline_of(Geometry())
    loop = pipeline_of(Geometry(), marks=Marks(StubLandmarker(), always=True, interval_ms=200))
    reading = loop.process(frame_at(0))
    assert seen[0].shape == (68, 2) and (seen[0] == 1).all()
    assert reading.faces[0].landmarks is seen[0]
    assert reading.faces[0].pose == Pose(1.0, 2.0, 3.0)
    assert list(reading.latency_ms) == list(STAGES)
    plain = pipeline_of(StubRecognizer()).process(frame_at(0))
    assert plain.faces[0].landmarks is None and "landmarks" not in plain.latency_ms


class Spotting(StubRecognizer):
    """Tells an event of the frame before, and of the last frame at once."""

    needs = Needs(window_s=0.5)

    def gather(self, frame, shown):
        pass

    def spotted(self, media_ns, last):
        events = [Event(1, "micro", media_ns / 1e9, media_ns / 1e9, media_ns / 1e9, 0.9)]
        return events * (2 if last else 1)


def test_events_are_told_with_the_reading_of_their_frame():
    loop = pipeline(face(1), recognizer=Spotting())
    assert loop.tells_events and not pipeline(face(1)).tells_events
    assert [event.onset_s for event in loop.process(frame_at(3)).events] == [0.099]
    assert len(loop.process(frame_at(4), last=True).events) == 2
