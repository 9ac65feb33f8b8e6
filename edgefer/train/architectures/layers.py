"""Layers that several networks share: batch normalisation in one operation, and the spatial transformer.

The spatial transformer layer (STL) is what Pandey et al. put before RTNN and before each of its streams
(section IV.1, Table I), from Jaderberg et al., Spatial Transformer Networks, 2015, with an affine map.

A small network regresses six numbers from the image, which move a regular grid over it (section 3.2 of
Jaderberg et al.); the image is sampled there bilinearly (section 3.3, equation 5), which passes gradients to
the six numbers.

Where the papers are silent or we depart from them:

* Pandey et al. do not print the localisation network. They say that the layer is the input layer, and
  name Jaderberg et al. Ours has two 5x5 convolutions of 20 filters on halved inputs, a layer of 20, a layer
  of 6. With one plane of 64x64 it has 50,686 parameters. It learns at a tenth of the network's rate: what follows
  a layer is a tenth of its sums, and its weights are ten times as large.
* The last layer starts with zero weights and the identity as bias, so training starts from the plain network.
* Outside the image its edge repeats, as everywhere in edgefer; equation 5 gives zero there, a dark frame that
  would be an edge to what follows. The gradient of a place out there is that at the edge.
* With no gradient out there and at the network's own rate, the maps turned and widened to nearly three times the
  image in two epochs and stayed there, and RTNN learnt little more than the commonest class.
* The corners of the grid are the centres of the corner pixels, so that the identity returns the image as it
  is, up to rounding.
"""

from __future__ import annotations

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("edgefer")
class BatchNormalization(layers.BatchNormalization):
    """keras.layers.BatchNormalization over NHWC; in training under TensorFlow and torch one operation.

    There Keras computes moments and the affine map as separate passes over memory; on a CPU that made batch
    normalisation dearer than the convolutions it follows. The fused operation computes the same function; it
    feeds the moving variance with the unbiased estimate (N - 1).
    """

    def call(self, inputs, training=None, mask=None):
        fused = {"tensorflow": self._under_tensorflow, "torch": self._under_torch}.get(keras.backend.backend())
        if fused is None or not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        return fused(inputs)

    def _under_torch(self, inputs):
        from torch.nn.functional import batch_norm

        statistics = self.moving_mean.value, self.moving_variance.value
        scale, offset = (ops.cast(v, "float32") for v in (self.gamma, self.beta))
        # planes first only in name: the memory stays as it is
        planes = batch_norm(
            inputs.permute(0, 3, 1, 2), *statistics, scale, offset, True, 1.0 - self.momentum, self.epsilon
        )
        return planes.permute(0, 2, 3, 1)

    def _under_tensorflow(self, inputs):
        import tensorflow as tf

        moving_mean, moving_variance, scale, offset = (
            tf.convert_to_tensor(v) for v in (self.moving_mean, self.moving_variance, self.gamma, self.beta)
        )
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=scale,
            offset=offset,
            mean=moving_mean,
            variance=moving_variance,
            epsilon=self.epsilon,
            exponential_avg_factor=1.0,
            is_training=True,
        )
        self.moving_mean.assign(moving_mean * self.momentum + mean * (1.0 - self.momentum))
        self.moving_variance.assign(moving_variance * self.momentum + variance * (1.0 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable("edgefer")
class DepthwiseConv2D(layers.DepthwiseConv2D):
    """keras.layers.DepthwiseConv2D over NHWC; under JAX a sum of shifted images.

    XLA has no kernel of its own for the gradient of a convolution with as many groups as channels; the sum it
    fuses into one pass over memory, forward and backward.
    """

    def call(self, inputs):
        if keras.backend.backend() != "jax" or self.padding != "same" or self.depth_multiplier != 1:
            return super().call(inputs)
        kernel = ops.cast(ops.squeeze(self.kernel, axis=3), inputs.dtype)
        (rows, columns), (down, across) = self.kernel_size, self.strides
        height, width = (-(-size // stride) for size, stride in zip(inputs.shape[1:3], (down, across), strict=True))
        pads = []
        for size, out, taps, stride in (
            (inputs.shape[1], height, rows, down),
            (inputs.shape[2], width, columns, across),
        ):
            missing = max((out - 1) * stride + taps - size, 0)
            pads.append((missing // 2, missing - missing // 2))
        around = ops.pad(inputs, ((0, 0), *pads, (0, 0)))
        total = sum(
            around[:, y : y + (height - 1) * down + 1 : down, x : x + (width - 1) * across + 1 : across] * kernel[y, x]
            for y in range(rows)
            for x in range(columns)
        )
        return total + ops.cast(self.bias, total.dtype) if self.use_bias else total


def normalised(x, name, activation=None, momentum=0.98):
    """Batch normalisation `NAME_bn`, and after it the activation as a layer of its own, `NAME_ACTIVATION`."""
    x = BatchNormalization(epsilon=1e-3, momentum=momentum, name=f"{name}_bn")(x)
    return layers.Activation(activation, name=f"{name}_{activation}")(x) if activation else x


FILTERS, KERNEL, HIDDEN = 20, 5, 20
RATE = 0.1
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def affine_grid(theta, height: int, width: int):
    """Where each pixel of the output looks.

    Args:
        theta: (N, 6), rows of [[a, b, c], [d, e, f]]: x = a u + b v + c, y = d u + e v + f.
        height, width: of the grid; u and v go from -1 at the first pixel's centre to 1 at the last one's.

    Returns:
        x, y: each (N, height, width), in the same units.
    """
    u = ops.reshape(ops.linspace(-1.0, 1.0, width), (1, 1, width))
    v = ops.reshape(ops.linspace(-1.0, 1.0, height), (1, height, 1))
    a, b, c, d, e, f = (ops.reshape(theta[:, i], (-1, 1, 1)) for i in range(6))
    return a * u + b * v + c, d * u + e * v + f


def bilinear_sample(images, x, y):
    """The images between their pixels.

    Args:
        images: (N, H, W, C), H and W at least 2.
        x, y: (N, h, w), -1 to 1 over the image; beyond it the edge repeats.

    Returns:
        (N, h, w, C).

    Reference: Jaderberg et al., Spatial Transformer Networks, 2015, equations 5 to 7.
    """
    height, width, channels = images.shape[1:]
    column, left = _place(x, width)
    row, top = _place(y, height)
    # the weights of the four neighbours carry the gradient; the indices have none
    right, down = ops.expand_dims(column - left, -1), ops.expand_dims(row - top, -1)
    first = ops.reshape(ops.arange(ops.shape(images)[0], dtype="int32") * (height * width), (-1, 1, 1))
    index = first + ops.cast(top, "int32") * width + ops.cast(left, "int32")
    pixels = ops.reshape(images, (-1, channels))

    def at(offset):
        return ops.take(pixels, index + offset, axis=0)

    above = at(0) * (1 - right) + at(1) * right
    below = at(width) * (1 - right) + at(width + 1) * right
    return above * (1 - down) + below * down


def _place(coordinate, count: int):
    """A coordinate in pixels, and the pixel before it, which always has another after it.

    Beyond the edge it is held there, but its gradient goes on as if the slope at the edge did: a plain clip has none,
    and a map that had left the image would never come back.
    """
    free = (coordinate + 1.0) * ((count - 1) / 2)
    position = free + ops.stop_gradient(ops.clip(free, 0.0, count - 1.0) - free)
    # from far out the sum comes back a rounding beside the edge
    return position, ops.clip(ops.floor(ops.stop_gradient(position)), 0.0, count - 2.0)


@keras.saving.register_keras_serializable("edgefer")
class SpatialTransformer(layers.Layer):
    """Images moved by an affine map that is found from them: (N, H, W, C) to (N, H, W, C).

    Attributes:
        localisation: the layers from the image to the six numbers.
    """

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.localisation = [
            layers.MaxPooling2D(2, name="pool1"),
            *_slow(layers.Conv2D(FILTERS, KERNEL, kernel_initializer=_enlarged(), name="conv1"), "relu"),
            layers.MaxPooling2D(2, name="pool2"),
            *_slow(layers.Conv2D(FILTERS, KERNEL, kernel_initializer=_enlarged(), name="conv2"), "relu"),
            layers.Flatten(name="flat"),
            *_slow(layers.Dense(HIDDEN, kernel_initializer=_enlarged(), name="hidden"), "relu"),
            *_slow(layers.Dense(6, kernel_initializer="zeros", bias_initializer=_identity, name="theta"), "linear"),
        ]

    def build(self, input_shape):
        shape = input_shape
        for layer in self.localisation:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def theta(self, images):
        """The six numbers of each image, (N, 6)."""
        for layer in self.localisation:
            images = layer(images)
        return images

    def call(self, inputs):
        return bilinear_sample(inputs, *affine_grid(self.theta(inputs), *inputs.shape[1:3]))


def _slow(layer, activation: str) -> list:
    """A layer that learns at RATE of the rate of others, whose steps are all of one size under Adam."""
    return [
        layer,
        layers.Rescaling(RATE, name=f"{layer.name}_slow"),
        layers.Activation(activation, name=f"{layer.name}_{activation}"),
    ]


def _enlarged():
    """Glorot's even draws, so that a slow layer begins as any other would."""
    return keras.initializers.VarianceScaling(RATE**-2, "fan_avg", "uniform")


@keras.saving.register_keras_serializable("edgefer")
def _identity(shape, dtype=None):
    return ops.reshape(ops.convert_to_tensor(IDENTITY, dtype=dtype), shape) / RATE
