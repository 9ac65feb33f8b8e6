"""Figures of a model on a data set, their text, JSON and picture; and the catalogue of models."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tiny_model

from edgefer import recognize
from edgefer.commands import models as models_command
from edgefer.errors import EdgeferError, UsageError
from edgefer.labels import BASIC7, FERPLUS8
from edgefer.measure import evaluate as evaluation
from edgefer.measure.datasets import Dataset
from edgefer.measure.evaluate import Report, evaluate
from edgefer.models import manifest as manifests
from edgefer.models import store
from edgefer.support.drawing import save_picture

DATA = Path(os.environ.get("EDGEFER_DATA", Path(__file__).parents[2] / "../shared/data"))
NPZ = DATA / "fer2013" / "fer2013_train_val.npz"


class Oracle:
    """A recognizer that reads its scores from the image: pixel [0, k] is the weight of label k."""

    def __init__(self, labels="ferplus8"):
        self.manifest = SimpleNamespace(name="oracle", output=SimpleNamespace(labels=labels, temperature=1.0))

    def prepare_crop(self, crop):
        self._scores = crop[0, :8].astype(np.float32) / max(1, crop[0, :8].sum())

    def infer(self):
        return self._scores


def dataset(rows, labels="ferplus8", **changes):
    """rows: (truth, weights of the eight labels)."""
    images = np.zeros((len(rows), 48, 48), np.uint8)
    for index, (_, weights) in enumerate(rows):
        images[index, 0, : len(weights)] = weights
    truth = np.array([truth for truth, _ in rows], np.int64)
    fields = {"source": "made.csv", "split": "val", "rule": "by hand", "images": images, "truth": truth}
    return Dataset(labels=labels, **{**fields, **changes})


def one_hot(index):
    return [0] * index + [9]


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


def test_the_accuracy_is_a_line_of_its_own(report):
    lines = report.text().splitlines()
    assert lines.count("accuracy 60.00 % on 10 rows") == 1
    assert "rows      10 of 17 rows count; dropped: 7 without a majority" in lines
    assert "rule      by hand" in lines
    assert any(re.fullmatch(r"happiness +40\.00 +66\.67 +50\.00 +3", line) for line in lines)
    assert any(re.fullmatch(r"happiness +1 +2 +0 +0 +0 +0 +0 +0", line) for line in lines)
    assert max(map(len, lines)) <= 110


def test_problems_are_shown_up_to_twenty_and_then_counted():
    problems = [f"file{index}: damaged" for index in range(23)]
    text = evaluate(Oracle(), dataset([(0, one_hot(0))], problems=problems)).text()
    assert "file19: damaged" in text
    assert "file20: damaged" not in text
    assert "… and 3 more; --json lists all" in text


def test_json_holds_everything(report):
    content = json.loads(report.json())
    assert content["accuracy"] == pytest.approx(60)
    assert content["rows"] == 10
    assert content["dropped"] == {"without a majority": 7}
    assert content["labels"] == list(FERPLUS8)
    assert content["classes"]["neutral"] == pytest.approx(
        {"precision": 80, "recall": 80, "f1": 80, "rows": 5}
    )
    assert content["confusion"] == report.confusion.tolist()


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


def test_the_picture_shades_each_cell_by_its_share_of_the_row(report, tmp_path):
    save_picture(report.image(), tmp_path / "confusion.png")
    assert [path.name for path in tmp_path.iterdir()] == ["confusion.png"]
    picture = cv2.imread(str(tmp_path / "confusion.png"))
    assert np.array_equal(picture, report.image())
    cell, left, top = 92, 150, 84
    shades = np.array(
        [
            [int(picture[top + cell * row + 6, left + cell * column + 6].sum()) for column in range(3)]
            for row in range(3)
        ]
    )
    shares = report.confusion[:3, :3] / report.support[:3, np.newaxis]
    order = np.argsort(shares, axis=None)
    assert (np.diff(shades.reshape(-1)[order]) <= 0).all()
    assert shades[0, 0] < shades[0, 1] < shades[0, 2]


def test_a_picture_that_cannot_be_written_is_one_line_and_leaves_nothing(report, tmp_path):
    with pytest.raises(EdgeferError, match="cannot write .*: No such file or directory") as caught:
        save_picture(report.image(), tmp_path / "absent" / "confusion.png")
    assert caught.value.exit_code == 1
    (tmp_path / "taken").mkdir()
    with pytest.raises(EdgeferError, match="Is a directory"):
        save_picture(report.image(), tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A package with one sound and one damaged model."""
    for name in ("tiny", "worn"):
        tiny_model.make_directory(tmp_path / "models" / name, name=name)
    path = tmp_path / "models" / "worn" / manifests.MODEL_NAME
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "models")
    return tmp_path / "models"


def test_the_list_shows_each_model_and_why_one_is_refused(models, monkeypatch):
    monkeypatch.setattr(store, "DEFAULT_MODEL", "tiny")
    header, tiny, worn = models_command.listing().splitlines()
    assert header.split() == [
        *("name", "kind", "input", "labels", "val", "accuracy", "size"),
        *("licence", "of", "the", "training", "data"),
    ]
    assert tiny.startswith("*  tiny  frame    64x64 grey+sobel  ferplus8  12.50 % of 0")
    assert '2 KiB  no data; "random" weights with a tab' in tiny
    assert worn.startswith("   worn  refused")
    assert "model.tflite is damaged" in worn


def test_an_empty_package_lists_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "models")
    assert models_command.listing() == "no models are installed"
    assert store.verify() == []


def test_verify_judges_each_model_and_goes_on_after_a_refusal(models):
    verdicts = store.verify()
    assert [verdict.ok for verdict in verdicts] == [True, False]
    lines = models_command.verdict_text(verdicts).splitlines()
    assert lines[0] == "ok       tiny"
    assert lines[1].startswith(f"refused  model {models / 'worn'}: model.tflite is damaged")
    assert [verdict.ok for verdict in store.verify(["worn", models / "tiny"])] == [False, True]
    with pytest.raises(UsageError, match="unknown model 'tny'; available: tiny, worn"):
        store.verify(["tny"])


def test_the_command_judges_a_folder_with_a_real_network(models, tmp_path):
    """Truth is what the network itself says, for all but one image: the accuracy is known beforehand."""
    recognizer = recognize.open("tiny")
    faces = np.random.default_rng(3).integers(0, 256, (12, 6, 6), np.uint8)
    faces = faces.repeat(8, axis=1).repeat(8, axis=2)
    for index, face in enumerate(faces):
        recognizer.prepare_crop(face)
        label = recognizer.labels[(recognizer.infer().argmax() + (index == 0)) % 8]
        folder = tmp_path / "faces" / label
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{index}.png"), face)
    text = evaluation.command(
        tmp_path / "faces",
        "tiny",
        confusion=tmp_path / "c.png",
        reliability=tmp_path / "r.png",
        compare=models / "tiny",
    )
    assert "accuracy 91.67 % on 12 rows" in text.splitlines()
    assert "+0.00 points against tiny (91.67 %)" in text and "McNemar p = 1" in text
    assert (tmp_path / "c.png").is_file() and (tmp_path / "r.png").is_file()
    content = json.loads(evaluation.command(tmp_path / "faces", "tiny", as_json=True))
    assert content["rows"] == 12
    with pytest.raises(UsageError, match="unknown label set 'basic8'; available: ferplus8, basic7"):
        evaluation.command(tmp_path / "faces", "tiny", labels="basic8")


def test_the_command_judges_a_set_of_photographs_as_distributed(models, tmp_path):
    for seed, angle in enumerate(("S", "HL", "HR")):
        for code in ("AN", "HA", "NE"):
            image = np.random.default_rng([seed, *code.encode()]).integers(0, 256, (40, 30), np.uint8)
            (tmp_path / "kdef").mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / "kdef" / f"AF01{code}{angle}.JPG"), image)
    content = json.loads(
        evaluation.command(
            tmp_path / "kdef", "tiny", as_json=True, where={"angle": ["straight", "half-left"]}
        )
    )
    assert content["rows"] == 6
    assert content["labels"] == list(BASIC7)
    assert content["dropped"] == {"outside angle straight or half-left": 3}
    assert len(content["problems"]) == 139 + (35 - 9) + 6


@pytest.mark.skipif(not NPZ.is_file(), reason=f"needs {NPZ.name} (set EDGEFER_DATA)")
@pytest.mark.parametrize("name", store.shipped())
def test_a_shipped_model_is_as_accurate_as_its_manifest_states(name):
    """0.3 points are left for other int8 kernels, which tip a few rows that lie between two labels."""
    found = recognize.open(name).manifest
    metrics = found.metrics
    report = json.loads(evaluation.command(NPZ, name, metrics.split, found.output.labels, as_json=True))
    assert report["rows"] == metrics.rows
    assert report["accuracy"] == pytest.approx(metrics.accuracy_int8, abs=0.3)
    # the manifest's is cross-fitted, this one is not; both lie about one point above zero by chance alone
    assert report["calibration"]["ece"] == pytest.approx(metrics.ece, abs=0.5)


def test_a_report_is_made_of_scores_and_truth_alone():
    data = dataset([(index, one_hot(index)) for index in range(8)] * 3)
    report = Report("m", data, FERPLUS8, np.eye(8, dtype=np.float32)[data.truth])
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
    report = Report("m", data, FERPLUS8, chances.astype(np.float32), temperature=2.0)
    assert report.calibration.ece < 3 < 10 < report.calibration_before.ece
    line = next(line for line in report.text().splitlines() if line.startswith("ECE "))
    numbers = f"{report.calibration.ece:.2f} % in 15 bins ({report.calibration_before.ece:.2f} % before"
    assert line.startswith(f"ECE {numbers} the temperature 2), NLL ")
    content = json.loads(report.json())
    assert content["calibration"]["ece"] == pytest.approx(report.calibration.ece)
    assert content["calibration_before_temperature"]["ece"] == pytest.approx(report.calibration_before.ece)
    assert len(content["calibration"]["bins"]) == 15
    assert sum(entry["rows"] for entry in content["calibration"]["bins"]) == 4000


def test_the_reliability_diagram_has_a_bar_as_high_as_the_accuracy_of_each_bin():
    scores = np.tile(np.array([0.7, 0.3, 0, 0, 0, 0, 0, 0], np.float32), (10, 1))
    data = dataset([(0, one_hot(0))] * 4 + [(1, one_hot(1))] * 6)
    picture = Report("m", data, FERPLUS8, scores).reliability()
    x = 80 + round(480 * 0.69)  # within the bin of 0.7, beside no line
    column = (picture[84 : 84 + 480, x] == (120, 72, 16)).all(axis=1)
    assert column.sum() == pytest.approx(0.4 * 480, abs=4)
    assert column[-2] and not column[200]


def test_two_models_are_compared_on_the_same_rows(report):
    better = evaluate(Oracle(), dataset([(label, one_hot(label)) for label in report.data.truth]))
    compared = better.compared(report)
    assert compared.against[1].pairs == 4
    assert compared.against[1].p == pytest.approx(2 / 2**4)
    assert any(
        line.startswith("+40.00 points against oracle (60.00 %), 95 % interval +")
        and line.endswith("McNemar p = 0.12")
        for line in compared.text().splitlines()
    )
    content = json.loads(compared.json())["against"]
    assert (content["model"], content["pairs"], content["effect"]) == ("oracle", 4, None)
    assert "against" not in json.loads(better.json())
