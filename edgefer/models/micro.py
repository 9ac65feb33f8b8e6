"""The manifest of models that spot micro-expressions; see models/manifest.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgefer import labels
from edgefer.models.manifest import Count, Manifest, Scale, Side, Text, Training, ZeroPoint, range_faults

Share = Annotated[float, Meta(ge=0, le=1)]


class MicroInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The tensor the network takes in each tick: a field of motion, squeezed: arsinh(step / unit) / span.

    Attributes:
        height, width: cells of the grid on the face.
        unit: eye distances. scale, zero_point, value_range: as of Input, of what is squeezed.
    """

    height: Side
    width: Side
    channels: Literal["across+down"] = "across+down"
    dtype: Literal["int8"] = "int8"
    unit: Annotated[float, Meta(gt=0, le=1)]
    span: Annotated[float, Meta(gt=0, le=100)]
    scale: Scale
    zero_point: ZeroPoint
    value_range: tuple[float, float]


class MicroFigures(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How well one way spots, over a whole set of films of faces that are in no other set.

    Attributes:
        f1_30, f1_50, f1_70: F1 where a movement counts as found from that overlap (intersection over union) on.
        onset_ms: mean absolute error. false_a_minute: movements told that touch none, a minute of film without any.
    """

    fps: Annotated[float, Meta(gt=0, le=1000)]
    f1_30: Share
    f1_50: Share
    f1_70: Share
    onset_ms: Annotated[float, Meta(ge=0)]
    false_a_minute: Annotated[float, Meta(ge=0)]


class MicroMetrics(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Figures of both ways, by the rule of `rule`, on so many films."""

    split: Literal["val", "test"]
    rule: Text
    films: Count
    lstm: Annotated[tuple[MicroFigures, ...], Meta(max_length=8)]
    flow: Annotated[tuple[MicroFigures, ...], Meta(max_length=8)]


class MicroTest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A self-test: seed of the fields of motion, and the chances of the phases after the last of them."""

    seed: Count
    phases: Annotated[tuple[float, ...], Meta(min_length=3, max_length=3)]


class MicroManifest(Manifest, tag="micro", frozen=True, kw_only=True):
    """A network that spots micro-expressions in fields of motion, tick by tick.

    `model.npz` holds the int8 network from a field to its features (`features`, bytes) and, float32, an LSTM on these
    (`kernel`, `recurrent`, `bias`, gates in the order input, forget, cell, output) with two dense layers on its state
    (`phase`, `phase_bias`, `expression`, `expression_bias`).

    Attributes:
        method: what spots unless a run says otherwise: the network, or regions of flow without training.
        features: of the network. feature_scale, feature_zero_point: of its int8 output. cells: of the LSTM.
        expressions: name of a set in labels.LABEL_SETS.
        begin, sure: chance of a movement from which one is, and that its strongest tick needs; chosen on val.
    """

    method: Literal["lstm", "flow"]
    input: MicroInput
    features: Side
    feature_scale: Scale
    feature_zero_point: ZeroPoint
    cells: Side
    expressions: Text
    begin: Share
    sure: Share
    training: Training
    metrics: MicroMetrics
    self_test: Annotated[tuple[MicroTest, ...], Meta(min_length=1, max_length=64)]

    @property
    def network(self) -> str:
        return "model.npz"

    @property
    def labels(self) -> tuple[str, ...]:
        """What a face does in a tick, in the order of the scores."""
        return ("none", "rising", "falling")

    @property
    def expression_labels(self) -> tuple[str, ...]:
        """What a movement may show, in the order of the network's answers."""
        return labels.label_set(self.expressions)

    def figures(self) -> tuple[str, str, str]:
        tensor = self.input
        best = next((each for each in getattr(self.metrics, self.method) if each.fps == 60), None)
        f1 = f"F1 {best.f1_50:.2f} at IoU 0.5, {self.metrics.films} films (synthetic)" if best else ""
        return f"{tensor.width}x{tensor.height} motion", self.expressions, f1

    def faults(self) -> Iterator[str]:
        if self.expressions not in labels.LABEL_SETS:
            known = ", ".join(labels.LABEL_SETS)
            yield f"expressions: expected one of {known}, got {self.expressions!r}"
        yield from range_faults(self.input)
