"""Networks for clips that a device runs in int8, of 2-D convolutions alone: LiteRT quantises no CONV_3D.

A frame network, edgefer-nano to the end of its stages, turns each frame into features, once. On the features stands one
of three heads:

* `edge`: (2+1)D, Tran et al., A Closer Look at Spatiotemporal Convolutions, CVPR 2018. A 3 x 3 x 3 convolution is
  factored into 3 x 3 pixels, with the frames in the batch, and 3 frames, with the pixels in a row: both are 2-D.
* `single`: judges each frame alone, with the same convolutions on pixels.
* `recurrent.build`: an LSTM over the frames.

Where nothing but movement counts, a smaller frame network learns together with the heads (`movement`).
"""

from __future__ import annotations

import math
from pathlib import Path

import keras
from keras import layers, ops

from edgefer.models.clip import ClipInput
from edgefer.models.manifest import ChannelsName
from edgefer.train import runs
from edgefer.train.architectures.layers import normalised
from edgefer.train.data.batches import SCALE, ZERO_POINT
from edgefer.train.settings import TrainingSettings

FRAMES, RATE_HZ, SIDE, PLANES = 10, 10.0, 48, 3
CHANNELS: ChannelsName = "grey+sobel"
#: Of the frame network, the last layer that is kept, and what it gives for a frame.
LAST, FEATURES = "stage4_2_add", (6, 6, 64)
WIDTH = 32
#: The smallest face whose movements can still be seen in its crop: fewer pixels than the crop has say little.
MIN_FACE_PX = 40.0


def frame_network(run: Path) -> keras.Model:
    """The frame network of a finished run of edgefer-nano: float (48, 48, 3) to FEATURES; it is not trained further."""
    lineage, _ = runs.read_finished(run)
    whole = runs.network(*lineage[-1])
    return _kept(whole)


def untrained() -> keras.Model:
    """The frame network with random weights, for shapes and counts."""
    from edgefer.train.settings import build

    return _kept(
        build(TrainingSettings(architecture="edgefer-nano", input=CHANNELS, size=SIDE, stages=((SIDE, 1),)), size=SIDE)
    )


def _kept(whole: keras.Model) -> keras.Model:
    kept = keras.Model(whole.input, whole.get_layer(LAST).output, name="frames")
    kept.trainable = False
    return kept


def movement() -> keras.Model:
    """A frame network that learns together with the heads on it: (48, 48, 3) to FEATURES.

    What moves by a part of a pixel must not be lost in it, as it is in one that was taught to tell single pictures.
    """
    image = layers.Input((SIDE, SIDE, PLANES), name="image")
    x = _convolution(image, 16, 3, "stem", 2)
    x = _added(x, 16, "stage1")
    x = _convolution(x, 32, 3, "stage2_down", 2)
    x = _added(x, 32, "stage2")
    return keras.Model(image, _convolution(x, FEATURES[-1], 3, "stage3_down", 2), name="frames")


def edge(
    classes: int, frames: int = FRAMES, centred: bool = False, dropout: float = 0.3, batch: int | None = None
) -> keras.Model:
    """The (2+1)D head: features of a window, (frames, 6, 6, 64), to logits.

    Args:
        centred: each feature less its mean over the window, so that whose face it is falls away and what moves is left.
        batch: where it is fixed.
    """
    width, wide = WIDTH, WIDTH * 3 // 2
    height, across, deep = FEATURES
    given = layers.Input((frames, *FEATURES), batch, name="features")
    x = ops.reshape(given, (-1, height, across, deep))
    if centred:
        x = layers.SpatialDropout2D(dropout / 2, name="left_out")(x)
    x = layers.Conv2D(width, 1, use_bias=False, name="project")(x)
    if centred:
        x = ops.reshape(x, (-1, frames, height * across, width))
        x = ops.reshape(x - ops.mean(x, axis=1, keepdims=True), (-1, height, across, width))
    x = normalised(x, "project", "relu6")
    x = _convolution(x, wide, 3, "space1", 2)
    height, across = height // 2, across // 2
    x = ops.reshape(x, (-1, frames, height * across, wide))
    y = _convolution(x, wide, (3, 1), "time1", active=False)
    x = layers.Activation("relu6", name="add1_relu6")(layers.Add(name="add1")([x, y]))
    x = _convolution(x, wide, (3, 1), "time2", (2, 1))
    frames = -(-frames // 2)
    x = _convolution(ops.reshape(x, (-1, height, across, wide)), wide, 3, "space2")
    x = _convolution(ops.reshape(x, (-1, frames, height * across, wide)), wide, (3, 1), "time3", (2, 1))
    x = _convolution(x, 2 * width, (-(-frames // 2), height * across), "all", padding="valid")
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(classes, 1, name="logits")(x)
    return keras.Model(given, layers.Reshape((classes,), name="scores")(x), name="edge")


def single(classes: int, dropout: float = 0.3, name: str = "single") -> keras.Model:
    """The head that judges one frame: features of a frame, (6, 6, 64), to logits."""
    width, given = WIDTH, layers.Input(FEATURES, name="features")
    x = _convolution(given, width, 1, "project")
    x = _convolution(x, width * 3 // 2, 3, "space1", 2)
    x = _convolution(x, width * 3 // 2, 3, "space2")
    x = _convolution(x, 2 * width, 3, "all", padding="valid")
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(classes, 1, name="logits")(x)
    return keras.Model(given, layers.Reshape((classes,), name="scores")(x), name=name)


def window_network(frame: keras.Model, head: keras.Model) -> keras.Model:
    """What ships: the frames of a window one below the other, (frames * 48, 48, 3), to logits."""
    frames = head.input_shape[1]
    given = layers.Input((frames * SIDE, SIDE, PLANES), name="clip")
    x = frame(ops.reshape(given, (-1, SIDE, SIDE, PLANES)))
    return keras.Model(given, head(ops.reshape(x, (-1, frames, *FEATURES))), name="clip")


def clip_input(frames: int = FRAMES, margin: float = 0.0) -> ClipInput:
    """The input of such a network, for its manifest."""
    return ClipInput(
        height=SIDE,
        width=SIDE,
        channels=CHANNELS,
        scale=SCALE,
        zero_point=ZERO_POINT,
        value_range=((-128 - ZERO_POINT) * SCALE, (127 - ZERO_POINT) * SCALE),
        crop_margin=margin,
        frames=frames,
        rate_hz=RATE_HZ,
        min_face_px=MIN_FACE_PX,
    )


def operations(model: keras.Model) -> int:
    """Multiply-accumulates of a network's convolutions and dense layers for one input.

    One that has the frames of a window in the batch must be built for a batch of one, so that its shapes say so.
    """
    total = 0
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            places = math.prod(size or 1 for size in layer.output.shape[:-1])
            inside = kernel.shape[:-1] if not isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[:2]
            total += places * math.prod(inside) * layer.output.shape[-1]
    return total


def _convolution(x, filters, side, name, stride=1, active=True, padding="same"):  # type: ignore[no-untyped-def]
    x = layers.Conv2D(filters, side, strides=stride, padding=padding, use_bias=False, name=name)(x)
    return normalised(x, name, "relu6" if active else None)


def _added(x, filters, name):  # type: ignore[no-untyped-def]
    y = layers.Add(name=f"{name}_add")([x, _convolution(x, filters, 3, name, active=False)])
    return layers.Activation("relu6", name=f"{name}_add_relu6")(y)
