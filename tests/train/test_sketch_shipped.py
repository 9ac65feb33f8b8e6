"""The sketch network that ships: its figures, its card, and the page that tells of the trainings."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from sketch_faces import a_face

from edgefer import recognize
from edgefer.commands.console import main
from edgefer.labels import COSTACHE4
from edgefer.models import directory, store
from edgefer.sources.demo import portrait_path
from edgefer.train.sketch import tables

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("EDGEFER_DATA", ROOT / "../shared/data")) / "fer2013" / "fer2013_train_val.npz"


def test_the_papers_tables_are_printed_where_nothing_can_be_trained(monkeypatch, capsys):
    """Keras is for trainings; what they gave is on record."""
    monkeypatch.setitem(sys.modules, "keras", None)
    for name in [name for name in sys.modules if name.startswith("edgefer.train.sketch.")]:
        monkeypatch.delitem(sys.modules, name)
    assert importlib.import_module("edgefer.train.sketch.__main__").main(["tables", "--no-times"]) == 0
    printed = capsys.readouterr().out
    assert all(f"**Table {number}:" in printed for number in ("II", "III", "IV", "V"))


def test_the_shipped_network_is_right_on_seventy_percent_and_its_card_says_what_the_manifest_says():
    found = directory.load(store.find("sketch"))
    assert found.kind == "sketch" and found.labels == COSTACHE4
    assert found.metrics.accuracy_int8 >= 70
    assert found.metrics.accuracy_float32 - found.metrics.accuracy_int8 <= 0.3
    assert (store.find("sketch") / "model.tflite").stat().st_size < 150_000
    card = " ".join((store.find("sketch") / "MODEL_CARD.md").read_text().split())
    for words in (
        f"{found.metrics.accuracy_int8:.2f} %",
        f"{found.metrics.accuracy_float32:.2f} %",
        str(found.metrics.rows),
        f"temperature {found.output.temperature} ",
        f"{found.metrics.ece:.2f} %",
        *found.training.command.split(" && "),
        "research use",
    ):
        assert words in card


@pytest.mark.parametrize(
    ("wide", "high", "expected"), [(1.5, 0.9, "positive"), (0.8, 2.2, "awe")], ids=["broad-mouth", "open-mouth"]
)
def test_plain_faces_are_read_as_a_person_would(wide, high, expected):
    """A mouth drawn broad with its corners up, and one wide open under raised brows."""
    points = a_face()
    mouth = points[48:68] - [200, 255]
    bent = -12 * (np.abs(mouth[:, 0]) / 40) ** 2 if expected == "positive" else 0
    points[48:68] = mouth * [wide, high] + [200, 255]
    points[48:68, 1] += bent
    if expected == "awe":
        points[17:27, 1] -= 12
        points[[37, 38, 43, 44], 1] -= 5
    recognizer = recognize.open("sketch")
    recognizer.prepare(points)
    assert COSTACHE4[int(recognizer.infer().argmax())] == expected


def test_the_page_holds_the_tables_of_the_records():
    page = (ROOT / "docs" / "sketch.md").read_text()
    assert tables.from_records(tables.read_records(ROOT / tables.RECORDS)) in page


def test_a_photograph_is_read_with_its_sketch(tmp_path, capsys):
    assert (
        main(["run", "-q", "--source", str(portrait_path()), "--model", "sketch", "--output", f"image:{tmp_path}"]) == 0
    )
    assert list(tmp_path.iterdir())
    (face,) = recognize_photograph()
    assert face.expression in COSTACHE4 and face.sketch.shape == (64, 64)


def recognize_photograph():
    import edgefer

    return edgefer.read(portrait_path(), model="sketch")


@pytest.mark.skipif(not DATA.exists(), reason=f"needs {DATA}; EDGEFER_DATA names the folder")
def test_eval_judges_the_rows_whose_landmarks_are_found(tmp_path, capsys):
    with np.load(DATA) as archive:
        rows = np.flatnonzero(archive["split"] == 1)[:120]
        parts = [archive["webp"][archive["offset"][row] : archive["offset"][row + 1]] for row in rows]
        np.savez(
            tmp_path / "few.npz",
            webp=np.concatenate(parts),
            offset=np.cumsum([0, *map(len, parts)]),
            **{name: archive[name][rows] for name in ("emotion", "split", "votes", "votes_known")},
        )
    assert main(["eval", "--model", "sketch", "--data", str(tmp_path / "few.npz")]) == 0
    said = capsys.readouterr().out
    assert "accuracy" in said and "positive" in said
    accuracy = float(said.split("\naccuracy ")[1].split(" %")[0])
    assert accuracy >= 55  # about a hundred rows: seven in ten, less three standard errors
