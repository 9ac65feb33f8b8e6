"""Training of our own network for action units, on made faces with their truth and real ones with the teacher's."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import UsageError
from edgefer.measure.agreement import SHOWN, Agreement, agreement, pcc
from edgefer.support.atomic import write_bytes
from edgefer.train.averaged import Averaged, swapped
from edgefer.train.command import begin
from edgefer.train.data.synthetic.units import FULL, UNITS
from edgefer.train.hardware import hardware
from edgefer.train.units.material import LAYOUT, ROOM, Rows

WEIGHTS = "best.weights.h5"
NAMES = tuple(f"AU{unit}" for unit in UNITS)
#: The units for which the teacher is believed in full; what it says of the others is vaguer.
SURE_UNITS = (12, 25, 26, 43)
VAGUE = 0.3


@dataclass(frozen=True)
class UnitsTraining:
    """What decides a run.

    Attributes:
        start: weights of a landmark network whose convolutions it begins with; empty for random ones.
        further: weights of a run, from which this one goes on; start then counts for nothing.
        stop: leave off after this many epochs, at the rate of a run of all; 0 to run to the end.
        held: so many of its first convolutions stay as they are, which spares a third of the time.
        real: share of real faces in a batch. real_weight: how much their units count.
        shift: of the crop at most, pixels. light: deviation of contrast, as a logarithm.
        average: decay of the moving average of the weights, by step; the averaged weights are kept.
    """

    start: str = ""
    further: str = ""
    held: int = 0
    epochs: int = 6
    stop: int = 0
    batch: int = 96
    real: float = 0.25
    real_weight: float = 0.6
    rate: float = 2e-3
    dropout: float = 0.2
    shift: int = 2
    light: float = 0.25
    average: float = 0.998
    weight_decay: float = 0.02
    seed: int = 1


def rate_at(step: int, total: int, rate: float) -> float:
    """The learning rate of a step: it rises for a hundred of them, then falls as a cosine to 0 at the last."""
    return falling(step, step / total, rate)


def falling(step: int, part: float, rate: float) -> float:
    """The same where `part` of the run has passed."""
    return rate * min(1, step / 100 + 0.01) * (1 + math.cos(math.pi * part)) / 2


def middle(crops: np.ndarray) -> np.ndarray:
    """The crops as a device takes them, uint8 (N, H, W)."""
    return crops[:, ROOM : ROOM + LAYOUT.height, ROOM : ROOM + LAYOUT.width]


def real_values(crops: np.ndarray) -> np.ndarray:
    """Float32 (N, H, W, 1), as the network sees them."""
    return (crops.astype(np.float32) / 128 - 1)[..., None]


def targets(units: np.ndarray, real: bool, weight: float = 1.0) -> np.ndarray:
    """What `network.loss` takes, float32 (N, 3 * units), of intensities, nan where nobody knows."""
    known = np.isfinite(units)
    counts = np.full(units.shape, weight, np.float32)
    if real:
        counts *= [1.0 if unit in SURE_UNITS else VAGUE for unit in UNITS]
    intensity = np.where(known, units, 0)
    return np.concatenate([intensity >= SHOWN, intensity, counts * known], axis=1).astype(np.float32)


def batches(made: Rows, real: Rows, training: UnitsTraining, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """An epoch: each made face once, with real ones among them."""
    rng = np.random.default_rng((training.seed, epoch))
    some = round(training.batch * training.real)
    most = training.batch - some
    order, others = rng.permutation(len(made.crops)), rng.permutation(len(real.crops))
    others = np.resize(others, (len(order) // most) * some)
    truth = targets(made.units, False), targets(real.units, True, training.real_weight)
    for step in range(len(order) // most):
        first = np.sort(order[step * most : (step + 1) * most])
        second = np.sort(others[step * some : (step + 1) * some])
        crops = np.concatenate([_altered(rows.crops[i], training, rng) for rows, i in ((made, first), (real, second))])
        yield crops[..., None], np.concatenate([truth[0][first], truth[1][second]])


def _altered(crops: np.ndarray, training: UnitsTraining, rng: np.random.Generator) -> np.ndarray:
    """Shifted, mirrored and in another light: float32 (N, H, W), as the network sees them."""
    count = len(crops)
    result = np.empty((count, LAYOUT.height, LAYOUT.width), np.float32)
    shifts = ROOM + rng.integers(-training.shift, training.shift + 1, (count, 2))
    flips = rng.random(count) < 0.5
    for i, (crop, (y, x), flip) in enumerate(zip(crops, shifts.tolist(), flips.tolist(), strict=True)):
        part = crop[y : y + LAYOUT.height, x : x + LAYOUT.width]
        result[i] = part[:, ::-1] if flip else part
    gain = np.exp(rng.normal(0, training.light, (count, 1, 1))).astype(np.float32)
    level = result.mean(axis=(1, 2), keepdims=True)
    result -= level
    result *= gain
    result += level + rng.normal(0, 60 * training.light, (count, 1, 1)).astype(np.float32)
    return np.clip(result / 128 - 1, -1, 127 / 128, out=result)


def said(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Occurrence as probabilities, and intensities 0 to 5, of the network's outputs, float (N, 2 * units)."""
    count = len(UNITS)
    return 1 / (1 + np.exp(-outputs[:, :count])), np.clip(outputs[:, count:], 0, FULL)


def judge_made(outputs: np.ndarray, rows: Rows) -> list[Agreement]:
    """Agreement with the truth of made faces, by unit and in the mean."""
    probability, intensity = said(outputs)
    return agreement(NAMES, rows.units, probability >= 0.5, intensity)


def judge_real(outputs: np.ndarray, rows: Rows) -> dict[str, float]:
    """Correlation of intensities with the teacher's, by unit, on real faces."""
    _, intensity = said(outputs)
    result = {}
    for column, name in enumerate(NAMES):
        known = np.isfinite(rows.units[:, column])
        if known.any():
            result[name] = pcc(rows.units[known, column], intensity[known, column])
    return result


def chain(run: Path) -> list[Path]:
    """A run and those that it goes on from, the first first.

    Raises:
        UsageError: one is not finished.
    """
    try:
        further = json.loads((run / "done.json").read_text())["training"].get("further", "")
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished run in {run}") from None
    before = further and not Path(further).is_dir()  # of a model directory, the runs are not there any more
    return [*(chain(Path(further).parent) if before else []), run]


def fit_units(training: UnitsTraining, parts: dict[str, Rows], out: Path) -> dict[str, Any]:
    """Train, keep the averaged weights of the best epoch, and return what done.json holds.

    Args:
        parts: made_train, made_val, real_train, real_val.

    Raises:
        UsageError: `out` holds a finished run, or the weights to go on from are not there.
    """
    import keras

    from edgefer.train.units import network

    keras.utils.set_random_seed(training.seed)
    begin(out)
    model = network.build(training.dropout)
    if training.further:
        try:
            model.load_weights(training.further)
        except (OSError, ValueError) as error:
            raise UsageError(f"{training.further}: no weights of units: {str(error).splitlines()[0]}") from None
    elif training.start:
        network.start(model, Path(training.start), training.held)
    optimizer = keras.optimizers.AdamW(training.rate, weight_decay=training.weight_decay, clipnorm=5.0)
    model.compile(optimizer, network.loss)
    averaged = Averaged(model, training.average)
    val = {name: real_values(middle(parts[name].crops)) for name in ("made_val", "real_val")}
    per_epoch = len(parts["made_train"].crops) // (training.batch - round(training.batch * training.real))
    total, step, began, best = per_epoch * training.epochs, 0, time.process_time(), (math.inf, 0)
    with (out / "metrics.jsonl").open("w") as log:
        for epoch in range(training.stop or training.epochs):
            losses: list[float] = []
            for x, y in batches(parts["made_train"], parts["real_train"], training, epoch):
                optimizer.learning_rate = rate_at(step, total, training.rate)
                losses.append(float(model.train_on_batch(x, y)))
                averaged.update(model)
                step += 1
                if step % 50 == 0:
                    done_s = round(time.process_time() - began)
                    print(
                        f"epoch {epoch + 1} step {step} of {total} loss {np.mean(losses[-50:]):.3f} {done_s} s",
                        flush=True,
                    )
            with swapped(model, averaged.values):
                outputs = {name: np.asarray(model.predict(x, 256, verbose=0)) for name, x in val.items()}
                mean = judge_made(outputs["made_val"], parts["made_val"])[-1]
                real = judge_real(outputs["real_val"], parts["real_val"])
                # of both kinds of faces: the errors of the one and the correlations of the other
                score = mean.mse + 1 - mean.f1 + sum(1 - real[f"AU{unit}"] for unit in SURE_UNITS) / len(SURE_UNITS)
                if score < best[0]:
                    best = score, epoch + 1
                    model.save_weights(out / WEIGHTS)
            line: dict[str, Any] = {"epoch": epoch + 1, "loss": float(np.mean(losses)), "f1": mean.f1}
            line |= {"icc": mean.icc, "mse": mean.mse, "real": {name: round(value, 3) for name, value in real.items()}}
            print(json.dumps({**line, "processor_seconds": round(time.process_time() - began)}), file=log, flush=True)
    done = {
        "training": asdict(training),
        "parameters": model.count_params(),
        "best_epoch": best[1],
        "rows": {name: len(rows.crops) for name, rows in parts.items()},
        "people": {name: len(set(rows.names.tolist())) for name, rows in parts.items()},
        "processor_seconds": round(time.process_time() - began),
        "hardware": hardware(),
        "backend": f"Keras {keras.__version__}, {keras.backend.backend()}",
    }
    write_bytes(out / "done.json", (json.dumps(done, indent=2) + "\n").encode())
    return done
