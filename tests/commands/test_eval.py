"""`edgefer eval`: its text, its JSON, and whole runs on folders and on the shipped models."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_model
from oracle import Oracle, dataset, one_hot
from portrait import FACE_CENTRE, FACE_SIDE, portrait

from edgefer import recognize
from edgefer.commands.console import main
from edgefer.commands.eval import report_json, report_text
from edgefer.labels import BASIC7, FERPLUS8
from edgefer.measure.evaluate import evaluate
from edgefer.models import store

DATA = Path(os.environ.get("EDGEFER_DATA", Path(__file__).parents[2] / "../shared/data"))
NPZ = DATA / "fer2013" / "fer2013_train_val.npz"


@pytest.fixture
def report():
    """Ten rows: neutral 4 of 5 right, happiness 2 of 3, surprise 0 of 2."""
    rows = [(0, one_hot(0))] * 4 + [(0, one_hot(1))] + [(1, one_hot(1))] * 2 + [(1, one_hot(0))]
    rows += [(2, one_hot(1))] * 2
    return evaluate(Oracle(), dataset(rows, dropped={"without a majority": 7}))


def test_the_accuracy_is_a_line_of_its_own(report):
    lines = report_text(report).splitlines()
    assert lines.count("accuracy 60.00 % on 10 rows") == 1
    assert "rows      10 of 17 rows count; dropped: 7 without a majority" in lines
    assert "rule      by hand" in lines
    assert any(re.fullmatch(r"happiness +40\.00 +66\.67 +50\.00 +3", line) for line in lines)
    assert any(re.fullmatch(r"happiness +1 +2 +0 +0 +0 +0 +0 +0", line) for line in lines)
    assert max(map(len, lines)) <= 110


def test_problems_are_shown_up_to_twenty_and_then_counted():
    problems = [f"file{index}: damaged" for index in range(23)]
    text = report_text(evaluate(Oracle(), dataset([(0, one_hot(0))], problems=problems)))
    assert "file19: damaged" in text
    assert "file20: damaged" not in text
    assert "… and 3 more; --json lists all" in text


def test_json_holds_everything(report):
    content = json.loads(report_json(report))
    assert content["accuracy"] == pytest.approx(60)
    assert content["rows"] == 10
    assert content["dropped"] == {"without a majority": 7}
    assert content["labels"] == list(FERPLUS8)
    assert content["classes"]["neutral"] == pytest.approx({"precision": 80, "recall": 80, "f1": 80, "rows": 5})
    assert content["confusion"] == report.confusion.tolist()


def test_groups_of_people_have_figures_of_their_own():
    """Of six women four are judged right, of four men none; people and numbers of rows are no groups here."""
    rows = [(0, one_hot(0))] * 4 + [(0, one_hot(1))] * 6
    tags = {"gender": np.array(["F"] * 6 + ["M"] * 4), "row": np.arange(10).astype(str), "angle": np.array(["S"] * 10)}
    report = evaluate(Oracle(), dataset(rows, tags=tags))
    lines = report_text(report).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("gender"))
    # Wilson's intervals of 4 of 6 and 0 of 4, by hand
    assert lines[first + 1].split() == ["F", "66.67", "30.00", "to", "90.32", "6"]
    assert lines[first + 2].split() == ["M", "0.00", "0.00", "to", "48.99", "4"]
    assert not any(line.startswith(("row ", "angle")) for line in lines)
    groups = json.loads(report_json(report))["groups"]
    assert list(groups) == ["gender"] and groups["gender"]["M"]["rows"] == 4
    assert groups["gender"]["F"]["accuracy"] == pytest.approx(200 / 3)


def test_people_are_what_intervals_and_a_comparison_go_by_where_they_are_known():
    """Four people with three rows each: the one model is right on all rows of two, the other on none."""
    rows = [(0, one_hot(0))] * 6 + [(0, one_hot(1))] * 6
    tags = {"subject": np.repeat(list("abcd"), 3), "gender": np.repeat(["F", "M", "F", "M"], 3)}
    report = evaluate(Oracle(), dataset(rows, tags=tags))
    other = evaluate(Oracle(), dataset([(0, one_hot(1))] * 12, tags=tags))
    women = report.groups["gender"][0]
    by_rows = evaluate(Oracle(), dataset(rows, tags={"gender": tags["gender"]})).groups["gender"][0]
    assert women.accuracy == by_rows.accuracy == 50
    assert women.interval[0] < by_rows.interval[0] and by_rows.interval[1] < women.interval[1]
    lines = report_text(report.compared(other)).splitlines()
    assert "intervals are by people, whose rows are alike" in lines
    said = next(line for line in lines if "over 4 people" in line)
    assert said.startswith("+50.00 points over 4 people") and said.endswith("Student's p = 0.18")
    against = json.loads(report_json(report.compared(other)))["against"]
    assert against["p"] < 0.05 < against["over_people"]["p"], "twelve rows are not twelve people"


def test_two_people_of_whom_each_differs_by_as_much_tell_nothing_for_certain():
    rows = [(0, one_hot(0))] * 20
    tags = {"subject": np.repeat(list("ab"), 10)}
    other = evaluate(Oracle(), dataset([(0, one_hot(int(number % 10 == 0))) for number in range(20)], tags=tags))
    compared = evaluate(Oracle(), dataset(rows, tags=tags)).compared(other)
    assert compared.over_people is None
    assert compared.compared(compared).over_people.p == 1
    assert json.loads(report_json(compared))["against"]["p"] == 0.5 and "over 2 people" not in report_text(compared)


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A package with one model of faces, and the detector."""
    shutil.copytree(store.SHIPPED / "edgefer-face", tmp_path / "models" / "edgefer-face")
    tiny_model.make_directory(tmp_path / "models" / "tiny", name="tiny")
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "models")
    return tmp_path / "models"


def judged(capsys, *arguments):
    """What `edgefer eval` prints as JSON."""
    assert main(["eval", "--json", *map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_judges_a_folder_with_a_real_network(models, tmp_path, capsys):
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
    folder = ["--data", str(tmp_path / "faces"), "--model", "tiny"]
    drawn = ["--confusion", str(tmp_path / "c.png"), "--reliability", str(tmp_path / "r.png")]
    assert main(["eval", *folder, *drawn, "--compare", str(models / "tiny")]) == 0
    text = capsys.readouterr().out
    assert "accuracy 91.67 % on 12 rows" in text.splitlines()
    assert "+0.00 points against tiny (91.67 %)" in text and "McNemar p = 1" in text
    assert (tmp_path / "c.png").is_file() and (tmp_path / "r.png").is_file()
    assert judged(capsys, *folder)["rows"] == 12
    face = next((tmp_path / "faces").rglob("*.png"))
    before = face.read_bytes()
    for pictures in (["--confusion", face], ["--confusion", drawn[1], "--reliability", f"{tmp_path}/./c.png"]):
        assert main(["eval", *folder, *map(str, pictures)]) == 2
        assert "give" in capsys.readouterr().err
    assert face.read_bytes() == before
    assert main(["eval", *folder, "--labels", "basic8"]) == 2
    assert "unknown label set 'basic8'; available: ferplus8, basic7" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--confusion", "--reliability"])
def test_a_picture_that_cannot_be_written_is_told_before_anything_is_read(option, tmp_path, capsys):
    for place, words in (
        (tmp_path / "none" / "x.png", f"there is no folder {tmp_path}/none; make it, or choose another"),
        (tmp_path, "it is a folder; give it a file's name"),
    ):
        # the data is not there either, and is not looked for yet
        assert main(["eval", "--data", str(tmp_path / "data"), option, str(place)]) == 2
        assert capsys.readouterr().err == f"edgefer: {option} {place}: {words}\n"


def test_what_was_found_is_told_though_a_picture_cannot_be_written(models, tmp_path, capsys, monkeypatch):
    (tmp_path / "faces" / "fear").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "faces" / "fear" / "a.png"), np.zeros((48, 48), np.uint8))

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edgefer.support.drawing.write_bytes", full)
    faces = ["--data", str(tmp_path / "faces"), "--model", "tiny"]
    assert main(["eval", *faces, "--confusion", str(tmp_path / "c.png")]) == 1
    printed = capsys.readouterr()
    assert "% on 1 rows" in printed.out and "c.png: No space left on device" in printed.err


def test_the_command_judges_a_set_of_photographs_as_distributed(models, tmp_path, capsys):
    for seed, angle in enumerate(("S", "HL", "HR")):
        for code in ("AN", "HA", "NE"):
            image = np.random.default_rng([seed, *code.encode()]).integers(0, 256, (40, 30), np.uint8)
            (tmp_path / "kdef").mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / "kdef" / f"AF01{code}{angle}.JPG"), image)
    where = ["--where", "angle=straight,half-left"]
    content = judged(capsys, "--data", tmp_path / "kdef", "--model", "tiny", *where)
    assert content["rows"] == 6
    assert content["labels"] == list(BASIC7)
    assert {name: list(groups) for name, groups in content["groups"].items()} == {"angle": ["half-left", "straight"]}
    assert content["dropped"] == {"outside angle straight or half-left": 3}
    assert len(content["problems"]) == 139 + (35 - 9) + 6


@pytest.mark.parametrize("name", ["edgefer-nano", "khan", "geometry12", "sketch"])
def test_every_kind_judges_a_folder_of_faces(name, tmp_path, capsys):
    (tmp_path / "happiness").mkdir()
    x, y, half = *FACE_CENTRE, FACE_SIDE / 2
    face = portrait()[int(y - half) : int(y + half), int(x - half) : int(x + half)]
    cv2.imwrite(str(tmp_path / "happiness" / "face.png"), face)
    assert judged(capsys, "--model", name, "--data", str(tmp_path))["rows"] == 1


def test_a_model_without_expressions_is_refused(tmp_path, capsys):
    (tmp_path / "happiness").mkdir()
    for more in (["--model", "units"], ["--compare", "units"]):
        assert main(["eval", "--data", str(tmp_path), *more]) == 2
        assert capsys.readouterr().err.startswith("edgefer: units: gives no expression")


@pytest.mark.skipif(not NPZ.is_file(), reason=f"needs {NPZ.name} (set EDGEFER_DATA)")
@pytest.mark.parametrize("name", store.shipped("frame"))
def test_a_shipped_model_is_as_accurate_as_its_manifest_states(name, capsys):
    """0.3 points are left for other int8 kernels, which tip a few rows that lie between two labels."""
    found = recognize.open(name).manifest
    metrics = found.metrics
    split, labels = metrics.split, found.output.labels
    report = judged(capsys, "--data", NPZ, "--model", name, "--split", split, "--labels", labels)
    assert report["rows"] == metrics.rows
    assert report["accuracy"] == pytest.approx(metrics.accuracy_int8, abs=0.3)
    # the manifest's is cross-fitted, this one is not; by chance alone neither is zero, nor as much as the other
    calibration = report["calibration"]
    assert calibration["ece"] == pytest.approx(metrics.ece, abs=calibration["ece_by_chance"] / 2)
