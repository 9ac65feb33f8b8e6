"""edgefer-landmarks in Keras: plain 3x3 convolutions, then two float layers from one vector of features.

Plain convolutions, since on the processors at hand XNNPACK's int8 convolutions of this width cost less than
depthwise pairs with their additional tensors. The map of the last stage is not pooled: places are what is asked.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np
from keras import layers


class Shape(NamedTuple):
    """Of a network.

    Attributes:
        side: of the input, a multiple of 16.
        stem: channels of the first convolution.
        stages: of each further halving, its channels and how many residual convolutions follow.
        squeezed: channels of the last map.
        features: from which points and confidences are read.
    """

    side: int
    stem: int
    stages: tuple[tuple[int, int], ...]
    squeezed: int
    features: int


#: At most 300 KB, and 0.35 of the teacher's time.
SHAPES = {
    "deep80": Shape(80, 16, ((24, 2), (48, 3), (64, 1)), 24, 88),
    "wide80": Shape(80, 16, ((32, 1), (48, 3), (64, 1)), 24, 96),
    "fine96": Shape(96, 12, ((24, 1), (48, 3), (64, 1)), 16, 96),
}


def _convolution(x, filters: int, stride: int = 1, kernel: int = 3, padding: str = "same"):
    x = layers.Conv2D(filters, kernel, stride, padding, use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.98)(x)
    return layers.ReLU()(x)


def trunk(x, shape: Shape):
    """All that keeps places: from an image of any size to the last map, 16 times smaller."""
    x = _convolution(x, shape.stem, 2)
    for channels, deep in shape.stages:
        x = _convolution(x, channels, 2)
        for _ in range(deep):
            x = layers.Add()([x, _convolution(x, channels)])
    return _convolution(x, shape.squeezed, kernel=1)


def build(shape: Shape, mean: np.ndarray) -> keras.Model:
    """The network: grey (side, side, 1) in [-1, 1) to points (136,), parts of the crop, and 6 confidences.

    Args:
        mean: float (136,), the points of a mean face, from which the training starts.
    """
    image = keras.Input((shape.side, shape.side, 1), name="grey")
    x = trunk(image, shape)
    x = _convolution(x, shape.features, kernel=x.shape[1], padding="valid")
    x = layers.Flatten(name="features")(x)
    start = keras.initializers.Constant(mean)
    small = keras.initializers.RandomNormal(stddev=0.005)
    points = layers.Dense(136, kernel_initializer=small, bias_initializer=start, name="points")(x)
    regions = layers.Dense(6, activation="sigmoid", name="regions")(x)
    return keras.Model(image, [points, regions], name="edgefer-landmarks")
