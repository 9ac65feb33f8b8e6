"""A training whose images stay on the accelerator, under JAX: an epoch is one call, and only row numbers travel.

`fit.fit` takes this path where Keras computes on an accelerator with JAX, and keeps the same run directory.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from edgefer.measure.datasets import Dataset
from edgefer.train import lessons
from edgefer.train.data import on_device
from edgefer.train.settings import TrainingSettings, learning_rate
from edgefer.train.steps import Steps

JUDGED = 1024  # images at a time


class Resident:
    """Steps of a run, with its images on the accelerator.

    Args:
        wanted: targets of the train rows, float32 (N, classes).
    """

    def __init__(
        self, settings: TrainingSettings, model: keras.Model, train: Dataset, wanted: np.ndarray, val: Dataset
    ):
        self._settings, self._rows, self._truth = settings, len(train), val.truth
        self._taught = None
        if settings.lessons:
            self._taught = lessons.Lessons.read(Path(settings.lessons), train)
            images, wanted = self._taught.material(train, wanted, settings.distil, settings.temperature)
        else:
            images = np.stack([train.images[i] for i in range(len(train))])
        self._judges: dict[int, Any] = {}
        self._model, self._material = model, jax.device_put((images, jnp.asarray(wanted)))
        self._shown = jax.device_put(on_device.parts(on_device.resized(val.images, settings.size), JUDGED))
        self.steps = Steps(
            model,
            lambda outputs, batch: (_crossentropy(outputs, batch[1]), {}),
            lambda image: image,
            average=settings.average,
            weight_decay=settings.weight_decay,
            clipnorm=5.0,
            draw=self._draw,
            resident=self._material,
            sam=settings.sam,
        )

    def _draw(self, material, given):
        """A step's batch, from the numbers of its rows and of its draws."""
        images, wanted = material
        rows, draws, side = given
        images, wanted = images[rows], wanted[rows]
        seed, epoch, step = draws
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), epoch), step)
        if self._taught is not None:
            mirror = jax.random.bernoulli(key, 0.5, (len(images), 1, 1))
            images = jnp.where(mirror, images[:, :, ::-1], images)
        else:
            mixed = (self._settings.mixup, self._settings.cutmix)
            how = mixed, self._settings.alterations
            images, wanted = on_device.altered(images, wanted, key, self._settings.size, *how)
        return on_device.tensor(images, self._settings.input, len(side)), wanted

    def epoch(self, epoch: int, begin: float, end: float) -> tuple[float, float]:
        """One epoch, from one point of the run to another; returns its mean loss and its last rate."""
        settings, batch = self._settings, self._settings.batch
        count = self._rows // batch
        rng = np.random.default_rng([settings.seed, epoch])
        rows = rng.permutation(self._rows)[: count * batch]
        if self._taught is not None:
            rows = rows + self._rows * self._taught.views_of(settings.seed, epoch, self._rows)[rows]
        # the seed is among them, so that what is compiled for one seed serves for all
        draws = np.stack([np.full(count, settings.seed), np.full(count, epoch), np.arange(count)], axis=1)
        rates = [learning_rate(settings, begin + (end - begin) * step / count) for step in range(count)]
        # its shape tells the side: one is compiled for each
        side = np.zeros((count, settings.side(epoch)), bool)
        told = self.steps((rows.reshape(count, batch).astype(np.int32), draws.astype(np.int32), side), rates)
        return float(np.mean(told["loss"])), rates[-1]

    def take(self, model: keras.Model, optimizer: keras.Optimizer) -> list[np.ndarray]:
        """Give model and optimizer what the last step left; returns the averages, in the order of model.variables."""
        kept = self.steps.kept()
        for name, variables in (("model", model.variables), ("optimizer", optimizer.variables)):
            for variable, value in zip(variables, kept[name], strict=True):
                variable.assign(value)
        return kept["averaged"]

    def accuracy(self, epoch: int) -> float:
        """Share of the val rows that the averaged weights judge right, percent."""
        side = self._settings.side(epoch)
        if side not in self._judges:
            self._judges[side] = jax.jit(partial(_said, self._model, self._settings.input, side))
        averaged = self.steps.averaged()
        said = np.concatenate([self._judges[side](*averaged, part) for part in self._shown])[: len(self._truth)]
        return 100 * int((said.argmax(axis=1) == self._truth).sum()) / len(self._truth)


def _said(model, channels: str, side: int, trained, still, images):
    return model.stateless_call(trained, still, on_device.tensor(images, channels, side), training=False)[0]


def _crossentropy(logits, wanted):
    return -jnp.mean(jnp.sum(wanted * jax.nn.log_softmax(logits.astype(jnp.float32)), axis=-1))
