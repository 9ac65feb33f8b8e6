"""Votes of FER+ as part of what the seven classes of FER-2013 are learnt from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.measure.datasets import Dataset
from edgefer.measure.datasets.fer2013 import load_npz
from edgefer.train.data.voted import said_by_votes, with_votes


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """Rows of three kinds of votes; of each kind, classes as often as `often` says."""
    kinds = np.array([[10, 0, 0], [0, 9, 1], [5, 0, 5]])
    often = [{0: 90, 1: 10}, {1: 60, 2: 40}, {0: 30, 2: 70}]
    votes = np.repeat(kinds, 100, axis=0)
    truth = np.concatenate([np.repeat(list(each), list(each.values())) for each in often])
    return votes, truth


def test_rows_with_like_votes_say_how_often_they_were_given_each_class(rows):
    votes, truth = rows
    said = said_by_votes(votes, truth, 3)
    assert said.dtype == np.float32 and said.sum(axis=1) == pytest.approx(1)
    expected = [[0.9, 0.1, 0.0], [0.0, 0.6, 0.4], [0.3, 0.0, 0.7]]
    assert said[[0, 100, 200]] == pytest.approx(np.array(expected), abs=0.03)


def test_rows_without_votes_say_what_is_common_among_them():
    votes = np.repeat([[0, 0], [6, 0], [0, 6]], 60, axis=0)
    truth = np.repeat([1, 0, 2], 60)
    assert said_by_votes(votes, truth, 3)[0].argmax() == 1


def test_a_share_of_a_target_is_what_the_votes_tell(rows):
    votes, truth = rows
    data = Dataset("here", "train", "basic7", "by hand", np.zeros((300, 1, 1), np.uint8), truth, votes=votes)
    wanted = np.eye(3, dtype=np.float32)[truth]
    mixed = with_votes(wanted, data, 0.25)
    np.testing.assert_allclose(mixed, 0.75 * wanted + 0.25 * said_by_votes(votes, truth, 3), rtol=1e-6)
    with pytest.raises(UsageError, match="voted: here has no votes of FER\\+ beside the classes of basic7"):
        with_votes(wanted, replace(data, votes=None), 0.25)


def test_the_votes_of_a_row_stay_with_it(small_set):
    whole = load_npz(small_set, "train", "basic7", "plurality", False)
    with np.load(small_set) as archive:
        votes = archive["votes"][archive["split"] == 0]
    assert np.array_equal(whole.votes, votes)
    some = np.array([3, 1])
    assert np.array_equal(whole.take(some).votes, votes[some])
    assert load_npz(small_set, "train", "ferplus8", "plurality", False).votes is None
