"""What the classes can be told from: who reads votes, who reads pictures, who reads both, and the page's section."""

from types import SimpleNamespace

import numpy as np
import pytest

from edgefer.labels import BASIC7
from edgefer.measure.datasets.base import Dataset
from tools import ceiling


def rows(count, seed):
    """Votes that tell a class of the first three well but for one that they never name."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, count)
    votes = np.zeros((count, 10), np.int64)
    votes[np.arange(count), np.where(truth == 3, 0, truth)] = 10
    fields = {"labels": "basic7", "split": "val", "source": "fer.npz", "rule": "every row"}
    return Dataset(images=np.zeros((count, 8, 8), np.uint8), truth=truth, votes=votes, **fields)


@pytest.fixture
def made(monkeypatch):
    """A network that knows the fourth class, which votes take for the first, and no other."""
    train, val = rows(2000, 1), rows(1000, 2)
    monkeypatch.setattr(ceiling, "find_data", lambda name: name)
    monkeypatch.setattr(ceiling, "open_recognizer", lambda name: name)
    monkeypatch.setattr(ceiling.datasets, "load", lambda path, split, labels: {"train": train, "val": val}[split])
    scores = np.full((1000, 7), 0.05, np.float32)
    scores[:, 0] = 0.7
    scores[val.truth == 3] = np.eye(7, dtype=np.float32)[3]
    monkeypatch.setattr(ceiling, "evaluate", lambda model, data: SimpleNamespace(labels=BASIC7, scores=scores))
    return val.truth


def test_votes_and_pictures_are_read_alone_and_together(made):
    counts = np.bincount(made, minlength=4)
    got = ceiling.judged()
    assert got["rows"] == 1000 and got["network"] == counts[0] + counts[3]
    assert got["votes"] in (1000 - counts[0], 1000 - counts[3])
    assert got["both"] == 1000


def test_the_section_says_how_far_it_is_to_the_aim(tmp_path, made, monkeypatch):
    assert ceiling.section(tmp_path) == []
    monkeypatch.setattr(ceiling, "RECORDS", tmp_path)
    assert ceiling.main([]) == 0
    head, table, tail = ceiling.section(tmp_path)
    assert "71 %" in head and "29.0 points above" in tail
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    assert cells[2] == ["both", "100.00", "99.6 to 100.0", "1000"]


def test_where_the_data_is_not_there_one_line_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EDGEFER_DATA", raising=False)
    assert ceiling.main([]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "fer2013_train_val.npz" in error
