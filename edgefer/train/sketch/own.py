"""Training of our own small network for sketches, on all rows of FER+ whose landmarks are confident.

Every epoch draws its sketches again, from altered landmarks. What is altered stands for what differs between the
landmarks of a data set and those of a camera: the errors of a landmark network, by point and by part of the face, the
way a head is held, and which side of the face is which.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.labels import COSTACHE4
from edgefer.preprocess.sketch import NoSketch, sketch
from edgefer.support.atomic import write_bytes
from edgefer.train.averaged import Averaged, swapped
from edgefer.train.command import begin
from edgefer.train.hardware import hardware
from edgefer.train.sketch import OWN_SIDE
from edgefer.train.sketch.rows import Faces, real_values, sketches

WEIGHTS = "best.weights.h5"
#: Of the distance of the eyes' middles: errors of single points at most, of the four references, of a part's place.
POINT, REFERENCE, PART = 0.03, 0.04, 0.03
#: Of a part's size, either way along each side; of the whole face's; and the turn of the head in the picture, degrees.
STRETCH, FACE_STRETCH, TURN_DEGREES = 0.1, 0.06, 4.0
REFERENCES = [0, 16, 27, 33]
_PARTS = (slice(17, 22), slice(22, 27), slice(36, 42), slice(42, 48), slice(48, 68))


def _mirrored() -> np.ndarray:
    """For each landmark, the one it becomes in a mirror."""
    order = np.arange(68)
    pairs = [(i, 16 - i) for i in range(8)] + [(17 + i, 26 - i) for i in range(5)]
    pairs += [(31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]
    pairs += [(48, 54), (49, 53), (50, 52), (59, 55), (58, 56), (60, 64), (61, 63), (67, 65)]
    for a, b in pairs:
        order[a], order[b] = b, a
    return order


MIRRORED = _mirrored()


@dataclass(frozen=True)
class OwnTraining:
    """What decides a run.

    Attributes:
        landmarks: files of landmarks of the same rows, by several networks; for each face one is drawn in each epoch.
        rule: by which votes become a class, one of datasets.RULES.
        upright: level the eyes first.
        start: directory of a run whose best weights it begins with; empty for random ones.
        stop: leave off after this many epochs; 0 to run to the end.
        average: decay of the moving average of the weights, by step; the averaged weights are kept.
    """

    landmarks: tuple[str, ...]
    data: str = "fer2013_train_val.npz"
    rule: str = "plurality"
    upright: bool = True
    start: str = ""
    epochs: int = 14
    stop: int = 0
    batch: int = 128
    rate: float = 3e-3
    dropout: float = 0.25
    average: float = 0.998
    weight_decay: float = 0.01
    seed: int = 1


def altered(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Landmarks of faces as other pictures and another network might give them.

    Args:
        points: shape (N, 68, 2).

    Returns:
        float64, of that shape.
    """
    count = len(points)

    def normal(part: float, shape: tuple[int, ...], power: int = 1) -> np.ndarray:
        """Errors in parts of `unit`, whose size is drawn for each face."""
        return rng.normal(0, part, (count, *shape)) * unit * rng.random((count, 1, 1)) ** power

    flip = (rng.random(count) < 0.5)[:, None, None]
    points = np.where(flip, points[:, MIRRORED] * [-1, 1], points).astype(np.float64)
    apart = points[:, 42:48].mean(axis=1) - points[:, 36:42].mean(axis=1)
    unit = np.maximum(np.hypot(apart[:, 0], apart[:, 1]), 1e-3)[:, None, None]
    points += normal(POINT, (68, 2), 2)
    points[:, REFERENCES] += normal(REFERENCE, (len(REFERENCES), 2))
    for part in _PARTS:
        middle = points[:, part].mean(axis=1, keepdims=True)
        size = 1 + rng.uniform(-STRETCH, STRETCH, (count, 1, 2))
        points[:, part] = (points[:, part] - middle) * size + middle + normal(PART, (1, 2))
    angle = np.radians(rng.normal(0, TURN_DEGREES, count))
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]]).transpose(2, 0, 1)
    return points @ turn * (1 + rng.uniform(-FACE_STRETCH, FACE_STRETCH, (count, 1, 2)))


def batches(
    sources: Sequence[np.ndarray], votes: np.ndarray, training: OwnTraining, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """An epoch of altered sketches with their targets, float32: decided by the seed and the epoch."""
    rng = np.random.default_rng((training.seed, epoch))
    order = rng.permutation(len(votes))
    for start in range(0, len(order) - training.batch + 1, training.batch):
        chosen = order[start : start + training.batch]
        which = rng.integers(len(sources), size=len(chosen))
        faces = np.stack([sources[int(source)][row] for source, row in zip(which, chosen, strict=True)])
        levels = [_drawn(*pair, training.upright) for pair in zip(altered(faces, rng), faces, strict=True)]
        yield real_values(np.stack(levels)), votes[chosen]


def _drawn(points: np.ndarray, before: np.ndarray, upright: bool) -> np.ndarray:
    try:
        return sketch(points, OWN_SIDE, upright)
    except NoSketch:  # altered too far
        return sketch(before, OWN_SIDE, upright)


def fit_own(training: OwnTraining, train: Sequence[Faces], val: Faces, out: Path) -> dict[str, Any]:
    """Train, keep the averaged weights of the best epoch, and return what done.json holds.

    Args:
        train: rows to learn from, with the landmarks of one network each; the same rows in all.
        val: rows the epoch is chosen on.

    Raises:
        UsageError: `out` holds a finished run.
    """
    import keras

    from edgefer.train.sketch import networks

    keras.utils.set_random_seed(training.seed)
    begin(out)
    model = networks.own(len(COSTACHE4), dropout=training.dropout)
    if training.start:
        model.load_weights(Path(training.start) / WEIGHTS)
    optimizer = keras.optimizers.AdamW(training.rate, weight_decay=training.weight_decay, clipnorm=5.0)
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True))
    averaged = Averaged(model, training.average)
    images, sources = sketches(val.points, OWN_SIDE, training.upright), [each.points for each in train]
    steps = len(train[0]) // training.batch
    total, step, began, best = steps * training.epochs, 0, time.process_time(), (-1.0, 0)
    with (out / "metrics.jsonl").open("w") as log:
        for epoch in range(training.stop or training.epochs):
            losses = []
            for x, y in batches(sources, train[0].votes, training, epoch):
                progress = step / total
                optimizer.learning_rate = (
                    training.rate * min(1, step / 100 + 0.01) * (1 + math.cos(math.pi * progress)) / 2
                )
                losses.append(float(model.train_on_batch(x, y)))
                averaged.update(model)
                step += 1
            with swapped(model, averaged.values):
                logits = np.asarray(model.predict(images, 256, verbose=0))
                accuracy = 100 * float((logits.argmax(axis=1) == val.truth).mean())
                if accuracy > best[0]:
                    best = accuracy, epoch + 1
                    model.save_weights(out / WEIGHTS)
            line = {"epoch": epoch + 1, "loss": float(np.mean(losses)), "val_accuracy": accuracy}
            print(json.dumps({**line, "processor_seconds": round(time.process_time() - began)}), file=log, flush=True)
    done = {
        "training": asdict(training),
        "parameters": model.count_params(),
        "val_accuracy_float32": best[0],
        "best_epoch": best[1],
        "train_rows": len(train[0]),
        "train_counts": train[0].counts,
        "train_rule": train[0].rule,
        "val_rows": len(val),
        "val_counts": val.counts,
        "val_rule": val.rule,
        "val_commonest": 100 * float(np.bincount(val.truth).max() / len(val)),
        "processor_seconds": round(time.process_time() - began),
        "hardware": hardware(),
        "backend": f"Keras {keras.__version__}, {keras.backend.backend()}",
    }
    write_bytes(out / "done.json", (json.dumps(done, indent=2) + "\n").encode())
    return done


def trained(run: Path) -> tuple[Any, dict[str, Any]]:
    """The network of a finished run with its best weights, and its done.json."""
    from edgefer.train.sketch import networks

    done = json.loads((run / "done.json").read_text())
    model = networks.own(len(COSTACHE4))
    model.load_weights(run / WEIGHTS)
    return model, done


def settings_of(run: Path) -> OwnTraining:
    """What decided a run."""
    fields = json.loads((run / "done.json").read_text())["training"]
    return OwnTraining(**{**fields, "landmarks": tuple(fields["landmarks"])})
