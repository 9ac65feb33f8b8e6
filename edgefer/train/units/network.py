"""Our own small network for action units: convolutions on an aligned crop, and two heads side by side.

Its convolutions are those of the network that finds landmarks, and training goes on from their weights: cross-task
transfer, as in section 3.2 of Breuer and Kimmel, but for the layers that are kept, which go on learning. Occurrence and
intensity share all but the last layer, whose outputs are one row: a logit for each unit that it shows, and its
intensity. The last maps keep their places (they are flattened, not averaged), since the crop is aligned: where
something moves tells which unit it is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from keras import Model, layers, ops

from edgefer.errors import UsageError
from edgefer.train.data.synthetic.units import UNITS
from edgefer.train.landmarks import network as landmarks
from edgefer.train.units.material import LAYOUT

SHAPE = landmarks.SHAPES["deep80"]
HIDDEN = 112


def build(dropout: float = 0.2) -> Model:
    """From float (N, 96, 80, 1), -1 to 1, to (N, 2 * units): logits of occurrence, then intensities."""
    given = layers.Input((LAYOUT.height, LAYOUT.width, 1), name="face")
    x = layers.Flatten(name="flat")(landmarks.trunk(given, SHAPE))
    x = layers.Dropout(dropout, name="drop_flat")(x)
    x = layers.Dense(HIDDEN, activation="relu6", name="hidden")(x)
    x = layers.Dropout(dropout / 2, name="drop_hidden")(x)
    return Model(given, layers.Dense(2 * len(UNITS), dtype="float32", name="units")(x), name="units")


def start(model: Model, weights: Path, held: int = 0) -> None:
    """Gives the convolutions the weights of a landmark network of the same shape.

    Args:
        weights: the file that `edgefer.train.landmarks.fit` writes.
        held: so many of the first convolutions stay as they are.

    Raises:
        UsageError: it is not there, or is of another shape.
    """
    other = landmarks.build(SHAPE, np.zeros(136))
    try:
        other.load_weights(weights)
    except (OSError, ValueError) as error:
        raise UsageError(f"{weights}: no weights of a landmark network deep80: {str(error).splitlines()[0]}") from None
    for number, (own, its) in enumerate(zip(_trunk_layers(model), _trunk_layers(other), strict=True)):
        own.set_weights(its.get_weights())
        own.trainable = number >= 2 * held


def _trunk_layers(model: Model) -> list[layers.Layer]:
    """Convolutions and their normalisations, in order, up to the last map."""
    count = 2 * (2 + sum(1 + deep for _, deep in SHAPE.stages))
    kinds = (layers.Conv2D, layers.BatchNormalization)
    return [layer for layer in model.layers if isinstance(layer, kinds)][:count]


def loss(truth, outputs):
    """Of a batch: cross-entropy of occurrence and squared error of intensity.

    Args:
        truth: (N, 3 * units): occurrence, 0 or 1; intensity; and how much each counts, 0 where nobody knows it.
    """
    count = len(UNITS)
    shown, intensity, weight = truth[:, :count], truth[:, count : 2 * count], truth[:, 2 * count :]
    logits, strength = outputs[:, :count], outputs[:, count:]
    entropy = ops.maximum(logits, 0) - logits * shown + ops.log1p(ops.exp(-ops.abs(logits)))
    error = ops.square(strength - intensity)
    return ops.sum(weight * (entropy + error)) / ops.maximum(ops.sum(weight), 1.0)
