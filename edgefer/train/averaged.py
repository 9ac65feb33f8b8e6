"""The moving average of a model's weights, which is judged and exported in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


class Averaged:
    """Exponential moving average of all variables of a model, those of batch normalisation included.

    Attributes:
        steps: training steps seen.
        values: the averages, in the order of model.variables.
    """

    EVERY = 4  # steps between updates; the decay is raised to this power

    def __init__(self, model, decay: float):
        self._decay = decay**self.EVERY
        self.steps = 0
        self.values = values_of(model.variables)

    def update(self, model) -> None:
        """Call after each step."""
        self.steps += 1
        if self.steps % self.EVERY:
            return
        # a young average follows faster, so that it does not remember the random start
        decay = min(self._decay, self.steps / (self.steps + 10 * self.EVERY))
        for average, value in zip(self.values, values_of(model.variables), strict=True):
            if average.dtype.kind == "f":
                average += (value - average) * (1 - decay)


@contextmanager
def swapped(model, values) -> Iterator[None]:
    """Inside the block the model holds other values."""
    own = values_of(model.variables)
    assign(model.variables, values)
    try:
        yield
    finally:
        assign(model.variables, own)


def values_of(variables) -> list[np.ndarray]:
    """Of a model or an optimizer, in their order."""
    import keras

    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def assign(variables, values) -> None:
    """Gives variables the values that `values_of` has read."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
