"""How well readings of action units agree with what was coded: occurrence by F1, intensity by ICC, MSE, MAE and PCC.

Most units do not show in most pictures, so that mean errors flatter: one who always says nothing scores well by MSE
and MAE. ICC and F1 give such an answer 0; tables have it beside every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: A unit occurs from this intensity on: B, where films are coded by frames (DISFA's convention).
SHOWN = 2.0


def icc_3_1(ratings: np.ndarray) -> float:
    """Intraclass correlation of single ratings by fixed judges, two-way mixed, consistency: ICC(3,1).

    Args:
        ratings: float, shape (targets, judges), both at least 2.

    Returns:
        At most 1; 0 where judges agree no better than at random, and where nothing varies at all.

    Reference: Shrout and Fleiss, Intraclass Correlations: Uses in Assessing Rater Reliability, 1979:
    (BMS - EMS) / (BMS + (k - 1) EMS).
    """
    ratings = np.asarray(ratings, np.float64)
    if ratings.ndim != 2 or min(ratings.shape) < 2:
        raise ValueError(f"icc_3_1: expected (targets, judges), both at least 2, got {ratings.shape}")
    targets, judges = ratings.shape
    mean = ratings.mean()
    between = judges * np.square(ratings.mean(axis=1) - mean).sum()
    of_judges = targets * np.square(ratings.mean(axis=0) - mean).sum()
    rest = np.square(ratings - mean).sum() - between - of_judges
    bms, ems = between / (targets - 1), rest / ((targets - 1) * (judges - 1))
    whole = bms + (judges - 1) * ems
    # what rounding leaves of nothing is nothing
    return float((bms - ems) / whole) if whole > 1e-12 and abs(bms - ems) > 1e-12 * whole else 0.0


def f1(truth: np.ndarray, said: np.ndarray) -> float:
    """Harmonic mean of precision and recall; 0 where nothing right was said.

    Args:
        truth, said: bool, of one shape.
    """
    hits = int((truth & said).sum())
    return 2 * hits / (int(truth.sum()) + int(said.sum())) if hits else 0.0


def pcc(truth: np.ndarray, said: np.ndarray) -> float:
    """Pearson's correlation; 0 where one of both does not vary."""
    a, b = (np.asarray(each, np.float64) - np.mean(each, dtype=np.float64) for each in (truth, said))
    whole = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / whole if whole > 1e-12 else 0.0


@dataclass(frozen=True)
class Agreement:
    """Of one unit, or the means over units.

    Attributes:
        name: of the unit. rows: that were judged. share: of them that show it.
        f1, accuracy: of occurrence, 0 to 1. icc, pcc, mse, mae: of intensity, 0 to 5.
        rounded: share of rows whose intensity, rounded to a whole number, is right.
    """

    name: str
    rows: int
    share: float
    f1: float
    accuracy: float
    icc: float
    pcc: float
    mse: float
    mae: float
    rounded: float


def agreement(
    names: Sequence[str], truth: np.ndarray, shown: np.ndarray, intensity: np.ndarray, least: float = SHOWN
) -> list[Agreement]:
    """Each unit's, and their mean, named "mean".

    Args:
        truth: float (N, units), coded intensities. shown: bool (N, units), occurrence as it was said.
        intensity: float (N, units), as it was said. least: intensity from which a unit occurs.
    """
    rows = []
    for column, name in enumerate(names):
        coded, said = truth[:, column], intensity[:, column]
        occurs, told = coded >= least, shown[:, column]
        rows.append(
            Agreement(
                name,
                len(coded),
                float(occurs.mean()),
                f1(occurs, told),
                float((occurs == told).mean()),
                icc_3_1(np.stack([coded, said], axis=1)),
                pcc(coded, said),
                float(np.square(coded - said).mean()),
                float(np.abs(coded - said).mean()),
                float((np.rint(coded) == np.rint(said)).mean()),
            )
        )
    fields = ("share", "f1", "accuracy", "icc", "pcc", "mse", "mae", "rounded")
    means = {each: float(np.mean([getattr(row, each) for row in rows])) for each in fields}
    return [*rows, Agreement("mean", len(truth), **means)]


def table(rows: Sequence[Agreement], zero: Sequence[Agreement]) -> str:
    """The rows as a table, each beside what one who always says nothing scores.

    Args:
        zero: of the same units and pictures, with nothing said.
    """
    lines = [
        "| unit | shown | F1 | accuracy | ICC(3,1) | PCC | MSE | MAE | always zero: F1 | ICC | MSE | MAE |",
        "|---" + "|---:" * 11 + "|",
    ]
    for row, none in zip(rows, zero, strict=True):
        lines.append(
            f"| {row.name} | {100 * row.share:.1f} % | {row.f1:.3f} | {100 * row.accuracy:.2f} % | {row.icc:.3f} | "
            f"{row.pcc:.3f} | {row.mse:.3f} | {row.mae:.3f} | {none.f1:.3f} | {none.icc:.3f} | {none.mse:.3f} | "
            f"{none.mae:.3f} |"
        )
    return "\n".join(lines)


def always_zero(names: Sequence[str], truth: np.ndarray, least: float = SHOWN) -> list[Agreement]:
    """What one who says nothing of any picture scores."""
    return agreement(names, truth, np.zeros(truth.shape, bool), np.zeros(truth.shape), least)
