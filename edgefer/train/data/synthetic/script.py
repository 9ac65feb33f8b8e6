"""What happens in a film: events with their onset, apex and offset, and how heads sway and light changes.

All of it is a function of time in seconds, so that the same film can be taken at any frame rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgefer.train.data.synthetic import units
from edgefer.train.data.synthetic.warp import Pose

#: Share of full intensity, and duration from onset to offset in seconds: of micro-expressions, and of all others.
MICRO_STRENGTH, MICRO_S = (0.10, 0.30), (0.04, 0.50)
MACRO_STRENGTH, MACRO_S = (0.45, 1.0), (0.6, 3.0)
#: Part of the time at the apex that intensity stays within this much of its highest.
_SAG = 0.04
BLINK_S = (0.18, 0.35)


@dataclass(frozen=True)
class Event:
    """One movement of a face.

    Attributes:
        onset_s, apex_s, offset_s: when it begins, is strongest, and has gone.
        units: action unit to its intensity at the apex, 0 to 5, of the side that moves.
        expression: what they make together, a label of FERPLUS8; "" for units that make none.
        hold_s: how long it stays near the apex, from there on.
        side: of the face that moves: 0 the person's right, 1 the left; None: both.
    """

    onset_s: float
    apex_s: float
    offset_s: float
    units: Mapping[int, float]
    expression: str = ""
    hold_s: float = 0.0
    side: int | None = None

    def share(self, t: np.ndarray) -> np.ndarray:
        """Of its intensities at the apex, at some times: rises smoothly to 1, sags a little while it is held, falls."""
        hold_end = min(self.apex_s + self.hold_s, self.offset_s)
        rise = _smooth((t - self.onset_s) / max(self.apex_s - self.onset_s, 1e-9))
        sag = _SAG * np.clip((t - self.apex_s) / max(self.hold_s, 1e-9), 0, 1) if self.hold_s else 0.0
        fall = 1 - _smooth((t - hold_end) / max(self.offset_s - hold_end, 1e-9))
        return np.where(t < self.apex_s, rise, (1 - sag) * fall)


def _smooth(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def event(
    rng: np.random.Generator,
    start_s: float,
    expression: str | None = None,
    micro: bool = False,
    seconds: float | None = None,
) -> Event:
    """An event that begins at a time: an expression, or None for one to three units of none.

    Args:
        expression: of units.EXPRESSIONS or, on a side drawn at random, of units.UNILATERAL.
        micro: one of 10 to 30 % of full intensity that lasts 40 to 500 ms.
        seconds: how long it lasts; None: drawn.
    """
    strength, lasts = (MICRO_STRENGTH, MICRO_S) if micro else (MACRO_STRENGTH, MACRO_S)
    if seconds is None:
        seconds = float(rng.uniform(*lasts))
    full = units.FULL * float(rng.uniform(*strength))
    if expression is None:
        names = [unit for unit in units.UNITS if unit != 43]
        shown = {
            int(unit): full * float(rng.uniform(0.6, 1))
            for unit in rng.choice(names, rng.integers(1, 4), replace=False)
        }
        if 26 in shown:
            shown[25] = max(shown.get(25, 0.0), shown[26])
    else:
        shares = units.EXPRESSIONS.get(expression) or units.UNILATERAL.get(expression, {})
        shown = {unit: full * share for unit, share in shares.items()}
        if not micro:
            shown = {unit: value * float(rng.uniform(0.85, 1.0)) for unit, value in shown.items()}
    apex = start_s + seconds * float(rng.uniform(0.3, 0.5))
    hold = seconds * float(rng.uniform(0, 0.2))
    side = int(rng.integers(2)) if expression in units.UNILATERAL else None
    return Event(start_s, apex, start_s + seconds, shown, expression or "", hold, side)


def blink(rng: np.random.Generator, start_s: float) -> Event:
    """Lids that close and open: down in a third of the time."""
    seconds = float(rng.uniform(*BLINK_S))
    return Event(start_s, start_s + seconds / 3, start_s + seconds, {43: float(rng.uniform(4.3, 5.0))})


def blinks(rng: np.random.Generator, seconds: float, a_minute: float) -> list[Event]:
    """Blinks at random times, so many a minute on average, none upon another."""
    times, t = [], 0.0
    while a_minute > 0 and (t := t + max(0.6, float(rng.exponential(60 / a_minute)))) < seconds:
        times.append(t)
    return [blink(rng, t) for t in times]


@dataclass(frozen=True)
class Waves:
    """A smooth curve of time that repeats only after minutes: a sum of sines."""

    amplitude: np.ndarray
    rate_hz: np.ndarray
    phase: np.ndarray

    def __call__(self, t: float) -> float:
        return float(self.amplitude @ np.sin(2 * np.pi * self.rate_hz * t + self.phase))


def waves(rng: np.random.Generator, size: float, rates_hz: tuple[float, float] = (0.08, 0.9), count: int = 4) -> Waves:
    """One of root mean square about `size`; the quicker a part of it, the smaller."""
    rate = np.exp(rng.uniform(np.log(rates_hz[0]), np.log(rates_hz[1]), count))
    amplitude = rate**-0.7
    amplitude *= size * np.sqrt(2 / (amplitude**2).sum())
    return Waves(amplitude, rate, rng.uniform(0, 2 * np.pi, count))


@dataclass(frozen=True)
class Camera:
    """How a film is taken: strengths of what varies; 0 leaves it out.

    Attributes:
        sway: of the head: 1 is 2 % of the eye distance, 1.2 % in size, 1.5 degrees of roll, 3 of yaw and pitch.
        light: of level and slope, and of how they drift.
        flicker: of the mains' light, part of the level.
        noise: deviation at most, grey levels.
        quality: least quality of its JPEG; 0: none.
        depth: how far a face stands out of its plane as its head turns: 1 as a generic head, 0 not at all.
    """

    sway: float = 1.0
    light: float = 1.0
    flicker: float = 0.02
    noise: float = 5.0
    quality: int = 40
    depth: float = 0.0


STEADY = Camera(0.0, 0.0, 0.0, 0.0, 0)


@dataclass
class Sway:
    """The pose of a head over time."""

    rng: np.random.Generator
    strength: float
    depth: float = 0.0
    _parts: dict[str, Waves] = field(init=False)
    _rest: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        sizes = {"x": 0.02, "y": 0.02, "size": 0.012, "roll": 0.026, "yaw": 0.052, "pitch": 0.052}
        self._parts = {name: waves(self.rng, size * self.strength) for name, size in sizes.items()}
        # where it rests is another place in each film
        self._rest = {name: float(self.rng.normal(0, 1.5 * size * self.strength)) for name, size in sizes.items()}

    def __call__(self, t: float) -> Pose:
        at = {name: self._rest[name] + wave(t) for name, wave in self._parts.items()}
        return Pose(**{**at, "size": float(np.exp(at["size"]))}, depth=self.depth)
