"""A recognizer whose answers are written into its images, and data sets made of them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from edgefer.measure.datasets import Dataset
from edgefer.recognize.base import Needs


class Oracle:
    """A recognizer that reads its scores from the image: pixel [0, k] is the weight of label k."""

    needs = Needs()

    def __init__(self, labels="ferplus8"):
        self.manifest = SimpleNamespace(name="oracle", output=SimpleNamespace(labels=labels, temperature=1.0))

    def prepare_crop(self, crop):
        self._scores = crop[0, :8].astype(np.float32) / max(1, crop[0, :8].sum())

    def infer(self):
        return self._scores


def dataset(rows, labels="ferplus8", **changes):
    """rows: (truth, weights of the eight labels)."""
    images = np.zeros((len(rows), 48, 48), np.uint8)
    for index, (_, weights) in enumerate(rows):
        images[index, 0, : len(weights)] = weights
    truth = np.array([truth for truth, _ in rows], np.int64)
    fields = {"source": "made.csv", "split": "val", "rule": "by hand", "images": images, "truth": truth}
    return Dataset(labels=labels, **{**fields, **changes})


def one_hot(index):
    return [0] * index + [9]
