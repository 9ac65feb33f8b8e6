"""Action units against the same face at rest: a small network on a face's movements and what they leave unexplained.

One picture does not tell how a face looks at rest: low brows may be AU4 or its own. A film does: pairs
(edgefer/preprocess/pairs.py) say how far skin has moved and which lines have darkened, whoever the face is.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import UsageError
from edgefer.measure.agreement import Agreement, agreement
from edgefer.preprocess import pairs
from edgefer.support.atomic import write_bytes
from edgefer.train.averaged import Averaged, swapped
from edgefer.train.data.synthetic.units import UNITS
from edgefer.train.hardware import hardware
from edgefer.train.units import fit
from edgefer.train.units.shots import Shots


@dataclass(frozen=True)
class RelativeTraining:
    """What decides a run.

    Attributes:
        further: weights of a run, from which this one goes on. sets: of train, so many (shots.make).
        rows: of those, the first so many; 0 for all.
        stop: leave off after this many epochs, at the rate of a run of all; 0 to run to the end.
        average: decay of the moving average of the weights, by step; the averaged weights are kept.
    """

    further: str = ""
    sets: int = 1
    rows: int = 0
    epochs: int = 16
    stop: int = 0
    batch: int = 96
    rate: float = 2e-3
    dropout: float = 0.25
    average: float = 0.998
    weight_decay: float = 0.02
    seed: int = 1


def build(dropout: float = 0.25) -> Any:
    """From float (N, *planes), -1 to 1, to what `network.build` gives."""
    from keras import Model, layers

    def convolved(x: Any, filters: int, size: int = 3, stride: int = 1) -> Any:
        x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
        return layers.ReLU(max_value=6.0)(layers.BatchNormalization()(x))

    def deeper(x: Any, filters: int) -> Any:
        y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(convolved(x, filters))
        return layers.ReLU(max_value=6.0)(layers.Add()([x, layers.BatchNormalization()(y)]))

    given = layers.Input((pairs.ROWS, pairs.COLUMNS, pairs.PLANES), name="pair")
    x = deeper(convolved(given, 40, 3, 2), 40)
    x = deeper(convolved(x, 64, 3, 2), 64)
    x = convolved(x, 40, 1)
    x = layers.Dropout(dropout)(layers.Flatten()(x))
    x = layers.Dropout(dropout / 2)(layers.Dense(160, activation="relu6")(x))
    return Model(given, layers.Dense(2 * len(UNITS), dtype="float32", name="units")(x), name="relative")


def real_values(levels: np.ndarray) -> np.ndarray:
    """Float32 of planes in int8 levels, as the network sees them."""
    return levels.astype(np.float32) / 128


def altered(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Half of them as in a mirror, float32."""
    flip = rng.random(len(levels)) < 0.5
    result = levels.copy()
    result[flip] = pairs.mirrored(levels[flip])
    return real_values(result)


def predicted(model: Any, shots: Shots) -> np.ndarray:
    """Of the float network, float32 (N, 2 * units)."""
    parts = [model(real_values(shots.planes[at : at + 256]), training=False) for at in range(0, len(shots.units), 256)]
    return np.concatenate([np.asarray(part) for part in parts])


def judged(outputs: np.ndarray, shots: Shots) -> list[Agreement]:
    """Agreement with the truth, by unit and in the mean."""
    probability, intensity = fit.said(outputs)
    return agreement(fit.NAMES, shots.units, probability >= 0.5, intensity)


def run(training: RelativeTraining, train: Shots, val: Shots, out: Path) -> dict[str, Any]:
    """Train, keep the averaged weights of the best epoch on val, and return what done.json holds."""
    import keras

    from edgefer.train.units import network

    keras.utils.set_random_seed(training.seed)
    out.mkdir(parents=True, exist_ok=True)
    y = fit.targets(train.units[: training.rows or None], real=False)
    model = build(training.dropout)
    if training.further:
        try:
            model.load_weights(training.further)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(
                f"{training.further}: no weights of the network against the face at rest: {reason}"
            ) from None
    optimizer = keras.optimizers.AdamW(training.rate, weight_decay=training.weight_decay, clipnorm=5.0)
    model.compile(optimizer, network.loss)
    averaged = Averaged(model, training.average)
    rng, steps = np.random.default_rng(training.seed), len(y) // training.batch
    total, step, began, best = steps * training.epochs, 0, time.process_time(), (math.inf, 0)
    with (out / "metrics.jsonl").open("w") as log:
        for epoch in range(training.stop or training.epochs):
            losses: list[float] = []
            for chosen in rng.permutation(len(y))[: steps * training.batch].reshape(steps, -1):
                rows = np.sort(chosen)
                optimizer.learning_rate = fit.rate_at(step, total, training.rate)
                losses.append(float(model.train_on_batch(altered(train.planes[rows], rng), y[rows])))
                averaged.update(model)
                step += 1
                if step % 50 == 0:
                    spent = round(time.process_time() - began)
                    print(
                        f"epoch {epoch + 1} step {step} of {total} loss {np.mean(losses[-50:]):.3f} {spent} s",
                        flush=True,
                    )
            with swapped(model, averaged.values):
                mean = judged(predicted(model, val), val)[-1]
                if mean.mse + 1 - mean.f1 < best[0]:
                    best = mean.mse + 1 - mean.f1, epoch + 1
                    model.save_weights(out / fit.WEIGHTS)
            line = {"epoch": epoch + 1, "loss": float(np.mean(losses)), "f1": mean.f1, "icc": mean.icc, "mse": mean.mse}
            print(json.dumps({**line, "processor_seconds": round(time.process_time() - began)}), file=log, flush=True)
    done = {
        "training": asdict(training),
        "parameters": model.count_params(),
        "best_epoch": best[1],
        "rows": {"train": len(y), "val": len(val.units)},
        "people": {"train": len(set(train.names[: len(y)].tolist())), "val": len(set(val.names.tolist()))},
        "processor_seconds": round(time.process_time() - began),
        "hardware": hardware(),
        "backend": f"Keras {keras.__version__}, {keras.backend.backend()}",
    }
    write_bytes(out / "done.json", (json.dumps(done, indent=2) + "\n").encode())
    return done
