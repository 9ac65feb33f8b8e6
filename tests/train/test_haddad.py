"""The 3D-CNN of Haddad et al. has the shapes of section 3.1, and every option of Table 1 does what it says."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.train.clips.parameters import OPTIONS, PRESETS, Parameters, preset

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from edgefer.train.clips import haddad  # noqa: E402
from edgefer.train.clips.lookahead import LookaheadAdam  # noqa: E402

SMALL = {"width": 1 / 32, "side": 16, "classes": 7}


def having(**changes: object) -> Parameters:
    return Parameters(**{**PRESETS["ckplus"].words(), **changes})


def small(**changes: object) -> keras.Model:
    return haddad.build(having(**changes), **SMALL, seed=1)


def test_the_full_network_has_the_shapes_and_parameters_of_c3d_on_ten_frames():
    model = haddad.build(PRESETS["ckplus"], 7)
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
    assert {name: shapes[name] for name in ("pool1", "pool2", "pool3", "pool4", "pool5", "flat", "fc6", "logits")} == {
        "pool1": (10, 56, 56, 64), "pool2": (5, 28, 28, 128), "pool3": (2, 14, 14, 256), "pool4": (1, 7, 7, 512),
        "pool5": (1, 4, 4, 512), "flat": (8192,), "fc6": (4096,), "logits": (7,),
    }  # fmt: skip
    filters = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    convolutions = sum(27 * a * b + b for a, b in zip(filters, filters[1:], strict=False))
    dense = 8192 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 7 + 7
    assert model.count_params() == convolutions + 4 * sum(filters[1:]) + dense == 78_035_463


@pytest.mark.parametrize("size", [1, 5, 9])
def test_the_temporal_size_changes_kernels_and_keeps_the_frames(size):
    model = small(temporal_size=size)
    assert model.get_layer("conv3b").kernel.shape[:3] == (size, 3, 3)
    assert model.get_layer("conv1a").output.shape[1] == 10


def test_a_second_convolution_stands_in_the_first_two_groups():
    names = [layer.name for layer in small(second_convolution=True).layers if layer.name.startswith("conv")]
    assert names == ["conv1a", "conv1b", "conv2a", "conv2b", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b"]


def test_the_last_pool_is_padded_by_nothing_for_a_maximum_and_by_zeros_for_a_mean():
    x = -np.arange(1.0, 50.0, dtype=np.float32).reshape(1, 1, 7, 7, 1)
    best, mean = (np.asarray(haddad.LastPool(pooling)(x))[0, 0, :, :, 0] for pooling in ("max", "average"))
    assert best.shape == (4, 4) and best[0].tolist() == [-1, -2, -4, -6] and best[1, 1] == -9
    assert mean[0, 0] == -0.25 and mean[1, 1] == np.mean([-9, -10, -16, -17])


@pytest.mark.parametrize("name", ["relu", "elu", "prelu", "leaky_relu", "mish"])
def test_activations_below_zero_are_those_of_pytorch(name):
    given = np.array([[-1.0, 2.0]], np.float32)
    below = {
        "relu": 0,
        "elu": np.exp(-1) - 1,
        "prelu": -0.25,
        "leaky_relu": -0.01,
        "mish": -np.tanh(np.log1p(np.exp(-1))),
    }
    out = np.asarray(haddad._activation(name, (1,), "a")(given))
    assert out[0, 0] == pytest.approx(below[name], abs=1e-6) and out[0, 1] == pytest.approx(2, abs=0.06)


def test_initializers_have_the_spread_of_their_kind():
    """Of fc6, which here goes from 64 to 512: Xavier's by both, PyTorch's own by the first."""
    spread = {}
    for name in OPTIONS["initializer"]:
        model = haddad.build(having(initializer=name), 7, side=16, width=1 / 8, seed=2)
        kernel = np.asarray(model.get_layer("fc6").kernel)
        assert kernel.shape == (64, 512)
        spread[name] = float(kernel.std()), float(np.abs(kernel).max() / kernel.std())
    xavier = np.sqrt(2 / (64 + 512))
    assert spread["xavier_uniform"] == pytest.approx((xavier, np.sqrt(3)), rel=0.02)
    assert spread["xavier_normal"][0] == pytest.approx(xavier, rel=0.02) and spread["xavier_normal"][1] > 1.9
    assert spread["none"] == pytest.approx((np.sqrt(1 / 64 / 3), np.sqrt(3)), rel=0.02)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_tables_2_and_3_and_a_step_changes_all_weights(name):
    parameters = preset(name)
    table = {
        "ckplus": (True, False, "relu", "average", 0.2511),
        "oulu-casia": (False, True, "leaky_relu", "max", 0.4233),
    }
    assert table[name] == (
        parameters.clahe, parameters.normalization, parameters.activation, parameters.pooling, parameters.dropout,
    )  # fmt: skip
    model = haddad.build(parameters, 3, side=16, width=1 / 32, seed=3)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # to compile the gradient of 3D convolutions takes a hundred times longer than one step
    model.compile(haddad.optimizer(parameters), entropy, run_eagerly=True, jit_compile=False)
    before = [np.array(weight) for weight in model.trainable_weights]
    loss = model.train_on_batch(np.random.default_rng(0).random((3, 10, 16, 16, 3), np.float32), np.arange(3))
    assert np.isfinite(loss)
    assert all((np.asarray(weight) != old).any() for weight, old in zip(model.trainable_weights, before, strict=True))


def test_lookahead_goes_halfway_back_every_five_steps():
    fast, both = keras.Variable([1.0, -2.0]), keras.Variable([1.0, -2.0])
    adam, lookahead = keras.optimizers.Adam(0.1), LookaheadAdam(0.1)
    gradient = keras.ops.convert_to_tensor([1.0, 0.5])
    for _ in range(4):
        adam.apply([gradient], [fast])
        lookahead.apply([gradient], [both])
    np.testing.assert_allclose(np.asarray(both), np.asarray(fast), rtol=1e-6)
    adam.apply([gradient], [fast])
    lookahead.apply([gradient], [both])
    np.testing.assert_allclose(np.asarray(both), (np.array([1.0, -2.0]) + np.asarray(fast)) / 2, rtol=1e-6)
