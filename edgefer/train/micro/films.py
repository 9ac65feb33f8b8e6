"""Films in which faces make micro-expressions, and what is not one: blinks, speech, large expressions, turning heads.

Two scales of movement: `move` has the point that moves most go 1 to 3 % of the distance of the outer eye corners;
`strength` has every unit at 10 to 30 % of its full intensity, which moves brows and mouth corners by 0.3 to 1 %.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from edgefer.train.data.synthetic import films, script, units
from edgefer.train.data.synthetic.films import Film
from edgefer.train.data.synthetic.script import Camera, Event
from edgefer.train.data.synthetic.warp import Face, Identity

Scale = Literal["move", "strength"]
#: Largest step of a point at the apex, eye distances.
MOVES = (0.01, 0.03)
#: The least time between two micro-expressions, s; and the part of them that belongs to no expression.
APART_S, NAMELESS = 0.7, 0.25
EXPRESSIONS = tuple(name for name in units.EXPRESSIONS if name != "neutral")  # the order of written tables


def micro(
    rng: np.random.Generator, start_s: float, scale: Scale, seconds: tuple[float, float] = script.MICRO_S
) -> Event:
    """A micro-expression that begins at a time."""
    expression = None if rng.random() < NAMELESS else str(rng.choice(EXPRESSIONS))
    event = script.event(rng, start_s, expression, micro=True, seconds=float(rng.uniform(*seconds)))
    return moved_by(event, float(rng.uniform(*MOVES))) if scale == "move" else event


def moved_by(event: Event, step: float) -> Event:
    """The event with its units so strong that the point that moves most goes so far; none beyond full intensity."""
    strength = np.array([event.units.get(unit, 0.0) for unit in units.UNITS]) / units.FULL
    steps = np.tensordot(np.repeat(strength[:, None], 2, axis=1), units.MOVES, axes=2)
    factor = step / max(float(np.hypot(*steps[:68].T).max()), 1e-9)
    factor = min(factor, 1 / max(float(strength.max()), 1e-9))
    return dataclasses.replace(event, units={unit: value * factor for unit, value in event.units.items()})


def micros(rng: np.random.Generator, seconds: float, scale: Scale, a_minute: float = 24.0) -> list[Event]:
    """Micro-expressions at random times, so many a minute on average, none upon another."""
    events, t = [], 0.7
    while (t := t + float(rng.exponential(max(0.0, 60 / a_minute - APART_S - 0.27)))) < seconds - 1.2:
        events.append(micro(rng, t, scale))
        t = events[-1].offset_s + APART_S
    return events


def speech(rng: np.random.Generator, begin_s: float, seconds: float) -> list[Event]:
    """Lips and jaw in the rhythm of syllables."""
    events, t = [], begin_s
    while t < begin_s + seconds:
        lasts = float(rng.uniform(0.12, 0.3))
        open_by = float(rng.uniform(0.4, 2.2))
        shown = {25: open_by, 26: open_by * float(rng.uniform(0.3, 0.8))}
        if rng.random() < 0.4:
            shown[int(rng.choice([12, 17, 20, 23]))] = float(rng.uniform(0.5, 2.0))
        events.append(Event(t, t + 0.45 * lasts, t + lasts, shown))
        t += lasts * float(rng.uniform(0.8, 1.3))
    return events


def macro(rng: np.random.Generator, begin_s: float) -> list[Event]:
    """An expression as one sees it."""
    return [script.event(rng, begin_s, str(rng.choice(EXPRESSIONS)))]


def taken(
    identity: Identity, seed: int, seconds: float, fps: float, scale: Scale, a_minute: float = 24.0, **how: Any
) -> Film:
    """A film for measuring: neutral but for micro-expressions and blinks; sway, flicker, noise as of `Camera`."""
    rng = np.random.default_rng(seed)
    events = micros(rng, seconds, scale, a_minute)
    return framed(identity, events, seconds, fps, seed, **how)


def framed(
    identity: Identity,
    events: Sequence[Event],
    seconds: float,
    fps: float,
    seed: int,
    side: int = 192,
    room: float = 1.3,
    camera: Camera | None = None,
    blinks_a_minute: float = 10.0,
) -> Film:
    """A film of a face that fills the picture but for some room."""
    face = Face(identity, room=room, seed=seed)
    return films.film(face, events, seconds, fps, side, seed, camera, blinks_a_minute)
