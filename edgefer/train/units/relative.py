"""Action units against the same face at rest: a small network on a face's movements and what they leave unexplained.

One picture does not tell how a face looks at rest: low brows may be AU4 or its own. A film does: pairs
(edgefer/preprocess/pairs.py) say how far skin has moved and which lines have darkened, whoever the face is.
"""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import UsageError
from edgefer.measure.agreement import Agreement, agreement
from edgefer.models import directory as directories
from edgefer.preprocess import pairs
from edgefer.recognize.units import AGAINST
from edgefer.support.atomic import write_bytes
from edgefer.train.command import begin
from edgefer.train.data.feed import ahead
from edgefer.train.data.synthetic.units import UNITS
from edgefer.train.hardware import hardware
from edgefer.train.recovered import recover
from edgefer.train.units import fit
from edgefer.train.units.shots import Shots

#: Steps a call of the accelerator.
STEPS = 8


@dataclass(frozen=True)
class RelativeTraining:
    """What decides a run.

    Attributes:
        further: weights of a run, from which this one goes on; or a model directory, where those are not there any more
            (`recovered.recover`). sets: of train, so many (shots.make).
        rows: of those, the first so many; 0 for all.
        stop: leave off after this many epochs, at the rate of a run of all; 0 to run to the end.
        minutes: the rate falls to nothing by then, with as many epochs as there is time for; 0 for `epochs`.
        average: decay of the moving average of the weights, by step; the averaged weights are kept.
    """

    further: str = ""
    sets: int = 1
    rows: int = 0
    epochs: int = 16
    stop: int = 0
    minutes: float = 0.0
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


def _go_on(model: Any, further: Path, train: Shots) -> None:
    """Gives the model the weights of a run or of a model directory. Raises UsageError: they are not this network's."""
    if further.is_dir():
        with np.load(io.BytesIO(directories.read(further)[1]), allow_pickle=False) as file:
            content = file[AGAINST].tobytes()
        recover(model, content, real_values(train.planes[:: max(1, len(train.planes) // 1000)]))
        return
    try:
        model.load_weights(further)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{further}: no weights of the network against the face at rest: {reason}") from None


def batches(train: Shots, y: np.ndarray, training: RelativeTraining, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    """An epoch: of several steps at a time planes in int8 levels, half as in a mirror, and targets: (K, batch, ...)."""
    rng, size, count = np.random.default_rng(seed), *_shape(training, len(y))
    calls = len(y) // (count * size)
    for chosen in rng.permutation(len(y))[: calls * count * size].reshape(calls, -1):
        planes, flip = np.stack([train.planes[row] for row in chosen]), rng.random(len(chosen)) < 0.5
        planes[flip] = pairs.mirrored(planes[flip])
        yield planes.reshape(count, size, *planes.shape[1:]), y[chosen].reshape(count, size, -1)


def _shape(training: RelativeTraining, rows: int) -> tuple[int, int]:
    """Rows of a step, and steps of a call."""
    size = min(training.batch, rows)
    return size, min(STEPS, rows // size)


def run(training: RelativeTraining, train: Shots, val: Shots, out: Path) -> dict[str, Any]:
    """Train, keep the averaged weights of the best epoch on val, and return what done.json holds."""
    import keras
    from keras import ops

    from edgefer.train.steps import Steps
    from edgefer.train.units import network

    keras.utils.set_random_seed(training.seed)
    begin(out)
    y = fit.targets(train.units[: training.rows or None], real=False)
    model = build(training.dropout)
    if training.further:
        _go_on(model, Path(training.further), train)
    steps = Steps(
        model,
        lambda outputs, batch: (network.loss(batch[1], outputs), {}),
        lambda levels: ops.cast(levels, "float32") / 128,
        training.average,
        training.weight_decay,
        clipnorm=5.0,
    )
    began, clock, best = time.process_time(), time.monotonic(), (math.inf, 0)
    size, count = _shape(training, len(y))
    total = len(y) // (count * size) * count * training.epochs
    epoch, finished, losses = 0, False, np.zeros(0)
    with (out / "metrics.jsonl").open("w") as log:
        while not finished:
            epoch += 1
            told: list[Any] = []
            for given in ahead(batches(train, y, training, training.seed * 1000 + epoch)):
                passed = (time.monotonic() - clock) / (60 * training.minutes) if training.minutes else 0.0
                finished = passed >= 1
                if finished:
                    break
                rate = fit.falling(steps.count, passed if training.minutes else steps.count / total, training.rate)
                told.append(steps(given, [rate] * count)["loss"])
                if len(told) % 50 == 0:
                    spent = round(time.monotonic() - clock)
                    print(f"epoch {epoch} step {steps.count} loss {np.mean(told[-1]):.3f} {spent} s", flush=True)
            losses = np.concatenate([np.asarray(each) for each in told]) if told else losses
            if not training.minutes:
                finished = epoch == (training.stop or training.epochs)
            steps.write(average=True)
            mean = judged(predicted(model, val), val)[-1]
            if mean.mse + 1 - mean.f1 < best[0]:
                best = mean.mse + 1 - mean.f1, epoch
                model.save_weights(out / fit.WEIGHTS)
            line = {"epoch": epoch, "loss": float(np.mean(losses)), "f1": mean.f1, "icc": mean.icc, "mse": mean.mse}
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
