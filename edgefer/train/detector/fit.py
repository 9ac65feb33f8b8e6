"""Trains the detector.

    python -m edgefer.train.detector.labels --out runs/edgefer-face
    python -m edgefer.train.detector.fit runs/edgefer-face --backgrounds /usr/share/backgrounds /usr/share/wallpapers

Scenes are composed while the network learns. Of those without a face that it finds one in, the latest are kept and
shown again. What the network is at the end is the average of its weights over the last steps.
"""

from __future__ import annotations

import argparse
import json
import queue
import threading
import time
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

from edgefer.train.detector import network, scenes
from edgefer.train.detector.labels import Faces

#: Scenes in a batch, and how many of them are new; of how many made before the others are drawn.
BATCH, NEW, SHOWN = 32, 10, 20000
#: Cells from a face's centre, and its side in cells, in which cells may be taught it.
REACH, FITTING = 1.6, (0.8, 6.0)
#: Cells that learn one face, at most; how many of the best overlaps are added up for their number.
TAUGHT = 6
#: Weights of the parts of the loss.
SQUARE, POINTS = 2.0, 0.3
#: Scenes without a face that were taken for one: how many are kept, and how many a batch gets.
HARD, HARD_SHOWN = 3000, 3
AVERAGE = 0.999

CELLS = tf.constant(network.cells())


def read_sources(run: Path, folders: list[Path], kept: bool) -> scenes.Sources:
    """What scenes are composed of, for training or kept from it; of the pictures every fourth is kept, too."""
    labelled = [Faces.load(run / "photographs.npz"), Faces.load(run / ("fer-val.npz" if kept else "fer-train.npz"))]
    if kept:  # all of the validation split is
        labelled[1] = labelled[1]._replace(image=labelled[1].image * scenes.KEPT)
        labelled[1] = labelled[1]._replace(images=[each for each in labelled[1].images for _ in range(scenes.KEPT)])
    pictures = scenes.backgrounds(folders)
    chosen = [image for index, image in enumerate(pictures.values()) if (index % 4 == 1) == kept]
    return scenes.sources(labelled, chosen, kept)


def gathered(outputs: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Logit (B, cells), square (B, cells, 3) and points (B, cells, 10) of all grids."""
    batch = tf.shape(outputs[0])[0]
    parts = [tf.concat([tf.reshape(o, (batch, -1, n)) for o in outputs[i::3]], 1) for i, n in enumerate((1, 3, 10))]
    return parts[0][..., 0], parts[1], parts[2]


def overlaps(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Intersection over union of squares (..., 3)."""
    wide = tf.minimum(a[..., 0] + a[..., 2] / 2, b[..., 0] + b[..., 2] / 2)
    wide -= tf.maximum(a[..., 0] - a[..., 2] / 2, b[..., 0] - b[..., 2] / 2)
    tall = tf.minimum(a[..., 1] + a[..., 2] / 2, b[..., 1] + b[..., 2] / 2)
    tall -= tf.maximum(a[..., 1] - a[..., 2] / 2, b[..., 1] - b[..., 2] / 2)
    common = tf.nn.relu(wide) * tf.nn.relu(tall)
    return common / (a[..., 2] ** 2 + b[..., 2] ** 2 - common + 1e-6)


def loss(outputs: list[tf.Tensor], faces: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The loss, and of each scene the greatest score in it.

    Each face is taught to the cells near its centre that say it best by now, more of them the better they do.

    Reference: Ge et al., YOLOX, 2021, section 2.2, for the assignment; Lin et al., Focal Loss, 2017.
    """
    logit, square, points = gathered(outputs)
    centre, stride = CELLS[:, :2], CELLS[:, 2]
    said = tf.concat(
        [
            centre + square[..., :2] * stride[:, None],
            (stride * tf.exp(tf.clip_by_value(square[..., 2], -3, 3)))[..., None],
        ],
        axis=-1,
    )
    truth, kind = faces[..., :3], faces[..., 13]
    away = tf.abs(centre[None, :, None] - truth[:, None, :, :2]) / stride[None, :, None, None]
    in_cells = truth[:, None, :, 2] / stride[None, :, None]
    fitting = tf.reduce_all(away < REACH, -1) & (in_cells > FITTING[0]) & (in_cells < FITTING[1])
    fitting &= (kind == 1)[:, None, :]
    overlap = tf.stop_gradient(overlaps(said[:, :, None], truth[:, None]))  # (B, cells, faces)
    possible = tf.cast(fitting, tf.float32)
    cost = tf.nn.softplus(-tf.stop_gradient(logit))[..., None] + 3 * (1 - overlap) + 0.3 * tf.reduce_sum(away, -1)
    cost = tf.transpose(cost + 1e4 * (1 - possible), (0, 2, 1))  # (B, faces, cells)
    best = tf.reduce_sum(tf.math.top_k(tf.transpose(overlap * possible, (0, 2, 1)), TAUGHT).values, -1)
    number = tf.clip_by_value(tf.cast(tf.round(best), tf.int32), 1, TAUGHT)
    least, which = tf.math.top_k(-cost, TAUGHT)
    chosen = (tf.range(TAUGHT) < number[..., None]) & (least > -1e3)
    taught = tf.reduce_max(tf.one_hot(tf.where(chosen, which, -1), tf.shape(CELLS)[0]), axis=2)  # (B, faces, cells)
    owner = tf.argmin(cost + 1e5 * (1 - taught), axis=1)  # (B, cells)
    positive = tf.reduce_max(taught, axis=1)

    # neither face nor background: places that do not count, and what lies about a face but was not chosen
    half = truth[:, None, :, 2] / 2
    within = tf.reduce_all(tf.abs(centre[None, :, None] - truth[:, None, :, :2]) < half[..., None], -1)
    unsure = tf.reduce_any(within & (kind == 0)[:, None, :], -1)
    weight = tf.where(unsure, 0.0, 1.0) * (1 - positive) + positive
    score = tf.sigmoid(logit)
    focal = tf.where(positive > 0, tf.stop_gradient(1 - score), tf.stop_gradient(score)) ** 1.5
    ranking = (
        tf.nn.sigmoid_cross_entropy_with_logits(positive, logit) * weight * focal * tf.where(positive > 0, 1.0, 0.8)
    )

    own = tf.gather(faces, owner, batch_dims=1)
    count = tf.reduce_sum(positive) + 1
    placed = 1 - overlaps(said, own[..., :3])
    target = tf.concat(
        [(own[..., :2] - centre) / stride[:, None], tf.math.log(tf.maximum(own[..., 2], 1) / stride)[..., None]], -1
    )
    near = tf.reduce_sum(_smooth(square - target), -1)
    five = tf.reshape(own[..., 3:13], (*tf.unstack(tf.shape(own)[:2]), 5, 2)) - centre[None, :, None]
    size = tf.exp(target[..., 2:3])  # points count as parts of the face
    off = tf.reduce_sum(_smooth((points - tf.reshape(five, tf.shape(points)) / stride[:, None]) / size * 4), -1)
    total = tf.reduce_sum(ranking) + tf.reduce_sum(positive * (SQUARE * placed + near + POINTS * off))
    background = tf.where(unsure | (positive > 0), 0.0, score)
    return total / count, tf.reduce_max(background, axis=1)


def _smooth(difference: tf.Tensor) -> tf.Tensor:
    size = tf.abs(difference)
    return tf.where(size < 0.2, 2.5 * size**2, size - 0.1)


class Feed:
    """Batches of scenes: some new ones, composed by a thread of their own, some shown before, some that were hard."""

    def __init__(self, sources: scenes.Sources, seed: int):
        self._composer = scenes.Composer(sources, seed)
        self._rng = np.random.default_rng(seed + 1)
        self._ready: queue.Queue[list[scenes.Scene]] = queue.Queue(4)
        self._shown: list[scenes.Scene] = []
        self.hard: list[np.ndarray] = []
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            self._ready.put([self._composer.scene() for _ in range(NEW)])

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        made = self._ready.get()
        if len(self._shown) < BATCH:
            made = made + [self._composer.scene() for _ in range(BATCH - len(made))]
        self._shown += made
        if len(self._shown) > SHOWN:
            del self._shown[: len(self._shown) - SHOWN]
        again = self._rng.integers(len(self._shown), size=BATCH - len(made))
        made = made + [self._shown[index] for index in again]
        images, faces = np.stack([scene.image for scene in made]), np.stack([scene.faces for scene in made])
        if self._rng.random() < 0.5:
            images, faces = scenes.mirrored(images, faces)
            images = images.copy()
        if len(self.hard) >= HARD_SHOWN * 4:
            for row in range(HARD_SHOWN):
                image = self.hard[self._rng.integers(len(self.hard))]
                images[row] = image[:, ::-1] if self._rng.random() < 0.5 else image
                faces[row, :, 13] = -1
        return images, faces

    def learn(self, images: np.ndarray, faces: np.ndarray, scores: np.ndarray) -> None:
        """Keeps the scenes without a face that were taken for one."""
        for row in np.flatnonzero((scores > 0.15) & (faces[:, :, 13] == -1).all(axis=1)):
            if len(self.hard) < HARD:
                self.hard.append(images[row].copy())
            else:
                self.hard[self._rng.integers(HARD)] = images[row].copy()


def fit(run: Path, folders: list[Path], minutes: float, rate: float, seed: int, start: Path | None) -> None:
    """Learns for a time and leaves `latest.weights.h5`, the averaged weights, every few minutes and at the end."""
    keras.utils.set_random_seed(seed)
    cv2.setNumThreads(1)
    model, average = network.build(), network.build()
    if start is not None:
        model.load_weights(start)
    average.set_weights(model.get_weights())
    feed = Feed(read_sources(run, folders, kept=False), seed)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=5.0, beta_2=0.99)

    @tf.function
    def step(x: tf.Tensor, faces: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            value, worst = loss(model(x, training=True), faces)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables, strict=True))
        for kept, new in zip(average.variables, model.variables, strict=True):
            kept.assign(kept + (1 - decay) * (new - kept))
        return value, worst

    decay = tf.Variable(0.9)
    begun, count, told, saved, running = time.monotonic(), 0, 0.0, 0.0, 0.0
    while (elapsed := time.monotonic() - begun) < minutes * 60:
        part = elapsed / (minutes * 60)
        optimizer.learning_rate.assign(rate * min(1, (count + 1) / 400) * (0.5 * (1 + np.cos(np.pi * part)) + 0.005))
        decay.assign(min(AVERAGE, (1 + count) / (10 + count)))
        images, faces = feed.batch()
        value, worst = step(tf.constant(network.blocks(images)), tf.constant(faces))
        feed.learn(images, faces, worst.numpy())
        count += 1
        running += (float(value) - running) / min(count, 100)
        if elapsed - told > 30:
            told = elapsed
            print(f"{elapsed:6.0f} s {count * BATCH:8} scenes loss {running:.3f} hard {len(feed.hard)}", flush=True)
        if elapsed - saved > 120:
            saved = elapsed
            average.save_weights(run / "latest.weights.h5")
            model.save_weights(run / "raw.weights.h5")
    average.save_weights(run / "latest.weights.h5")
    model.save_weights(run / "raw.weights.h5")
    command = (
        f"python -m edgefer.train.detector.fit runs/edgefer-face --minutes {minutes:g} --rate {rate:g} --seed {seed}"
    )
    before = json.loads((start.parent / "done.json").read_text())["commands"] if start is not None else []
    if start is not None:
        command += f" --start runs/{start.parent.name}/{start.name}"
    facts = {"scenes": count * BATCH, "commands": [*before, f"{command} --backgrounds FOLDER …"]}
    (run / "done.json").write_text(json.dumps(facts, indent=1) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="directory that the labels are in")
    parser.add_argument("--backgrounds", type=Path, nargs="+", required=True, help="folders of pictures without faces")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    chosen = parser.parse_args()
    fit(chosen.run, chosen.backgrounds, chosen.minutes, chosen.rate, chosen.seed, chosen.start)


if __name__ == "__main__":
    main()
