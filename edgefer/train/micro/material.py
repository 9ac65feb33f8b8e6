"""Films as fields of motion, made once: what the network learns from and choices are made on.

python -m edgefer.train.micro fields --data DATA --labels LABELS --part train --films 400 --out DIRECTORY
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefer.errors import UsageError
from edgefer.landmarks.points import eye_distance
from edgefer.recognize.micro.fields import CELLS, Fields
from edgefer.recognize.micro.ticks import Ticks
from edgefer.support.atomic import write_bytes
from edgefer.train.data.synthetic.films import Film
from edgefer.train.data.synthetic.script import Camera, Event
from edgefer.train.data.synthetic.warp import Identity
from edgefer.train.micro import films

SECONDS = 8.0
#: Frame rates, and how often each is taken.
RATES, SHARES = (30.0, 60.0, 200.0), (0.35, 0.6, 0.05)
#: What goes on besides micro-expressions, and how often: nothing else, speech, large expressions, a head that turns.
ELSE, ELSE_SHARES = ("", "speech", "macro", "turn"), (0.64, 0.12, 0.14, 0.10)
#: Deviation of landmarks, parts of the eye distance.
TREMBLE = 0.008


@dataclass
class Strip:
    """A film as fields.

    Attributes:
        steps: float16 (T, CELLS, 2), of recognize.micro.fields, at the ticks. t_s: float64 (T,).
        events: micro-expressions. others: what else moved the face.
    """

    steps: np.ndarray
    t_s: np.ndarray
    events: list[Event]
    others: list[Event]


def fields_of(film: Film, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Steps and times of a film, with its own points, which tremble as found ones do."""
    rng = np.random.default_rng(seed)
    fields, ticks, done = Fields(), Ticks(), []
    for frame, points, t in zip(film.frames, film.landmarks, film.t_s.tolist(), strict=True):
        trembling = points + rng.normal(0, TREMBLE * eye_distance(points), points.shape)
        motion = fields.update(frame, trembling, t)
        if motion is not None:
            done += ticks.add(t, motion.steps)
    steps = np.array([step for _, step in done], np.float32).reshape(-1, CELLS, 2)
    return steps, np.array([t for t, _ in done])


def made(identity: Identity, seed: int) -> tuple[Film, list[Event]]:
    """A film to learn from, and what in it is no micro-expression."""
    rng = np.random.default_rng(seed)
    fps = float(rng.choice(RATES, p=SHARES))
    what = str(rng.choice(ELSE, p=ELSE_SHARES))
    scale: films.Scale = "move" if rng.random() < 0.65 else "strength"
    events = films.micros(rng, SECONDS, scale, a_minute=36.0)
    others: list[Event] = []
    if what in ("speech", "macro"):
        begin = float(rng.uniform(0.5, 4.0))
        others = films.speech(rng, begin, rng.uniform(2, 4)) if what == "speech" else films.macro(rng, begin)
        low, high = others[0].onset_s - 0.4, others[-1].offset_s + 0.4
        events = [event for event in events if event.offset_s < low or event.onset_s > high]
    sway = float(rng.uniform(1.8, 3.0) if what == "turn" else rng.uniform(0.0, 1.3))
    camera = Camera(sway, rng.uniform(0, 1.2), rng.uniform(0, 0.03), rng.uniform(0, 6), int(rng.integers(35, 95)))
    film = films.framed(
        identity,
        [*events, *others],
        SECONDS,
        fps,
        seed,
        side=int(rng.integers(110, 170)),
        room=float(rng.uniform(1.15, 1.5)),
        camera=camera,
        blinks_a_minute=float(rng.choice([0.0, 15.0])),
    )
    return film, [*others, *film.blinks]


def write(identities: list[Identity], count: int, out: Path, seed: int) -> Iterator[Path]:
    """Makes so many films and writes their fields; what is there already is left, so that a run can go on.

    Raises:
        UsageError: the directory holds films of other faces, or by another seed.
    """
    out.mkdir(parents=True, exist_ok=True)
    told = json.dumps({"seed": seed, "faces": [identity.name for identity in identities]}).encode()
    made_of = out / "made-of.json"
    if made_of.exists() and made_of.read_bytes() != told:
        raise UsageError(f"{out}: holds fields of films of other faces, or by another seed; choose another --out")
    write_bytes(made_of, told)
    for number in range(count):
        path = out / f"{number:05d}.npz"
        if not path.is_file():
            film, others = made(identities[(number * 7919) % len(identities)], seed * 100_000 + number)
            steps, t_s = fields_of(film, number)
            micro = [event for event in film.events if event not in others]
            partial = path.with_suffix(".partial.npz")
            np.savez_compressed(
                partial, steps=steps.astype(np.float16), t_s=t_s, events=_table(micro), others=_table(others)
            )
            partial.rename(path)
        yield path


def read(directory: Path) -> list[Strip]:
    """What `write` wrote, in the order of names."""
    strips = []
    for path in sorted(directory.glob("[0-9]*.npz")):
        if ".partial" not in path.name:
            with np.load(path, allow_pickle=False) as file:
                events, others = _events(file["events"]), _events(file["others"])
                strips.append(Strip(file["steps"], file["t_s"], events, others))
    if not strips:
        raise UsageError(f"{directory}: no fields; make them with python -m edgefer.train.micro fields")
    return strips


def _table(events: list[Event]) -> np.ndarray:
    """Events as rows: onset, apex, offset, and the expression's number among films.EXPRESSIONS, -1 for none."""
    rows = [
        (e.onset_s, e.apex_s, e.offset_s, films.EXPRESSIONS.index(e.expression) if e.expression else -1) for e in events
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


def _events(table: np.ndarray) -> list[Event]:
    return [
        Event(onset, apex, offset, {}, films.EXPRESSIONS[int(which)] if which >= 0 else "")
        for onset, apex, offset, which in table.tolist()
    ]
