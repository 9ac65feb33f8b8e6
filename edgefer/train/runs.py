"""A run's directory, read: what led to it, what it gave, and its network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import softmax, translate
from edgefer.measure.datasets import Dataset
from edgefer.measure.datasets.base import Images
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.recipes import Runs
from edgefer.train.settings import TrainingSettings, build

BATCH = 256


def lineage(run: Path) -> Runs:
    """The run, after those it started from: directory and settings of each, first to last."""
    settings = TrainingSettings.read(run / "settings.json")
    before = lineage(Path(settings.start)) if settings.start else ()
    return (*before, (str(run), settings))


def read_finished(run: Path) -> tuple[Runs, dict[str, Any]]:
    """The lineage of a finished run, and its done.json.

    Raises:
        UsageError: it is not finished.
    """
    try:
        return lineage(run), json.loads((run / "done.json").read_text())
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished run in {run}") from None


def network(run: str | Path, settings: TrainingSettings) -> Any:
    """The keras.Model of a run with the weights of its best epoch."""
    model = build(settings, size=settings.size)
    model.load_weights(Path(run) / "best.weights.h5")
    return model


def logits(model: Any, inputs: Inputs, images: Images) -> np.ndarray:
    """What a network says of unaltered face crops: float32, shape (N, classes)."""
    batches = (inputs.stack(images[start : start + BATCH]) for start in range(0, len(images), BATCH))
    return np.concatenate([np.asarray(model.predict_on_batch(x)) for x in batches])


def accuracy(model: Any, inputs: Inputs, data: Dataset) -> float:
    """Share of the unaltered images that a network judges right, percent."""
    return 100 * int((logits(model, inputs, data.images).argmax(axis=1) == data.truth).sum()) / len(data)


def judged_on(run: Path, data: Dataset) -> dict[str, Any]:
    """A finished run on a data set it does not come from, in float: what a record of `cross/` holds.

    A data set of fewer classes than the network has is judged on its own, as `edgefer eval` does.
    """
    settings = TrainingSettings.read(run / "settings.json")
    inputs = Inputs(input_spec(settings.input, settings.size))
    said = logits(network(run, settings), inputs, data.images)
    if data.labels != settings.labels:
        scores = softmax(said)
        said = np.stack([translate(row, settings.labels, data.labels) for row in scores])
    right = int((said.argmax(axis=1) == data.truth).sum())
    return {
        "model": run.name,
        "data": Path(data.source).name,
        "split": data.split,
        "rule": data.rule,
        "accuracy": 100 * right / len(data),
        "rows": len(data),
    }
