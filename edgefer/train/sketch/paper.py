"""The trainings of Costache and Popescu, Table II: each of three networks with and without transfer from digits.

The paper has 668 sketches: 556 to train, 90 to validate, 22 to query. We draw as many from FER+, each class as often as
the others: 556 of train, 90 and 22 of val. The optimizer, which it does not name, is that of each network's authors:
stochastic gradient descent with a momentum of 0.9 for VGG11 and ResNet50, Adam for CapsNet. Where a file of ImageNet's
weights is given, ResNet50 begins with them, as in the paper, else with what it learnt of digits.
"""

from __future__ import annotations

import functools
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import COSTACHE4
from edgefer.support.atomic import write_bytes
from edgefer.train.command import begin
from edgefer.train.hardware import accelerator, hardware
from edgefer.train.sketch import PAPER, ROUTING_DIGITS, ROUTING_SKETCHES, SIDE
from edgefer.train.sketch.digits import CLASSES as DIGITS
from edgefer.train.sketch.digits import load_digits
from edgefer.train.sketch.rows import Faces, drawn_evenly, load_faces, real_values, sketches
from edgefer.train.sketch.tables import PAPER_TRAININGS

TRAIN_ROWS, VAL_ROWS, QUERY_ROWS = 556, 90, 22
WEIGHTS = "last.weights.h5"
MOMENTUM = 0.9
#: Learning rates, where none is given.
RATES = {"vgg11": 0.01, "resnet50": 0.02, "capsnet": 1e-3}


@dataclass(frozen=True)
class Training:
    """What decides a run.

    Attributes:
        network: a name of PAPER.
        digits: folder of digits to learn from; empty for sketches.
        rows: of the digits, drawn by the seed.
        start: directory of a run whose weights it begins with, all but those of the classes where there are others.
        weights: file of ImageNet's weights, for ResNet50.
        side: of the images, pixels.
        rate: of learning; 0 for that of the network in RATES.
        minutes: it ends with the epoch in which so much time has passed; 0 for no limit.
    """

    network: str
    digits: str = ""
    rows: int = 0
    start: str = ""
    weights: str = ""
    side: int = SIDE
    epochs: int = 20
    batch: int = 32
    rate: float = 0.0
    minutes: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.network not in PAPER:
            raise UsageError(f"unknown network {self.network!r}; available: {', '.join(PAPER)}")
        if self.weights and self.network != "resnet50":
            raise UsageError("weights: ImageNet's are for resnet50")


#: Epochs and batch of the networks on sketches, on sketches after digits, and on the digits, which the paper does not
#: tell. In full the first two are those of Table II; short forms take minutes of a processor where those take hours.
SHORT = {
    "capsnet": ((8, 24), (8, 24), (1, 50)),
    "vgg11": ((3, 32), (3, 32), (1, 32)),
    "resnet50": ((3, 32), (3, 32), (1, 32)),
}
FULL = {
    name: (PAPER_TRAININGS[name][:2], PAPER_TRAININGS[f"{name}-transfer"][:2], (3, 50))
    for name in ("capsnet", "vgg11", "resnet50")
}


def plan(digits: str, rows: int, side: int, out: Path, full: bool = False) -> dict[str, Training]:
    """The paper's trainings by the names of their directories, in order.

    Args:
        digits: folder of digits. rows: drawn of them.
        side: of the images for VGG11 and ResNet50, pixels; CapsNet has the paper's.
        out: where the directories are.
        full: with the paper's epochs and batches, for a GPU; else short forms.
    """
    alone, digits_first = {}, {}
    for name, (own, after, before) in (FULL if full else SHORT).items():
        size = SIDE if name == "capsnet" else side
        run = Training(name, side=size)
        alone[name] = replace(run, epochs=own[0], batch=own[1])
        first = replace(run, digits=digits, rows=rows, epochs=before[0], batch=before[1])
        digits_first[f"{name}-digits"] = first
        start = str(out / f"{name}-digits")
        digits_first[f"{name}-transfer"] = replace(run, start=start, epochs=after[0], batch=after[1])
    return {**alone, **digits_first}


def fit(training: Training, out: Path, data: str, landmarks: Path) -> dict[str, Any]:
    """Train, keep the weights, and return what is kept in done.json: settings, loss, accuracy, time, predictions.

    Raises:
        UsageError: the data or the run to start from is not there, or `out` holds a finished run.
    """
    import keras

    from edgefer.train.sketch import networks

    begin(out)
    keras.utils.set_random_seed(training.seed)
    faces: tuple[Faces, ...] = ()
    if training.digits:
        known = load_digits(Path(training.digits), rows=training.rows, seed=training.seed)
        x, truth, classes = _resized(known.images, training.side), known.truth, DIGITS
        judged: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    else:
        faces = paper_rows(data, landmarks, training.seed)
        x, truth, classes = sketches(faces[0].points, training.side), faces[0].truth, len(COSTACHE4)
        judged = {
            name: (sketches(each.points, training.side), each.truth)
            for name, each in zip(("val", "query"), faces[1:], strict=True)
        }
    rounds = ROUTING_DIGITS if training.digits else ROUTING_SKETCHES
    model = networks.build(training.network, classes, training.side, training.weights or None, rounds)
    if training.start:
        start_from(Path(training.start), model, training)
    rate = training.rate or RATES[training.network]
    if training.network == "capsnet":
        model.compile(keras.optimizers.Adam(rate), networks.margin_loss, metrics=["accuracy"])
    else:
        model.compile(keras.optimizers.SGD(rate, MOMENTUM), "categorical_crossentropy", metrics=["accuracy"])
    target, began, history = np.eye(classes, dtype=np.float32)[truth], time.monotonic(), []
    spent = time.process_time()
    for epoch in range(training.epochs):
        seen = model.fit(x, target, training.batch, epochs=epoch + 1, initial_epoch=epoch, verbose=0).history
        history.append({name: float(values[-1]) for name, values in seen.items()})
        print(json.dumps({"epoch": epoch + 1, **history[-1], "seconds": time.monotonic() - began}), flush=True)
        if training.minutes and time.monotonic() - began > 60 * training.minutes:
            break
    seconds, spent = time.monotonic() - began, time.process_time() - spent
    model.save_weights(out / WEIGHTS)
    done = {
        "training": asdict(training),
        "classes": classes,
        "parameters": model.count_params(),
        "rows": len(truth),
        "epochs": len(history),
        "loss": history[-1]["loss"],
        "accuracy": 100 * history[-1]["accuracy"],
        "seconds": round(seconds, 1),
        "processor_seconds": round(spent, 1),
        "hardware": ", ".join(filter(None, (accelerator(), hardware()))),
        "backend": f"Keras {keras.__version__}, {keras.backend.backend()}",
    }
    for name, (images, wanted) in judged.items():
        began = time.monotonic()
        scores = networks.proportions(np.asarray(model.predict(images, verbose=0), np.float64))
        done[name] = {
            "row": next(each for each, label in zip(faces[1:], judged, strict=True) if label == name).row.tolist(),
            "truth": wanted.tolist(),
            "scores": scores.round(4).tolist(),
            "accuracy": 100 * float((scores.argmax(axis=1) == wanted).mean()),
            "ms_a_row": 1e3 * (time.monotonic() - began) / len(wanted),
        }
    if faces:
        done["rule"], done["counts"] = faces[0].rule, {"train": faces[0].counts, "val": faces[1].counts}
    write_bytes(out / "done.json", (json.dumps(done, indent=1) + "\n").encode())
    return done


@functools.lru_cache(maxsize=1)
def paper_rows(data: str, landmarks: Path, seed: int) -> tuple[Faces, Faces, Faces]:
    """Rows to train, to validate and to query, none twice."""
    train, val = (load_faces(split, data, landmarks) for split in ("train", "val"))
    chosen = drawn_evenly(val, VAL_ROWS, seed)
    left = val.take(np.setdiff1d(np.arange(len(val)), chosen))
    query = left.take(drawn_evenly(left, QUERY_ROWS, seed))
    return train.take(drawn_evenly(train, TRAIN_ROWS, seed)), val.take(chosen), query


def start_from(run: Path, model: Any, training: Training) -> None:
    """Give a network the weights of a finished run of digits; a layer for other classes stays random.

    Raises:
        UsageError: there is no such run, or it is of another network or size.
    """
    from edgefer.train.sketch import networks

    try:
        before = json.loads((run / "done.json").read_text())
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished run in {run}") from None
    other = before["training"]
    if (other["network"], other["side"]) != (training.network, training.side):
        raise UsageError(
            f"{run}: expected a run of {training.network} at {training.side} pixels, got {other['network']} at "
            f"{other['side']}"
        )
    source = networks.build(training.network, before["classes"], training.side)
    source.load_weights(run / WEIGHTS)
    for variable, value in zip(model.variables, source.variables, strict=True):
        if variable.shape == value.shape:
            variable.assign(value)


def _resized(images: np.ndarray, side: int) -> np.ndarray:
    """float32 (N, side, side, 1), real values."""
    large = [cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR) for image in images]
    return real_values(np.stack(large))
