"""Our own networks, edgefer-s and edgefer-nano: one family, described by a Configuration.

A 3x3 stem; stages of blocks; a 1x1 convolution, the mean over the image and a 1x1 convolution to the
classes. A block is one of two, both residual where shapes are equal:

* fused: a 3x3 convolution that widens, and a 1x1 convolution that narrows (the second is left out at
  expansion 1). Early stages have few channels; there it keeps a core's multipliers busier than a depthwise
  convolution, which does nine multiplications for every value it loads.
* inverted: the bottleneck of MobileNetV2, 1x1 to widen, 3x3 each channel, 1x1 to narrow. Late stages have
  many channels; there it spares parameters and multiplications.

With `squeeze`, an inverted block weighs its channels by what they hold on average over the image, with a hard
sigmoid. Every operation has an int8 kernel in LiteRT and in XNNPACK: convolutions, additions,
multiplications, means and ReLU6. ReLU6 also bounds what int8 must span.

The idea of the blocks is from Sandler et al., MobileNetV2, 2018, Tan and Le, EfficientNetV2, 2021, and Howard
et al., Searching for MobileNetV3, 2019; the numbers are ours, picked from docs/frontier.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgefer.errors import UsageError


@dataclass(frozen=True)
class Stage:
    """Blocks of one width.

    Attributes:
        channels: that leave each block. blocks: how many. stride: of the first.
        expansion: how many times wider a block is inside. fused: which of the two blocks.
    """

    channels: int
    blocks: int
    stride: int = 1
    expansion: int = 4
    fused: bool = False


@dataclass(frozen=True)
class Configuration:
    """A network of the family.

    Attributes:
        stem: channels of the first convolution, and its stride.
        stages: in order.
        head: channels of the last 1x1 convolution before the mean.
        size: side of the input it is meant for, pixels.
        squeeze: how many times narrower the channel weighing is inside than the block; 0 for none.
    """

    stem: tuple[int, int]
    stages: tuple[Stage, ...]
    head: int
    size: int = 64
    squeeze: int = 0


CONFIGURATIONS: dict[str, Configuration] = {
    "edgefer-s": Configuration(
        stem=(24, 2),
        stages=(
            Stage(24, 2, 1, 1, fused=True),
            Stage(48, 2, 2, 3, fused=True),
            Stage(88, 4, 2, 4),
            Stage(112, 3, 1, 4),
        ),
        head=256,
        size=48,
    ),
    "edgefer-nano": Configuration(
        stem=(16, 2),
        stages=(Stage(16, 2, 1, 1, fused=True), Stage(32, 2, 2, 2, fused=True), Stage(48, 3, 2, 3), Stage(64, 2, 1, 3)),
        head=160,
        size=48,
    ),
    # no network for devices: a teacher, of convolutions that a GPU is quick at
    "edgefer-l": Configuration(
        stem=(48, 1),
        stages=(Stage(64, 2, 2, 1, fused=True), Stage(128, 3, 2, 2, fused=True), Stage(192, 4, 2, 2, fused=True)),
        head=512,
        size=48,
    ),
}

_NANO = CONFIGURATIONS["edgefer-nano"]
#: edgefer-nano with other stems, for the search of docs/tricks.md; by its name, the stem and the first stage.
STEMS = {
    "nano-stem-fine": replace(_NANO, stem=(8, 1), stages=(Stage(16, 2, 2, 1, fused=True), *_NANO.stages[1:])),
    "nano-stem-wide": replace(_NANO, stem=(32, 2), stages=(Stage(16, 2, 1, 1, fused=True), *_NANO.stages[1:])),
    "nano-stem-deep": replace(_NANO, stages=(Stage(16, 4, 1, 1, fused=True), *_NANO.stages[1:])),
    "nano-stem-short": replace(_NANO, stages=(Stage(16, 1, 1, 1, fused=True), *_NANO.stages[1:])),
}


def stem(x, configuration: str | Configuration):
    """The first convolution."""
    channels, stride = _read(configuration).stem
    return _convolution(x, channels, 3, "stem", stride)


def body(x, classes: int, dropout: float = 0.0, configuration: str | Configuration = "edgefer-s"):
    """The stages and the head; logits (N, classes).

    Blocks are named by stage and index, stage1_1, stage1_2, …. Dropout stands before the last convolution.
    """
    from keras import layers

    configuration = _read(configuration)
    for number, stage in enumerate(configuration.stages, 1):
        for index in range(1, stage.blocks + 1):
            stride = stage.stride if index == 1 else 1
            x = _block(x, stage, stride, configuration.squeeze, f"stage{number}_{index}")
    x = _convolution(x, configuration.head, 1, "head")
    x = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(classes, 1, name="logits")(x)
    return layers.Reshape((classes,), dtype="float32", name="scores")(x)


def _read(configuration: str | Configuration) -> Configuration:
    if isinstance(configuration, Configuration):
        return configuration
    known = CONFIGURATIONS | STEMS
    if configuration not in known:
        raise UsageError(f"unknown configuration {configuration!r}; available: {', '.join(known)}")
    return known[configuration]


def _squeezed(channels: int, squeeze: int) -> int:
    return max(8, channels // squeeze)


def _convolution(x, channels, side, name, stride=1, active=True):
    from keras import layers

    from edgefer.train.architectures.layers import normalised

    x = layers.Conv2D(channels, side, strides=stride, padding="same", use_bias=False, name=name)(x)
    return normalised(x, name, "relu6" if active else None)


def _block(x, stage: Stage, stride: int, squeeze: int, name: str):
    from keras import layers

    from edgefer.train.architectures.layers import DepthwiseConv2D, normalised

    inside = x.shape[-1]
    wide = stage.expansion * inside
    if stage.fused and stage.expansion == 1:
        y = _convolution(x, stage.channels, 3, f"{name}_filter", stride)
    elif stage.fused:
        y = _convolution(x, wide, 3, f"{name}_filter", stride)
        y = _convolution(y, stage.channels, 1, f"{name}_project", active=False)
    else:
        y = _convolution(x, wide, 1, f"{name}_expand")
        filtered = DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"{name}_filter")
        y = normalised(filtered(y), f"{name}_filter", "relu6")
        if squeeze:
            y = _weighed(y, _squeezed(wide, squeeze), f"{name}_squeeze")
        y = _convolution(y, stage.channels, 1, f"{name}_project", active=False)
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and inside == stage.channels else y


def _weighed(x, narrow: int, name: str):
    """Each channel times a weight from 0 to 1 that the means of all of them decide."""
    from keras import layers

    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_mean")(x)
    y = layers.Conv2D(narrow, 1, activation="relu6", name=f"{name}_narrow")(y)
    y = layers.Conv2D(x.shape[-1], 1, name=f"{name}_widen")(y)
    # relu6(y + 3) / 6, the hard sigmoid
    y = layers.Rescaling(1.0, 3.0, name=f"{name}_shift")(y)
    y = layers.Activation("relu6", name=f"{name}_bound")(y)
    y = layers.Rescaling(1 / 6, name=f"{name}_scale")(y)
    return layers.Multiply(name=f"{name}_weigh")([x, y])
