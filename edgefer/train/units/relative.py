"""Action units against the same face at rest: optical flow between two aligned crops, and a small network on it.

One picture does not tell how a face looks at rest: low brows may be AU4 or its own. A film does. The flow from a crop
at rest to the present one, and what it leaves unexplained, say how far skin has moved and which lines have darkened,
whoever the face is.

    python -m edgefer.train.units relative FACES --out RUN

trains it on the made faces of train, chooses the epoch on val and prints the table of test. It is a study: no shipped
model works in this way yet.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgefer.measure.agreement import Agreement, agreement, always_zero, table
from edgefer.support.atomic import write_bytes
from edgefer.support.progress import progress_bar
from edgefer.train.data.synthetic.units import UNITS
from edgefer.train.units import fit
from edgefer.train.units.material import Rows

#: A crop is at rest whose intensities add up to no more; where a face has none, its calmest.
REST = 0.8
#: Flow is averaged to this many rows and columns, and goes with what it leaves unexplained: x, y, rest, its amount.
GRID, PLANES = (26, 22), 4
#: Contrast is made alike about each pixel: width of that neighbourhood, and grey levels of one deviation.
_ABOUT, _LEVELS = 12.0, 45.0
_NO_MAP = np.empty(0, np.float32)


@dataclass(frozen=True)
class RelativeTraining:
    """What decides a run; rows: pictures of train, drawn by the seed, 0 for all."""

    rows: int = 9000
    epochs: int = 14
    batch: int = 96
    rate: float = 1.5e-3
    weight_decay: float = 0.02
    seed: int = 1


def make_flow() -> Any:
    """What finds the flow between two crops."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow.setFinestScale(0)
    flow.setPatchSize(8)
    flow.setPatchStride(3)
    return flow


def evened(crop: np.ndarray) -> np.ndarray:
    """A crop without its light: mean and contrast about each pixel are the same everywhere."""
    level = crop.astype(np.float32)
    level -= cv2.GaussianBlur(level, (0, 0), _ABOUT)
    spread = np.sqrt(cv2.GaussianBlur(level * level, (0, 0), _ABOUT)) + 4
    return np.clip(128 + level / spread * _LEVELS, 0, 255).astype(np.uint8)


def movement(flow: Any, rest: np.ndarray, now: np.ndarray) -> np.ndarray:
    """What has moved between two crops, float32 (*GRID, PLANES)."""
    rest, now = evened(rest), evened(now)
    field = flow.calc(rest, now, None)
    height, width = rest.shape
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32) + field
    left = (cv2.remap(now, places, _NO_MAP, cv2.INTER_LINEAR).astype(np.float32) - rest) / _LEVELS
    return cv2.resize(np.dstack([field, left, np.abs(left)]), GRID[::-1], interpolation=cv2.INTER_AREA)


def at_rest(rows: Rows) -> dict[str, np.ndarray]:
    """For each face, the rows that show it at rest."""
    total, found = rows.units.sum(axis=1), {}
    for name in np.unique(rows.names).tolist():
        own = np.flatnonzero(rows.names == name)
        calm = own[total[own] <= REST]
        found[name] = calm if len(calm) else own[[total[own].argmin()]]
    return found


def movements(rows: Rows, count: int, seed: int, kept: Path) -> tuple[np.ndarray, np.ndarray]:
    """Movements, float32 (N, *GRID, PLANES), and intensities of so many rows, 0 for all; kept in a file."""
    if not kept.exists():
        rng, rest, flow = np.random.default_rng(seed), at_rest(rows), make_flow()
        chosen = np.arange(len(rows.crops))
        if count and count < len(chosen):
            chosen = np.sort(rng.choice(chosen, count, replace=False))
        moved = [
            movement(flow, rows.crops[rng.choice(rest[rows.names[i]])], rows.crops[i]).astype(np.float16)
            for i in progress_bar(chosen, kept.stem)
        ]
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, x=np.stack(moved), y=rows.units[chosen])
        write_bytes(kept, file.getvalue())
    with np.load(kept) as found:
        return found["x"].astype(np.float32), found["y"]


def build(scale: np.ndarray) -> Any:
    """From movements to what `network.build` gives; scale: deviation of each plane."""
    from keras import Model, layers

    x = given = layers.Input((*GRID, PLANES), name="movement")
    x = layers.Rescaling((1 / scale).tolist())(x)
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(48, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(32, 1, activation="relu")(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dropout(0.2)(layers.Dense(160, activation="relu")(x))
    return Model(given, layers.Dense(2 * len(UNITS))(x), name="relative")


def run(training: RelativeTraining, parts: dict[str, Rows], out: Path) -> str:
    """Train and judge; returns the table of test. parts: train, val and test of the made faces."""
    import keras

    from edgefer.train.units import network

    keras.utils.set_random_seed(training.seed)
    out.mkdir(parents=True, exist_ok=True)
    counts = {"train": training.rows, "val": 0, "test": 0}
    held = {name: movements(rows, counts[name], training.seed, out / f"{name}.npz") for name, rows in parts.items()}
    x, units = held["train"]
    scale = x.std(axis=(0, 1, 2))
    limit = 5 * scale
    held = {name: (np.clip(moved, -limit, limit), truth) for name, (moved, truth) in held.items()}
    x, y = held["train"][0], fit.targets(units, real=False)
    model = build(scale)
    optimizer = keras.optimizers.AdamW(training.rate, weight_decay=training.weight_decay, clipnorm=5.0)
    model.compile(optimizer, network.loss)
    rng, steps = np.random.default_rng(training.seed), len(x) // training.batch
    total, step, best = steps * training.epochs, 0, math.inf
    for epoch in range(training.epochs):
        for rows in rng.permutation(len(x))[: steps * training.batch].reshape(steps, -1):
            optimizer.learning_rate = (
                training.rate * min(1, step / 50 + 0.02) * (1 + math.cos(math.pi * step / total)) / 2
            )
            model.train_on_batch(mirrored(x[rows], rng), y[rows])
            step += 1
        mean = _judged(model, *held["val"])[-1]
        print(f"epoch {epoch + 1}: val F1 {mean.f1:.3f} ICC {mean.icc:.3f} MSE {mean.mse:.3f}", flush=True)
        if mean.mse + 1 - mean.f1 < best:
            best = mean.mse + 1 - mean.f1
            model.save_weights(out / fit.WEIGHTS)
    model.load_weights(out / fit.WEIGHTS)
    judged = _judged(model, *held["test"])
    done = {"training": asdict(training), "parameters": model.count_params(), "test": [asdict(row) for row in judged]}
    write_bytes(out / "relative.json", (json.dumps(done, indent=1) + "\n").encode())
    people = len(set(parts["test"].names.tolist()))
    return f"Synthetic, each against its own rest: {len(held['test'][0])} pictures of {people} people.\n\n" + table(
        judged, always_zero(fit.NAMES, held["test"][1])
    )


def mirrored(moved: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of them as in a mirror: left is right, and what went right goes left."""
    flip = rng.random(len(moved)) < 0.5
    result = moved.copy()
    result[flip] = moved[flip][:, :, ::-1] * np.array([-1, 1, 1, 1], np.float32)
    return result


def _judged(model: Any, moved: np.ndarray, truth: np.ndarray) -> list[Agreement]:
    probability, intensity = fit.said(np.asarray(model.predict(moved, 256, verbose=0)))
    return agreement(fit.NAMES, truth, probability >= 0.5, intensity)
