"""The networks by name, and one function that builds any of them for any input.

A module of this package has two functions: `stem(x, **options)`, the first convolution with what follows it
at once, and `body(x, classes, dropout, **options)`, from there to logits. `build` joins them once for
concatenated planes, or once a stream.

Parallel streams (Pandey et al., section IV.1): "the outputs of these parallel sub-networks are combined and
passed to a soft-max layer for classification". We combine by addition of the logits. Where a network ends in
a layer without activation, as all of these do, that is the same function as concatenating the features
before it and applying one such layer to them.

The paper does not say whether the sub-networks share weights. For RTNN it prints no count. For the base
network it prints 0.65 million with one stream and with two (Table IV), which sub-networks of their own
cannot have: they would be 1.29 million. Of the readings that keep to the text, shared weights alone give the
printed count; the first convolution cannot be shared with Sobel's two planes and is each stream's own. So
there are both: mode `parallel`, each stream its own weights, and mode `shared`.

With `stl` a spatial transformer stands before the network, or before each stream (Table I).

The runtime gives every network one NHWC tensor with the planes of `preprocess.CHANNELS`. A network with streams
slices its planes inside the graph, so the runtime need not know.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

from edgefer.errors import UsageError
from edgefer.preprocess.crop import CHANNELS

#: How the images reach the network: as channels of one input; each through a sub-network of its own; or each
#: through a first convolution of its own and one body whose weights they share.
MODES = ("concatenated", "parallel", "shared")

IMAGES = {"grey": "grey", "gx": "sobel", "gy": "sobel", "laplacian": "laplacian"}  # image a plane is part of


@dataclass(frozen=True)
class Stream:
    """Neighbouring planes of the input, start to stop (exclusive), that enter one sub-network together."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class Streams:
    """The streams of an input, in plane order.

    Attributes:
        planes: of the whole input.
        streams: one for a concatenated input, else one an image.
        shared: the streams differ in their first convolution only.
    """

    planes: int
    streams: tuple[Stream, ...]
    shared: bool = False

    @classmethod
    def of(cls, channels: str, mode: str = "concatenated") -> Streams:
        """The streams of a channels name in a mode.

        Raises:
            UsageError: channels or mode is not known, or there is one image only and nothing to part.
        """
        if channels not in CHANNELS:
            raise UsageError(f"unknown input {channels!r}; available: {', '.join(CHANNELS)}")
        if mode not in MODES:
            raise UsageError(f"unknown mode {mode!r}; available: {', '.join(MODES)}")
        planes = CHANNELS[channels]
        if mode == "concatenated":
            return cls(len(planes), (Stream("all", 0, len(planes)),))
        images = [IMAGES[plane] for plane in planes]
        names = list(dict.fromkeys(images))
        if len(names) == 1:
            raise UsageError(f"mode {mode!r} needs an input of two images or more, got {channels!r}")
        streams = (Stream(n, images.index(n), images.index(n) + images.count(n)) for n in names)
        return cls(len(planes), tuple(streams), mode == "shared")


PANDEY = (
    "Pandey, Karmakar, Ramakrishnan, Saha: Improving Facial Emotion Recognition Systems Using Gradient and "
    "Laplacian Images"
)
BARSOUM = (
    "Barsoum, Zhang, Canton Ferrer, Zhang: Training Deep Networks for Facial Expression Recognition with "
    "Crowd-Sourced Label Distribution"
)
ARRIAGA = (
    "Arriaga, Valdenegro-Toro, Plöger: Real-time Convolutional Neural Networks for Emotion and Gender Classification"
)
BREUER = "Breuer, Kimmel: A Deep Learning Perspective on the Origin of Facial Expressions"


@dataclass(frozen=True)
class Architecture:
    """A network by name.

    Attributes:
        module: in this package.
        title: what a model card calls it. paper: where it comes from.
        size: side of its input, pixels.
        any_size: it is convolutional to its mean, so that it can learn on smaller inputs first.
        options: keywords for the module's functions.
    """

    module: str
    title: str
    paper: str
    size: int = 64
    any_size: bool = False
    options: dict[str, Any] = field(default_factory=dict)


#: Every network that `build` knows.
ARCHITECTURES: dict[str, Architecture] = {
    "pandey": Architecture("pandey", "base network of Table III", PANDEY, any_size=True),
    "vgg13": Architecture("vgg13", "VGG13", f"{BARSOUM}; input modes from {PANDEY}"),
    "rtnn": Architecture("rtnn", "RTNN (mini-Xception)", f"{ARRIAGA}; input modes from {PANDEY}", any_size=True),
    "breuer": Architecture("breuer", "5x5 CNN of section 2.1", BREUER, size=48),
    "edgefer-s": Architecture(
        "edgefer", "edgefer-s", "none; our own", size=48, any_size=True, options={"configuration": "edgefer-s"}
    ),
    "edgefer-nano": Architecture(
        "edgefer", "edgefer-nano", "none; our own", size=48, any_size=True, options={"configuration": "edgefer-nano"}
    ),
    "edgefer-l": Architecture(
        "edgefer", "edgefer-l", "none; our own", size=48, any_size=True, options={"configuration": "edgefer-l"}
    ),
    **{
        name: Architecture("edgefer", name, "none; our own", size=48, any_size=True, options={"configuration": name})
        for name in ("nano-stem-fine", "nano-stem-wide", "nano-stem-deep", "nano-stem-short")
    },
}


def find(name: str) -> Architecture:
    """Raises: UsageError: the name is not known; the message lists those that are."""
    try:
        return ARCHITECTURES[name]
    except KeyError:
        raise UsageError(f"unknown architecture {name!r}; available: {', '.join(ARCHITECTURES)}") from None


def build(
    architecture: str,
    channels: str = "grey",
    mode: str = "concatenated",
    stl: bool = False,
    classes: int = 8,
    size: int | None = 64,
    dropout: float = 0.0,
    **options: Any,
):
    """A network, uncompiled, with random weights.

    Args:
        architecture: a name in ARCHITECTURES.
        channels: planes of the input, a name in preprocess.CHANNELS. mode: one of architectures.MODES.
        stl: a spatial transformer before the network, or before each of its streams.
        classes: number of labels.
        size: side of the input, pixels; None leaves it open, where the network permits it.
        dropout: share of features dropped in training before the last layer; its file says where else.
        options: keywords of the architecture's module beyond its own, such as `normalisation`.

    Returns:
        keras.Model from float32 (N, size, size, planes) to float32 logits (N, classes).

    Raises:
        UsageError: a name is not known; or the size is open and the network has a layer that needs it.
    """
    network, split = find(architecture), Streams.of(channels, mode)
    if size is None and (stl or not network.any_size):
        what = "a spatial transformer" if stl else architecture
        raise UsageError(f"{what} needs inputs of one size; give stages of one side only")
    import keras
    from keras import layers

    module = importlib.import_module(f"{__name__}.{network.module}")
    options = {**network.options, **options}

    def transformed(x, name):
        if not stl:
            return x
        from edgefer.train.architectures.layers import SpatialTransformer

        return SpatialTransformer(name=name)(x)

    image = keras.Input((size, size, split.planes), name="image")
    name = architecture.replace("-", "_")
    if len(split.streams) == 1:
        x = module.stem(transformed(image, "stl"), **options)
        return keras.Model(image, module.body(x, classes, dropout, **options), name=name)

    outputs, body = [], None
    for stream in split.streams:
        x = image[..., stream.start : stream.stop]
        x = transformed(x, f"{stream.name}_stl")
        x = _part(x, lambda x: module.stem(x, **options), f"{stream.name}_stem")(x)
        if body is None or not split.shared:
            body_name = "body" if split.shared else f"{stream.name}_body"
            body = _part(x, lambda x: module.body(x, classes, dropout, **options), body_name)
        outputs.append(body(x))
    return keras.Model(image, layers.Add(name="combined")(outputs), name=name)


def _part(x, layers_of, name: str):
    """A model of its own for inputs like x, so that its layers may have the names they have elsewhere."""
    import keras

    inside = keras.Input(x.shape[1:])
    return keras.Model(inside, layers_of(inside), name=name)
