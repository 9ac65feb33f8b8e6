"""Steps of a training on any Keras backend: under JAX several to a call, and nothing but the batches travels.

    steps = Steps(model, loss, rate=2e-3)
    errors = steps((images, targets), rates)      # (K, batch, ...) each; one rate a step
    steps.write(average=True)                     # the model holds the averaged weights

A loss is written with `keras.ops`, so that one text serves a GPU under JAX and a CPU under TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import Any

import keras
import numpy as np

#: From the model's outputs and a batch (its first array is what the model was shown) to a scalar, and to what of
#: each step is to be told: arrays by name.
Loss = Callable[[Any, Sequence[Any]], tuple[Any, dict[str, Any]]]
Draw = Callable[[Any, Sequence[Any]], Sequence[Any]]


class Steps:
    """A model on its way, with its optimizer (AdamW) and the moving average of its weights.

    Args:
        model: a Keras model; trained from the weights it holds.
        loss: see `Loss`.
        prepare: from a batch's first array as it comes to the model's input, on the accelerator.
        draw: under JAX, from `resident` and what is given for a step to the batch: made where it is used.
        resident: arrays that stay on the accelerator for it.
        sam: under JAX, radius of sharpness-aware minimisation, as of `Ascent`; 0 for none.
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
        draw: Draw | None = None,
        resident: Any = None,
        sam: float = 0.0,
    ):
        self.model = model
        self.count = 0
        self._average = average
        self._optimizer = keras.optimizers.AdamW(
            1e-3, weight_decay=weight_decay, global_clipnorm=clipnorm, beta_2=beta_2
        )
        self._optimizer.build(model.trainable_variables)
        if keras.backend.backend() == "jax":
            self._run, self._values, self._state = _jax_steps(
                model, self._optimizer, loss, prepare, draw or (lambda _, given: given), resident, sam
            )
        elif draw is None and not sam:
            self._run, self._values = _tensorflow_steps(model, self._optimizer, loss, prepare)
        else:
            raise ValueError("batches are made on the accelerator, and sam is, under JAX only")

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

    def averaged(self) -> tuple[list[Any], list[Any]]:
        """The averaged weights as `model.stateless_call` takes them: trainable, and not."""
        *_, mean = self._values()
        count = len(self.model.trainable_variables)
        return mean[:count], mean[count:]

    def kept(self) -> dict[str, list[np.ndarray]]:
        """What a checkpoint holds, under JAX: weights and averages in the order of model.variables, the optimizer's."""
        trained, still, optimizer, mean = self._state()
        places = self._places()
        own = [*trained, *still]
        groups = {"model": [own[i] for i in places], "optimizer": optimizer, "averaged": [mean[i] for i in places]}
        return {name: [np.asarray(value) for value in values] for name, values in groups.items()}

    def restore(self, kept: dict[str, list[np.ndarray]], count: int) -> None:
        """Go on from what `kept` gave after `count` steps."""
        back = np.argsort(self._places())
        own, mean = ([kept[name][i] for i in back] for name in ("model", "averaged"))
        trained = len(self.model.trainable_variables)
        self._state((own[:trained], own[trained:], list(kept["optimizer"]), mean))
        self.count = count

    def _places(self) -> list[int]:
        """Where each of model.variables is among those that are trained and those that are not."""
        places = {id(variable): place for place, variable in enumerate(_ordered(self.model))}
        return [places[id(variable)] for variable in self.model.variables]


class Ascent:
    """The first half of a step of sharpness-aware minimisation: weights go up to where the loss is greatest near by.

        with Ascent(model, radius)(images, targets):
            model.train_on_batch(images, targets)       # the gradient from up there

    Behind the block what the step changed is added to the weights from before. Batch normalisation sees each batch
    twice.

    Reference: Foret, Kleiner, Mobahi and Neyshabur, Sharpness-Aware Minimization, ICLR 2021, equation 2.
    """

    #: Every gradient is longer than this: clipped to it, each step has the same length.
    SHORT = 1e-6

    def __init__(self, model: keras.Model, radius: float):
        self._variables = model.trainable_variables
        self._climber = keras.Model(model.inputs, model.outputs[0])
        up = keras.optimizers.SGD(-radius / self.SHORT, global_clipnorm=self.SHORT)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        self._climber.compile(up, loss, jit_compile=keras.backend.backend() == "jax")

    @contextmanager
    def __call__(self, images: np.ndarray, targets: np.ndarray) -> Iterator[None]:
        before = [np.array(variable) for variable in self._variables]
        self._climber.train_on_batch(images, targets)
        above = [np.array(variable) for variable in self._variables]
        yield
        for variable, low, high in zip(self._variables, before, above, strict=True):
            variable.assign(low + (np.array(variable) - high))


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays, made of `keras.ops`, compiled as a whole."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, reduce_retracing=True)


@contextmanager
def computing(precision: str) -> Iterator[None]:
    """Inside the block networks are built to compute in a precision; their weights are float32 always."""
    own = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(own)


def _ordered(model: keras.Model) -> list[Any]:
    return [*model.trainable_variables, *model.non_trainable_variables]


def _jax_steps(model, optimizer, loss, prepare, draw, resident, sam):
    import jax

    resident = jax.device_put(resident)

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

    def step(resident, state, given):
        trained, still, kept, mean = state
        batch, rate, momentum = given
        batch = draw(resident, batch)
        (value, (told, still)), gradients = jax.value_and_grad(value_of, has_aux=True)(trained, still, batch)
        if sam:
            length = jax.numpy.sqrt(sum((each**2).sum() for each in gradients))
            above = [low + sam / (length + 1e-12) * way for low, way in zip(trained, gradients, strict=True)]
            (value, (told, still)), gradients = jax.value_and_grad(value_of, has_aux=True)(above, still, batch)
        kept = [*kept[:place], rate, *kept[place + 1 :]]
        trained, kept = optimizer.stateless_apply(kept, gradients, trained)
        mean = [
            old + (1 - momentum) * (new - old) if new.dtype.kind == "f" else new
            for old, new in zip(mean, [*trained, *still], strict=True)
        ]
        return (trained, still, kept, mean), {**told, "loss": value}

    @partial(jax.jit, donate_argnums=0)
    def scanned(state, given, resident):
        return jax.lax.scan(partial(step, resident), state, given)

    one = jax.jit(lambda state, given, resident: step(resident, state, given), donate_argnums=0)

    def run(state, given, resident):
        # on a CPU, XLA computes convolutions inside a loop twenty times slower than outside
        if jax.default_backend() != "cpu":
            return scanned(state, given, resident)
        told = []
        for number in range(len(given[1])):
            state, each = one(state, jax.tree.map(itemgetter(number), given), resident)
            told.append(each)
        return state, jax.tree.map(lambda *values: np.stack(values), *told)

    def steps(batches, rates, momentum):
        nonlocal state
        state, told = run(state, (tuple(batches), rates, momentum), resident)
        return told

    def whole(other=None):
        nonlocal state
        if other is not None:
            state = jax.tree.map(lambda new, old: jax.numpy.asarray(new, old.dtype), other, state)
        return state

    return steps, lambda: (state[0], state[1], state[3]), whole


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
