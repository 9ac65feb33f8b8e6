"""The networks by name, in every input mode: shapes, what is shared, gradients, and the way to int8."""

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from keras import ops  # noqa: E402

from edgefer.errors import UsageError  # noqa: E402
from edgefer.train.architectures import ARCHITECTURES, MODES, Stream, Streams, build  # noqa: E402  # noqa: E402
from edgefer.train.architectures.layers import BatchNormalization  # noqa: E402

INPUTS = {"grey": 1, "grey+sobel": 3, "grey+laplacian": 2, "grey+sobel+laplacian": 4}
PARTED = [name for name in INPUTS if name != "grey"]
CASES = [
    *((name, "grey+sobel+laplacian", mode) for name in ARCHITECTURES for mode in MODES),
    *(("breuer", channels, "concatenated") for channels in INPUTS),
    *(("breuer", channels, mode) for channels in PARTED[:2] for mode in MODES[1:]),
]


def test_the_streams_of_all_three_images_are_neighbouring_planes():
    found = Streams.of("grey+sobel+laplacian", "parallel")
    assert found.streams == (Stream("grey", 0, 1), Stream("sobel", 1, 3), Stream("laplacian", 3, 4))
    assert (found.planes, found.shared) == (4, False)
    assert Streams.of("grey+sobel", "shared").shared


def test_concatenated_planes_are_one_stream():
    assert Streams.of("grey+sobel").streams == (Stream("all", 0, 3),)


@pytest.mark.parametrize(
    ("channels", "mode", "words"),
    [
        ("grey+canny", "parallel", "unknown input 'grey.canny'; available: grey, "),
        ("grey+sobel", "serial", "unknown mode 'serial'; available: concatenated, parallel, shared"),
        ("grey", "parallel", "needs an input of two images or more, got 'grey'"),
    ],
    ids=["input", "mode", "one-image"],
)
def test_a_wrong_input_or_mode_is_refused(channels, mode, words):
    with pytest.raises(UsageError, match=words):
        Streams.of(channels, mode)


def test_an_unknown_architecture_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="unknown architecture 'vgg16'; available: pandey, vgg13, rtnn"):
        build("vgg16")


@pytest.mark.parametrize(("name", "stl"), [("vgg13", False), ("breuer", False), ("rtnn", True)])
def test_a_network_with_a_dense_layer_needs_one_size_of_input(name, stl):
    with pytest.raises(UsageError, match="needs inputs of one size"):
        build(name, stl=stl, size=None)


@pytest.mark.parametrize("name", [name for name, found in ARCHITECTURES.items() if found.any_size])
def test_a_convolutional_network_takes_any_size(name):
    model = build(name, size=None)
    for side in (32, 48):
        assert model(ops.zeros((1, side, side, 1))).shape == (1, 8)


@pytest.mark.parametrize(("name", "channels", "mode"), CASES)
def test_every_network_takes_one_tensor_of_all_planes_and_gives_a_logit_a_class(name, channels, mode):
    model = build(name, channels, mode, classes=7, size=32)
    assert model.input_shape == (None, 32, 32, INPUTS[channels])
    assert model.output_shape == (None, 7)


def parameters(*arguments, **keywords):
    return build(*arguments, **keywords).count_params()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_parallel_streams_are_networks_of_their_own(name):
    whole = parameters(name, "grey+sobel+laplacian", "parallel", size=32)
    one = parameters(name, "grey", size=32)
    sobel = parameters(name, "grey+laplacian", size=32)  # two planes, as the Sobel stream has
    assert whole == 2 * one + sobel


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_shared_streams_differ_in_their_first_convolution_alone(name):
    model = build(name, "grey+sobel", "shared", size=32)
    names = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    assert names == ["grey_stem", "sobel_stem", "body"]
    stem = model.get_layer("grey_stem").count_params()
    assert model.get_layer("body").count_params() == parameters(name, "grey", size=32) - stem


def test_a_stream_sees_its_own_planes_only():
    """Moving the Laplacian changes what its sub-network says, and nothing of the other's."""
    model = build("rtnn", "grey+laplacian", "parallel", size=32)
    parts = keras.Model(model.input, model.get_layer("combined").input)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1, 32, 32, 2)).astype(np.float32)
    y = x.copy()
    y[..., 1] = rng.uniform(-1, 1, (32, 32))
    (grey, laplacian), (same, moved) = ([ops.convert_to_numpy(p) for p in parts(z)] for z in (x, y))
    assert np.array_equal(grey, same) and not np.allclose(laplacian, moved)
    assert np.allclose(ops.convert_to_numpy(model(x)), grey + laplacian, atol=1e-5)


LEARNING = [
    ("pandey", "grey+sobel+laplacian", "shared", False),
    ("vgg13", "grey+sobel", "concatenated", False),
    ("rtnn", "grey+sobel+laplacian", "parallel", True),
    ("rtnn", "grey", "concatenated", True),
    ("breuer", "grey+laplacian", "parallel", False),
    ("edgefer-s", "grey+sobel", "concatenated", False),
    ("edgefer-nano", "grey+sobel", "parallel", False),
]


@pytest.mark.parametrize(("name", "channels", "mode", "stl"), LEARNING)
def test_a_training_step_moves_every_weight_by_a_finite_amount(name, channels, mode, stl):
    """Of the weights before a spatial transformer's last layer alone, the first gradient is zero."""
    keras.utils.set_random_seed(3)
    model = build(name, channels, mode, stl=stl, size=32, dropout=0.1)
    model.compile(keras.optimizers.SGD(0.05), keras.losses.CategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, (4, 32, 32, INPUTS[channels])).astype(np.float32)
    y = np.eye(8, dtype=np.float32)[:4]
    before = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    assert np.isfinite(model.train_on_batch(x, y)) and np.isfinite(model.train_on_batch(x, y))
    for variable, old in zip(model.trainable_variables, before, strict=True):
        new = ops.convert_to_numpy(variable)
        assert np.isfinite(new).all() and not np.array_equal(new, old), variable.path


def test_normalisation_in_one_operation_is_that_of_keras():
    images = np.random.default_rng(0).normal(1, 3, (8, 6, 6, 5)).astype(np.float32)
    outputs, statistics = [], []
    for kind in (BatchNormalization, keras.layers.BatchNormalization):
        layer = kind(epsilon=1e-3, momentum=0.9)
        layer.build(images.shape)
        layer.gamma.assign(np.arange(1.0, 6.0))
        layer.beta.assign(np.arange(5.0) - 2)
        outputs.append(ops.convert_to_numpy(layer(images, training=True)))
        statistics.append([ops.convert_to_numpy(v.value) for v in (layer.moving_mean, layer.moving_variance)])
    np.testing.assert_allclose(*outputs, atol=1e-5)
    np.testing.assert_allclose(*[mean for mean, _ in statistics], atol=1e-6)
    np.testing.assert_allclose(*[variance for _, variance in statistics], rtol=1 / (8 * 6 * 6))
