"""Train the landmark network, in one or several shapes at once on the same crops.

    python -m edgefer.train.teachers --data DATA --out LABELS
    python -m edgefer.train.landmarks.fit --data DATA --labels LABELS --out runs/edgefer-landmarks --minutes 60

writes a folder for each shape (`network.SHAPES`). `--start` goes on from the weights of a run, which may be the same.
The rate falls with time, not with steps, so that a run ends when it is meant to; its minutes count from its start,
loading and compiling included. On a GPU: KERAS_BACKEND=jax, with `--processes` that draw, `--batch 512 --together 8`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops

from edgefer.errors import UsageError
from edgefer.support.atomic import write_bytes
from edgefer.train.checkpoint import load_weights
from edgefer.train.command import check_numbers, reported
from edgefer.train.data.feed import Batch, fed
from edgefer.train.landmarks import data
from edgefer.train.landmarks.develop import developed, looks, seen_by
from edgefer.train.landmarks.network import SHAPES, build
from edgefer.train.settings import read_json
from edgefer.train.steps import Steps, compiled

#: Weights of the jaw's points, of their errors along its contour, where the teacher itself is uncertain, and of the
#: loss's two parts.
JAW, ALONG, POINTS, REGIONS = 1.5, 0.5, 20.0, 1.0
#: Errors below this count by their square, above by their size; parts of the crop.
BEND = 0.004
#: Eyes nearer together than this part of the crop do not make an error count more.
LEAST_EYES = 0.2


def point_loss(target, points):
    """Size of the errors, in parts of the eyes' outer distance; the jaw's along its contour count less.

    Args:
        target: (N, 204), 68 points and what each counts. points: (N, 136).
    """
    truth, weights = ops.reshape(target[:, :136], (-1, 68, 2)), target[:, 136:]
    error = ops.reshape(points, (-1, 68, 2)) - truth
    jaw = truth[:, :17]
    way = ops.concatenate([jaw[:, 1:2] - jaw[:, :1], jaw[:, 2:] - jaw[:, :-2], jaw[:, 16:] - jaw[:, 15:16]], axis=1)
    way = way / ops.sqrt(ops.sum(way**2, axis=2, keepdims=True) + 1e-12)
    along = ops.sum(error[:, :17] * way, axis=2, keepdims=True) * way
    error = ops.concatenate([JAW * (error[:, :17] - (1 - ALONG) * along), error[:, 17:]], axis=1)
    size = ops.sqrt(ops.sum(error**2, axis=2) + BEND**2) - BEND
    eyes = ops.sqrt(ops.sum((truth[:, 45] - truth[:, 36]) ** 2, axis=1))
    return ops.mean(ops.mean(size * weights, axis=1) / ops.maximum(eyes, LEAST_EYES))


def region_loss(seen, said):
    """Cross-entropy of each region's visible share."""
    said = ops.clip(said, 1e-6, 1 - 1e-6)
    return -ops.mean(seen * ops.log(said) + (1 - seen) * ops.log(1 - said))


def loss(outputs, batch):
    """Of a step: what counts, and the mean error of the points."""
    (points, said), (_, targets, seen) = outputs, batch
    error = point_loss(targets, points)
    return POINTS * error + REGIONS * region_loss(seen, said), {"error": error}


def prepared(images):
    """uint8 to the network's real values."""
    return (ops.cast(images, "float32") - 128) / 128


def backgrounds(folders: list[Path]) -> list[np.ndarray]:
    """Grey photographs without faces, at most 800 pixels wide."""
    found = []
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        known = path.suffix in (".jpg", ".jpeg", ".png", ".webp")
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if known else None
        if image is not None and min(image.shape) >= 64:
            scale = min(1, 800 / image.shape[1])
            found.append(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return found


def examples(folder: Path, labels: Path, grounds: list[Path], size: int, seed: int) -> Iterator[Batch]:
    """Batches without end: canvases, how to look at them, targets (N, 204) and regions (N, 6)."""
    sampler = data.Sampler(data.taught(folder, labels), backgrounds(grounds), seed)
    rng = np.random.default_rng(seed + 1)
    for canvases, *rest in sampler.batches(size):
        looked = looks(rng, size)
        points, weights, parts = seen_by(looked, *rest)
        yield canvases, looked, np.concatenate([points.reshape(size, 136), weights], axis=1), parts


def val_crops(faces: data.Faces, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The crops of faces as they are, and their points in parts of the crop (N, 68, 2)."""
    images, points = [], []
    for image, truth in zip(faces.images, faces.points, strict=True):
        middle, wide = data.square_of(truth.astype(np.float64))
        canvas = data.cut(image, middle, np.eye(2) * wide / data.CANVAS_PX)
        images.append(cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA))
        points.append((truth - middle) / wide + 0.5)
    return np.stack(images)[..., None], np.stack(points)


def val_error(model: keras.Model, images: np.ndarray, points: np.ndarray) -> tuple[float, float]:
    """Percent of the eyes' outer distance: the 51 inner points, and all."""
    said = np.asarray(model.predict_on_batch(prepared(images))[0]).reshape(-1, 68, 2)
    error = np.linalg.norm(said - points, axis=2) / np.linalg.norm(points[:, 45] - points[:, 36], axis=1)[:, None]
    return 100 * float(error[:, 17:].mean()), 100 * float(error.mean())


class Run:
    """The training of one shape, in a folder of its own."""

    def __init__(self, name: str, arguments: argparse.Namespace, val: data.Faces):
        self.side = SHAPES[name].side
        self._out: Path = arguments.out / name
        if (self._out / "averaged.weights.h5").exists() and arguments.start is None:
            raise UsageError(
                f"{self._out}: holds a run, which would be lost; go on from it with --start {arguments.out}, "
                "or choose another --out"
            )
        self._out.mkdir(parents=True, exist_ok=True)
        self._settings = {"shape": name, "rows": data.rows(arguments.labels), **_stages(arguments, name)}
        self._val = val_crops(val, self.side)
        self._model = build(SHAPES[name], self._val[1].mean(axis=0).ravel())
        if arguments.start:
            load_weights(self._model, arguments.start / name / "averaged.weights.h5")
        self.steps = Steps(self._model, loss, prepared, average=arguments.average)

    def report(self, images: int, minutes: float, error: float) -> None:
        """One line about the run, and its checkpoint: the averaged weights, to be exported."""
        self.steps.write(average=True)
        inner, everything = val_error(self._model, *self._val)
        partial_ = self._out / "averaged.partial.weights.h5"
        self._model.save_weights(partial_)
        os.replace(partial_, self._out / "averaged.weights.h5")
        totals = {"images": self._settings["images"] + images, "minutes": self._settings["minutes"] + minutes}
        write_bytes(self._out / "settings.json", json.dumps({**self._settings, **totals}).encode())
        line = {"shape": self._settings["shape"], "images": images, "minutes": round(minutes, 1),
                "val_inner": round(inner, 3), "val_all": round(everything, 3), "error": round(error, 5)}  # fmt: skip
        with (self._out / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def train(arguments: argparse.Namespace) -> None:
    """Learns for a time; the weights are left from time to time, and at the end.

    Raises:
        UsageError: an option is out of its range, the directory holds a run that is not gone on from, a file is not
            there, or damaged.
    """
    numbers = {name: (getattr(arguments, name), 0) for name in ("minutes", "processes", "rate", "seed", "report")}
    check_numbers(**numbers, batch=(arguments.batch, 1), together=(arguments.together, 1))
    cv2.setNumThreads(1)
    started = last = time.monotonic()
    maker = partial(examples, arguments.data, arguments.labels, arguments.backgrounds, arguments.batch)
    batches = fed(maker, arguments.seed, arguments.processes, arguments.together)
    val = data.photographs(arguments.data, arguments.labels, "val")
    runs = [Run(name, arguments, val) for name in arguments.shapes]
    develop = {run.side: compiled(partial(developed, side=run.side)) for run in runs}
    count, told = 0, [{"error": np.zeros(1)}] * len(runs)
    while time.monotonic() - started < 60 * arguments.minutes:
        canvases, looked, targets, seen = next(batches)
        part = min(1.0, (time.monotonic() - started) / (60 * arguments.minutes))
        fall = 0.005 + 0.995 * 0.5 * (1 + np.cos(np.pi * part))
        rates = [arguments.rate * fall * min(1, (count + each + 1) / 300) for each in range(arguments.together)]
        every, look = (each.reshape(-1, *each.shape[2:]) for each in (canvases, looked))
        images = {side: look_at(every, look) for side, look_at in develop.items()}
        given = [(ops.reshape(images[run.side], (*canvases.shape[:2], run.side, run.side, 1)), targets, seen)
                 for run in runs]  # fmt: skip
        np.asarray(told[-1]["error"])  # what is read is done: no more than one call waits for the accelerator
        if not count:  # shapes compile side by side
            with ThreadPoolExecutor() as pool:
                begun = [pool.submit(run.steps, batch, rates) for run, batch in zip(runs, given, strict=True)]
            told = [each.result() for each in begun]
        else:
            told = [run.steps(batch, rates) for run, batch in zip(runs, given, strict=True)]
        count += arguments.together
        if time.monotonic() - last > arguments.report:
            _report(runs, told, count * arguments.batch, started)
            last = time.monotonic()
    _report(runs, told, count * arguments.batch, started)


def _report(runs: list[Run], told: list[dict[str, Any]], images: int, started: float) -> None:
    for run, errors in zip(runs, told, strict=True):
        run.report(images, (time.monotonic() - started) / 60, float(np.mean(errors["error"])))


def _stages(arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    """How the weights come to be: the arguments of each run that led to them, and what those before had seen."""
    own = f"--shapes {' '.join(arguments.shapes)} --minutes {arguments.minutes:g} --batch {arguments.batch}"
    own += f" --together {arguments.together} --rate {arguments.rate:g} --average {arguments.average:g}"
    own += f" --seed {arguments.seed}"
    if arguments.backgrounds:
        own += " --backgrounds " + " ".join(str(path) for path in arguments.backgrounds)
    before: dict[str, Any] = {"stages": [], "images": 0, "minutes": 0.0}
    if arguments.start:
        before |= read_json(arguments.start / name / "settings.json")
        own += " --start RUN"
    return {**before, "stages": [*before["stages"], own], "seed": arguments.seed}


@reported
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EDGEFER_DATA", "../shared/data")))
    parser.add_argument("--labels", type=Path, required=True, help="what edgefer.train.teachers wrote")
    parser.add_argument("--backgrounds", type=Path, nargs="*", default=[], help="folders of photographs without faces")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["deep80"])
    parser.add_argument("--start", type=Path, help="a run to go on from")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--together", type=int, default=1, help="batches that go to the accelerator at once")
    parser.add_argument("--processes", type=int, default=0, help="that draw; 0: a thread of this one")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--average", type=float, default=0.999, help="momentum of the averaged weights, a step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=float, default=60, help="seconds between checkpoints")
    train(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
