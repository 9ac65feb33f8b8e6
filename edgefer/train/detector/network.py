"""The detector's network: 160x120 grey pixels in, three grids of cells out; small enough for half a millisecond.

The picture comes as 30x40 blocks of 4x4 pixels, so that the first convolution sees 12x12 pixels and no map is larger
than 40x30: that is what keeps the network quick where a convolution of one channel at full size is slow, on
processors as in training. Then plain 3x3 convolutions while the maps are large, depthwise 5x5 ones below; the three
grids, 8, 16 and 32 pixels a cell, get their share of what coarser ones see. Each cell has a logit, the place and size
of a square, and five points, from 1x1 convolutions of their own so that each has its own int8 scale.

Reference: Wu, Peng and Yu, YuNet: A Tiny Millisecond-level Face Detector, 2023, for the grids and what cells tell;
nothing else is taken from it.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from edgefer.train.detector.stuff import HEIGHT, WIDTH

#: Side of the blocks in which the picture comes; pixels a cell of each grid.
BLOCK, STRIDES = 4, (8, 16, 32)
#: Numbers a cell tells: a logit; centre in cells from its own and logarithm of the side in cells; five points.
TOLD = {"logit": 1, "square": 3, "points": 10}
#: Chance of a face in a cell, before anything is learnt.
PRIOR = 0.01


def grid_shapes() -> list[tuple[int, int]]:
    """Rows and columns of each grid."""
    return [(-(-HEIGHT // stride), -(-WIDTH // stride)) for stride in STRIDES]


def cells() -> np.ndarray:
    """Centre and stride of every cell, pixels: float32 (cells, 3), grid after grid, rows first."""
    grids = []
    for (rows, columns), stride in zip(grid_shapes(), STRIDES, strict=True):
        y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        grids.append(np.stack([(x.ravel() + 0.5) * stride, (y.ravel() + 0.5) * stride, np.full(x.size, stride)], 1))
    return np.concatenate(grids).astype(np.float32)


def blocks(images):
    """uint8 (N, HEIGHT, WIDTH) -> float32 (N, HEIGHT / 4, WIDTH / 4, 16) in [-1, 1), as the network takes them."""
    rows, columns = HEIGHT // BLOCK, WIDTH // BLOCK
    parts = ops.transpose(ops.reshape(images, (-1, rows, BLOCK, columns, BLOCK)), (0, 1, 3, 2, 4))
    return (ops.cast(ops.reshape(parts, (-1, rows, columns, BLOCK**2)), "float32") - 128) / 128


class Widths(NamedTuple):
    """Channels of the stages: at 4, 8, 16 and 32 pixels a cell, and of what the grids share.

    Attributes:
        middles, coarses: blocks at 16 and at 32 pixels a cell, where they cost least.
    """

    stem: int = 24
    fine: int = 48
    middle: int = 48
    coarse: int = 64
    merged: int = 32
    middles: int = 3
    coarses: int = 1


#: Networks by name: the one that ships, and one tried beside it that takes a fourth less time and finds less.
WIDTHS = {"edgefer-face": Widths(), "narrow": Widths(stem=16, fine=40, coarse=72, coarses=2)}


def build(widths: Widths = WIDTHS["edgefer-face"]) -> keras.Model:
    """The network; outputs in the order logit, square, points of the first grid, then of the others."""
    picture = keras.Input((HEIGHT // BLOCK, WIDTH // BLOCK, BLOCK**2))
    x = _conv(picture, widths.stem)
    x = _conv(x, widths.fine, stride=2)
    first = layers.Add()([_conv(x, widths.fine), x])
    x = _conv(first, widths.middle, stride=2)
    for _ in range(widths.middles):
        x = layers.Add()([_separable(x, widths.middle, 5), x])
    second = x
    x = _separable(x, widths.coarse, 5, stride=2)
    for _ in range(widths.coarses):
        x = layers.Add()([_separable(x, widths.coarse, 5), x])

    third = _conv(x, widths.merged, 1)
    second = _separable(_with_coarser(_conv(second, widths.merged, 1, relu=False), third), widths.merged, 3)
    first = _separable(_with_coarser(_conv(first, widths.merged, 1, relu=False), second), widths.merged, 3)
    outputs = []
    for grid, features in enumerate((first, second, third)):
        for name, count in TOLD.items():
            bias = keras.initializers.Constant(float(np.log(PRIOR / (1 - PRIOR))) if name == "logit" else 0.0)
            head = layers.Conv2D(count, 1, bias_initializer=bias, name=f"{name}_{STRIDES[grid]}")
            outputs.append(head(features))
    return keras.Model(picture, outputs)


class DepthwiseConv2D(layers.DepthwiseConv2D):
    """Keras's. Under JAX as a full convolution: on a GPU the gradients of the depthwise one take many times longer."""

    def call(self, x):
        if keras.backend.backend() != "jax":
            return super().call(x)
        kernel = self.kernel * ops.eye(x.shape[-1])
        return ops.conv(x, kernel, self.strides, self.padding)


def _conv(x, width: int, size: int = 3, stride: int = 1, relu: bool = True):
    x = layers.Conv2D(width, size, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.97)(x)
    return layers.ReLU()(x) if relu else x


def _separable(x, width: int, size: int, stride: int = 1):
    x = DepthwiseConv2D(size, strides=stride, padding="same", use_bias=False)(x)
    return _conv(layers.BatchNormalization(momentum=0.97)(x), width, 1)


def _with_coarser(x, coarser):
    """The sum of a grid and of one with half its cells a side."""
    enlarged = layers.UpSampling2D(2)(coarser)
    if enlarged.shape[1] > x.shape[1]:
        enlarged = layers.Cropping2D(((0, enlarged.shape[1] - x.shape[1]), (0, 0)))(enlarged)
    return layers.Add()([x, enlarged])
