"""The 3D-CNN of Haddad, Lézoray and Hamel (ISVC 2020), Figures 1, 3 and 4, with every option they search.

Section 3.1: C3D (Tran et al., ICCV 2015) with batch normalization, on ten RGB frames of 112 x 112. Kernels are
(temporal size, 3, 3) and keep the shape; pools are (2, 2, 2), but the first (1, 2, 2), and the last, (1, 2, 2) with
stride (2, 2, 2) and padding (0, 1, 1). Table 1's options are `parameters.Parameters`.

Where the text is silent, C3D decides: 64, 128, 256, 256, 512, 512, 512 and 512 filters in five groups, two fully
connected layers of 4,096. "A second convolutional block in first two layer groups" repeats the convolution of each with
its filters. Our readings: batch normalization stands between a convolution and its activation; its momentum of 0.1 is
PyTorch's, the share of a new batch, which Keras calls 0.9; slopes below zero are PyTorch's (0.01 for leaky ReLU; one
learnt number a layer for PReLU), and so is what the padding of the last pool holds (nothing for a maximum, zeros that
count for a mean).
"""

from __future__ import annotations

import keras
from keras import layers

from edgefer.train.clips.lookahead import LookaheadAdam
from edgefer.train.clips.parameters import FRAMES, RATE, SIDE, Parameters

#: Filters of the convolutions in each group; one more of the first kind in groups 1 and 2 with `second_convolution`.
GROUPS = ((64,), (128,), (256, 256), (512, 512), (512, 512))
HIDDEN = 4096
MOMENTUM = 0.9  # of the running statistics: PyTorch's 0.1
NEGATIVE_SLOPE = 0.01

_INITIALIZERS = {
    "xavier_uniform": keras.initializers.GlorotUniform,
    "xavier_normal": keras.initializers.GlorotNormal,
    # PyTorch's own: uniform in plus and minus 1 / sqrt(fan in)
    "none": lambda: keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
}


@keras.saving.register_keras_serializable("edgefer")
class LastPool(layers.Layer):
    """Pools 2 x 2 pixels of every second frame, with one pixel of padding about each frame."""

    def __init__(self, pooling: str, **options: object):
        super().__init__(**options)
        self.pooling = pooling
        pool = layers.MaxPooling3D if pooling == "max" else layers.AveragePooling3D
        self._pool = pool((1, 2, 2), (2, 2, 2))

    def call(self, x):  # type: ignore[no-untyped-def]
        beyond = -1e30 if self.pooling == "max" else 0.0
        return self._pool(keras.ops.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), constant_values=beyond))

    def compute_output_shape(self, shape):  # type: ignore[no-untyped-def]
        batch, frames, height, width, channels = shape
        return batch, (frames + 1) // 2, (height + 2) // 2, (width + 2) // 2, channels

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "pooling": self.pooling}


def build(
    parameters: Parameters,
    classes: int,
    frames: int = FRAMES,
    side: int = SIDE,
    channels: int = 3,
    width: float = 1.0,
    seed: int | None = None,
) -> keras.Model:
    """The network, from float (frames, side, side, channels) to logits.

    Args:
        width: share of the paper's filters and hidden units, for trials on small machines.
        seed: of weights and dropout; set for all of Keras.
    """
    if seed is not None:
        keras.utils.set_random_seed(seed)

    x = given = layers.Input((frames, side, side, channels), name="clip")
    for number, group in enumerate(GROUPS, start=1):
        filters = [*group, group[0]] if parameters.second_convolution and number <= 2 else group
        for letter, count in zip("abc", filters, strict=False):
            x = layers.Conv3D(
                max(1, round(count * width)),
                (parameters.temporal_size, 3, 3),
                padding="same",
                kernel_initializer=_INITIALIZERS[parameters.initializer](),
                name=f"conv{number}{letter}",
            )(x)
            x = layers.BatchNormalization(momentum=MOMENTUM, epsilon=1e-5, name=f"norm{number}{letter}")(x)
            x = _activation(parameters.activation, (1, 2, 3, 4), f"active{number}{letter}")(x)
        if number == len(GROUPS):
            x = LastPool(parameters.pooling, name="pool5")(x)
        else:
            size = (1, 2, 2) if number == 1 else (2, 2, 2)
            pool = layers.MaxPooling3D if parameters.pooling == "max" else layers.AveragePooling3D
            x = pool(size, size, name=f"pool{number}")(x)
    x = layers.Flatten(name="flat")(x)
    for number in (6, 7):
        x = layers.Dense(
            max(1, round(HIDDEN * width)),
            kernel_initializer=_INITIALIZERS[parameters.initializer](),
            name=f"fc{number}",
        )(x)
        x = _activation(parameters.activation, (1,), f"active{number}")(x)
        x = layers.Dropout(parameters.dropout, seed=seed, name=f"drop{number}")(x)
    x = layers.Dense(classes, kernel_initializer=_INITIALIZERS[parameters.initializer](), name="logits")(x)
    return keras.Model(given, x, name="haddad")


def optimizer(parameters: Parameters, rate: float = RATE) -> keras.optimizers.Optimizer:
    """Adam at the paper's rate, or Lookahead round it."""
    return LookaheadAdam(rate) if parameters.optimizer == "lookahead+adam" else keras.optimizers.Adam(rate)


def _activation(name: str, axes: tuple[int, ...], title: str) -> layers.Layer:
    if name == "prelu":
        return layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=axes, name=title)
    if name == "leaky_relu":
        return layers.LeakyReLU(NEGATIVE_SLOPE, name=title)
    return layers.Activation(name, name=title)
