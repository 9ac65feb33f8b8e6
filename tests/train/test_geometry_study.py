"""The expressiveness study, the ranking of choices, and the agreement of two sources of points."""

from __future__ import annotations

import numpy as np
import pytest
from sketch_faces import a_face

from edgefer.errors import UsageError
from edgefer.geometry import Box
from edgefer.measure.statistics import calibrated, fit_temperature
from edgefer.preprocess.points import chain, features
from edgefer.train.geometry import agreement, calibrate, export, fitting, mlp, study
from edgefer.train.geometry.rows import Rows


def faces(count: int = 40) -> np.ndarray:
    """Faces whose lips are wider, and lower, from one to the next."""
    points = np.repeat(features.from_landmarks(a_face())[np.newaxis], count, axis=0).astype(np.float64)
    grow = np.linspace(-6, 6, count)
    points[:, 15, 0] -= grow
    points[:, 16, 0] += grow
    points[:, 15:18, 1] += grow[:, np.newaxis]
    return points


def test_the_median_puts_half_of_the_faces_into_each_group():
    points = faces()
    division = study.divide(points)
    groups = division.group(points)
    np.testing.assert_array_equal(groups, [0] * 20 + [1] * 20)
    np.testing.assert_allclose(division.middle, np.median(features.distances(points)[:, study.LIPS], axis=0))


def test_the_four_distances_are_those_about_the_lips():
    assert [f"V{index + 1}" for index in study.LIPS] == ["V7", "V10", "V11", "V12"]


def test_a_new_person_is_assigned_by_the_median_of_their_faces():
    points = faces()
    division = study.divide(points)
    assert division.group_of_person(points[-1:]) == 1
    assert division.group_of_person(points[:1]) == 0
    assert division.group_of_person(points[[0, 1, -1]]) == 0


def test_equal_faces_divide_without_an_error():
    points = np.repeat(faces(1), 4, axis=0)
    assert set(study.divide(points).group(points)) == {0}


def trained(seed: int = 1) -> mlp.Trained:
    draw = np.random.default_rng(seed)
    sizes = (12, *mlp.WIDTHS)
    layers = [
        (draw.normal(size=(outputs, inputs)).astype(np.float32), draw.normal(size=outputs).astype(np.float32))
        for inputs, outputs in zip(sizes[:-1], sizes[1:], strict=True)
    ]
    mean, deviation = np.full(12, 0.3, np.float32), np.full(12, 0.1, np.float32)
    return mlp.Trained(mean, deviation, layers, mlp.ACTIVATIONS, 9, 0.01, True)


def test_a_group_is_judged_on_its_own_rows():
    points, truth = faces(6).astype(np.float32), np.array([0, 1, 2, 3, 3, 3])
    chosen = export.scores_of(trained(), points).argmax(axis=1)
    result = study.judged(trained(), Rows(points, truth, truth, np.arange(6), ""))
    assert result.rows == 6 and result.accuracy == pytest.approx(100 * (chosen == truth).mean())
    assert np.isnan(result.recall[6])


def test_an_exported_directory_is_read_back_by_the_runtime(tmp_path):
    points, truth = faces(14).astype(np.float32), np.arange(14) % 7
    rows = Rows(points, truth, truth, np.arange(14), "14 of 14 rows count; dropped: none")
    sources = {name: export.Source(trained(seed), rows, rows) for seed, name in enumerate(("classic", "landmarks"))}
    made = export.export(tmp_path / "khan", "khan", "MLP", "Khan", sources, "landmarks", "none", 1)
    from edgefer import recognize

    for name in ("classic", "landmarks"):
        recognizer = recognize.open(f"{tmp_path}/khan,points={name}")
        np.testing.assert_allclose(recognizer.judge(points), export.scores_of(sources[name].trained, points), atol=1e-6)
    assert made.landmarks.metrics.rows == 14 and made.landmarks.metrics.chance == pytest.approx(100 / 7)
    assert "| classic | 14 | 14 |" in (tmp_path / "khan" / "MODEL_CARD.md").read_text()


def test_a_temperature_is_fitted_for_the_points_in_use_and_the_model_stays_sound(tmp_path):
    from edgefer import recognize

    points = np.concatenate([faces(60), faces(60) * 1.1]).astype(np.float32)
    chances = export.scores_of(trained(1), points).astype(float) ** (1 / 0.6)
    draw = np.random.default_rng(5)
    truth = np.array([draw.choice(7, p=row) for row in chances / chances.sum(axis=1, keepdims=True)])
    rows = Rows(points, truth, truth, np.arange(120), "120 of 120 rows count; dropped: none")
    val = dict.fromkeys(("classic", "landmarks"), rows)
    sources = {name: export.Source(trained(seed), rows, rows) for seed, name in enumerate(val)}
    export.export(tmp_path / "khan", "khan", "MLP", "Khan", sources, "landmarks", "none", 1)
    made = calibrate.calibrate(tmp_path / "khan", val)
    wanted = fit_temperature(np.log(export.scores_of(trained(1), points)), truth)
    assert made.output.temperature == wanted != 1
    scores = recognize.open(tmp_path / "khan").judge(points)  # its self-tests hold with the temperature
    np.testing.assert_allclose(scores, calibrated(np.log(export.scores_of(trained(1), points)), wanted), atol=1e-5)
    card = (tmp_path / "khan" / "MODEL_CARD.md").read_text()
    assert f"The temperature {wanted:g} was fitted on val with points of `landmarks`" in card
    assert calibrate.calibrate(tmp_path / "khan", val).output.temperature == wanted, "from scores without the first"
    assert (tmp_path / "khan" / "MODEL_CARD.md").read_text() == card
    with pytest.raises(UsageError, match="measured on 120 rows of classic, got 60"):
        calibrate.calibrate(tmp_path / "khan", val | {"classic": rows.take(np.arange(60))})


def test_the_ranking_learns_which_choice_is_right():
    draw = np.random.default_rng(3)
    rows = [draw.normal(size=(9, 4)) for _ in range(300)]
    errors = [draw.permutation(9) / 10 for _ in rows]
    for row, error in zip(rows, errors, strict=True):
        row[:, 2] = error + 0.02 * draw.normal(size=9)
    weights, right = fitting.rank(rows, errors, 0.05)
    assert weights[2] < 0 and right > 95  # by chance two of nine are within 0.12


def test_agreement_counts_faces_that_are_right_failed_or_farther_off():
    errors = np.full((4, 18), 0.03)
    errors[1, 4] = 0.121
    errors[2] = np.nan
    result = agreement.Agreement(errors, ["", "", "lips", ""])
    assert result.right.tolist() == [True, False, False, True]
    text = agreement.table(result)
    assert "50.0 % (2)" in text and "25.0 % (lips 1)" in text and "25.0 % (1)" in text


def test_a_frontal_face_has_its_nose_in_the_middle():
    marks = a_face().astype(np.float64)
    middle = (marks[36] + marks[45]) / 2
    marks[30, 0] = middle[0]
    assert agreement.turned_aside(marks) == pytest.approx(0, abs=0.02)
    marks[30] += 0.25 * (marks[45] - marks[36])
    assert agreement.turned_aside(marks) == pytest.approx(0.5, abs=0.02)


def test_a_box_is_shaken_by_its_number_alone():
    sample = agreement.Sample(np.zeros((9, 9), np.uint8), Box(0, 0, 100, 100), a_face())
    assert fitting.shaken(sample, 4) is sample
    assert fitting.shaken(sample, 5).box == fitting.shaken(sample, 5).box != sample.box


def test_the_chain_is_judged_as_it_runs(monkeypatch):
    wanted = features.from_landmarks(a_face())
    found = chain.Chain(Box(0, 0, 9, 9), np.zeros(2), points=wanted + 1)
    lost = chain.Chain(Box(0, 0, 9, 9), np.zeros(2), failed="eyes")
    answers, given = iter([found, lost]), []
    monkeypatch.setattr(chain, "find", lambda *args: given.append(args[2:]) or next(answers))
    unseen = agreement.Sample(np.zeros((9, 9), np.uint8), Box(0, 0, 9, 9), a_face())
    sample = unseen._replace(own=a_face() + 3)
    result = agreement.agree([sample, sample, unseen])
    assert result.failed == ["", "eyes", "landmarks"] and np.isnan(result.errors[1:]).all()
    for nose, landmarks in given:
        np.testing.assert_array_equal(nose, sample.own[30])
        assert landmarks is sample.own
    np.testing.assert_allclose(result.errors[0], np.sqrt(2) / features.interocular(wanted), rtol=1e-5)
