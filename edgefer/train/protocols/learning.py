"""One fold: a network for clips learns from some people and is asked about the others, after each epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from edgefer.support.atomic import replacing
from edgefer.train.clips.material import class_weights, copies
from edgefer.train.data.splits import Split
from edgefer.train.protocols.faces import Clips
from edgefer.train.protocols.networks import Network, open_network
from edgefer.train.protocols.plan import Plan


class Learner:
    """A network that learns fold after fold, each time from the same weights.

    Args:
        start: weights of a network of the same options that learnt on another set (`learn_all`); the layers that have
            the same shape start from them, the last one never.
        frames: run of the frame network that some networks stand on.

    Raises:
        UsageError: see open_network.
    """

    def __init__(self, plan: Plan, clips: Clips, start: Path | None = None, frames: Path | None = None):
        keras.utils.clear_session()  # what earlier networks of this process left would never be freed
        self._plan, self._clips = plan, clips
        self._network = open_network(plan, frames)
        self._kept, self._source = _material(plan, clips, self._network)
        keras.utils.set_random_seed(plan.seed)
        self.model = self._network.build(len(clips.labels))
        if start is not None:
            _load(self.model, start)
        self._optimizer = self._network.optimizer()
        self._optimizer.build(self.model.trainable_variables)
        self.model.compile(
            self._optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False
        )
        self._fresh = [np.array(variable) for variable in self._variables()]

    def fold(self, split: Split) -> np.ndarray:
        """Int64 (epochs, len(split.test)): the class each epoch's network gives the sequences of the test.

        Altered copies teach as sequences of their own; the test has none.
        """
        told = []
        for _ in self._epochs(split.train):
            told.append(self.predict(split.test))
        return np.stack(told)

    def learn_all(self, path: Path) -> None:
        """Learns from every sequence and writes the weights."""
        for _ in self._epochs(np.arange(len(self._clips))):
            pass
        weights = {
            f"{layer.name}/{place}": value
            for layer in self.model.layers
            for place, value in enumerate(layer.get_weights())
        }
        with replacing(path, alone=False) as scratch:
            np.savez(scratch, **weights)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Int64 (len(rows),): the class of each sequence, by its place among the clips."""
        own = np.flatnonzero(self._first())[rows]
        batch, told = self._plan.batch, []
        for begin in range(0, len(own), batch):
            part = own[begin : begin + batch]
            # always the same shape: another one is another compilation
            whole = np.resize(part, batch)
            scores = self.model.predict_on_batch(self._network.feed(self._kept[whole]))
            told.append(np.asarray(scores)[: len(part)].argmax(axis=1))
        return np.concatenate(told)

    def _epochs(self, sequences: np.ndarray) -> Any:
        for variable, value in zip(self._variables(), self._fresh, strict=True):
            variable.assign(value)
        rows = np.flatnonzero(np.isin(self._source, sequences))
        truth = self._clips.truth[self._source]
        weights = class_weights(truth[rows], len(self._clips.labels)) if self._network.weighted else None
        batch = self._plan.batch
        for epoch in range(self._plan.epochs):
            order = np.random.default_rng((self._plan.seed, epoch, len(rows))).permutation(rows)
            # the last batch is filled with rows from the front
            order = np.resize(order, -(-len(order) // batch) * batch)
            for each in order.reshape(-1, batch):
                shares = None if weights is None else weights[truth[each]]
                self.model.train_on_batch(self._network.feed(self._kept[each]), truth[each], shares)
            yield epoch

    def _first(self) -> np.ndarray:
        """Bool: rows that are sequences as they come, in their order, not altered copies."""
        return np.r_[True, self._source[1:] != self._source[:-1]]

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self._optimizer.variables]


def _material(plan: Plan, clips: Clips, network: Network) -> tuple[np.ndarray, np.ndarray]:
    """What is kept of every clip, followed by its altered copies, (M, …); and which clip each is, int64 (M,)."""
    kept, source = [], []
    for number, frames in enumerate(clips.frames):
        rng = np.random.default_rng((plan.seed, number))
        for each in (frames, *copies(frames, plan.copies(clips.labels[clips.truth[number]]), rng)):
            kept.append(network.keep(each))
            source.append(number)
    return np.stack(kept), np.array(source)


def _load(model: keras.Model, path: Path) -> None:
    """The weights of another training, for the layers that have them in the same shape; the last stays as it is."""
    with np.load(path) as stored:
        for layer in model.layers[:-1]:
            own = [np.asarray(value) for value in layer.get_weights()]
            theirs = [stored.get(f"{layer.name}/{place}") for place in range(len(own))]
            if own and all(
                value is not None and value.shape == ours.shape for value, ours in zip(theirs, own, strict=True)
            ):
                layer.set_weights(theirs)
