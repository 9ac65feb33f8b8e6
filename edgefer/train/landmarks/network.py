"""edgefer-landmarks in Keras: plain 3x3 convolutions, then two float layers from one vector of features.

Plain convolutions, since on the processors at hand XNNPACK's int8 convolutions of this width cost less than
depthwise pairs with their additional tensors. The map of the last stage is not pooled: places are what is asked.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

FEATURES = 80


def _convolution(x, filters: int, stride: int = 1, kernel: int = 3, padding: str = "same"):
    x = layers.Conv2D(filters, kernel, stride, padding, use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.98)(x)
    return layers.ReLU()(x)


def build(side: int, mean: np.ndarray) -> keras.Model:
    """The network: grey (side, side, 1) in [-1, 1) to points (136,), parts of the crop, and 6 confidences.

    Args:
        side: of the input, a multiple of 16.
        mean: float (136,), the points of a mean face, from which the training starts.
    """
    image = x = keras.Input((side, side, 1), name="grey")
    x = _convolution(x, 12, 2)
    x = _convolution(x, 24, 2)
    x = _convolution(x, 24)
    x = _convolution(x, 48, 2)
    x = layers.Add()([x, _convolution(x, 48)])
    x = layers.Add()([x, _convolution(x, 48)])
    x = _convolution(x, 64, 2)
    x = layers.Add()([x, _convolution(x, 64)])
    x = layers.Add()([x, _convolution(x, 64)])
    x = _convolution(x, 24, kernel=1)
    x = _convolution(x, FEATURES, kernel=side // 16, padding="valid")
    x = layers.Flatten(name="features")(x)
    start = keras.initializers.Constant(mean)
    small = keras.initializers.RandomNormal(stddev=0.005)
    points = layers.Dense(136, kernel_initializer=small, bias_initializer=start, name="points")(x)
    regions = layers.Dense(6, activation="sigmoid", name="regions")(x)
    return keras.Model(image, [points, regions], name="edgefer-landmarks")
