"""Train the landmark network.

    python -m edgefer.train.teachers --data DATA --out LABELS
    python -m edgefer.train.landmarks.fit --data DATA --labels LABELS --out runs/edgefer-landmarks --minutes 60

`--start` goes on from the weights of another run. The rate falls with time, not with steps, so that a
run ends when it is meant to.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf

from edgefer.train.landmarks import data
from edgefer.train.landmarks.network import build

#: Weights of the jaw's errors along its contour, where the teacher itself is uncertain, and of the loss's two parts.
ALONG, POINTS, REGIONS = 0.5, 20.0, 1.0
#: Errors below this count by their square, above by their size; parts of the crop.
BEND = 0.004


def point_loss(target, points):
    """Size of the errors, in parts of the eyes' outer distance; the jaw's along its contour count less."""
    weight, truth = target[:, 136], tf.reshape(target[:, :136], (-1, 68, 2))
    error = tf.reshape(points, (-1, 68, 2)) - truth
    jaw = truth[:, :17]
    way = tf.concat([jaw[:, 1:2] - jaw[:, :1], jaw[:, 2:] - jaw[:, :-2], jaw[:, 16:] - jaw[:, 15:16]], axis=1)
    way = tf.math.l2_normalize(way, axis=2)
    along = tf.reduce_sum(error[:, :17] * way, axis=2, keepdims=True) * way
    error = tf.concat([error[:, :17] - (1 - ALONG) * along, error[:, 17:]], axis=1)
    size = tf.sqrt(tf.reduce_sum(error**2, axis=2) + BEND**2) - BEND
    eyes = tf.norm(truth[:, 45] - truth[:, 36], axis=1) + (1 - weight)
    return tf.reduce_mean(tf.reduce_mean(size, axis=1) / eyes * weight)


def region_loss(seen, said):
    """Cross-entropy of each region's visible share."""
    said = tf.clip_by_value(said, 1e-6, 1 - 1e-6)
    return -tf.reduce_mean(seen * tf.math.log(said) + (1 - seen) * tf.math.log(1 - said))


def backgrounds(folders: list[Path]) -> list[np.ndarray]:
    """Grey photographs without faces, at most 800 pixels wide."""
    found = []
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.suffix in (".jpg", ".jpeg", ".png") else None
        if image is not None and min(image.shape) >= 64:
            scale = min(1, 800 / image.shape[1])
            found.append(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    return found


def real(images: np.ndarray) -> np.ndarray:
    """uint8 to the network's real values."""
    return (images.astype(np.float32) - 128) / 128


def val_crops(faces: data.Faces) -> tuple[np.ndarray, np.ndarray]:
    """The crops of faces as they are, and their points in parts of the crop (N, 68, 2)."""
    images, points = [], []
    for image, truth in zip(faces.images, faces.points, strict=True):
        middle, side = data.square_of(truth.astype(np.float64))
        canvas = data.cut(image, middle, np.eye(2) * side / data.CANVAS_PX)
        images.append(cv2.resize(canvas, (data.INPUT_PX, data.INPUT_PX), interpolation=cv2.INTER_AREA))
        points.append((truth - middle) / side + 0.5)
    return np.stack(images)[..., None], np.stack(points)


def val_error(model: keras.Model, images: np.ndarray, points: np.ndarray) -> tuple[float, float]:
    """Percent of the eyes' outer distance: the 51 inner points, and all."""
    said = np.asarray(model.predict(real(images), batch_size=64, verbose=0)[0]).reshape(-1, 68, 2)
    error = np.linalg.norm(said - points, axis=2) / np.linalg.norm(points[:, 45] - points[:, 36], axis=1)[:, None]
    return 100 * float(error[:, 17:].mean()), 100 * float(error.mean())


class Average:
    """The moving average of a network's weights, moments of its normalisation included."""

    def __init__(self, model: keras.Model, momentum: float):
        self._model, self._momentum = model, momentum
        self.values = [np.array(value) for value in model.get_weights()]
        self._steps = 0

    def step(self) -> None:
        self._steps += 1
        keep = min(self._momentum, self._steps / (self._steps + 9))
        for mean, value in zip(self.values, self._model.get_weights(), strict=True):
            mean += (value - mean) * (1 - keep)


def train(arguments: argparse.Namespace) -> None:
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    sources = data.taught(arguments.data, arguments.labels)
    grounds = backgrounds(arguments.backgrounds)
    rows = [len(faces) for faces, _ in sources]
    val = val_crops(data.photographs(arguments.data, arguments.labels, "val"))
    print(json.dumps({"rows": rows, "backgrounds": len(grounds), "val": len(val[0])}), flush=True)

    mean = val[1].mean(axis=0)
    model = build(data.INPUT_PX, mean.ravel())
    optimizer = keras.optimizers.AdamW(arguments.rate, weight_decay=0.01, clipnorm=1.0)
    if arguments.start:
        model.load_weights(arguments.start)
    average = Average(model, 0.998)

    @tf.function(reduce_retracing=True)
    def step(images, targets, seen):
        with tf.GradientTape() as tape:
            points, said = model((tf.cast(images, tf.float32) - 128) / 128, training=True)
            error = point_loss(targets, points)
            loss = POINTS * error + REGIONS * region_loss(seen, said)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return error, loss

    started, last, count, sums = time.monotonic(), time.monotonic(), 0, np.zeros(2)
    budget = arguments.minutes * 60
    settings = {"rows": rows, **_stages(arguments)}
    for images, targets, seen in data.Sampler(sources, grounds, arguments.seed).batches(arguments.batch):
        part = (time.monotonic() - started) / budget
        if part >= 1:
            break
        rate = arguments.rate * min(1, (count + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * part)))
        optimizer.learning_rate.assign(rate)
        sums += [float(value) for value in step(images, targets, seen)]
        count += 1
        if count % 4 == 0:
            average.step()
        if count % 20 == 0 and time.monotonic() - last > arguments.report:
            report(model, average, val, out, settings, count * arguments.batch, time.monotonic() - started, sums)
            last, sums = time.monotonic(), np.zeros(2)
    report(model, average, val, out, settings, count * arguments.batch, time.monotonic() - started, sums)


def _stages(arguments: argparse.Namespace) -> dict[str, Any]:
    """How the weights come to be: the arguments of each run that led to them, and what those before had seen."""
    own = f"--minutes {arguments.minutes:g} --batch {arguments.batch} --rate {arguments.rate:g} --seed {arguments.seed}"
    if arguments.backgrounds:
        own += " --backgrounds " + " ".join(str(path) for path in arguments.backgrounds)
    before: dict[str, Any] = {"stages": [], "images": 0, "minutes": 0.0}
    if arguments.start:
        before |= json.loads((arguments.start.parent / "settings.json").read_text())
        own += " --start RUN/averaged.weights.h5"
    return {**before, "stages": [*before["stages"], own], "seed": arguments.seed}


def report(model, average, val, out, settings, images, seconds, sums) -> None:
    """One line about the run, and its checkpoints: `last` as it trains, `averaged` to be exported."""
    own = model.get_weights()
    model.save_weights(out / "last.weights.h5")
    model.set_weights(average.values)
    inner, everything = val_error(model, *val)
    partial = out / "averaged.partial.weights.h5"
    model.save_weights(partial)
    os.replace(partial, out / "averaged.weights.h5")
    model.set_weights(own)
    totals = {"images": settings["images"] + images, "minutes": settings["minutes"] + seconds / 60}
    (out / "settings.json").write_text(json.dumps({**settings, **totals}))
    line = {"images": images, "minutes": round(seconds / 60, 1), "val_inner": round(inner, 3),
            "val_all": round(everything, 3), "losses": sums.round(2).tolist()}  # fmt: skip
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EDGEFER_DATA", "../shared/data")))
    parser.add_argument("--labels", type=Path, required=True, help="what edgefer.train.teachers wrote")
    parser.add_argument("--backgrounds", type=Path, nargs="*", default=[], help="folders of photographs without faces")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="weights to begin with: a run's averaged.weights.h5")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=float, default=120, help="seconds between checkpoints")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
