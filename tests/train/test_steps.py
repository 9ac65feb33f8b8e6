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
