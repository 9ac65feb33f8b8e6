"""How well events are spotted: matched by how far they overlap, counted over a whole set of films."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

LEVELS = (0.3, 0.5, 0.7)


class Spanned(Protocol):
    """What has an onset and an offset."""

    @property
    def onset_s(self) -> float: ...

    @property
    def offset_s(self) -> float: ...


def overlap(a: Spanned, b: Spanned) -> float:
    """Intersection over union of two spans of time."""
    both = min(a.offset_s, b.offset_s) - max(a.onset_s, b.onset_s)
    either = max(a.offset_s, b.offset_s) - min(a.onset_s, b.onset_s)
    return max(0.0, both) / either if either > 0 else 0.0


def matched(truth: Sequence[Spanned], found: Sequence[Spanned], level: float) -> list[tuple[int, int]]:
    """Pairs of places in both, best overlaps first, each used once."""
    pairs = [(overlap(a, b), i, j) for i, a in enumerate(truth) for j, b in enumerate(found)]
    pairs = sorted((pair for pair in pairs if pair[0] >= level), reverse=True)
    used: tuple[set[int], set[int]] = (set(), set())
    chosen = []
    for _, i, j in pairs:
        if i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            chosen.append((i, j))
    return chosen


@dataclass
class Tally:
    """Counts over films.

    Attributes:
        hits: by level. neutral_s: time outside of events. false: found events that touch no true one.
        onset_ms: errors of onsets, signed, of pairs at the lowest level.
    """

    truth: int = 0
    found: int = 0
    hits: dict[float, int] = field(default_factory=lambda: dict.fromkeys(LEVELS, 0))
    neutral_s: float = 0.0
    false: int = 0
    onset_ms: list[float] = field(default_factory=list)
    named: int = 0
    right: int = 0

    def add(self, truth: Sequence[Spanned], found: Sequence[Spanned], seconds: float) -> None:
        self.truth += len(truth)
        self.found += len(found)
        for level in LEVELS:
            self.hits[level] += len(matched(truth, found, level))
        for i, j in matched(truth, found, LEVELS[0]):
            self.onset_ms.append(1e3 * (found[j].onset_s - truth[i].onset_s))
        self.neutral_s += seconds - sum(event.offset_s - event.onset_s for event in truth)
        self.false += sum(all(overlap(event, true) == 0 for true in truth) for event in found)

    def f1(self, level: float) -> float:
        return 2 * self.hits[level] / max(self.truth + self.found, 1)

    @property
    def false_a_minute(self) -> float:
        return 60 * self.false / max(self.neutral_s, 1e-9)

    def row(self) -> dict[str, float]:
        """The figures, by name."""
        onset = np.abs(self.onset_ms) if self.onset_ms else np.array([np.nan])
        return {
            "events": self.truth,
            **{f"f1_{level}": round(self.f1(level), 3) for level in LEVELS},
            "onset_mean_ms": round(float(onset.mean()), 1),
            "onset_median_ms": round(float(np.median(onset)), 1),
            "false_a_minute": round(self.false_a_minute, 2),
        }


def table(rows: Iterable[dict[str, object]]) -> str:
    """Rows as a Markdown table."""
    rows = list(rows)
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines)
