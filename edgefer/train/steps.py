"""Steps of a training on any Keras backend: under JAX several to a call, and nothing but the batches travels.

    steps = Steps(model, loss, rate=2e-3)
    errors = steps((images, targets), rates)      # (K, batch, ...) each; one rate a step
    steps.write(average=True)                     # the model holds the averaged weights

A loss is written with `keras.ops`, so that one text serves a GPU under JAX and a CPU under TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

#: From the model's outputs and a batch (its first array is what the model was shown) to a scalar, and to what of
#: each step is to be told: arrays by name.
Loss = Callable[[Any, Sequence[Any]], tuple[Any, dict[str, Any]]]


class Steps:
    """A model on its way, with its optimizer (AdamW) and the moving average of its weights.

    Args:
        model: a Keras model; trained from the weights it holds.
        loss: see `Loss`.
        prepare: from a batch's first array as it comes to the model's input, on the accelerator.
        average: momentum of the average, a step; a young average follows faster.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: Loss,
        prepare: Callable[[Any], Any],
        average: float = 0.999,
        weight_decay: float = 0.01,
        clipnorm: float = 1.0,
        beta_2: float = 0.999,
    ):
        self.model = model
        self.count = 0
        self._average = average
        self._optimizer = keras.optimizers.AdamW(
            1e-3, weight_decay=weight_decay, global_clipnorm=clipnorm, beta_2=beta_2
        )
        self._optimizer.build(model.trainable_variables)
        make = _jax_steps if keras.backend.backend() == "jax" else _tensorflow_steps
        self._run, self._values = make(model, self._optimizer, loss, prepare)

    def __call__(self, batches: Sequence[np.ndarray], rates: Sequence[float]) -> dict[str, np.ndarray]:
        """One step a rate.

        Args:
            batches: arrays (K, batch, ...): of each step what the model is shown, and what the loss needs besides.
            rates: K learning rates.

        Returns:
            What the loss told, each (K, ...), and "loss".
        """
        momentum = []
        for _ in rates:
            self.count += 1
            momentum.append(min(self._average, self.count / (self.count + 9)))
        return self._run(batches, np.asarray(rates, np.float32), np.asarray(momentum, np.float32))

    def write(self, average: bool) -> None:
        """Gives the model the averaged weights, or those of the last step. The steps go on from their own."""
        trained, still, mean = self._values()
        own = [*trained, *still]
        for variable, value in zip(_ordered(self.model), mean if average else own, strict=True):
            # a copy: Keras gives away a variable's value when it predicts, and the steps go on with theirs
            variable.assign(np.array(value))


def _ordered(model: keras.Model) -> list[Any]:
    return [*model.trainable_variables, *model.non_trainable_variables]


def _jax_steps(model, optimizer, loss, prepare):
    import jax

    trained = [variable.value for variable in model.trainable_variables]
    still = [variable.value for variable in model.non_trainable_variables]
    # copies: what is handed over to a step is gone after it
    state = jax.tree.map(
        lambda value: value.copy(),
        (trained, still, [variable.value for variable in optimizer.variables], [*trained, *still]),
    )
    place = [variable.path for variable in optimizer.variables].index(optimizer._learning_rate.path)

    def value_of(trained, still, batch):
        outputs, still = model.stateless_call(trained, still, prepare(batch[0]), training=True)
        value, told = loss(outputs, batch)
        return value, (told, still)

    def step(state, given):
        trained, still, kept, mean = state
        batch, rate, momentum = given
        (value, (told, still)), gradients = jax.value_and_grad(value_of, has_aux=True)(trained, still, batch)
        kept = [*kept[:place], rate, *kept[place + 1 :]]
        trained, kept = optimizer.stateless_apply(kept, gradients, trained)
        mean = [
            old + (1 - momentum) * (new - old) if new.dtype.kind == "f" else new
            for old, new in zip(mean, [*trained, *still], strict=True)
        ]
        return (trained, still, kept, mean), {**told, "loss": value}

    run = jax.jit(lambda state, given: jax.lax.scan(step, state, given), donate_argnums=0)

    def steps(batches, rates, momentum):
        nonlocal state
        state, told = run(state, (tuple(batches), rates, momentum))
        return told

    return steps, lambda: (state[0], state[1], state[3])


def _tensorflow_steps(model, optimizer, loss, prepare):
    import tensorflow as tf

    mean = [tf.Variable(value) for value in _ordered(model)]

    @tf.function(reduce_retracing=True)
    def step(batch, momentum):
        with tf.GradientTape() as tape:
            value, told = loss(model(prepare(batch[0]), training=True), batch)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        for old, new in zip(mean, _ordered(model), strict=True):
            if new.dtype.startswith("float"):
                old.assign_add((1 - momentum) * (new.value - old))
            else:
                old.assign(new.value)
        return {**told, "loss": value}

    # the model may hold the average while it is judged or saved: the steps keep their own weights
    own = None

    def steps(batches, rates, momentum):
        nonlocal own
        if own is not None:
            for variable, value in zip(_ordered(model), own, strict=True):
                variable.assign(value)
            own = None
        told = []
        for number, rate in enumerate(rates):
            optimizer.learning_rate.assign(rate)
            told.append(step(tuple(tf.constant(each[number]) for each in batches), tf.constant(momentum[number])))
        return {name: np.stack([each[name].numpy() for each in told]) for name in told[0]}

    def values():
        nonlocal own
        if own is None:
            own = [np.array(variable) for variable in _ordered(model)]
        count = len(model.trainable_variables)
        return own[:count], own[count:], [each.numpy() for each in mean]

    return steps, values
