"""The manifest of models that read action units; see models/manifest.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgefer.models.manifest import (
    MODEL_NAME,
    Count,
    Input,
    Manifest,
    Scale,
    SelfTest,
    Side,
    Text,
    Training,
    ZeroPoint,
    range_faults,
)

Share = Annotated[float, Meta(ge=-1, le=1)]
Level = Annotated[float, Meta(ge=0, le=25)]


class UnitsInput(Input, frozen=True, kw_only=True):
    """An upright crop of a face in which the eyes are always in one place; see preprocess/aligned.py.

    Attributes:
        eyes_px: between the outer corners of the eyes, pixels of the crop.
        eyes_y: of the line of the eyes, pixels from the crop's upper edge.
    """

    channels: Literal["grey"] = "grey"
    eyes_px: Annotated[float, Meta(gt=0, le=1024)]
    eyes_y: Annotated[float, Meta(ge=0, le=1024)]


class UnitsOutput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The tensor the network gives: for each unit a logit that it shows, then for each its intensity.

    Attributes:
        units: numbers of the action units, in order.
        shown: intensity from which a unit counted as shown in training.
        dtype: "int8". scale, zero_point: real value = (q - zero_point) * scale.
    """

    units: Annotated[tuple[Annotated[int, Meta(ge=1, le=99)], ...], Meta(min_length=1, max_length=50)]
    shown: Annotated[float, Meta(gt=0, le=5)]
    dtype: Literal["int8"] = "int8"
    scale: Scale
    zero_point: ZeroPoint


class UnitsMetrics(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How well the shipped model reads units, means over the units.

    Attributes:
        data: the faces and how they were made. rows, people: of made faces, none of them in training.
        f1, icc, pcc: 0 to 1. mse, mae: of intensities, 0 to 5.
        f1_zero, icc_zero, mse_zero, mae_zero: of one who always says nothing.
        f1_float32, icc_float32, mse_float32: before quantisation.
        teacher: what judged the real faces; real_rows: how many.
        real: correlation of the intensity with the teacher's coefficient on real faces, by unit.
    """

    data: Text
    rows: Count
    people: Count
    f1: Share
    icc: Share
    pcc: Share
    mse: Level
    mae: Level
    f1_zero: Share
    icc_zero: Share
    mse_zero: Level
    mae_zero: Level
    f1_float32: Share
    icc_float32: Share
    mse_float32: Level
    teacher: Text
    real_rows: Count
    real: dict[str, Share]


class UnitsAlone(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How far the network of one picture is heard about a unit where a face at rest is known.

    Attributes:
        share: of what it says of the intensity, in the mean of both. shown: likewise of the probability that the unit
            shows; `share` where it is not given. clear: intensity from which it is believed where it says more.
    """

    share: Annotated[float, Meta(ge=0, le=1)]
    shown: Annotated[float, Meta(ge=0, le=1)] | None = None
    clear: Annotated[float, Meta(ge=0, le=5)]


class UnitsRest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The network that judges a face against the same face at rest; see preprocess/pairs.py.

    Its output is that of the other: logits, then intensities.

    Attributes:
        name: of the network, for messages.
        height, width: cells. channels: planes of a cell.
        dtype, scale, zero_point, value_range: as of Input. output_scale, output_zero_point: as of UnitsOutput.
        data: films it was measured on, and how. rows, people: pictures of them, and whose, none in training.
        f1, icc, pcc, mse, mae: means over the units. f1_alone, icc_alone, mse_alone: of the network of one picture, on
            the same frames.
        training: where its weights come from.
        alone: what one picture says besides, by unit name.
    """

    name: Text
    height: Side
    width: Side
    channels: Literal["pair"] = "pair"
    dtype: Literal["int8"] = "int8"
    scale: Scale
    zero_point: ZeroPoint
    value_range: tuple[float, float]
    output_scale: Scale
    output_zero_point: ZeroPoint
    alone: dict[str, UnitsAlone] = {}
    training: Training
    data: Text
    rows: Count
    people: Count
    f1: Share
    icc: Share
    pcc: Share
    mse: Level
    mae: Level
    f1_alone: Share
    icc_alone: Share
    mse_alone: Level
    self_test: Annotated[tuple[SelfTest, ...], Meta(min_length=1, max_length=64)]


class UnitsManifest(Manifest, tag="units", frozen=True, kw_only=True):
    """A network that reads the action units in one face, and maybe one that reads them against the face at rest.

    With `rest` the file is `model.npz`, which holds both networks (`alone`, `against`, bytes).
    """

    input: UnitsInput
    output: UnitsOutput
    training: Training
    metrics: UnitsMetrics
    self_test: Annotated[tuple[SelfTest, ...], Meta(min_length=1, max_length=64)]
    rest: UnitsRest | None = None

    @property
    def network(self) -> str:
        return MODEL_NAME if self.rest is None else "model.npz"

    @property
    def units(self) -> tuple[str, ...]:
        """Names of the units, in the order of the outputs."""
        return tuple(f"AU{unit}" for unit in self.output.units)

    def figures(self) -> tuple[str, str, str]:
        tensor, metrics = self.input, self.metrics
        words = f"synthetic: F1 {metrics.f1:.3f}, ICC {metrics.icc:.3f}, {metrics.rows} faces"
        if self.rest is not None:
            words += f"; in films F1 {self.rest.f1:.3f}, ICC {self.rest.icc:.3f}"
        return f"{tensor.width}x{tensor.height} {tensor.channels}", f"{len(self.units)} units", words

    def faults(self) -> Iterator[str]:
        if len(set(self.output.units)) < len(self.output.units):
            yield f"output.units: expected each unit once, got {list(self.output.units)}"
        for vector in (*self.self_test, *(self.rest.self_test if self.rest else ())):
            if len(vector.output) != 2 * len(self.units):
                yield f"self_test: expected {2 * len(self.units)} values for each seed, got {len(vector.output)}"
        yield from range_faults(self.input)
        if self.rest is not None:
            yield from range_faults(self.rest)
            for name in self.rest.alone:
                if name not in self.units:
                    yield f"rest.alone: expected units of output.units, got {name!r}"
