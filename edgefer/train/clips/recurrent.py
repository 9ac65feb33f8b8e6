"""An LSTM over the features of frames, and the step network that a device runs for each frame.

Hochreiter, Schmidhuber: Long Short-Term Memory, 1997, with a forget gate, as Keras has it; it is what Haddad et al.
compare their 3D-CNN with (section 2). The step takes a frame and the state that the step before gave, all int8, so a
device spends one frame's work on a frame and keeps two vectors of each face.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from edgefer.train.clips.edge import FEATURES, FRAMES, PLANES, SIDE

NARROW, INSIDE, UNITS = 16, 64, 48
#: What is kept of a frame: the LSTM sees how it differs from the frame before, so that whose face it is falls away.
SEEN = FEATURES[0] * FEATURES[1] * NARROW


def build(classes: int, frames: int = FRAMES, dropout: float = 0.3, batch: int | None = None) -> keras.Model:
    """Features of a window, (frames, 6, 6, 64), to logits after its last frame."""
    height, across, deep = FEATURES
    given = layers.Input((frames, *FEATURES), batch, name="features")
    x = layers.SpatialDropout2D(dropout / 2, name="left_out")(ops.reshape(given, (-1, height, across, deep)))
    x = ops.reshape(layers.Conv2D(NARROW, 1, name="narrow")(x), (-1, frames, SEEN))
    x = ops.reshape(x[:, 1:] - x[:, :-1], (-1, SEEN))
    x = layers.Dropout(dropout, name="dropout1")(layers.Dense(INSIDE, activation="relu6", name="inside")(x))
    x = layers.LSTM(UNITS, name="lstm")(ops.reshape(x, (-1, frames - 1, INSIDE)))
    x = layers.Dropout(dropout, name="dropout2")(x)
    return keras.Model(given, layers.Dense(classes, name="logits")(x), name="recurrent")


def step(frame: keras.Model, head: keras.Model) -> keras.Model:
    """One step of a trained network: image and state to logits and state.

    The state is what was seen in the frame before, (1, SEEN), hidden, (1, UNITS), and cell, (1, 1, UNITS): of three
    shapes, so that they can be told apart.
    """
    classes = head.output_shape[-1]
    image = layers.Input((SIDE, SIDE, PLANES), 1, name="image")
    before = layers.Input((SEEN,), 1, name="before")
    hidden = layers.Input((UNITS,), 1, name="hidden")
    cell = layers.Input((1, UNITS), 1, name="cell")
    narrow = layers.Conv2D(NARROW, 1, name="narrow")
    inside = layers.Dense(INSIDE, activation="relu6", name="inside")
    gates = layers.Dense(4 * UNITS, name="gates")
    logits = layers.Dense(classes, name="logits")
    seen = ops.reshape(narrow(frame(image)), (1, SEEN))
    x = inside(seen - before)
    given, forget, new, shown = ops.split(gates(ops.concatenate([x, hidden], axis=-1)), 4, axis=-1)
    kept = ops.sigmoid(forget) * ops.reshape(cell, (1, UNITS)) + ops.sigmoid(given) * ops.tanh(new)
    now = ops.sigmoid(shown) * ops.tanh(kept)
    state = [seen, now, ops.reshape(kept, (1, 1, UNITS))]
    model = keras.Model([image, before, hidden, cell], [logits(now), *state], name="step")
    for layer in (narrow, inside, logits):
        layer.set_weights(head.get_layer(layer.name).get_weights())
    kernel, recurrent, bias = head.get_layer("lstm").get_weights()
    gates.set_weights([np.concatenate([kernel, recurrent]), bias])
    return model


def operations(classes: int) -> int:
    """Multiply-accumulates of one step, without the frame network."""
    pixels = FEATURES[0] * FEATURES[1]
    return pixels * FEATURES[2] * NARROW + SEEN * INSIDE + (INSIDE + UNITS) * 4 * UNITS + UNITS * classes


def start() -> dict[str, np.ndarray]:
    """The state before the first frame."""
    shapes = {"before": (1, SEEN), "hidden": (1, UNITS), "cell": (1, 1, UNITS)}
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def begun(before: np.ndarray) -> dict[str, np.ndarray]:
    """The state after the first frame: what was seen is known, and nothing has moved."""
    return start() | {"before": before}


def quantise_step(model: keras.Model, windows: np.ndarray) -> bytes:
    """The step network as TFLite, int8 throughout.

    Args:
        windows: float32 (N, frames, SIDE, SIDE, PLANES), whose steps set the ranges.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as saved:
        signature = [keras.InputSpec(shape=each.shape, dtype="float32", name=each.name) for each in model.inputs]
        model.export(saved, input_signature=[signature], verbose=False)
        # several inputs come in an order of the converter's own: they are told apart by their shapes
        given = tf.saved_model.load(saved).signatures["serving_default"].structured_input_signature[1]
        names = {tuple(each.shape): name for name, each in given.items()}

        def representative() -> Iterator[dict[str, np.ndarray]]:
            for window in windows:
                state = begun(np.asarray(model([window[:1], *start().values()])[1]))
                for image in window[1:]:
                    inputs = [image[None], *state.values()]
                    yield {names[each.shape]: each for each in inputs}
                    state = dict(zip(state, (np.asarray(each) for each in model(inputs)[1:]), strict=True))

        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = representative
        return bytes(converter.convert())


class Steps:
    """The int8 step network, run frame after frame."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._network = Interpreter(model_content=content, num_threads=1)
        self._network.allocate_tensors()
        names = {value.shape: name for name, value in start().items()} | {(1, SIDE, SIDE, PLANES): "image"}

        def named(details: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
            return {names.get(tuple(int(n) for n in each["shape"]), "logits"): each for each in details}

        self._inputs, self._outputs = (
            named(self._network.get_input_details()),
            named(self._network.get_output_details()),
        )
        self.reset()

    def reset(self) -> None:
        """Before the first frame of a window."""
        self._state, self._begun = start(), False

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Takes a frame, int8 (1, SIDE, SIDE, PLANES); the logits after it, float32 (classes,), 0 after the first."""
        self._network.set_tensor(self._inputs["image"]["index"], image)
        for name, value in self._state.items():
            scale, zero = self._inputs[name]["quantization"]
            levels = np.clip(np.rint(value / scale) + zero, -128, 127).astype(np.int8)
            self._network.set_tensor(self._inputs[name]["index"], levels)
        self._network.invoke()
        logits, state = self._real("logits")[0], {name: self._real(name) for name in self._state}
        if not self._begun:
            self._state, self._begun = begun(state["before"]), True
            return np.zeros_like(logits)
        self._state = state
        return logits

    def _real(self, name: str) -> np.ndarray:
        details = self._outputs[name]
        scale, zero = details["quantization"]
        levels = self._network.get_tensor(details["index"])
        return (levels.astype(np.float32) - np.float32(zero)) * np.float32(scale)
