"""The expressiveness study of the paper's section X: two groups by the median of four distances, a model a group."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgefer.labels import BASIC7
from edgefer.preprocess.points import features
from edgefer.train.geometry.export import scores_of
from edgefer.train.geometry.mlp import Trained, fit_paper
from edgefer.train.geometry.rows import Rows

#: V7, V10, V11 and V12, as indices: the distances about the lips.
LIPS = (6, 9, 10, 11)
GROUPS = ("less", "more")


class Division(NamedTuple):
    """What tells a more expressive face from a less expressive one.

    Attributes:
        middle, spread: float64, shape (4,), median and quartile range of V7, V10, V11, V12 on the train rows.
        median: of their mean once each is reduced by these.
    """

    middle: np.ndarray
    spread: np.ndarray
    median: float

    def expressiveness(self, points: np.ndarray) -> np.ndarray:
        """float64, shape (N,): how large the four distances are, together, of points (N, 18, 2)."""
        distances = features.distances(points)[:, LIPS].astype(np.float64)
        return ((distances - self.middle) / self.spread).mean(axis=1)

    def group(self, points: np.ndarray) -> np.ndarray:
        """int, shape (N,), index of GROUPS for each face."""
        return (self.expressiveness(points) > self.median).astype(int)

    def group_of_person(self, points: np.ndarray) -> int:
        """The group of a new person, by the median of their faces, points (N, 18, 2): one is enough."""
        return int(np.median(self.expressiveness(points)) > self.median)


def divide(points: np.ndarray) -> Division:
    """The division that puts half of these faces into each group."""
    distances = features.distances(points)[:, LIPS].astype(np.float64)
    low, middle, high = np.percentile(distances, [25, 50, 75], axis=0)
    unit = Division(middle, np.maximum(high - low, 1e-6), 0.0)
    return unit._replace(median=float(np.median(unit.expressiveness(points))))


class Result(NamedTuple):
    """Accuracy of a model on the val rows of a group, and its recall of each label, percent; nan without rows."""

    accuracy: float
    recall: np.ndarray
    rows: int


def judged(trained: Trained, rows: Rows) -> Result:
    """How a model does on some rows."""
    chosen = scores_of(trained, rows.points).argmax(axis=1)
    right = chosen == rows.truth
    recall = np.array(
        [100 * right[rows.truth == label].mean() if (rows.truth == label).any() else np.nan for label in range(7)]
    )
    return Result(100 * float(right.mean()), recall, len(right))


def study(train: Rows, val: Rows, whole: Trained, seed: int, epochs: int) -> str:
    """Trains a model a group, and prints each beside the model of all on the val rows of its group."""
    division = divide(train.points)
    of_train, of_val = division.group(train.points), division.group(val.points)
    medians = ", ".join(f"V{index + 1} {value:.3f}" for index, value in zip(LIPS, division.middle, strict=True))
    lines = [
        "V7, V10, V11 and V12, each less its median and over its quartile range; a face is more expressive where "
        f"their mean is above {division.median:+.3f}, the median of the train rows",
        f"medians: {medians}",
        "",
        f"{'val rows of':<14}{'model of':<10}{'rows':>6}{'accuracy':>10}"
        + "".join(f"{name[:9]:>11}" for name in BASIC7),
    ]
    for group, name in enumerate(GROUPS):
        own = np.flatnonzero(of_train == group)
        trained = fit_paper(train.points[own], train.truth[own], seed, epochs=epochs)
        rows = val.take(np.flatnonzero(of_val == group))
        for which, model in (("all", whole), (f"{name}", trained)):
            result = judged(model, rows)
            recall = "".join(f"{value:>10.1f}%" for value in result.recall)
            lines.append(f"{name:<14}{which:<10}{result.rows:>6}{result.accuracy:>9.2f}%{recall}")
    lines.append("")
    share = [f"{name} {100 * (of_val == group).mean():.1f} %" for group, name in enumerate(GROUPS)]
    lines.append(f"val rows by group: {', '.join(share)}; the labels' columns are recalls")
    return "\n".join(lines)
