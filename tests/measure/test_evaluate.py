"""Figures of a model on a data set."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from oracle import Oracle, dataset, one_hot

from edgefer.commands.eval import report_json, report_text
from edgefer.errors import UsageError
from edgefer.labels import BASIC7, COSTACHE4, FERPLUS8
from edgefer.landmarks.base import Landmarks
from edgefer.measure import evaluate as evaluation
from edgefer.measure.evaluate import Report, evaluate
from edgefer.measure.statistics import calibrated
from edgefer.recognize.base import Needs, Observation, Refused
from edgefer.support.registry import Entry, Registry


@pytest.fixture
def report():
    """Ten rows: neutral 4 of 5 right, happiness 2 of 3, surprise 0 of 2."""
    rows = [(0, one_hot(0))] * 4 + [(0, one_hot(1))] + [(1, one_hot(1))] * 2 + [(1, one_hot(0))]
    rows += [(2, one_hot(1))] * 2
    return evaluate(Oracle(), dataset(rows, dropped={"without a majority": 7}))


def test_figures_are_those_of_their_definitions(report):
    assert report.rows == 10
    assert report.accuracy == pytest.approx(60)
    assert report.confusion[:3, :3].tolist() == [[4, 1, 0], [1, 2, 0], [0, 2, 0]]
    assert report.confusion.sum() == 10
    np.testing.assert_allclose(report.recall[:3], [80, 200 / 3, 0])
    np.testing.assert_allclose(report.precision[:3], [80, 40, 0])
    np.testing.assert_allclose(report.f1[:3], [80, 50, 0])
    assert report.support.tolist() == [5, 3, 2, 0, 0, 0, 0, 0]
    assert report.macro_f1 == pytest.approx((80 + 50 + 0) / 3)


def test_a_class_that_is_only_predicted_counts_in_macro_f1():
    report = evaluate(Oracle(), dataset([(0, one_hot(0)), (0, one_hot(6))]))
    assert report.macro_f1 == pytest.approx((200 / 3 + 0) / 2)


def test_seven_classes_are_judged_without_contempt():
    """Contempt leads, and is left out; anger comes next, which basic7 counts as 0."""
    weights = [0, 0, 0, 0, 50, 10, 0, 90]
    report = evaluate(Oracle(), dataset([(BASIC7.index("anger"), weights)], "basic7"))
    assert report.labels == BASIC7
    assert report.accuracy == 100
    assert evaluate(Oracle(), dataset([(FERPLUS8.index("contempt"), weights)])).accuracy == 100


def test_eight_classes_cannot_be_judged_by_a_model_of_seven():
    with pytest.raises(UsageError, match="the model knows basic7 only"):
        evaluate(Oracle("basic7"), dataset([(7, one_hot(7))]))


def test_a_report_is_made_of_scores_and_truth_alone():
    data = dataset([(index, one_hot(index)) for index in range(8)] * 3)
    sure = np.eye(8, dtype=np.float32)[data.truth]
    report = Report("m", data, FERPLUS8, sure, sure)
    assert report.accuracy == 100
    assert report.rows == 24
    assert report.calibration.ece == 0


def test_calibration_is_told_as_used_and_before_the_temperature():
    """Logits twice too large: the temperature 2 puts the confidence right."""
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 1.5, (4000, 8))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(8, p=row) for row in chances])
    data = dataset([(label, one_hot(label)) for label in truth])
    plain = calibrated(logits, 0.5)
    report = Report("m", data, FERPLUS8, chances.astype(np.float32), plain, temperature=2.0)
    assert report.calibration.ece < 3 < 10 < report.calibration_before.ece
    line = next(line for line in report_text(report).splitlines() if line.startswith("ECE "))
    chance = f"by chance {report.calibration.ece_by_chance:.2f} %"
    numbers = f"{report.calibration.ece:.2f} % in 15 bins ({chance}; {report.calibration_before.ece:.2f} % before"
    assert line.startswith(f"ECE {numbers} the temperature 2), NLL ")
    content = json.loads(report_json(report))
    assert content["calibration"]["ece"] == pytest.approx(report.calibration.ece)
    assert content["calibration_before_temperature"]["ece"] == pytest.approx(report.calibration_before.ece)
    assert len(content["calibration"]["bins"]) == 15
    assert sum(entry["rows"] for entry in content["calibration"]["bins"]) == 4000


def test_two_models_are_compared_on_the_same_rows(report):
    better = evaluate(Oracle(), dataset([(label, one_hot(label)) for label in report.data.truth]))
    compared = better.compared(report)
    assert compared.against[1].pairs == 4
    assert compared.against[1].p == pytest.approx(2 / 2**4)
    assert any(
        line.startswith("+40.00 points against oracle (60.00 %), 95 % interval +") and line.endswith("McNemar p = 0.12")
        for line in report_text(compared).splitlines()
    )
    content = json.loads(report_json(compared))["against"]
    assert (content["model"], content["pairs"], content["effect"]) == ("oracle", 4, None)
    assert "against" not in json.loads(report_json(better))


class Marked:
    """A recognizer that needs landmarks, and refuses faces that look left, for a reason of its own."""

    name, labels, needs = "marked", COSTACHE4, Needs(landmarks=True)
    manifest = SimpleNamespace(name="marked", output=SimpleNamespace(labels="costache4", temperature=1.0))

    def __init__(self, reason="landmarks"):
        self.reason = reason

    def observe(self, frame, face):
        assert face.landmarks.shape == (68, 2) and frame.still
        return Refused(self.reason) if face.landmarks[0, 0] < 0 else Observation(np.float32([0.1, 0.2, 0.3, 0.4]))

    def forget(self, tracks):
        pass


class Found:
    """Finds what the image's first two pixels say: nothing, or all points at one place."""

    def __init__(self, options, *, model, threads):
        pass

    def find(self, frame, face):
        seen, left = frame.grey[0, :2]
        return Landmarks(np.full((68, 2), -1.0 if left else 1.0, np.float32), None) if seen else None


@pytest.fixture
def marked(monkeypatch):
    """Four rows: the second has no landmarks, the third looks left."""
    registry = Registry("landmark network")
    registry.add(Entry("found", "points", f"{__name__}:Found"))
    monkeypatch.setattr(evaluation, "LANDMARKERS", registry)
    return dataset([(3, [1, 0]), (0, [0, 0]), (1, [1, 1]), (0, [1, 0])], labels="costache4")


@pytest.mark.parametrize(
    ("reason", "told"), [("landmarks", "with landmarks that cannot be used"), ("eyes", "the chain failed at: eyes")]
)
def test_a_model_of_landmarks_judges_the_images_that_have_them(marked, reason, told):
    report = evaluate(Marked(reason), marked)
    assert report.rows == 2 and report.accuracy == 50
    assert report.data.dropped == {told: 1, "without confident landmarks": 1}
    with pytest.raises(UsageError, match="marked can judge no image: 1 without confident landmarks"):
        evaluate(Marked(), marked.take(np.array([1])))


def test_rows_that_two_models_leave_out_are_all_counted(marked):
    """The second model judges what the first left: what it leaves out in turn is added up, also by the same reason."""

    class Strict(Marked):
        def observe(self, frame, face):
            return Refused("lips") if frame.grey[0, 5] else Refused("landmarks")

    marked.images[3, 0, 5] = 1
    first = evaluate(Marked(), marked)
    with pytest.raises(UsageError, match="1 the chain failed at: lips, 1 with landmarks that cannot be used"):
        evaluate(Strict(), first.data)
    again = replace(marked, dropped={"without confident landmarks": 5, "with landmarks that cannot be used": 1})
    counts = evaluate(Marked(), again).data.counts()
    assert counts == (
        "2 of 10 rows count; dropped: 6 without confident landmarks, 2 with landmarks that cannot be used"
    )


def test_a_model_of_expressions_is_judged_on_groups_of_them():
    rows = [(0, one_hot(1)), (1, [0, 2, 0, 2, 2]), (3, one_hot(0)), (2, one_hot(3))]
    report = evaluate(Oracle(), dataset(rows, labels="costache4"))
    assert report.confusion.diagonal().tolist() == [1, 1, 0, 1]
