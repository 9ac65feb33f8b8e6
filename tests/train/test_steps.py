"""Steps of a training: what falls, what is averaged, and that looking at the average disturbs nothing."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs the extra train")
steps = pytest.importorskip("edgefer.train.steps", reason="needs Keras and a backend")


def loss(outputs, batch):
    error = keras.ops.mean((outputs - batch[1]) ** 2)
    return error, {"error": error, "rows": keras.ops.sum(outputs, axis=1)}


@pytest.fixture
def made():
    """A network with normalisation, the steps that train it, and four batches of a line."""
    keras.utils.set_random_seed(1)
    image = keras.Input((3,))
    model = keras.Model(image, keras.layers.Dense(1)(keras.layers.BatchNormalization()(image)))
    x = np.random.default_rng(0).normal(2, 1, (4, 16, 3)).astype(np.float32)
    train = steps.Steps(model, loss, lambda given: given * 1.0, average=0.9, weight_decay=0.0)
    return model, train, (x, x[..., :1] * 3)


def weights(model):
    return [np.array(value) for value in model.get_weights()]


def test_the_loss_falls_and_what_was_told_comes_back_for_each_step(made):
    _, train, batches = made
    told = [train(batches, [0.05] * 4) for _ in range(60)]
    assert np.shape(told[0]["error"]) == (4,) and np.shape(told[0]["rows"]) == (4, 16)
    np.testing.assert_allclose(np.asarray(told[0]["loss"]), np.asarray(told[0]["error"]), rtol=1e-6)
    assert np.mean(told[-1]["error"]) < 0.05 * np.mean(told[0]["error"])


def test_the_average_follows_the_weights_normalisation_included(made):
    model, train, batches = made
    start, kept = weights(model), []
    for step in range(3):
        train([each[step : step + 1] for each in batches], [0.1])
        train.write(average=False)
        kept.append(weights(model))
    train.write(average=True)
    for first, *own, mean in zip(start, *kept, weights(model), strict=True):
        expected = first
        for count, value in enumerate(own, start=1):
            expected = expected + (1 - min(0.9, count / (count + 9))) * (value - expected)
        np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)


def test_steps_go_on_from_their_own_weights_after_the_average_was_used(made):
    model, train, batches = made
    train(batches, [0.05] * 4)
    train.write(average=False)
    own = np.array(model.layers[-1].kernel)
    for _ in range(2):
        train.write(average=True)
        assert np.abs(np.array(model.layers[-1].kernel) - own).max() > 1e-5
        model.predict_on_batch(batches[0][0])
        train(batches, [0.0] * 4)
    train.write(average=False)
    np.testing.assert_allclose(np.array(model.layers[-1].kernel), own, atol=1e-6)


def two_logits():
    """A layer without normalisation, the weights it begins with, and a batch of two classes."""
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    x = np.random.default_rng(1).normal(0, 1, (32, 3)).astype(np.float32)
    return model, weights(model), x, np.eye(2, dtype=np.float32)[(x[:, 0] > 0.2).astype(int)]


def slope(kernel, bias, x, wanted):
    """The gradient of the cross-entropy."""
    scores = np.exp(x @ kernel + bias)
    apart = (scores / scores.sum(axis=1, keepdims=True) - wanted) / len(x)
    return x.T @ apart, apart.sum(axis=0)


def sharp_step(begin, x, wanted, radius, rate):
    """The weights after a step against the gradient at the radius uphill."""
    ways = slope(*begin, x, wanted)
    length = np.sqrt(sum((way**2).sum() for way in ways))
    above = [low + radius * way / length for low, way in zip(begin, ways, strict=True)]
    return [low - rate * way for low, way in zip(begin, slope(*above, x, wanted), strict=True)]


def test_a_step_of_sharpness_aware_minimisation_takes_the_gradient_from_above():
    model, begin, x, wanted = two_logits()
    entropy = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5), entropy, jit_compile=False)
    with steps.Ascent(model, 0.7)(x, wanted):
        model.train_on_batch(x, wanted)
    for got, expected in zip(weights(model), sharp_step(begin, x, wanted, 0.7, 0.5), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="needs KERAS_BACKEND=jax")
def test_steps_under_jax_go_the_same_way_up():
    """AdamW divides its first step by the gradient's own size, so the gradient is judged by where it points."""
    model, begin, x, wanted = two_logits()
    train = steps.Steps(
        model,
        lambda outputs, batch: (keras.ops.mean(keras.losses.categorical_crossentropy(batch[1], outputs, True)), {}),
        lambda given: given,
        weight_decay=0.0,
        sam=0.7,
    )
    train((x[None], wanted[None]), [1e-3])
    kept = train.kept()["optimizer"]
    above = [(low - high) / 0.5 for low, high in zip(begin, sharp_step(begin, x, wanted, 0.7, 0.5), strict=True)]
    first = [np.asarray(value) for value in kept if np.shape(value) == np.shape(above[0])][0]
    np.testing.assert_allclose(first / np.abs(first).max(), above[0] / np.abs(above[0]).max(), atol=1e-4)
