"""Laws of the divisions: no row on both sides, none left out, nobody on both sides where that is promised."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.measure.datasets import Dataset
from edgefer.train.data import splits

ROWS = 700


@pytest.fixture
def people():
    """KDEF in small: 10 people, 7 classes, 10 pictures of each class; classes and people in random order."""
    order = np.random.default_rng(5).permutation(ROWS)
    truth, subjects = (np.tile(np.arange(7), 100)[order], np.repeat([f"F{i:02d}" for i in range(10)], 70)[order])
    return truth, subjects


@pytest.fixture
def uneven():
    """23 people with 1 to 40 pictures, classes of very different size."""
    rng = np.random.default_rng(6)
    subjects = np.repeat([f"S{i:03d}" for i in range(23)], rng.integers(1, 41, 23))
    return rng.choice(8, len(subjects), p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.03, 0.02]), subjects


def check(found, rows):
    for split in found:
        assert not set(split.train) & set(split.test)
        assert sorted([*split.train, *split.test]) == list(range(rows))
        assert (np.diff(split.train) > 0).all() and (np.diff(split.test) > 0).all()
    tested = np.concatenate([split.test for split in found])
    assert sorted(tested) == list(range(rows))


@pytest.mark.parametrize("k", [2, 3, 10])
def test_folds_test_every_row_once_and_spread_the_classes(uneven, k):
    truth, subjects = uneven
    for by in (None, subjects):
        found = splits.folds(truth, k, seed=3, subjects=by)
        check(found, len(truth))
        counts = np.array([np.bincount(truth[split.test], minlength=8) for split in found])
        assert (np.ptp(counts, axis=0) <= 1).all()
        assert np.ptp(counts.sum(axis=1)) <= 1


def test_folds_spread_every_persons_rows_of_a_class(people):
    truth, subjects = people
    for split in splits.folds(truth, 10, seed=1, subjects=subjects):
        cells = np.char.add(subjects[split.test], truth[split.test].astype(str))
        assert len(np.unique(cells)) == len(cells) == 70


def test_a_holdout_is_ten_percent_of_every_class(people):
    truth, subjects = people
    split = splits.holdout(truth, seed=1, subjects=subjects)
    assert len(split.test) == 70
    assert np.bincount(truth[split.test]).tolist() == [10] * 7
    assert set(subjects[split.test]) == set(subjects[split.train])


@pytest.mark.parametrize("k", [2, 5, 10])
def test_subject_folds_keep_people_together_and_sizes_alike(uneven, k):
    truth, subjects = uneven
    found = splits.subject_folds(truth, subjects, k, seed=2)
    check(found, len(truth))
    for split in found:
        assert not set(subjects[split.train]) & set(subjects[split.test])
    sizes = [len(split.test) for split in found]
    # nobody has more than 40 rows; dealing by falling size leaves no fold further from another than that
    assert max(sizes) - min(sizes) <= 40


def test_subject_folds_of_equal_people_are_equal(people):
    truth, subjects = people
    for split in splits.subject_folds(truth, subjects, 5):
        assert np.bincount(truth[split.test]).tolist() == [20] * 7
    split = splits.subject_holdout(truth, subjects)
    assert len(split.test) == 70 and len(set(subjects[split.test])) == 1


def test_leave_one_subject_out_tests_each_person_alone(uneven):
    truth, subjects = uneven
    found = list(splits.leave_one_subject_out(subjects))
    assert [name for name, _ in found] == sorted(set(subjects))
    check([split for _, split in found], len(truth))
    assert all(set(subjects[split.test]) == {name} for name, split in found)


def test_the_seed_decides(people):
    truth, subjects = people
    for divide in (
        lambda seed: splits.folds(truth, 10, seed),
        lambda seed: splits.folds(truth, 10, seed, subjects),
        lambda seed: splits.subject_folds(truth, subjects, 5, seed),
    ):
        first, again, other = divide(1), divide(1), divide(2)
        assert all(np.array_equal(a.test, b.test) for a, b in zip(first, again, strict=True))
        assert not all(np.array_equal(a.test, b.test) for a, b in zip(first, other, strict=True))


def test_more_folds_than_there_can_be_are_refused(people):
    truth, subjects = people
    with pytest.raises(ValueError, match="k must be 2 to the number of people, 10, got 11"):
        splits.subject_folds(truth, subjects, 11)
    with pytest.raises(ValueError, match="k must be 2 to the number of rows, 700, got 1"):
        splits.folds(truth, 1)


@pytest.mark.parametrize(
    ("division", "tested"),
    [("holdout", 70), ("fold:3/10", 70), ("subject-holdout", 70), ("subject-fold:2/5", 140), ("subject:F03", 70)],
)
def test_a_data_set_is_divided_by_a_protocol_in_words(people, division, tested):
    truth, subjects = people
    images = np.arange(ROWS, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    data = Dataset("made", "all", "basic7", "by hand", images, truth, tags={"subject": subjects})
    train, test = splits.divide(data, division, seed=1)
    assert (len(train), len(test)) == (ROWS - tested, tested)
    assert len(test.images) == len(test.tags["subject"]) == tested
    shared = set(train.tags["subject"]) & set(test.tags["subject"])
    assert bool(shared) == (not division.startswith("subject"))


@pytest.mark.parametrize(
    "division", ["", "folds", "fold:0/10", "fold:11/10", "fold:1/9999", "subject:F99", "subject-fold:1/11"]
)
def test_a_division_that_cannot_be_is_refused_in_one_line(people, division):
    truth, subjects = people
    data = Dataset("made", "all", "basic7", "by hand", np.zeros((ROWS, 1, 1)), truth, tags={"subject": subjects})
    with pytest.raises(UsageError, match=r"available: holdout|k must be") as caught:
        splits.divide(data, division)
    assert len(str(caught.value).splitlines()) == 1
    assert ("of the set F00, F01" in str(caught.value)) == division.startswith("subject:")
    anonymous = Dataset("made", "all", "basic7", "by hand", np.zeros((ROWS, 1, 1)), truth)
    with pytest.raises(UsageError, match="do not tell whom they show"):
        splits.divide(anonymous, "subject-holdout")


@pytest.mark.parametrize("division", ["holdout", "subject-holdout", "fold:1/10", "subject-fold:1/2"])
def test_too_few_rows_or_people_for_a_protocol_are_one_line(division):
    data = Dataset("set", "all", "basic7", "all", np.zeros((6, 4, 4), np.uint8), np.arange(6) % 2)
    data.tags["subject"] = np.array(["KA"] * 6)
    with pytest.raises(UsageError, match=f"{division}: .*must be 2 to the number of"):
        splits.divide(data, division)


def test_the_only_person_is_not_left_out():
    data = Dataset("set", "all", "basic7", "all", np.zeros((6, 4, 4), np.uint8), np.arange(6) % 2)
    data.tags["subject"] = np.array(["KA"] * 6)
    with pytest.raises(UsageError, match="subject:KA: KA is the only person of set"):
        splits.divide(data, "subject:KA")
