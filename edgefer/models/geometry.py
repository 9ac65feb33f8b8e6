"""The manifest of models that judge distances between the points of a face; see models/manifest.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from edgefer import labels
from edgefer.models.manifest import Count, Manifest, Name, Percent, Text, Training, self_test_input


class GeometryOutput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What the dense layers give: a probability for each label of a set, divided by a temperature as logits are."""

    labels: Name
    temperature: Annotated[float, Meta(gt=0, le=100)] = 1.0


class GeometryTest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A self-test of the dense layers: seed of `geometry_test_input`, and the scores they gave."""

    seed: Count
    scores: Annotated[tuple[float, ...], Meta(min_length=1, max_length=64)]


class GeometryMetrics(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Accuracy on a split, percent; `chance` is the share of its most frequent label."""

    split: Literal["val", "test"]
    rule: Text
    rows: Count
    accuracy: Percent
    chance: Percent


class GeometryPart(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The dense layers for points of one source, in the order of the numbers in the network's file.

    Attributes:
        distances: "interocular": V1 to V12 divided by the distance of the outer eye corners; "pixels": the paper's.
        mean, deviation: each distance is reduced by the one and divided by the other.
        activations: of the layers, each of kernels.fully_connected.
    """

    distances: Literal["interocular", "pixels"]
    mean: Annotated[tuple[float, ...], Meta(min_length=12, max_length=12)]
    deviation: Annotated[tuple[Annotated[float, Meta(gt=0)], ...], Meta(min_length=12, max_length=12)]
    widths: Annotated[tuple[Annotated[int, Meta(ge=1, le=1024)], ...], Meta(min_length=1, max_length=8)]
    activations: tuple[Literal["none", "sigmoid", "relu", "softmax"], ...]
    training: Training
    metrics: GeometryMetrics
    self_test: Annotated[tuple[GeometryTest, ...], Meta(min_length=1, max_length=64)]

    @property
    def numbers(self) -> int:
        """Weights and biases of all layers."""
        before = (len(self.mean), *self.widths[:-1])
        return sum((inputs + 1) * outputs for inputs, outputs in zip(before, self.widths, strict=True))


class GeometryManifest(Manifest, tag="geometry", frozen=True, kw_only=True):
    """Dense layers that score the expression in twelve distances between eighteen points of a face.

    Attributes:
        points: where the points come from unless a run says otherwise.
        classic, landmarks: the layers for points of the classic chain, and of 68 landmarks. `model.npy` holds the
            weights (out, in) and biases of each layer of the one, then of the other, float32.
    """

    output: GeometryOutput
    points: Literal["classic", "landmarks"]
    classic: GeometryPart
    landmarks: GeometryPart

    @property
    def network(self) -> str:
        return "model.npy"

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the scores."""
        return labels.label_set(self.output.labels)

    @property
    def metrics(self) -> GeometryMetrics:
        """Those of the layers for the points that are used unless a run says otherwise."""
        return getattr(self, self.points).metrics

    def figures(self) -> tuple[str, str, str]:
        metrics = self.metrics
        accuracy = f"{metrics.accuracy:.2f} % of {metrics.rows}" if metrics.split == "val" else ""
        return "12 distances", self.output.labels, accuracy

    def faults(self) -> Iterator[str]:
        if self.output.labels not in labels.LABEL_SETS:
            known = ", ".join(labels.LABEL_SETS)
            yield f"output.labels: expected one of {known}, got {self.output.labels!r}"
            return
        count = len(self.labels)
        for name, part in (("classic", self.classic), ("landmarks", self.landmarks)):
            if len(part.activations) != len(part.widths):
                yield f"{name}.activations: expected {len(part.widths)}, one a layer, got {len(part.activations)}"
            if part.widths[-1] != count or part.activations[-1] != "softmax":
                yield f"{name}: expected a last layer of {count} with softmax, got {part.widths[-1]}"
            if any(len(test.scores) != count for test in part.self_test):
                yield f"{name}.self_test: expected {count} scores for each seed"


def geometry_test_input(seed: int) -> np.ndarray:
    """The standardised distances of a self-test: float32, shape (12,), from -4 to 4, the same on every machine."""
    return self_test_input(seed, (1, 1, 12, 1)).ravel().astype(np.float32) / 32
