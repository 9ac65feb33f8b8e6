"""model.toml: everything the runtime must know about a model; a tagged union by its `kind`.

`Manifest` holds what all kinds share, each subclass what its kind needs: a subclass is a kind, and its tag the name.
models/directory.py reads the file and holds it against its hashes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from edgefer import labels
from edgefer.models.release import Release
from edgefer.support.typed import converted

MODEL_NAME = "model.tflite"

#: Largest difference, in int8 levels, between an output and the one the self-test expects. XNNPACK
#: rounds alike on every processor, but TFLite's plain and its reference kernels do not round as it does: over
#: 40 seeds the pandey base network's outputs lay up to 3 levels apart, while they spread over 60 and more.
#: Double that admits kernels not tried here.
#: Damage to the file is the hash's to find; this finds a runtime that computes something else.
SELF_TEST_TOLERANCE = 6

Text = Annotated[str, Meta(min_length=1, max_length=4000)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Side = Annotated[int, Meta(ge=1, le=1024)]
Scale = Annotated[float, Meta(gt=0, le=1e6)]
ZeroPoint = Annotated[int, Meta(ge=-128, le=127)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Count = Annotated[int, Meta(ge=0, le=10**9)]
#: Scale and zero point of a sketch: white is 127/128, black -1.
SKETCH_LEVELS = (1 / 128, 0)

ChannelsName = Literal["grey", "grey+sobel", "grey+laplacian", "grey+sobel+laplacian"]


class Input(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The tensor the network takes.

    Attributes:
        height, width: of the tensor, pixels.
        channels: name of the planes, in preprocess.CHANNELS.
        dtype: "int8".
        scale, zero_point: real value = (q - zero_point) * scale.
        value_range: real values of -128 and 127; follows from scale and zero_point.
        crop_margin: part of the detector's box side added on each side before the crop, which is upright.
    """

    height: Side
    width: Side
    channels: ChannelsName
    dtype: Literal["int8"] = "int8"
    scale: Scale
    zero_point: ZeroPoint
    value_range: tuple[float, float]
    crop_margin: Annotated[float, Meta(ge=-0.4, le=2.0)] = 0.0


class Output(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The tensor the network gives: one score for each label.

    Attributes:
        labels: name of a set in labels.LABEL_SETS; its order is the order of the scores.
        values: whether the tensor holds logits or probabilities.
        dtype: "int8".
        scale, zero_point: real value = (q - zero_point) * scale.
        temperature: logits are divided by it before the softmax (probabilities: raised to its inverse).
        offsets: added then, one a label in nats, or none (probabilities: multiplied by their exponentials).
    """

    labels: Name
    values: Literal["logits", "probabilities"]
    dtype: Literal["int8"] = "int8"
    scale: Scale
    zero_point: ZeroPoint
    temperature: Annotated[float, Meta(gt=0, le=100)] = 1.0
    offsets: tuple[Annotated[float, Meta(ge=-100, le=100)], ...] = ()


class Training(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where the weights come from: data, split, label rule, rows used, the command to repeat it, its seed."""

    data: Text
    split: Literal["train"]
    rule: Text
    rows: Count
    command: Text
    seed: Count


class Metrics(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, omit_defaults=True):
    """Percent on a split: accuracy of the shipped int8 model, and of the float one it was made from.

    Attributes:
        ece: expected calibration error of the shipped model's scores; None where it was not measured.
        ece_rule: bins, and the rows that temperature and offsets were fitted on.
    """

    split: Literal["val", "test"]
    rule: Text
    rows: Count
    accuracy_int8: Percent
    accuracy_float32: Percent
    ece: Percent | None = None
    ece_rule: Text | None = None


class Licence(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Licence of the weights, and the licence words of the data they were trained on."""

    weights: Text
    training_data: Text


class SelfTest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A self-test vector: seed of `self_test_input`, and the int8 output it gave when the model was made."""

    seed: Count
    output: Annotated[tuple[ZeroPoint, ...], Meta(min_length=1, max_length=1024)]


class Manifest(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What the manifests of all kinds share; `files` (name to sha256) is filled in by directory.write."""

    schema: Literal[1] = 1
    name: Name
    paper: Text
    architecture: Text
    licence: Licence
    release: Release | None = None
    files: dict[str, Digest] = {}

    @property
    def network(self) -> str:
        """Name of the network's file in the directory."""
        return MODEL_NAME

    @property
    def kind(self) -> str:
        """Which of the kinds this is."""
        return str(self.__struct_config__.tag)

    @property
    def crop_margin(self) -> float:
        """Of a face's box, on each side, that a model sees besides; 0 where it takes no crop of the face."""
        return 0.0

    def figures(self) -> tuple[str, str, str]:
        """Input, label set and accuracy on val, as a list of models shows them; empty where a kind has none."""
        return "", "", ""

    def faults(self) -> Iterator[str]:
        """What the types cannot say: one line for each contradiction between values."""
        yield from ()


class SketchInput(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The tensor a network for emotion sketches takes: one plane, as preprocess.sketch draws it.

    Attributes:
        height, width: of the tensor, pixels; the same.
        upright: whether the eyes are levelled before the sketch is drawn.
        channels, dtype, scale, zero_point, value_range: as of Input.
    """

    height: Side
    width: Side
    upright: bool
    channels: Literal["sketch"] = "sketch"
    dtype: Literal["int8"] = "int8"
    scale: Scale
    zero_point: ZeroPoint
    value_range: tuple[float, float]


def range_faults(tensor: Any) -> Iterator[str]:
    """One line where the range of an input does not follow from its scale and zero point."""
    expected = tuple((q - tensor.zero_point) * tensor.scale for q in (-128, 127))
    if not np.allclose(tensor.value_range, expected, rtol=1e-6, atol=1e-9):
        yield f"input.value_range: expected {list(expected)}, got {list(tensor.value_range)}"


class NetworkManifest(Manifest, frozen=True, kw_only=True):
    """What the kinds share whose network takes one int8 tensor of a face and scores its expression; no kind itself."""

    input: Any
    output: Output
    training: Training
    metrics: Metrics
    self_test: Annotated[tuple[SelfTest, ...], Meta(min_length=1, max_length=64)]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the scores."""
        return labels.label_set(self.output.labels)

    def figures(self) -> tuple[str, str, str]:
        metrics, tensor = self.metrics, self.input
        accuracy = f"{metrics.accuracy_int8:.2f} % of {metrics.rows}" if metrics.split == "val" else ""
        return f"{tensor.width}x{tensor.height} {tensor.channels}", self.output.labels, accuracy

    def faults(self) -> Iterator[str]:
        if self.output.labels not in labels.LABEL_SETS:
            known = ", ".join(labels.LABEL_SETS)
            yield f"output.labels: expected one of {known}, got {self.output.labels!r}"
            return
        if len(self.output.offsets) not in (0, len(self.labels)):
            yield f"output.offsets: expected none or {len(self.labels)} values, got {len(self.output.offsets)}"
        for vector in self.self_test:
            if len(vector.output) != len(self.labels):
                got = len(vector.output)
                yield f"self_test: expected {len(self.labels)} values for each seed, got {got}"
        yield from range_faults(self.input)


class FrameManifest(NetworkManifest, tag="frame", frozen=True, kw_only=True):
    """A network that scores the expression in one face crop."""

    input: Input

    @property
    def crop_margin(self) -> float:
        return self.input.crop_margin


class SketchManifest(NetworkManifest, tag="sketch", frozen=True, kw_only=True):
    """A network that scores the expression in the emotion sketch of a face."""

    input: SketchInput

    def faults(self) -> Iterator[str]:
        yield from super().faults()
        tensor = self.input
        if tensor.height != tensor.width:
            yield f"input: expected a square, got {tensor.width}x{tensor.height}"
        if (tensor.scale, tensor.zero_point) != SKETCH_LEVELS:
            got = f"{tensor.scale}, {tensor.zero_point}"
            yield f"input.scale and zero_point: expected {SKETCH_LEVELS[0]}, {SKETCH_LEVELS[1]}, got {got}"


class DetectorTest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A self-test of a detector: seed of `self_test_input`, and the best score the network gave on it."""

    seed: Count
    score: Annotated[float, Meta(ge=0, le=1)]


class DetectorManifest(Manifest, tag="detector", frozen=True, kw_only=True):
    """A network that finds faces in an image.

    Attributes:
        decoding: the detector that turns its outputs into boxes, by name.
        file: of the network.
        self_test: what it gave when the directory was made.
    """

    decoding: Name
    file: Literal["model.tflite", "model.onnx"]
    self_test: Annotated[tuple[DetectorTest, ...], Meta(min_length=1, max_length=64)]

    @property
    def network(self) -> str:
        return self.file


class LandmarkMetrics(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Mean errors on hand-labelled faces, percent of the distance of the outer corners of the eyes.

    Attributes:
        data: the faces; nothing is trained or fitted on them.
        rule: how a face is looked at.
        rows: faces.
        inner, all, jaw_across: of points 18 to 68, of all, and of the jaw's across its contour.
        inner_float32, all_float32: of the network before quantisation.
    """

    data: Text
    rule: Text
    rows: Count
    inner: Percent
    all: Percent
    jaw_across: Percent
    inner_float32: Percent
    all_float32: Percent


class LandmarkTest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A self-test of a landmark network: seed of `self_test_input`, and what the network gave on it."""

    seed: Count
    points: Annotated[tuple[float, ...], Meta(min_length=136, max_length=136)]
    confidence: Annotated[tuple[float, ...], Meta(min_length=1, max_length=64)]


class LandmarkManifest(Manifest, tag="landmarks", frozen=True, kw_only=True):
    """A network that finds 68 points in a square that holds a face.

    Its outputs are float32: (1, 136), x and y of each point in parts of the square, and a confidence for each of
    `regions`, 0 to 1.

    Attributes:
        input: its crop is the square; `crop_margin` has no meaning here.
        order: of the points.
        regions: names of the confidences, in their order.
        face_side, face_shift: the square for a detector's box: its side, and the way of its middle down, in parts
            of the box's side.
    """

    input: Input
    order: Literal["ibug68"]
    regions: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=64)]
    face_side: Annotated[float, Meta(gt=0, le=4)]
    face_shift: Annotated[float, Meta(ge=-1, le=1)]
    training: Training
    metrics: LandmarkMetrics
    self_test: Annotated[tuple[LandmarkTest, ...], Meta(min_length=1, max_length=64)]

    def figures(self) -> tuple[str, str, str]:
        tensor, metrics = self.input, self.metrics
        error = f"error {metrics.inner:.2f} % inner, {metrics.all:.2f} % all, {metrics.rows} faces"
        return f"{tensor.width}x{tensor.height} {tensor.channels}", self.order, error

    def faults(self) -> Iterator[str]:
        yield from range_faults(self.input)
        for vector in self.self_test:
            if len(vector.confidence) != len(self.regions):
                yield f"self_test: expected {len(self.regions)} confidences, got {len(vector.confidence)}"


def manifest_kinds() -> dict[str, type[Manifest]]:
    """The kinds there are, by name."""
    kinds: dict[str, type[Manifest]] = {}
    waiting: list[type[Manifest]] = [Manifest]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__struct_config__.tag != kind.__name__:  # what several kinds share has no tag of its own
            kinds[str(kind.__struct_config__.tag)] = kind
    return kinds


def from_fields(fields: Mapping[str, Any]) -> Manifest:
    """A manifest from the parsed tables of its file.

    Raises:
        ValueError: an unknown kind or key, a wrong type, a value out of range, or two that contradict.
    """
    kind, kinds = fields.get("kind"), manifest_kinds()
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"kind: expected one of {', '.join(kinds)}, got {kind!r}")
    manifest = converted(fields, kinds[kind])
    for fault in manifest.faults():
        raise ValueError(fault)
    return manifest


def self_test_input(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """The input of a self-test vector, the same on every machine and with every version of NumPy.

    The bytes of SHAKE-128 over the text `edgefer self-test <seed>` are read as int8 values of a coarse image
    in C order, whose pixels are then repeated into square blocks of side 2 ** (seed % 5): seeds that follow
    each other give detail of every size, from noise to blocks of 16 pixels.

    Args:
        seed: at least 0.
        shape: (1, H, W, C).

    Returns:
        int8, of that shape, C-contiguous.
    """
    _, height, width, channels = shape
    side = 2 ** (seed % 5)
    rows, columns = -(-height // side), -(-width // side)
    digest = hashlib.shake_128(f"edgefer self-test {seed}".encode()).digest(rows * columns * channels)
    coarse = np.frombuffer(digest, np.int8).reshape(rows, columns, channels)
    blocks = coarse.repeat(side, axis=0).repeat(side, axis=1)[:height, :width]
    return np.ascontiguousarray(blocks[np.newaxis])
