"""Trains the detector.

    python -m edgefer.train.detector.labels --out runs/labels
    python -m edgefer.train.detector.fit runs/edgefer-face --labels runs/labels --backgrounds /usr/share/backgrounds …

Scenes are composed while the network learns. Of those in which it takes something for a face, the latest are kept and
shown again. What the network is at the end is the average of its weights over the last steps. The rate falls with
time, so that a run ends when it is meant to.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops

from edgefer.support.atomic import write_bytes
from edgefer.train.checkpoint import load_weights
from edgefer.train.command import check_numbers, reported
from edgefer.train.detector import network
from edgefer.train.detector.feed import Feed
from edgefer.train.settings import read_json
from edgefer.train.steps import Steps

#: Cells from a face's centre, and its side in cells, in which cells may be taught it.
REACH, FITTING = 1.6, (0.8, 6.0)
#: Cells that learn one face, at most; how many of the best overlaps are added up for their number.
TAUGHT = 6
#: Weights of the parts of the loss; how little what is known already counts.
SQUARE, POINTS, FOCUS = 2.0, 0.3, 1.5
#: Steps a call of the accelerator; of those, how many the rate rises for.
STEPS, WARM = 8, 400
AVERAGE = 0.999
#: Files of the averaged weights, and of those of the last step.
WEIGHTS = ("latest.weights.h5", "raw.weights.h5")

CELLS = network.cells()
CENTRE, STRIDE = CELLS[:, :2], CELLS[:, 2]


def gathered(outputs):
    """Logit (B, cells), square (B, cells, 3) and points (B, cells, 10) of all grids."""
    parts = [
        ops.concatenate([ops.reshape(o, (ops.shape(o)[0], -1, n)) for o in outputs[i::3]], 1)
        for i, n in enumerate(network.TOLD.values())
    ]
    return parts[0][..., 0], parts[1], parts[2]


def overlaps(a, b):
    """Intersection over union of squares (..., 3)."""
    sides = []
    for axis in (0, 1):
        upper = ops.minimum(a[..., axis] + a[..., 2] / 2, b[..., axis] + b[..., 2] / 2)
        sides.append(ops.relu(upper - ops.maximum(a[..., axis] - a[..., 2] / 2, b[..., axis] - b[..., 2] / 2)))
    common = sides[0] * sides[1]
    return common / (a[..., 2] ** 2 + b[..., 2] ** 2 - common + 1e-6)


def loss(outputs, batch):
    """The loss, and as "taken" of each scene the greatest score in it away from faces.

    Each face is taught to the cells near its centre that say it best by now, more of them the better they do.

    Args:
        outputs: of the network.
        batch: images, which are not looked at, and their faces (B, MOST, 14).

    Reference: Ge et al., YOLOX, 2021, section 2.2, for the assignment; Lin et al., Focal Loss, 2017.
    """
    faces = batch[1]
    logit, square, points = gathered(outputs)
    said = ops.concatenate(
        [CENTRE + square[..., :2] * STRIDE[:, None], (STRIDE * ops.exp(ops.clip(square[..., 2], -3, 3)))[..., None]],
        axis=-1,
    )
    truth, kind = faces[..., :3], faces[..., 13]
    away = ops.abs(CENTRE[None, :, None] - truth[:, None, :, :2]) / STRIDE[None, :, None, None]
    in_cells = truth[:, None, :, 2] / STRIDE[None, :, None]
    fitting = (ops.max(away, -1) < REACH) & (in_cells > FITTING[0]) & (in_cells < FITTING[1])
    possible = ops.cast(fitting & (kind == 1)[:, None, :], "float32")  # (B, cells, faces)
    overlap = ops.stop_gradient(overlaps(said[:, :, None], truth[:, None]))
    cost = ops.softplus(-ops.stop_gradient(logit))[..., None] + 3 * (1 - overlap) + 0.3 * ops.sum(away, -1)
    cost = ops.transpose(cost + 1e4 * (1 - possible), (0, 2, 1))  # (B, faces, cells)
    best = ops.sum(ops.top_k(ops.transpose(overlap * possible, (0, 2, 1)), TAUGHT)[0], -1)
    number = ops.clip(ops.round(best), 1, TAUGHT)
    least, which = ops.top_k(-cost, TAUGHT)
    chosen = (np.arange(TAUGHT, dtype=np.float32) < number[..., None]) & (least > -1e3)
    taught = ops.max(ops.one_hot(which, len(CELLS)) * ops.cast(chosen, "float32")[..., None], axis=2)
    owner = ops.argmin(cost + 1e5 * (1 - taught), axis=1)  # (B, cells)
    positive = ops.stop_gradient(ops.max(taught, axis=1))

    # neither face nor background: places that do not count, and what lies about a face but was not chosen
    half = truth[:, None, :, 2] / 2
    within = ops.all(ops.abs(CENTRE[None, :, None] - truth[:, None, :, :2]) < half[..., None], -1)
    unsure = ops.cast(ops.any(within & (kind == 0)[:, None, :], -1), "float32")
    weight = (1 - unsure) * (1 - positive) + positive
    score = ops.stop_gradient(ops.sigmoid(logit))
    focal = ops.where(positive > 0, 1 - score, 0.8 ** (1 / FOCUS) * score) ** FOCUS
    ranking = (ops.softplus(logit) - positive * logit) * weight * focal

    own = ops.take_along_axis(faces, ops.cast(owner, "int32")[..., None], axis=1)
    placed = 1 - overlaps(said, own[..., :3])
    target = ops.concatenate(
        [(own[..., :2] - CENTRE) / STRIDE[:, None], ops.log(ops.maximum(own[..., 2], 1) / STRIDE)[..., None]], -1
    )
    near = ops.sum(_smooth(square - target), -1)
    five = own[..., 3:13] - np.tile(CENTRE, 5)
    size = ops.exp(target[..., 2:3])  # points count as parts of the face
    off = ops.sum(_smooth((points - five / STRIDE[:, None]) / size * 4), -1)
    total = ops.sum(ranking) + ops.sum(positive * (SQUARE * placed + near + POINTS * off))
    about = ops.cast(ops.any(within & (kind >= 0)[:, None, :], -1), "float32")
    return total / (ops.sum(positive) + 1), {"taken": ops.max(score * (1 - about) * (1 - positive), axis=1)}


def _smooth(difference):
    size = ops.abs(difference)
    return ops.where(size < 0.2, 2.5 * size**2, size - 0.1)


class Run:
    """Networks that learn from the same batches, each with a folder of its own for its weights and its record."""

    def __init__(self, out: Path, widths: list[str], start: Path | None):
        self.folders = [out / name for name in widths]
        self.networks: list[keras.Model] = []
        self._steps: list[Steps] = []
        self._before: list[dict[str, Any]] = []  # what is known of the runs that each goes on from
        self._pool = ThreadPoolExecutor(len(widths))
        for name, folder in zip(widths, self.folders, strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            model = network.build(network.WIDTHS[name])
            going_on = folder / WEIGHTS[1]
            if going_on.exists():
                load_weights(model, going_on)
                self._before.append(read_json(folder / "done.json"))
            else:
                if start is not None:
                    load_weights(model, start)
                self._before.append({})
            self.networks.append(model)
            self._steps.append(Steps(model, loss, network.blocks, AVERAGE, clipnorm=5.0, beta_2=0.99))

    def step(self, batches: Sequence[np.ndarray], rates: Sequence[float]) -> list[dict[str, np.ndarray]]:
        """Of each network what its loss told; at the same time, which makes them ready sooner the first time."""
        return list(self._pool.map(lambda steps: steps(batches, rates), self._steps))

    def save(self, facts: dict[str, Any]) -> None:
        """The averaged weights, those of the last step, and what is to be known of the run.

        Args:
            facts: numbers and lists, to which those of the runs that it goes on from are added.
        """
        for folder, model, steps, before in zip(self.folders, self.networks, self._steps, self._before, strict=True):
            for name, average in zip(WEIGHTS, (True, False), strict=True):
                steps.write(average)
                model.save_weights(folder / f"new-{name}")
                os.replace(folder / f"new-{name}", folder / name)
            sums = {name: before[name] + value for name, value in facts.items() if name in before}
            write_bytes(folder / "done.json", (json.dumps({**facts, **sums}, indent=1) + "\n").encode())


def rates(count: int, part: float, rate: float) -> list[float]:
    """Of the next steps after `count`, when that part of the time has passed: up at first, then down to nothing."""
    falls = 0.5 * (1 + np.cos(np.pi * min(part, 1.0))) + 0.005
    return [rate * min(1.0, (count + step + 1) / WARM) * falls for step in range(STEPS)]


def fit(chosen: argparse.Namespace) -> None:
    """Learns for a time; a minute apart, and at the end, leaves the weights.

    Raises:
        UsageError: an option is out of its range, a file or folder is not there, or damaged.
    """
    check_numbers(minutes=(chosen.minutes, 0), batch=(chosen.batch, 1), processes=(chosen.processes, 0))
    check_numbers(rate=(chosen.rate, 0), seed=(chosen.seed, 0))
    keras.utils.set_random_seed(chosen.seed)
    cv2.setNumThreads(1)
    begun = time.monotonic()
    feed = Feed(chosen.labels, chosen.backgrounds, chosen.seed, chosen.processes)
    made = feed.ahead(STEPS, chosen.batch)
    run = Run(chosen.run, chosen.networks, chosen.start)
    command = f"python -m edgefer.train.detector.fit RUN --labels LABELS --minutes {chosen.minutes:g}"
    command += f" --rate {chosen.rate:g} --seed {chosen.seed} --batch {chosen.batch} --backgrounds FOLDER …"
    count, told, saved = 0, 0.0, 0.0
    running: list[float] = []
    before = None  # what came of the last call is looked at while the next one runs

    def save() -> None:
        run.save({"scenes": feed.drawn, "made": feed.made, "steps": count, "commands": [command]})

    while (elapsed := time.monotonic() - begun) < chosen.minutes * 60:
        batches = next(made)
        results = run.step(batches, rates(count, elapsed / (chosen.minutes * 60), chosen.rate))
        count += STEPS
        if before is not None:
            images, faces = before[0]
            feed.learn(images, faces, np.max([np.asarray(each["taken"]) for each in before[1]], axis=0))
            losses = [float(np.mean(each["loss"])) for each in before[1]]
            part = min(count / STEPS, 50)
            running = [old + (new - old) / part for old, new in zip(running or losses, losses, strict=True)]
        before = (batches, results)
        if elapsed - told > 15 and running:
            told = elapsed
            shown = " ".join(f"{value:.3f}" for value in running)
            drawn = f"{feed.drawn:9} scenes {feed.made:8} made hard {feed.hard}"
            print(f"{elapsed:6.0f} s {count:7} steps {drawn} loss {shown}", flush=True)
        if elapsed - saved > 60:
            saved = elapsed
            save()
    save()


@reported
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="directory to leave the networks in; goes on from those that are there")
    parser.add_argument("--labels", type=Path, required=True, help="directory of the tables of faces")
    parser.add_argument("--backgrounds", type=Path, nargs="+", required=True, help="folders of pictures without faces")
    parser.add_argument("--networks", nargs="+", choices=network.WIDTHS, default=["edgefer-face"], help="which learn")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--processes", type=int, default=0, help="that compose scenes; 0 for a thread")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    fit(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
