"""What real runs write, against the schema."""

import csv
import json
import math

import av
import cv2
import jsonschema
import pytest
from portrait import portrait

from edgefer.commands.console import main
from edgefer.sinks.lines import SCHEMA_PATH

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text()))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A film, a photograph and a folder with a face, and the demo."""
    place = tmp_path_factory.mktemp("sources")
    face = cv2.resize(portrait(), None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)  # grey
    face = face[: face.shape[0] // 2 * 2, : face.shape[1] // 2 * 2]
    (place / "folder").mkdir()
    cv2.imwrite(str(place / "photo.png"), face)
    cv2.imwrite(str(place / "folder" / "a b, 1.png"), face)
    cv2.imwrite(str(place / "folder" / "empty.png"), face * 0 + 90)
    with av.open(str(place / "film.avi"), "w") as film:
        stream = film.add_stream("mjpeg", rate=25, width=face.shape[1], height=face.shape[0], pix_fmt="yuvj420p")
        for _ in range(6):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(face, "gray")))
        film.mux(stream.encode(None))
    return {
        "film": str(place / "film.avi"),
        "photo": str(place / "photo.png"),
        "folder": str(place / "folder"),
        "demo": "demo:1",
    }


@pytest.mark.parametrize("kind", ["film", "photo", "folder", "demo"])
def test_what_a_run_writes_fits_the_schema(tmp_path, sources, kind):
    lines, rows = tmp_path / "out.jsonl", tmp_path / "out.csv"
    models = ["--model", "edgefer-s", "--model", "edgefer-nano"]
    outputs = ["--output", f"jsonl:{lines}", "--output", f"csv:{rows},empty=yes"]
    assert main(["run", "-q", "--source", sources[kind], *models, *outputs]) == 0
    readings = [json.loads(line) for line in lines.read_text().splitlines()]
    for one in readings:
        VALIDATOR.validate(one)
    assert any(one["faces"] for one in readings)
    table = list(csv.DictReader(rows.open(newline="")))
    assert len(table) == sum(max(1, len(one["faces"])) for one in readings)
    for row in table:
        (one,) = [one for one in readings if one["frame"] == int(row["frame"])]
        assert math.isclose(float(row["t_s"]), one["t_s"]) and row["source"] == one["source"]
        if row["track"]:
            (face,) = [face for face in one["faces"] if face["track"] == int(row["track"])]
            assert row["expression"] == face["expression"]
            assert row["edgefer-nano_expression"] == face["models"]["edgefer-nano"]["expression"]
            assert {float(row[label]) for label in face["scores"]} == set(face["scores"].values())
        else:
            assert not one["faces"] and row["expression"] == "" and row["edgefer-nano_confidence"] == ""


def test_a_service_that_restarts_keeps_its_log(tmp_path):
    path = tmp_path / "log.jsonl"
    for _ in range(2):
        assert main(["run", "-q", "--source", "demo:1", "--frames", "3", "--output", f"jsonl:{path}"]) == 0
    assert [json.loads(line)["frame"] for line in path.read_text().splitlines()].count(0) == 2


def test_changes_alone_are_few(tmp_path, sources):
    everything, changes = tmp_path / "all.jsonl", tmp_path / "changes.jsonl"
    outputs = ["--output", f"jsonl:{everything}", "--output", f"jsonl:{changes},on=change"]
    assert main(["run", "-q", "--source", sources["film"], *outputs]) == 0
    frames = [json.loads(line)["frame"] for line in everything.read_text().splitlines()]
    kept = [json.loads(line)["frame"] for line in changes.read_text().splitlines()]
    assert len(frames) == 6 and len(kept) < 6 and kept[0] == 0 and kept[-1] == 5
