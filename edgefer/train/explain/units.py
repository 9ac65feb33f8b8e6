"""Which action units the filters stand for: P(j, u) of Breuer and Kimmel, 2017, section 3.1.

Of the N images that filter j answers most to, P(j, u) is the share that show action unit u. The paper rejects
every correlation below 1, because its N is small; it does not print N. Where it is silent:

* An image that a rectified filter answers to with zero does not count as one that excites it, even where
  fewer than N do.
* Of units with the same P the rarest in the data is the filter's best.
* Unlike the paper we also say how often N images drawn at random have a unit in common: a unit that most
  images show matches many filters by chance.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefer.errors import EdgeferError, UsageError
from edgefer.measure.datasets import Dataset
from edgefer.measure.datasets.ckplus import ActionUnits
from edgefer.measure.pictures import shaded_cell
from edgefer.support import drawing
from edgefer.train.explain.network import Survey
from edgefer.train.explain.sheets import titled

DRAWS = 10_000  # of random images, for what chance gives

#: Ekman and Friesen's names of the units that are coded most often.
NAMES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    11: "nasolabial deepener",
    12: "lip corner puller",
    13: "cheek puffer",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    18: "lip puckerer",
    20: "lip stretcher",
    22: "lip funneler",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    28: "lip suck",
    43: "eyes closed",
    45: "blink",
}


def matched(data: Dataset, coded: ActionUnits, count: int) -> tuple[Dataset, np.ndarray]:
    """The rows of a data set that are coded, by their files, and the units of each.

    Args:
        count: rows that are needed.

    Returns:
        Those rows, and bool, shape (rows, units).

    Raises:
        UsageError: the rows are not files, or too few of them are coded.
    """
    paths = getattr(data.images, "paths", None)
    if paths is None:
        raise UsageError(f"units: {data.source} is not a folder of pictures, so that none can be coded")
    number = {path.resolve(): index for index, path in enumerate(coded.paths)}
    rows = [row for row, path in enumerate(paths) if path.resolve() in number]
    if len(rows) < count:
        raise UsageError(
            f"units: {len(rows)} of the {len(data)} pictures of {data.source} are coded; expected {count} or "
            "more, or a smaller --top"
        )
    taken = data.take(np.array(rows))
    taken.dropped = {**data.dropped, "not coded": len(data) - len(rows)}
    taken.problems = data.problems + coded.problems
    return taken, coded.present[[number[paths[row].resolve()] for row in rows]]


@dataclass(frozen=True)
class Correlation:
    """Filters compared with action units.

    Attributes:
        survey: what the filters answered. units: numbers of the action units.
        count: the paper's N.
        p: float64, shape (filters, units), P(j, u).
        shares: float64, shape (units,), share of all images that show each.
        chance: share of random draws of N images that have a unit in common.
    """

    survey: Survey
    units: list[int]
    count: int
    p: np.ndarray
    shares: np.ndarray
    chance: float

    @property
    def best(self) -> np.ndarray:
        """int64, shape (filters,): column of each filter's unit, the rarest of equally good ones."""
        rarest_first = np.argsort(self.shares, kind="stable")
        return rarest_first[self.p[:, rarest_first].argmax(axis=1)]

    @property
    def accepted(self) -> np.ndarray:
        """bool, shape (filters,): there is a unit with P = 1."""
        return (self.p == 1).any(axis=1)

    @property
    def judged(self) -> np.ndarray:
        """bool, shape (filters,): active, so that the question makes sense."""
        return self.survey.active > 0

    def content(self) -> dict:
        """For the JSON object."""
        filters = []
        for index in np.flatnonzero(self.judged).tolist():
            best = self.best[index]
            filters.append(
                {
                    "filter": index,
                    "active_on": int(self.survey.active[index]),
                    "best_unit": self.units[best],
                    "p": float(self.p[index, best]),
                    "units": [unit for unit, p in zip(self.units, self.p[index], strict=True) if p == 1],
                }
            )
        return {
            "n": self.count,
            "units": {f"AU{unit}": float(share) for unit, share in zip(self.units, self.shares, strict=True)},
            "accepted": int(self.accepted.sum()),
            "rejected": int((self.judged & ~self.accepted).sum()),
            "chance": self.chance,
            "correlation": filters,
        }

    def lines(self) -> list[str]:
        """For the terminal: the paper's counts, and the filters of each unit."""
        judged, accepted = int(self.judged.sum()), int(self.accepted.sum())
        lines = [
            f"units     {accepted} of {judged} active filters have an action unit that all of their "
            f"{self.count} strongest images show; {judged - accepted} rejected",
            f"          {self.count} images drawn at random have one in {100 * self.chance:.1f} % of draws",
            "",
            f"{'unit':<6}{'':<22}{'images':>8}  filters with P = 1",
        ]
        for column, unit in enumerate(self.units):
            filters = np.flatnonzero(self.p[:, column] == 1).tolist()
            shown = ", ".join(map(str, filters[:12])) + (f", … ({len(filters)})" if len(filters) > 12 else "")
            share = f"{100 * self.shares[column]:.1f} %"
            lines.append(f"AU{unit:<4}{NAMES.get(unit, ''):<22}{share:>8}  {shown or '-'}")
        return [*lines, ""]

    def write(self, path: Path) -> Path:
        """All of it as a csv, one line a filter.

        Raises:
            EdgeferError: the file cannot be written.
        """
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["filter", "active_on", "dead", "best_unit", "accepted", *(f"AU{u}" for u in self.units)])
        for index, row in enumerate(self.p):
            best = f"AU{self.units[self.best[index]]}" if self.judged[index] else ""
            dead, accepted = int(self.survey.dead[index]), int(self.accepted[index])
            table.writerow([index, self.survey.active[index], dead, best, accepted, *(f"{p:.4f}" for p in row)])
        try:
            path.write_text(text.getvalue(), encoding="utf-8")
        except OSError as error:
            raise EdgeferError(f"cannot write {path}: {error.strerror}") from None
        return path

    def picture(self, title: Sequence[str], drawn: Sequence[int]) -> np.ndarray:
        """Filters down, units across, P as the shade; above them all images. uint8 (H, W, 3), BGR."""
        width, height, left = 40, 20, 110
        order = sorted(drawn, key=lambda index: (-self.p[index].max(), self.best[index], index))
        picture, top = titled(title, left + width * len(self.units) + 12, 42 + height * (len(order) + 1))
        top += 14  # for the units' names
        for column, unit in enumerate(self.units):
            drawing.write(picture, f"AU{unit}", left + width * (column + 0.5), top - 10, 0.38)
        rows = [("all images", self.shares), *((f"filter {index}", self.p[index]) for index in order)]
        for row, (name, values) in enumerate(rows):
            y = top + height * row
            drawing.write(picture, name, left - 8, y + height / 2, 0.4, anchor="end")
            for column, p in enumerate(values):
                x = left + width * column
                ink = shaded_cell(picture, (x, y, width, height), p)
                drawing.write(picture, f"{100 * p:.0f}", x + width / 2, y + height / 2, 0.36, ink)
        return picture


def correlate(survey: Survey, units: Sequence[int], present: np.ndarray, count: int) -> Correlation:
    """P(j, u) of every filter and unit.

    Args:
        units: numbers. present: bool, shape (N, units), of the images that were surveyed.
        count: images a filter, the paper's N.
    """
    p = np.zeros((survey.filters.count, len(units)))
    for index in range(len(p)):
        rows = survey.exciting(index, count)
        p[index] = present[rows].sum(axis=0) / count
    rng = np.random.default_rng(0)
    draws = (rng.choice(len(present), count, replace=False, shuffle=False) for _ in range(DRAWS))
    chance = sum(present[rows].all(axis=0).any() for rows in draws) / DRAWS
    return Correlation(survey, list(units), count, p, present.mean(axis=0), float(chance))
