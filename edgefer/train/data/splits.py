"""Divisions of a data set into train and test: 90:10, k folds, and by person.

Every function gives row numbers, decided by its arguments alone: the same seed gives the same rows. What is
learnt on one side is judged on the other, so the two never share a row, nor a person where the name says so.

Pandey et al. do not say how they divide KDEF. So both readings are here: `holdout` keeps every person on both
sides, `subject_holdout` none. Breuer and Kimmel use ten folds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from edgefer.errors import UsageError
from edgefer.measure.datasets import Dataset


class Split(NamedTuple):
    """Row numbers, rising: int64 arrays."""

    train: np.ndarray
    test: np.ndarray


def folds(truth: np.ndarray, k: int = 10, seed: int = 1, subjects: np.ndarray | None = None) -> list[Split]:
    """k divisions whose test rows together are all rows, each once; every class is spread evenly.

    Args:
        truth: int, shape (N,).
        k: 2 to N.
        subjects: str, shape (N,); spreads every person's rows of a class evenly as well.

    Returns:
        Splits whose tests differ by one row at most in size, and by one row in every class (and by one in
        every person's rows of it).
    """
    if not 2 <= k <= len(truth):
        raise ValueError(f"folds: k must be 2 to the number of rows, {len(truth)}, got {k}")
    draw = np.random.default_rng(seed).permutation(len(truth))
    people = np.zeros(len(truth), np.int64) if subjects is None else np.unique(subjects, return_inverse=True)[1]
    # dealt out like cards, in the order of class and person: k rows that follow each other get all k folds
    order = np.lexsort((draw, people, truth))
    fold = np.empty(len(truth), np.int64)
    fold[order] = np.arange(len(truth)) % k
    return _splits(fold, range(k))


def holdout(truth: np.ndarray, seed: int = 1, subjects: np.ndarray | None = None) -> Split:
    """90:10, every class (and every person's rows of it) divided alike: the first of ten `folds`."""
    return folds(truth, 10, seed, subjects)[0]


def subject_folds(truth: np.ndarray, subjects: np.ndarray, k: int = 10, seed: int = 1) -> list[Split]:
    """k divisions by person: nobody is on both sides, everybody is in one test.

    People are dealt out by falling number of rows, each to the fold in which it makes the classes most equal
    (least sum of squares of the counts); the seed decides between equals.

    Raises:
        ValueError: fewer people than folds.
    """
    names, person = np.unique(subjects, return_inverse=True)
    if not 2 <= k <= len(names):
        raise ValueError(f"subject_folds: k must be 2 to the number of people, {len(names)}, got {k}")
    counts = np.zeros((len(names), int(truth.max()) + 1), np.int64)
    np.add.at(counts, (person, truth), 1)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(names))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    totals, fold_of = np.zeros((k, counts.shape[1]), np.int64), np.empty(len(names), np.int64)
    for index in order:
        # adding c to t changes the sum of squares by 2 t.c + c.c, of which the last is the same for all folds
        gain = totals @ counts[index]
        best = np.flatnonzero(gain == gain.min())
        smallest = best[totals[best].sum(axis=1) == totals[best].sum(axis=1).min()]
        fold_of[index] = rng.choice(smallest)
        totals[fold_of[index]] += counts[index]
    return _splits(fold_of[person], range(k))


def subject_holdout(truth: np.ndarray, subjects: np.ndarray, seed: int = 1) -> Split:
    """About 90:10 by person: the first of ten `subject_folds`, or of as many as there are people."""
    return subject_folds(truth, subjects, min(10, len(np.unique(subjects))), seed)[0]


def stepped_subject_folds(subjects: np.ndarray, k: int = 10) -> list[Split]:
    """k divisions by person as on CK+ and Oulu-CASIA: every k-th person in the order of their names is in one test.

    Reference: Jung, Lee, Yim, Park and Kim, Joint Fine-Tuning in Deep Neural Networks for Facial Expression
    Recognition, ICCV 2015, whom Haddad et al. follow: "sampling in the ID ascending order with step size equal to 10".

    Raises:
        ValueError: fewer people than folds.
    """
    names, person = np.unique(subjects, return_inverse=True)
    if not 2 <= k <= len(names):
        raise ValueError(f"stepped_subject_folds: k must be 2 to the number of people, {len(names)}, got {k}")
    return _splits(person % k, range(k))


def leave_one_subject_out(subjects: np.ndarray) -> Iterator[tuple[str, Split]]:
    """Each person in turn as the test, in the order of their names; no seed is needed."""
    for name in np.unique(subjects):
        test = subjects == name
        yield str(name), Split(np.flatnonzero(~test), np.flatnonzero(test))


def divide(data: Dataset, division: str, seed: int = 1) -> tuple[Dataset, Dataset]:
    """Train and test of a data set by a protocol in words, as a recipe or a command line gives it.

    Args:
        division: "holdout", "fold:3/10", "subject-holdout", "subject-fold:3/10" or "subject:F01".
        seed: of the division; the folds of one seed belong together.

    Raises:
        UsageError: an unknown protocol, a fold or a person that is not there, rows without subjects, or too few rows or
            people for the protocol.
    """
    kind, _, detail = division.partition(":")
    known = data.tags.get("subject")
    if known is None and kind.startswith("subject"):
        raise UsageError(f"{division}: the rows of {data.source} do not tell whom they show")
    subjects = np.array([]) if known is None else known
    fold = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", detail)
    try:
        if division == "holdout":
            split = holdout(data.truth, seed, known)
        elif division == "subject-holdout":
            split = subject_holdout(data.truth, subjects, seed)
        elif kind in ("fold", "subject-fold") and fold and int(fold[1]) <= int(fold[2]):
            number, k = int(fold[1]), int(fold[2])
            if kind == "fold":
                split = folds(data.truth, k, seed, known)[number - 1]
            else:
                split = subject_folds(data.truth, subjects, k, seed)[number - 1]
        elif kind == "subject" and detail in subjects:
            split = dict(leave_one_subject_out(subjects))[detail]
        else:
            people = f" {', '.join(np.unique(subjects))}" if kind == "subject" else ""
            raise UsageError(
                f"unknown division {division!r}; available: holdout, fold:3/10, subject-holdout, "
                f"subject-fold:3/10, subject:NAME, with the name of a person of the set{people}"
            )
    except ValueError as error:
        raise UsageError(f"{division}: {error}") from None
    if not len(split.train):
        raise UsageError(f"{division}: {detail} is the only person of {data.source}; nobody is left to learn from")
    return data.take(split.train), data.take(split.test)


def _splits(fold: np.ndarray, numbers: Sequence[int]) -> list[Split]:
    return [Split(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in numbers]
