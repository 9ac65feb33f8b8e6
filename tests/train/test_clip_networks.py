"""Networks for clips on devices: 2-D convolutions in int8, small, and the LSTM's step is the LSTM."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.train.clips.parameters import PRESETS, Parameters

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from edgefer.train.clips import edge, haddad, recurrent, whole  # noqa: E402


@pytest.fixture(scope="module")
def frame() -> keras.Model:
    keras.utils.set_random_seed(3)
    return edge.untrained()


def windows(count: int) -> np.ndarray:
    """Random blocks that change from frame to frame, real values."""
    coarse = np.random.default_rng(2).uniform(-1, 0.99, (count, edge.FRAMES, 6, 6, 3))
    return coarse.repeat(8, axis=2).repeat(8, axis=3).astype(np.float32)


def test_a_window_network_is_the_frame_network_and_the_head(frame):
    head = edge.edge(8)
    x = windows(2)
    features = np.asarray(frame(x.reshape(-1, 48, 48, 3))).reshape(2, edge.FRAMES, *edge.FEATURES)
    whole_network = edge.window_network(frame, head)
    assert whole_network.input_shape == (None, 480, 48, 3)
    np.testing.assert_allclose(
        np.asarray(whole_network(x.reshape(2, 480, 48, 3))), np.asarray(head(features)), atol=1e-5
    )


def test_the_order_of_frames_matters_to_the_head_and_to_the_lstm():
    features = np.random.default_rng(1).random((1, edge.FRAMES, *edge.FEATURES), np.float32)
    for head in (edge.edge(2), edge.edge(2, centred=True), recurrent.build(2)):
        forwards, backwards = (np.asarray(head(x)) for x in (features, features[:, ::-1]))
        assert np.abs(forwards - backwards).max() > 1e-6


def test_the_edge_network_has_ten_times_fewer_operations_than_the_papers(frame):
    own = edge.FRAMES * edge.operations(frame) + edge.operations(edge.edge(8, batch=1))
    paper = edge.operations(haddad.build(PRESETS["ckplus"], 7))
    assert paper == 22_896_898_048 and paper > 200 * own


def test_operations_are_those_counted_by_hand():
    given = keras.layers.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(given)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same")(x)
    x = keras.layers.Dense(5)(keras.layers.Flatten()(x))
    assert edge.operations(keras.Model(given, x)) == 64 * 27 * 4 + 16 * 9 * 4 + 64 * 5
    assert recurrent.build(2).count_params() == 59_762


def test_steps_of_the_lstm_end_where_the_window_does(frame):
    head = recurrent.build(2)
    step = recurrent.step(frame, head)
    window = windows(1)[0]
    features = np.asarray(frame(window))[None]
    state = recurrent.begun(np.asarray(step([window[:1], *recurrent.start().values()])[1]))
    for image in window[1:]:
        logits, *after = (np.asarray(each) for each in step([image[None], *state.values()]))
        state = dict(zip(state, after, strict=True))
    np.testing.assert_allclose(logits, np.asarray(head(features)), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "parameters", "flat"),
    [
        ({}, 78_035_463, 8192),
        ({"second_convolution": True}, 78_035_463 + 27 * 64 * 64 + 64 + 256 + 27 * 128 * 128 + 128 + 512, 8192),
        ({"temporal_size": 1}, 78_035_463 - 18 * 1_024_192, 8192),
        ({"activation": "prelu"}, 78_035_463 + 8 + 2, 8192),
    ],
    ids=["ckplus", "second convolution", "one frame", "one slope a layer"],
)
def test_full_networks_have_the_parameters_that_their_options_give(changes, parameters, flat):
    model = haddad.build(Parameters(**{**PRESETS["ckplus"].words(), **changes}), 7)
    assert model.get_layer("flat").output.shape == (None, flat)
    assert model.get_layer("pool5").output.shape == (None, 1, 4, 4, 512)
    assert model.count_params() == parameters


def test_the_full_network_of_oulu_casia_has_six_classes_and_the_same_shapes():
    model = haddad.build(PRESETS["oulu-casia"], 6)
    assert model.count_params() == 78_031_366
    assert model.output_shape == (None, 6) and model.get_layer("pool4").output.shape == (None, 1, 7, 7, 512)


def test_a_step_of_the_full_network_names_an_unknown_preset():
    with pytest.raises(UsageError, match="unknown preset 'ck'; available: ckplus, oulu-casia"):
        whole.step("ck")


def test_a_training_step_of_the_full_network_runs():
    """78 million parameters on a clip of 10 x 112 x 112 x 3; `python -m edgefer.train.clips step` prints it."""
    said = whole.step("ckplus", batch=1)
    assert "78,035,463 parameters" in said and "10x112x112x3" in said and "first and last weights moved" in said
