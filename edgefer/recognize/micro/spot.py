"""Micro-expressions in fields of motion, without training: where regions of a face move together and go back.

In each tick the regions' steps are measured against their noise. Where they stand out most is an apex; what they do
there is the movement, and how much of it each tick around shows is its course. Onset and offset are read from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgefer.recognize.micro.fields import GRID
from edgefer.recognize.micro.quiet import Quiet
from edgefer.recognize.micro.ticks import RATE_HZ

#: Regions of the right side of the person, the viewer's left, as spans across and down, eye distances; the left's are
#: their mirror.
_SIDES = {
    "inner brow": ((-0.3, -0.1), (-0.41, -0.2)),
    "outer brow": ((-0.66, -0.36), (-0.41, -0.2)),
    "eye": ((-0.51, -0.24), (-0.11, 0.06)),
    "below eye": ((-0.51, -0.24), (0.15, 0.25)),
    "cheek": ((-0.51, -0.24), (0.3, 0.51)),
    "nose": ((-0.26, -0.1), (0.3, 0.51)),
    "mouth corner": ((-0.51, -0.24), (0.6, 0.96)),
    "jaw": ((-0.63, -0.3), (0.9, 1.26)),
}
_MIDDLE = {
    "glabella": ((-0.13, 0.13), (-0.26, -0.05)),
    "upper lip": ((-0.26, 0.26), (0.6, 0.7)),
    "lips": ((-0.26, 0.26), (0.75, 0.85)),
    "lower lip": ((-0.26, 0.26), (0.9, 1.0)),
    "chin": ((-0.26, 0.26), (1.05, 1.26)),
}


def _regions() -> tuple[list[str], np.ndarray]:
    names, rows = [], []
    for name, (across, down) in (*_SIDES.items(), *_MIDDLE.items()):
        for side, sign in (("right ", 1), ("left ", -1)) if name in _SIDES else (("", 1),):
            x, y = sign * GRID[:, 0], GRID[:, 1]
            rows.append((x >= across[0]) & (x <= across[1]) & (y >= down[0]) & (y <= down[1]))
            names.append(side + name)
    return names, np.array(rows, np.float64)


REGIONS, _MEMBERS = _regions()
EYES = np.array(["eye" in name and "below" not in name for name in REGIONS])
#: What a blink moves, or seems to: windows of flow reach beyond the lids.
_NEAR_EYES = np.array([any(word in name for word in ("eye", "brow", "glabella", "nose", "cheek")) for name in REGIONS])


@dataclass(frozen=True)
class Rules:
    """What counts as a micro-expression; chosen on films of val.

    Attributes:
        threshold: how far the regions stand out at the apex, deviations.
        floor: least deviation of a region's steps, eye distances.
        shortest_s, longest_s: from onset to offset.
        largest: step of a region from which it is no micro-expression, eye distances.
        blink: step of the eyes' regions from which lids close, eye distances, if they are so much of what stands out.
        stays: part of the movement that may be left when it is over.
        busy: part of the time around that may stand out so much of what the event does.
    """

    threshold: float = 10.0
    floor: float = 0.0002
    shortest_s: float = 0.03
    longest_s: float = 0.62
    largest: float = 0.05
    blink: float = 0.008
    blink_share: float = 0.3
    stays: float = 0.5
    busy: float = 0.15
    as_much: float = 0.25


RULES = Rules()
#: Time before and after an apex in which its movement lies, s; between two apexes at least; and around an apex in which
#: the face has to be quieter.
BESIDE_S, APART_S, AROUND_S = 0.6, 0.3, 0.8
#: Film that has to follow an apex before it is judged, s; and that is left out at both ends of a film.
AHEAD_S, MARGIN_S = AROUND_S, 0.45
#: A face is compared with itself so long before and after a movement, s.
BEFORE_S = 0.2
#: Movements are looked for each so many ticks.
EVERY = 6
#: What a face does in a tick.
PHASES = ("none", "rising", "falling")
#: Lengths of the means in which movements are looked for, ticks: noise falls with their length.
LENGTHS = (3, 7, 13)
#: Time by which deviations are measured, s.
MEMORY_S = 4.0


@dataclass(frozen=True)
class Found:
    """A movement: when, how far it stands out in deviations, and how surely it is one."""

    onset_s: float
    apex_s: float
    offset_s: float
    strength: float
    confidence: float = 1.0
    expression: str = ""


def regional(quiet: Quiet) -> tuple[np.ndarray, np.ndarray]:
    """Steps of the regions, float64 (regions, 2), and their deviations (regions,), of one tick."""
    trust = _MEMBERS / (quiet.noise.astype(np.float64) ** 2)
    total = trust.sum(axis=1)
    # windows of neighbouring cells overlap: their noise is not independent
    return trust @ quiet.steps.astype(np.float64) / total[:, None], np.sqrt(2 / total)


def returned(ticks: Sequence[Quiet], t_s: np.ndarray, event: Found, most: float) -> bool:
    """Whether a face is after a movement where it was before. One that goes and stays jumps against the median, too."""
    before, apex, after = np.clip(np.searchsorted(t_s, [event.onset_s, event.apex_s, event.offset_s]), 0, len(t_s) - 1)
    margin = round(BEFORE_S * RATE_HZ)
    left = ticks[min(after + margin, len(t_s) - 1)].slow - ticks[max(0, before - margin)].slow
    weight = ticks[apex].steps / ticks[apex].noise[:, None] ** 2
    shown = float((weight * ticks[apex].steps).sum())
    return abs(float((weight * left).sum())) < most * shown


def standing_out(steps: np.ndarray, noise: np.ndarray, rules: Rules = RULES) -> tuple[np.ndarray, np.ndarray]:
    """How far the regions stand out in each tick, float64 (T,), and their deviations, (regions,).

    Args:
        steps: (T, regions, 2). noise: (T, regions).
    """
    best = np.zeros(len(steps))
    sums = np.concatenate([np.zeros((1, *steps.shape[1:])), np.cumsum(steps, axis=0)])
    for length in LENGTHS:
        if len(steps) < 2 * length:
            continue
        half = length // 2
        mean = (sums[length:] - sums[:-length]) / length
        square = (mean**2).sum(axis=2)
        # of both directions together the median lies at 1.386 variances
        variance = np.maximum(np.median(square, axis=0) / 1.386, np.median(noise, axis=0) ** 2 / length)
        variance += rules.floor**2
        excess = (np.minimum(square / variance, 400.0) - 2).sum(axis=1)
        best[half : half + len(mean)] = np.maximum(best[half : half + len(mean)], excess)
    deviation = np.sqrt(np.maximum(np.median((steps**2).sum(axis=2), axis=0) / 1.386, np.median(noise, axis=0) ** 2))
    return np.sqrt(np.maximum(best, 0)), np.sqrt(deviation**2 + rules.floor**2)


def find(
    t_s: np.ndarray,
    steps: np.ndarray,
    high: np.ndarray,
    deviation: np.ndarray,
    begin_s: float,
    end_s: float,
    rules: Rules = RULES,
) -> list[Found]:
    """The movements whose apexes lie in [begin_s, end_s).

    Args:
        t_s: (T,), the ticks; AHEAD_S and more on both sides of the times asked for, where there is film.
        steps: (T, regions, 2), of `regional`. high, deviation: of `standing_out`.
    """
    found, apart = [], round(APART_S * RATE_HZ)
    inside = (t_s >= begin_s) & (t_s < end_s) & (high > rules.threshold)
    for apex in np.flatnonzero(inside).tolist():
        first = max(0, apex - apart)
        if apex - first != int(high[first : apex + apart + 1].argmax()):
            continue
        event = _shaped(t_s, steps, deviation, apex, float(high[apex]), rules)
        if event is not None and not _busy(t_s, high, event, rules):
            found.append(event)
    return found


def _shaped(
    t_s: np.ndarray, steps: np.ndarray, deviation: np.ndarray, apex: int, strength: float, rules: Rules
) -> Found | None:
    """The course of the movement that is strongest in a tick; None where it is none of the kind looked for."""
    beside = round(BESIDE_S * RATE_HZ)
    low, part = max(0, apex - beside), slice(max(0, apex - beside), apex + beside + 1)
    near = steps[part]
    shown = near[max(0, apex - low - 1) : apex - low + 2].mean(axis=0)
    size = np.hypot(*shown.T)
    parts = (size / deviation) ** 2
    shut = bool(size[EYES].mean() > rules.blink and parts[EYES].sum() > rules.blink_share * parts.sum())
    counted = np.where(shut & _NEAR_EYES, 0.0, 1.0)
    weight = shown / deviation[:, None] ** 2 * counted[:, None]
    power = float((weight * shown).sum())
    if power < rules.threshold**2 / 2 or float((size * counted).max()) > rules.largest:
        return None
    course = np.tensordot(near, weight, axes=2) / power
    course = np.convolve(np.pad(course, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    span = edges(course, apex - low)
    if span is None:
        return None
    onset, top, offset = (t_s[low] + at / RATE_HZ for at in span)
    if not rules.shortest_s <= offset - onset <= rules.longest_s:
        return None
    sure = 1 / (1 + np.exp(-(strength - rules.threshold) / 4))
    return Found(float(onset), float(top), float(offset), strength, float(sure))


def edges(course: np.ndarray, apex: int) -> tuple[float, float, float] | None:
    """Onset, apex and offset of a rise and fall, as places in its course; None where one of them is not in it.

    A movement begins and ends too softly to be seen, so both ends follow from where a third and two thirds of its
    height are passed, for a course that rises as 3 x^2 - 2 x^3 does.
    """
    apex = max(0, apex - 3) + int(course[max(0, apex - 3) : apex + 4].argmax())
    height = course[apex]
    if height <= 0:
        return None
    ends = []
    for way in (course[apex::-1], course[apex:]):
        below = np.flatnonzero(way < height / 3)
        if not len(below):
            return None
        marks = []
        for level in (height / 3, height * 2 / 3):
            at = int(np.flatnonzero(way < level)[0])
            marks.append(at - (level - way[at]) / max(way[at - 1] - way[at], 1e-9))
        # a third is passed at 0.387 of the way, two thirds at 0.613
        ends.append(marks[0] + 0.387 / 0.226 * (marks[0] - marks[1]))
    return apex - ends[0], float(apex), apex + ends[1]


class Spotter:
    """Finds movements as ticks come; each is found once."""

    labels = PHASES

    def __init__(self, rules: Rules = RULES) -> None:
        self._rules = rules
        self._t: list[float] = []
        self._steps: list[np.ndarray] = []
        self._noise: list[np.ndarray] = []
        self._ticks: list[Quiet] = []
        self._begin_s = self._decided_s = -np.inf
        self._since = 0
        self.scores: np.ndarray | None = None

    def add(self, quiet: Quiet) -> list[Found]:
        """The movements that are known to be over with this tick."""
        if not self._t:
            self._begin_s = quiet.t_s
            self._decided_s = quiet.t_s + MARGIN_S
        steps, noise = regional(quiet)
        self._t.append(quiet.t_s)
        self._steps.append(steps)
        self._noise.append(noise)
        self._ticks.append(quiet)
        self._since += 1
        if self._since < EVERY:
            return []
        self._since = 0
        found = self._find(quiet.t_s - AHEAD_S)
        old = int(np.searchsorted(self._t, quiet.t_s - MEMORY_S))
        del self._t[:old], self._steps[:old], self._noise[:old], self._ticks[:old]
        return found

    def finish(self) -> list[Found]:
        """Those that are left when no further tick comes."""
        return self._find(self._t[-1] - MARGIN_S) if self._t else []

    def _find(self, until_s: float) -> list[Found]:
        if until_s <= self._decided_s:
            return []
        t_s, steps, noise = np.array(self._t), np.array(self._steps), np.array(self._noise)
        high, deviation = standing_out(steps, noise, self._rules)
        found = find(t_s, steps, high, deviation, self._decided_s, until_s, self._rules)
        found = [each for each in found if returned(self._ticks, t_s, each, self._rules.stays)]
        self._decided_s = until_s
        at = max(1, int(np.searchsorted(t_s, until_s)) - 1)
        moving = 1 / (1 + np.exp(-(high[at] - self._rules.threshold) / 2))
        rising = high[at] >= high[at - 1]
        self.scores = np.array([1 - moving, moving * rising, moving * (not rising)], np.float32)
        return found


def _busy(t_s: np.ndarray, high: np.ndarray, event: Found, rules: Rules) -> bool:
    """Whether the face moves as much before and after, as one that speaks does."""
    around = (np.abs(t_s - event.apex_s) < AROUND_S) & ((t_s < event.onset_s - 0.1) | (t_s > event.offset_s + 0.1))
    return bool(around.any() and (high[around] > rules.as_much * event.strength).mean() > rules.busy)
