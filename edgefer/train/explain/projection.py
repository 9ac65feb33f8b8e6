"""From one unit of a filter back to the pixels that excite it, by gradients with other rules for rectifiers; and
Grad-CAM: where in an image a layer speaks for a class.

Forward, nothing changes. Backward, a signal of one starts at the unit and is led through every layer by the
transpose of what the layer is at that image: convolutions by their transposed filters, max-pools by their
switches (to where the maximum was), batch normalisation by its factors (at inference it is an affine map),
sums by a copy to each summand, and a channel weighing by its gradient. For rectifiers there are three rules:

* `gradient`: pass where 0 < x (and x < 6 for ReLU6). The derivative itself.
* `deconvolution`: rectify the signal, whatever x was. Zeiler and Fergus, Visualizing and Understanding
  Convolutional Networks, ECCV 2014, section 2.1.
* `guided`: rectify the signal, and pass it only where 0 < x. Springenberg et al., Striving for Simplicity,
  ICLR 2015 workshop, section 3.4 and figure 1.

Where the papers are silent: neither has ReLU6. A unit at its bound is as active as can be, so `guided` lets
it pass, though its derivative is zero. Zeiler and Fergus start from the unit's activation where we start from
one; all rules are positively homogeneous, so that this is the same picture up to its contrast.

Grad-CAM is of Selvaraju et al., Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017,
section 3: the rectified maps of a convolution, weighted by the mean gradient of the class's logit over each
(equation 1), added up and rectified (equation 2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from edgefer.preprocess.crop import REAL_VALUES
from edgefer.train.explain.network import BATCH, RECTIFIERS, Filters


def project(filters: Filters, inputs: np.ndarray, units: Sequence[tuple[int, int, int]], rule: str):
    """What each input's unit is excited by.

    Args:
        inputs: float32, shape (N, side, side, planes).
        units: row, column and filter of one unit an input.
        rule: gradient, deconvolution or guided.

    Returns:
        float32, shape of `inputs`: the signal that arrives at each value of the input.
    """
    arrived = []
    with _rectifiers(filters.response, RULES[rule]):
        back = transposed(lambda x: filters.response(x, training=False))
        for start in range(0, len(inputs), BATCH):
            x = inputs[start : start + BATCH]
            signal = np.zeros((len(x), *filters.places, filters.count), np.float32)
            for image, unit in enumerate(units[start : start + BATCH]):
                index = (image, *unit)
                signal[index] = 1
            arrived.append(back(signal, x))
    return np.concatenate(arrived)


def to_image(signal: np.ndarray, planes: Sequence[str]) -> np.ndarray:
    """The signal of all planes led back to the grey image they are taken from, by their transposed filters.

    Args:
        signal: float32, shape (N, side, side, planes), at the input. planes: their names.

    Returns:
        float32, shape (N, side, side), in units of the logit or answer for one grey level.
    """
    image = np.zeros(signal.shape[:3], np.float32)
    for index, plane in enumerate(planes):
        factor = REAL_VALUES[plane][0]
        image += factor * np.stack([_transposed(one, KERNELS[plane]) for one in signal[..., index]])
    return image


#: 3x3 filters of the planes, as preprocess applies them (correlation, border reflect101).
KERNELS = {
    "grey": np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32),
    "gx": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32),
    "gy": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32),
    "laplacian": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32),
}


def _transposed(signal: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The transpose of a 3x3 correlation: what each pixel gives to all results, (H, W)."""
    height, width = signal.shape
    wide = np.zeros((height + 2, width + 2), np.float32)
    for row, column in np.ndindex(3, 3):
        wide[row : row + height, column : column + width] += kernel[row, column] * signal
    # a pixel beyond the edge is the one as far inside of it
    wide[2] += wide[0]
    wide[-3] += wide[-1]
    wide[:, 2] += wide[:, 0]
    wide[:, -3] += wide[:, -1]
    return wide[1:-1, 1:-1]


def transposed(function: Callable) -> Callable[..., np.ndarray]:
    """The transposed derivative of a function made of Keras operations, by its first argument.

    Returns:
        A function of a signal in the shape of the result, and of the arguments; it gives the signal that
        arrives at the first of them.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function  # eagerly, the gradients of all weights would be computed too, and thrown away
        def back(signal, x, *others):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                y = function(x, *others)
            return tape.gradient(y, x, output_gradients=signal)

    elif backend == "torch":
        import torch

        def back(signal, x, *others):
            x.requires_grad_()
            return torch.autograd.grad(function(x, *others), x, signal)[0]

    else:
        import jax

        def back(signal, x, *others):
            return jax.vjp(lambda x: function(x, *others), x)[1](signal)[0]

    return lambda *given: np.array(ops.convert_to_numpy(back(*map(ops.convert_to_tensor, given))))


def _deconvolution(rectify: Callable) -> Callable:
    @ops.custom_gradient
    def rectified(x):
        return rectify(x), lambda *given, upstream=None: ops.relu(_first(given, upstream))

    return rectified


def _guided(rectify: Callable) -> Callable:
    @ops.custom_gradient
    def rectified(x):
        active = ops.cast(x > 0, x.dtype)
        return rectify(x), lambda *given, upstream=None: active * ops.relu(_first(given, upstream))

    return rectified


def _first(given: tuple, upstream):
    """The signal that arrives: torch hands it over by name, the other backends by position."""
    return given[0] if upstream is None else upstream


#: What takes the place of a rectifier.
RULES: dict[str, Callable] = {"gradient": lambda rectify: rectify, "deconvolution": _deconvolution, "guided": _guided}


@contextmanager
def _rectifiers(model, rule: Callable) -> Iterator[None]:
    """Inside the block the model's rectifiers follow a rule."""
    changed = []
    for layer in _layers(model):
        if getattr(layer, "activation", None) in RECTIFIERS:
            changed.append((layer, layer.activation))
            layer.activation = rule(layer.activation)
    try:
        yield
    finally:
        for layer, activation in changed:
            layer.activation = activation


def _layers(model) -> Iterator:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer


def grad_cam(filters: Filters, inputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """How much each place speaks for each image's class.

    Args:
        filters: of a layer that is rectified.
        inputs: float32, shape (N, side, side, planes). classes: int, shape (N,).

    Returns:
        float32, shape (N, h, w) as the layer's maps, not negative.
    """

    def logits(shift, images):
        with _shifted(filters.rectifier, shift):
            return filters.logits(images, training=False)

    back, heats = transposed(logits), []
    for start in range(0, len(inputs), BATCH):
        x, wanted = inputs[start : start + BATCH], classes[start : start + BATCH]
        signal = np.eye(filters.logits.output.shape[-1], dtype=np.float32)[wanted]
        # what a shift of a whole map does is the sum of the gradients over its places
        gradients = back(signal, np.zeros((len(x), 1, 1, filters.count), np.float32), x)
        maps = ops.convert_to_numpy(filters.rectifier.activation(filters.response.predict_on_batch(x)))
        weights = gradients / np.prod(filters.places)
        heats.append(np.maximum((maps * weights).sum(axis=-1), 0))
    return np.concatenate(heats)


@contextmanager
def _shifted(layer, shift) -> Iterator[None]:
    """Inside the block something is added to what a layer gives."""
    activation = layer.activation
    layer.activation = lambda x: activation(x) + shift
    try:
        yield
    finally:
        layer.activation = activation
