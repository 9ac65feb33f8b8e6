"""A finished run's network, opened up: its convolutions, what their filters answer and to which images most."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from edgefer.errors import ModelError, UsageError
from edgefer.labels import label_set
from edgefer.measure.datasets.base import Images
from edgefer.preprocess.crop import CHANNELS
from edgefer.support.progress import progress_bar
from edgefer.train.architectures import Streams
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.settings import TrainingSettings, build

BATCH = 32  # the first layers of a wide network hold megabytes for every image

RECTIFIERS = (keras.activations.relu, keras.activations.relu6)
CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
PLACE_BY_PLACE = (
    *(layers.BatchNormalization, layers.Activation, layers.Add, layers.Multiply, layers.Rescaling),
    *(layers.Dropout, layers.SpatialDropout2D),
)


@dataclass(frozen=True)
class Field:
    """The pixels a unit depends on, alike along both axes: unit i on first + step i to last + step i.

    Attributes:
        step: pixels between neighbouring units. first, last: of unit 0, both included; may lie outside.
        units: along one axis.
    """

    step: int
    first: int
    last: int
    units: int

    @property
    def side(self) -> int:
        return self.last - self.first + 1

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 of the unit in this row and column, right and bottom exclusive."""
        y, x = self.first + self.step * row, self.first + self.step * column
        return x, y, x + self.side, y + self.side


@dataclass(frozen=True)
class Filters:
    """The filters of one convolution.

    Attributes:
        name: of the layer; in a network of several streams `STREAM/LAYER`.
        part, entry: the keras.Model that has the layer, and the tensor of the network that enters it.
        answer: the part's tensor of what the filters answer: after the normalisation, and before a rectifier
            that is a layer of its own. It ranks images and places as the rectified map does, and tells those
            apart that ReLU6 bounds alike.
        logits: keras.Model from images to the logits of the layer's stream; all of them in a network of one.
        rectifier: the layer that rectifies the maps, which may be the convolution itself; None where they
            stay linear, as in the projections of inverted bottlenecks.
        field: the pixels of a unit; None where each depends on the whole image.
    """

    name: str
    part: Any
    entry: Any
    answer: Any
    logits: Any
    rectifier: Any
    field: Field | None

    @cached_property
    def response(self):
        """keras.Model from images to the answers, (N, h, w, filters)."""
        inside = keras.Model(self.part.input, self.answer)
        return keras.Model(self.logits.input, inside(self.entry))

    @property
    def count(self) -> int:
        return self.answer.shape[-1]

    @property
    def places(self) -> tuple[int, int]:
        """Rows and columns of the maps."""
        return self.answer.shape[1:3]


class Network:
    """A run's network with the weights of its best epoch.

    Attributes:
        name: of the run's directory. settings: those of the run.
        model: keras.Model from (N, side, side, planes) to logits.
        planes: of its input. labels: of its classes.
        filters: of every convolution with a map of places, by name, in the order of the network.
    """

    def __init__(self, name: str, settings: TrainingSettings, model):
        self.name, self.settings, self.model = name, settings, model
        self.planes = CHANNELS[settings.input]
        self.labels = label_set(settings.labels)
        self._inputs = Inputs(input_spec(settings.input, settings.size))
        self.filters = {filters.name: filters for filters in _filters(settings, model)}

    @classmethod
    def open(cls, run: Path) -> Network:
        """The network of a run directory.

        Raises:
            UsageError: it is none, or the run has no best epoch yet.
            ModelError: its files do not fit each other.
        """
        settings_file, weights = run / "settings.json", run / "best.weights.h5"
        for file in (settings_file, weights):
            if not file.is_file():
                raise UsageError(
                    f"{run}: expected the directory of a training run, with settings.json and "
                    f"best.weights.h5; {file.name} is not there"
                )
        try:
            settings = TrainingSettings.read(settings_file)
        except UsageError as error:
            raise ModelError(str(error)) from None
        try:
            model = build(settings, size=settings.size)
        except (ValueError, TypeError, KeyError) as error:
            raise ModelError(f"{settings_file}: not the settings of a run: {error}") from None
        try:
            model.load_weights(weights)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"{weights}: not the weights of {settings.architecture}: {' '.join(str(error).split())[:200]}"
            ) from None
        return cls(run.resolve().name, settings, model)

    def find(self, layer: str | None) -> Filters:
        """The filters of a layer; those of the last one that is rectified where none is named.

        Raises:
            UsageError: there is no such convolution; the message lists those there are.
        """
        if layer is None:
            return [filters for filters in self.filters.values() if filters.rectifier is not None][-1]
        try:
            return self.filters[layer]
        except KeyError:
            raise UsageError(f"no convolution {layer!r}; available: {', '.join(self.filters)}") from None

    def inputs(self, images: Images) -> np.ndarray:
        """uint8 face crops to what the network sees of them, float32 (N, side, side, planes)."""
        return self._inputs.stack(images)


def batches(network: Network, images: Images, what: str):
    """The inputs of all images, in batches, with a bar."""
    for start in progress_bar(range(0, len(images), BATCH), what, -(-len(images) // BATCH)):
        yield network.inputs(images[start : start + BATCH])


def grey(inputs: np.ndarray) -> np.ndarray:
    """The images behind inputs, as the network sees them: uint8 (N, side, side)."""
    return np.clip(np.rint((inputs[..., 0] + 1) * 128), 0, 255).astype(np.uint8)


def _filters(settings: TrainingSettings, model):
    """The filters of every convolution whose map has more than one place."""
    for prefix, logits, parts, field in _streams(settings, model):
        for part, entry in parts:
            fields = _fields(part, field)
            for layer in part.layers:
                if not isinstance(layer, CONVOLUTIONS) or layer.output.shape[1:3] == (1, 1):
                    continue
                answer, rectifier = _answer(part, layer)
                name, sight = prefix + layer.name, fields[id(answer)]
                yield Filters(name, part, entry, answer, logits, rectifier, sight)
            field = fields[id(part.output)]


def _streams(settings: TrainingSettings, model):
    """Each stream: prefix of its layers, model of its logits, parts with what enters each, first field."""
    streams = Streams.of(settings.input, settings.mode)
    pixels: Field | None = Field(1, 0, 0, settings.size)
    if len(streams.streams) == 1:
        yield "", model, [(model, model.input)], pixels
        return
    for stream in streams.streams:
        x, field = model.input[..., stream.start : stream.stop], pixels
        if settings.stl:
            x, field = model.get_layer(f"{stream.name}_stl")(x), None
        stem = model.get_layer(f"{stream.name}_stem")
        body = model.get_layer("body" if streams.shared else f"{stream.name}_body")
        inside = stem(x)
        logits = keras.Model(model.input, body(inside))
        yield f"{stream.name}/", logits, [(stem, x), (body, inside)], field


def _answer(part, layer):
    """What a convolution's filters answer, and the layer that rectifies it or None."""
    tensor = layer.output
    if layer.activation in RECTIFIERS:
        return tensor, layer
    reader = _reader(part, tensor)
    if isinstance(reader, layers.BatchNormalization):
        tensor = reader.output
        reader = _reader(part, tensor)
    rectified = isinstance(reader, layers.Activation) and reader.activation in RECTIFIERS
    return tensor, reader if rectified else None


def _reader(part, tensor):
    """The one layer that reads a tensor; None where several do, or none."""
    readers = [layer for layer in part.layers if layer.input is tensor]
    return readers[0] if len(readers) == 1 else None


def _fields(part, start: Field | None) -> dict[int, Field | None]:
    """The pixels of a unit of every tensor, by the tensor's id."""
    fields = {id(part.input): start}
    for layer in part.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        fields[id(layer.output)] = _through(layer, [fields[id(tensor)] for tensor in inputs])
    return fields


def _through(layer, fields: list[Field | None]) -> Field | None:
    known = [field for field in fields if field is not None]
    if len(known) < len(fields):
        return None
    first, last = min(field.first for field in known), max(field.last for field in known)
    field = Field(known[0].step, first, last, known[0].units)
    if isinstance(layer, PLACE_BY_PLACE):
        return field
    if isinstance(layer, layers.MaxPooling2D):
        side = layer.pool_size[0]
    elif isinstance(layer, CONVOLUTIONS):
        side = layer.kernel_size[0]
    else:
        return None
    stride, before = layer.strides[0], 0
    units = layer.output.shape[1]
    if layer.padding == "same":
        # the odd one of the added rows comes after
        before = max((units - 1) * stride + side - field.units, 0) // 2
    return Field(
        field.step * stride, field.first - field.step * before, field.last + field.step * (side - 1 - before), units
    )


@dataclass(frozen=True)
class Survey:
    """The strongest answer of each filter on each image.

    Attributes:
        filters: that were asked.
        answers: float32, shape (N, filters), the maximum over all places.
        places: int64, shape (N, filters, 2), row and column of that maximum; the first of equal ones.
    """

    filters: Filters
    answers: np.ndarray
    places: np.ndarray

    @property
    def active(self) -> np.ndarray:
        """int64, shape (filters,): images on which each answers above zero anywhere."""
        return (self.answers > 0).sum(axis=0)

    @property
    def dead(self) -> np.ndarray:
        """bool, shape (filters,): rectified to zero everywhere on every image; a linear map never is."""
        return (self.active == 0) & (self.filters.rectifier is not None)

    def exciting(self, index: int, count: int) -> np.ndarray:
        """Rows of the images that a filter answers most to, strongest first, at most `count`.

        The first of equal ones comes first. Those a rectified filter answers to with zero do not excite it.
        """
        rows = np.argsort(-self.answers[:, index], kind="stable")[:count]
        return rows if self.filters.rectifier is None else rows[self.answers[rows, index] > 0]


def survey(network: Network, filters: Filters, images: Images) -> Survey:
    """Ask the filters of one layer about all images."""
    answers, places = [], []
    for inputs in batches(network, images, f"asking {filters.name}"):
        maps = np.asarray(filters.response.predict_on_batch(inputs))
        flat = maps.reshape(len(maps), -1, filters.count)
        strongest = flat.argmax(axis=1)
        answers.append(np.take_along_axis(flat, strongest[:, np.newaxis], axis=1)[:, 0])
        places.append(np.stack(np.unravel_index(strongest, filters.places), axis=-1))
    return Survey(filters, np.concatenate(answers), np.concatenate(places))
