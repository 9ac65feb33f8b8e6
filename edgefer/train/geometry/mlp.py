"""The paper's network, trained by back-propagation with Keras, and our own on the same twelve distances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgefer.labels import BASIC7
from edgefer.preprocess.points import features

#: Section IX.B: the layers after the 12 inputs, the rate, the target of the error and the most epochs.
WIDTHS, ACTIVATIONS = (12, 7, 7), ("sigmoid", "sigmoid", "softmax")
RATE, TARGET, EPOCHS = 0.5, 1e-4, 1000
#: Not told by the paper: rows a step, and the error that falls, which is the cross-entropy; TARGET is the mean square.
BATCH = 2048

#: Ours.
OWN_WIDTHS, OWN_ACTIVATIONS = (64, 32, 7), ("relu", "relu", "softmax")
OWN_EPOCHS, OWN_RATE, OWN_DECAY, OWN_DROPOUT = 120, 3e-3, 1e-2, 0.1


class Trained(NamedTuple):
    """Dense layers with what their inputs are reduced by.

    Attributes:
        mean, deviation: float32, shape (12,), of the distances of the train rows.
        layers: (weights (out, in), bias (out,)) of each, float32.
        activations: of each.
        epochs: that were run. error: mean square of the last one.
        normalised: the distances are divided by the inter-ocular distance.
    """

    mean: np.ndarray
    deviation: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray]]
    activations: tuple[str, ...]
    epochs: int
    error: float
    normalised: bool

    @property
    def numbers(self) -> np.ndarray:
        """Weights and biases in the order of the model's file."""
        return np.concatenate([part.ravel() for layer in self.layers for part in layer]).astype(np.float32)


def standardise(points: np.ndarray, normalised: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distances of points, reduced to mean 0 and deviation 1, with both."""
    distances = features.distances(points, normalised)
    mean, deviation = distances.mean(axis=0), distances.std(axis=0)
    return (distances - mean) / deviation, mean, deviation


def fit_paper(
    points: np.ndarray, truth: np.ndarray, seed: int, normalised: bool = True, epochs: int = EPOCHS
) -> Trained:
    """MLP 12-12-7-7 by plain gradient descent, as section IX.B has it.

    Args:
        points: float32, shape (N, 18, 2). truth: int, shape (N,), indices of BASIC7.
    """
    import keras

    keras.utils.set_random_seed(seed)
    inputs, mean, deviation = standardise(points, normalised)
    model = _network(WIDTHS, ACTIVATIONS, 0.0)
    model.compile(keras.optimizers.SGD(RATE), "categorical_crossentropy", metrics=["mse"], steps_per_execution=32)
    history = _run(model, inputs, np.eye(len(BASIC7), dtype=np.float32)[truth], epochs, TARGET)
    return _trained(model, ACTIVATIONS, mean, deviation, history, normalised)


def fit_own(points: np.ndarray, truth: np.ndarray, seed: int) -> Trained:
    """A wider network by AdamW with a falling rate; as many epochs as set, none is chosen."""
    import keras

    keras.utils.set_random_seed(seed)
    inputs, mean, deviation = standardise(points)
    model = _network(OWN_WIDTHS, OWN_ACTIVATIONS, OWN_DROPOUT)
    steps = OWN_EPOCHS * -(-len(inputs) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(OWN_RATE, steps)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.05)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=OWN_DECAY), loss, metrics=["mse"], steps_per_execution=32)
    history = _run(model, inputs, np.eye(len(BASIC7), dtype=np.float32)[truth], OWN_EPOCHS, 0.0)
    return _trained(model, OWN_ACTIVATIONS, mean, deviation, history, True)


def _network(widths: tuple[int, ...], activations: tuple[str, ...], dropout: float):  # type: ignore[no-untyped-def]
    import keras

    layers = [keras.Input((len(features.TABLE_I),))]
    for width, activation in zip(widths, activations, strict=True):
        layers.append(keras.layers.Dense(width, activation=activation))
        if dropout and activation != "softmax":
            layers.append(keras.layers.Dropout(dropout))
    return keras.Sequential(layers)


def _run(model, inputs: np.ndarray, targets: np.ndarray, epochs: int, target: float) -> list[float]:  # type: ignore[no-untyped-def]
    import keras

    class Reached(keras.callbacks.Callback):
        """Ends the training at the target of the error."""

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            if logs is not None and logs["mse"] < target:
                self.model.stop_training = True

    done = model.fit(inputs, targets, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[Reached()])
    return [float(error) for error in done.history["mse"]]


def _trained(  # type: ignore[no-untyped-def]
    model, activations: tuple[str, ...], mean: np.ndarray, deviation: np.ndarray, history: list[float], normalised: bool
) -> Trained:
    dense = [layer.get_weights() for layer in model.layers if layer.get_weights()]
    layers = [(np.ascontiguousarray(weights.T), bias) for weights, bias in dense]
    return Trained(mean, deviation, layers, activations, len(history), history[-1], normalised)
