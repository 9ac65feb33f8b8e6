"""The clip model that ships: the expression at the end of a window, from synthetic films and photographs held still.

Films teach how expressions come and go; photographs of FER-2013, held still for a window with the votes of FER+, teach
what real ones look like, which no warp shows.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edgefer.labels import FERPLUS8
from edgefer.support.atomic import write_bytes
from edgefer.train.clips import edge, features
from edgefer.train.clips.films import read
from edgefer.train.clips.fit import HeadTraining, fit
from edgefer.train.command import begin
from edgefer.train.data.synthetic.films import SHOWN

WEIGHTS = "best.weights.h5"
#: Part of a batch that are photographs; part of the windows of films that run backwards.
STILL, BACKWARDS = 0.5, 0.25
#: About the share from which an expression holds, its target rises from 0 to 1 over so much of its strength.
SOFT = 0.4
#: Windows that are judged: every so many of a film.
STRIDE = 4


class Moving:
    """Windows of films, of which the last frame decides the class."""

    def __init__(self, path: Path) -> None:
        self.films = read(path)
        self.features = features.load(path)
        self.last = self.films.expression.shape[1] - edge.FRAMES

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Windows from anywhere, with soft targets."""
        film, first = rng.integers(len(self.films), size=count), rng.integers(self.last + 1, size=count)
        steps = np.tile(np.arange(edge.FRAMES), (count, 1))
        backwards = rng.random(count) < BACKWARDS
        steps[backwards] = steps[backwards, ::-1]
        at = first[:, None] + steps
        return self.features[film[:, None], at].astype(np.float32), self._targets(film, at[:, -1])

    def _targets(self, film: np.ndarray, frame: np.ndarray) -> np.ndarray:
        shown = np.clip((self.films.share[film, frame] - SHOWN) / SOFT + 0.5, 0, 1)
        targets = np.zeros((len(film), len(FERPLUS8)), np.float32)
        targets[:, 0] = 1 - shown
        targets[np.arange(len(film)), self._named(film, frame)] += shown
        return targets

    def _named(self, film: np.ndarray, frame: np.ndarray) -> np.ndarray:
        """The expression of the event that goes on, whatever its strength; neutral where none does."""
        event = self.films.event[film, frame]
        of_event = np.where(self.films.event[film] == event[:, None], self.films.expression[film], 0)
        return np.where(event >= 0, of_event.max(axis=1), 0)

    def judged(self) -> tuple[np.ndarray, np.ndarray]:
        """Film and first frame of the windows that figures are of."""
        first = np.arange(0, self.last + 1, STRIDE)
        return np.repeat(np.arange(len(self.films)), len(first)), np.tile(first, len(self.films))

    def truth(self) -> np.ndarray:
        film, first = self.judged()
        return self.films.expression[film, first + edge.FRAMES - 1].astype(np.int64)

    def clear(self) -> np.ndarray:
        """Which of these windows end in an expression that is fully shown, or in none at all."""
        film, first = self.judged()
        share = self.films.share[film, first + edge.FRAMES - 1]
        return (share >= 0.8) | (share == 0)

    def windows(self, rows: np.ndarray) -> np.ndarray:
        film, first = (each[rows] for each in self.judged())
        return self.features[film[:, None], first[:, None] + np.arange(edge.FRAMES)].astype(np.float32)


class Still:
    """Photographs held still: every frame of a window is one of several looks at one."""

    def __init__(self, path: Path) -> None:
        self.features = features.load(path)
        known = np.load(path / "truth.npz")
        self.votes, self.truth, self.rule = known["votes"].astype(np.float32), known["truth"], str(known["rule"])

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        row = rng.integers(len(self.truth), size=count)
        looks = rng.integers(self.features.shape[1], size=(count, edge.FRAMES))
        return self.features[row[:, None], looks].astype(np.float32), self.votes[row]

    def windows(self, rows: np.ndarray) -> np.ndarray:
        return np.repeat(self.features[rows, :1].astype(np.float32), edge.FRAMES, axis=1)


def train(films: Path, still: Path, run: Path, out: Path, training: HeadTraining) -> dict[str, Any]:
    """Trains the head and keeps it in `out`, with done.json, which is returned.

    Args:
        films: with train and val. still: with train and val. run: the frame network's, for the record.

    Raises:
        UsageError: `out` holds a finished training, or there are no films or photographs.
    """
    begin(out)
    keras.utils.set_random_seed(training.seed)
    moving, photographs = Moving(films / "train"), Still(still / "train")
    on = Moving(films / "val"), Still(still / "val")

    def draw(rng: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
        count = round(batch * STILL)
        pairs = photographs.draw(rng, count), moving.draw(rng, batch - count)
        x, y = (np.concatenate(each) for each in zip(*pairs, strict=True))
        return x, y

    head = edge.edge(len(FERPLUS8))
    done = fit(head, draw, lambda model: sum(accuracy(model, on)) / 2, training)
    head.save_weights(out / WEIGHTS)
    of_films, of_photographs = accuracy(head, on)
    done |= {
        "training": asdict(training),
        "command": f"python -m edgefer.train.clips expression --films {films.name} --still {still.name} "
        f"--frames {run.name} --out {out.name} --steps {training.steps} --seed {training.seed}",
        "frames": str(run),
        "rows": len(moving.films) * (moving.last + 1) + len(photographs.truth),
        "films": len(moving.films),
        "faces": {
            "photographs": len(np.unique(moving.films.identity[moving.films.real])),
            "drawn": len(np.unique(moving.films.identity[~moving.films.real])),
        },
        "still_rows": len(photographs.truth),
        "still_rule": photographs.rule,
        "val_films": round(of_films, 2),
        "val_still": round(of_photographs, 2),
    }
    write_bytes(out / "done.json", (json.dumps(done, indent=2) + "\n").encode())
    return done


def trained(run: Path) -> tuple[keras.Model, dict[str, Any]]:
    """The head of a finished training, and its done.json. Raises FileNotFoundError: it is not finished."""
    done = json.loads((run / "done.json").read_text())
    head = edge.edge(len(FERPLUS8))
    head.load_weights(run / WEIGHTS)
    return head, done


def accuracy(head: keras.Model, on: tuple[Moving, Still]) -> tuple[float, float]:
    """Percent of windows of films, and of photographs held still."""
    moving, still = on
    first = logits(head, moving, len(moving.truth())).argmax(axis=1) == moving.truth()
    second = logits(head, still, len(still.truth)).argmax(axis=1) == still.truth
    return 100 * float(first.mean()), 100 * float(second.mean())


def logits(head: keras.Model, of: Moving | Still, count: int) -> np.ndarray:
    """What a head says of the windows that are judged, float32 (count, classes)."""
    starts = range(0, count, 128)
    return np.concatenate(
        [np.asarray(head.predict_on_batch(of.windows(np.arange(at, min(at + 128, count))))) for at in starts]
    )
