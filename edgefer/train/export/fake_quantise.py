"""A trained network made to compute in float as it will in int8, so that training makes up for the loss.

Batch normalisation is folded into the weights. Weights are rounded to 255 levels, symmetric about
zero; activations to 256 levels a tensor, over a moving average of the range they have in training. Rounding
has the gradient of the identity inside the range and none outside (straight-through estimator). Tensors are
rounded where TFLite holds them in int8: after an activation, an addition and a mean, not between a
convolution and the activation it is fused with. So the converter takes over every range and needs no
representative images.

Reference: Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference, CVPR 2018, sections 3.1 and 3.2. Departures: batch normalisation is folded once, before the
training, with its moving moments; a convolution has a range for each channel.
"""

from __future__ import annotations

import keras
from keras import layers, ops
from keras.quantizers import fake_quant_with_min_max_vars

from edgefer.errors import UsageError
from edgefer.train.data.batches import SCALE, ZERO_POINT

MOMENTUM = 0.99  # of the ranges, by step
#: Layers that only move numbers, or leave some out: their output has the levels of their input.
MOVING = (layers.MaxPooling2D, layers.Reshape, layers.Flatten, layers.Dropout)
#: Layers with numbers of their own on each side.
COMPUTING = (layers.Add, layers.GlobalAveragePooling2D)


class Rounded(layers.Layer):
    """A tensor rounded to 256 levels, of which zero is one.

    Attributes:
        low, high: the range, zero included. Fixed if it was given, otherwise the moving average of the least
            and the greatest value of a batch; empty before the first batch.
    """

    def __init__(self, low: float = 0.0, high: float = 0.0, **keywords):
        super().__init__(**keywords)
        self._given = low, high

    def build(self, shape):
        def add(name, value):
            start = keras.initializers.Constant(value)
            return self.add_weight(shape=(), initializer=start, trainable=False, name=name)

        self.low, self.high = add("low", self._given[0]), add("high", self._given[1])

    def call(self, inputs, training=False):
        if training and self._given == (0.0, 0.0):
            share = ops.where(ops.equal(self.low, self.high), 1.0, 1 - MOMENTUM)
            for end, seen in ((self.low, ops.min(inputs)), (self.high, ops.max(inputs))):
                seen = (ops.minimum if end is self.low else ops.maximum)(seen, 0.0)
                end.assign(end + (ops.stop_gradient(seen) - end) * share)
        return fake_quant_with_min_max_vars(inputs, self.low, self.high)


class RoundedWeights(layers.Layer):
    """A convolution or dense layer with bias whose kernel is rounded to 255 levels.

    A convolution has a scale for each channel it gives, a dense layer one: the converter transposes its
    kernel, and loses a scale for each channel over it.
    """

    def __init__(self, layer, **keywords):
        super().__init__(name=layer.name, **keywords)
        self.layer = layer

    def build(self, shape):
        self.layer.build(shape)

    def compute_output_shape(self, shape):
        return self.layer.compute_output_shape(shape)

    def call(self, inputs):
        kernel = ops.convert_to_tensor(self.layer.kernel)
        # a depthwise kernel is (H, W, C, 1): its channels to the last axis
        depthwise = isinstance(self.layer, layers.DepthwiseConv2D)
        flat = ops.reshape(kernel, (*kernel.shape[:2], -1)) if depthwise else kernel
        axis = None if isinstance(self.layer, layers.Dense) else -1
        # a little more than the greatest weight, or rounding may put that outside, where it has no gradient
        limit = ops.max(ops.abs(flat), axis=axis and tuple(range(len(flat.shape) - 1))) * (1 + 2**-20)
        limit = ops.stop_gradient(ops.maximum(limit, 1e-6))
        rounded = fake_quant_with_min_max_vars(flat, -limit, limit, narrow_range=True, axis=axis)
        values = [ops.reshape(rounded, kernel.shape), ops.convert_to_tensor(self.layer.bias)]
        return self.layer.stateless_call(values, [], inputs)[0]


def fake_quantised(model):
    """The same network with batch normalisation folded, and rounding of weights and activations.

    Args:
        model: keras.Model with one input, of the levels of batches.SCALE, and one output; its weights are
            copied.

    Returns:
        keras.Model, same input and output. Ranges are empty, and its output therefore zero, until it has
        seen a batch with training=True.

    Raises:
        UsageError: it has a layer for which there is no such form.
    """
    return _Walk().model(model)


class _Walk:
    """One pass over a network, in which each layer's output leads to that of its rounded form."""

    def __init__(self):
        self._rounded = {}  # by id of a tensor: the tensor, and its rounded form, which is its own
        self._weighted = {}  # by id of a tensor: the tensor, and the layer it comes from
        self._count = 0  # of Rounded; dropout must not change the names that weights are kept by
        self._parts = {}  # by id of a model inside the model: its rounded form

    def model(self, model):
        image = keras.Input(model.input_shape[1:], name=model.inputs[0].name)
        low, high = ((level - ZERO_POINT) * SCALE for level in (-128, 127))
        self._give(image, Rounded(low, high, name="rounded_input")(image))
        copy = self._copy(model, image)
        return keras.Model(image, self._round(copy.output), name=model.name)

    def _copy(self, model, x):
        return keras.models.clone_model(
            model, input_tensors=x, clone_function=lambda layer: layer, call_function=self._call
        )

    def _give(self, x, rounded):
        # tensors are kept, since an id is only good as long as its owner lives
        self._rounded[id(x)] = self._rounded[id(rounded)] = (x, rounded)
        return rounded

    def _round(self, x):
        if id(x) in self._rounded:
            return self._rounded[id(x)][1]
        self._count += 1
        return self._give(x, Rounded(name=f"rounded_{self._count}")(x))

    def _call(self, layer, x, *arguments, **keywords):
        if isinstance(layer, keras.Model):
            return self._part(layer, x)
        if isinstance(layer, layers.SeparableConv2D):
            return self._separable(layer, x)
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)):
            copy = type(layer).from_config({**layer.get_config(), "use_bias": True})
            return self._weigh(x, copy, layer.kernel, layer.bias)
        if isinstance(layer, layers.BatchNormalization) and id(x) in self._weighted:
            _fold(layer, self._weighted[id(x)][1])
            return x
        if isinstance(layer, layers.Activation):
            return layer(x)
        if isinstance(layer, COMPUTING):
            return layer([self._round(each) for each in x] if isinstance(x, list) else self._round(x))
        if isinstance(layer, MOVING) or type(layer).__name__ == "GetItem":
            y = layer(self._round(x), *arguments, **keywords)
            return self._give(y, y)
        raise UsageError(f"quantisation-aware training: {type(layer).__name__} ({layer.name}) has no rounded form")

    def _part(self, model, x):
        x = self._round(x)
        if id(model) not in self._parts:
            inside = keras.Input(x.shape[1:])
            self._give(inside, inside)
            self._parts[id(model)] = self._copy(model, inside)
        part = self._parts[id(model)]
        y = part(x)
        return self._give(y, y) if id(part.output) in self._rounded else y

    def _separable(self, layer, x):
        first = layers.DepthwiseConv2D(layer.kernel_size, layer.strides, layer.padding, name=f"{layer.name}_depthwise")
        second = layers.Conv2D(layer.filters, 1, activation=layer.activation, name=layer.name)
        x = self._weigh(x, first, layer.depthwise_kernel, None)
        return self._weigh(x, second, layer.pointwise_kernel, layer.bias)

    def _weigh(self, x, copy, kernel, bias):
        y = RoundedWeights(copy)(self._round(x))
        copy.kernel.assign(kernel)
        if bias is not None:
            copy.bias.assign(bias)
        self._weighted[id(y)] = (y, copy)
        return y


def _fold(normalisation, layer) -> None:
    """Batch normalisation, with its moving moments, into the kernel and bias of the layer before it."""
    scale = normalisation.gamma / ops.sqrt(normalisation.moving_variance + normalisation.epsilon)
    depthwise = isinstance(layer, layers.DepthwiseConv2D)
    layer.kernel.assign(layer.kernel * (ops.reshape(scale, (-1, 1)) if depthwise else scale))
    layer.bias.assign((layer.bias - normalisation.moving_mean) * scale + normalisation.beta)
