"""What rows that a train row equals are worth: with, without and alone, and the section of the page."""

import json

import numpy as np
import pytest

from edgefer.measure.datasets.base import Dataset
from tools import duplicates


@pytest.fixture
def val(monkeypatch):
    """Ten rows of val, of which rows 3 and 7 are train rows too."""
    whole = Dataset(
        images=np.zeros((10, 8, 8), np.uint8),
        truth=np.zeros(10, np.int64),
        labels="basic7",
        split="val",
        source="fer.npz",
        rule="every row",
        dropped={},
        tags={"row": np.arange(100, 110).astype(str)},
    )
    own = whole.take(np.array([0, 1, 2, 4, 5, 6, 8, 9]))

    def load(path, split, labels, keep_duplicates=False):
        return whole if keep_duplicates else own

    monkeypatch.setattr(duplicates.datasets, "load", load)
    return whole


def test_rows_are_judged_without_the_duplicates_on_them_alone_and_together(val):
    right = np.array([1, 1, 0, 1, 1, 0, 0, 1, 0, 0], bool)
    got = duplicates.judged(lambda data: right, "basic7")
    assert got == {
        **{"labels": "basic7", "rows": 8, "accuracy": 37.5},
        **{"duplicates": 2, "accuracy_duplicates": 100.0, "accuracy_all": 50.0},
    }


def test_the_section_shows_what_they_are_worth(tmp_path, val):
    assert duplicates.section(tmp_path) == []
    result = duplicates.judged(lambda data: np.arange(10) % 2 == 1, "basic7")
    (tmp_path / duplicates.FOLDER).mkdir()
    (tmp_path / duplicates.FOLDER / "m.json").write_text(json.dumps({"model": "m", "precision": "int8", **result}))
    head, table = duplicates.section(tmp_path)
    assert "2 of val's pictures are byte-equal" in head
    line = [cell.strip() for cell in table.splitlines()[-1].strip("|").split("|")]
    assert line == ["m, int8", "basic7", "37.50", "8", "100.00", "2", "50.00", "+12.50"]
