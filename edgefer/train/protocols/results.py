"""What a cross-validation gave: accuracy by fold, confusion of the classes, and whether two architectures differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from edgefer.errors import UsageError
from edgefer.measure.statistics import Comparison, mcnemar, paired_t
from edgefer.train.protocols.folds import Fold

LAST = -1


@dataclass(frozen=True)
class Result:
    """Figures of some folds.

    Attributes:
        accuracies: percent, of each fold after its last epoch. best: after its best epoch, as the paper reports it: the
            epoch is chosen on the rows that it is judged on, so it is too high.
        overall, overall_best: percent of all sequences.
        confusion: int64 (classes, classes), truth in rows, after the last epoch.
        right: bool, whether each sequence was right after the last epoch, by its place among the clips.
        tests: of each fold what it was judged on: its people, its sequences by their places, and their classes.
    """

    names: tuple[str, ...]
    accuracies: tuple[float, ...]
    best: tuple[float, ...]
    overall: float
    overall_best: float
    confusion: np.ndarray
    right: np.ndarray
    tests: tuple[tuple[list[str], list[int], list[int]], ...]

    @property
    def mean(self) -> float:
        """Of the folds, as Tables 4 and 5 average them; a fold with few sequences counts as much as one with many."""
        return fmean(self.accuracies)


def result(folds: Sequence[Fold], classes: int) -> Result:
    """Figures of finished folds.

    Raises:
        UsageError: there are none.
    """
    if not folds:
        raise UsageError("no fold is finished")
    rows = np.concatenate([fold.rows for fold in folds])
    truth = np.concatenate([fold.truth for fold in folds])
    predicted = np.concatenate([fold.predicted[LAST] for fold in folds])
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    return Result(
        tuple(fold.name for fold in folds),
        tuple(100 * fold.right(LAST) / len(fold.rows) for fold in folds),
        tuple(100 * fold.right() / len(fold.rows) for fold in folds),
        100 * sum(fold.right(LAST) for fold in folds) / len(rows),
        100 * sum(fold.right() for fold in folds) / len(rows),
        confusion,
        (predicted == truth)[np.argsort(rows)],
        tuple((fold.subjects, fold.rows, fold.truth) for fold in folds),
    )


@dataclass(frozen=True)
class Difference:
    """A first architecture against a second on the same folds.

    Attributes:
        folds: paired t test of the accuracies by fold, two-sided. rows: McNemar's of the sequences.
        one_sided: p that the first is better, as the paper prints it; of 0.05 or less it calls "significant".
    """

    folds: Comparison
    rows: Comparison
    one_sided: float

    @property
    def words(self) -> str:
        return "significant" if self.one_sided <= 0.05 else "not significant"


def compare(first: Result, second: Result) -> Difference:
    """Whether the first is better.

    Raises:
        UsageError: their folds or sequences are not the same, or there is one fold alone.
    """
    if (first.names, first.tests) != (second.names, second.tests):
        raise UsageError("compare: expected two runs over the same folds of the same sequences")
    if len(first.names) < 2:
        raise UsageError(f"compare: expected two finished folds or more, got {len(first.names)}")
    return Difference(
        paired_t(first.accuracies, second.accuracies),
        mcnemar(first.right, second.right),
        one_sided(first.accuracies, second.accuracies),
    )


def one_sided(first: Sequence[float], second: Sequence[float]) -> float:
    """p of the paired t test that the first is greater: half of the two-sided one where it is, the rest where not."""
    two_sided = paired_t(first, second)
    if math.isnan(two_sided.statistic) or two_sided.statistic == 0:
        return 0.5
    return two_sided.p / 2 if two_sided.statistic > 0 else 1 - two_sided.p / 2
