"""From Keras to TFLite: the agreement budgets, and an int8 input scale that no data can move."""

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
pytest.importorskip("tensorflow", reason="conversion needs TensorFlow: pip install -e '.[train]'")
if keras.backend.backend() != "tensorflow":
    pytest.skip("conversion needs KERAS_BACKEND=tensorflow", allow_module_level=True)

from ai_edge_litert.interpreter import Interpreter  # noqa: E402

from edgefer.errors import UsageError  # noqa: E402
from edgefer.train.architectures import build  # noqa: E402
from edgefer.train.architectures.layers import RATE  # noqa: E402
from edgefer.train.export.quantise import PRECISIONS, convert, quantisation, quantise  # noqa: E402


@pytest.fixture(scope="module")
def pair():
    """A network that has learnt 40 images by heart, its int8 form, and the images."""
    keras.utils.set_random_seed(2)
    model = build("pandey", "grey+sobel")
    rng = np.random.default_rng(2)
    coarse = rng.integers(-100, 100, (40, 8, 8, 3))
    x = (coarse.repeat(8, axis=1).repeat(8, axis=2) / 128).astype(np.float32)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.5  # a dozen steps settle it
    model.compile(keras.optimizers.Adam(2e-3), keras.losses.CategoricalCrossentropy(from_logits=True))
    for _ in range(30):
        model.train_on_batch(x, np.eye(8, dtype=np.float32)[np.arange(40) % 8])
    return model, quantise(model, x), x


def test_the_input_has_scale_1_128_and_zero_point_0_though_the_images_span_less(pair):
    assert quantisation(pair[1])[0] == (1 / 128, 0)


def test_int8_logits_agree_with_keras(pair):
    """Budget: an error below a fifth of the logits' spread, and another choice on at most two of 40."""
    model, content, x = pair
    scale, zero_point = quantisation(content)[1]
    network = Interpreter(model_content=content)
    network.allocate_tensors()
    got = []
    for image in x:
        network.set_tensor(network.get_input_details()[0]["index"], np.rint(image[None] * 128).astype(np.int8))
        network.invoke()
        levels = network.get_tensor(network.get_output_details()[0]["index"])[0]
        got.append((levels.astype(np.float32) - zero_point) * scale)
    expected = np.asarray(model(x, training=False))
    error = np.sqrt(np.square(np.array(got) - expected).mean())
    assert error < 0.2 * expected.std()
    assert (np.argmax(got, axis=1) != expected.argmax(axis=1)).sum() <= 2


def test_a_spatial_transformer_is_refused_in_one_line():
    model = build("rtnn", "grey+sobel", "parallel", stl=True, size=32)
    with pytest.raises(UsageError, match="a spatial transformer has no int8 form") as refused:
        quantise(model, np.zeros((1, 32, 32, 3), np.float32))
    assert "\n" not in str(refused.value)


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    """Outputs of a network with float input and output."""
    network = Interpreter(model_content=content)
    network.allocate_tensors()
    outputs = []
    for image in x:
        network.set_tensor(network.get_input_details()[0]["index"], image[None])
        network.invoke()
        outputs.append(network.get_tensor(network.get_output_details()[0]["index"])[0])
    return np.array(outputs)


@pytest.mark.parametrize("precision", ["float32", "dynamic"])
def test_logits_of_other_precisions_agree_with_keras_within_their_budget(pair, precision):
    model, int8, x = pair
    content, budget = convert(model, precision), PRECISIONS[precision]
    expected, got = np.asarray(model(x, training=False)), run(content, x)
    assert np.sqrt(np.square(got - expected).mean()) < budget.error * expected.std()
    assert (got.argmax(axis=1) == expected.argmax(axis=1)).mean() >= budget.same_label / 100
    if precision == "dynamic":
        assert len(content) < 1.2 * len(int8), "weights are int8"


def test_a_spatial_transformer_is_exact_in_float32():
    """It moves the image here, by numbers that differ from image to image."""
    keras.utils.set_random_seed(6)
    model = build("rtnn", "grey+sobel", "concatenated", stl=True, size=32)
    theta = next(each for each in model.get_layer("stl").localisation if each.name == "theta")
    theta.kernel.assign(np.random.default_rng(6).normal(0, 0.3 / RATE, theta.kernel.shape))
    x = np.random.default_rng(7).uniform(-1, 1, (6, 32, 32, 3)).astype(np.float32)
    expected = np.asarray(model(x, training=False))
    got = run(convert(model, "float32"), x)
    assert np.abs(np.diff(expected, axis=0)).max() > 100 * np.abs(got - expected).max()
    assert np.sqrt(np.square(got - expected).mean()) < PRECISIONS["float32"].error * expected.std()


@pytest.mark.parametrize(
    ("name", "channels", "mode"),
    [
        ("vgg13", "grey+laplacian", "concatenated"),
        ("breuer", "grey+sobel", "parallel"),
        ("rtnn", "grey+sobel+laplacian", "parallel"),
        ("rtnn", "grey+laplacian", "shared"),
        ("edgefer-nano", "grey+sobel", "concatenated"),
        ("edgefer-s", "grey+sobel", "shared"),
    ],
)
def test_every_architecture_and_mode_has_a_full_int8_form(name, channels, mode):
    """One tensor in and one out, both int8; nothing inside is a float."""
    model = build(name, channels, mode, size=32)
    rng = np.random.default_rng(1)
    levels = rng.integers(-128, 128, (2, *model.input_shape[1:]))
    network = Interpreter(model_content=quantise(model, (levels / 128).astype(np.float32)))
    network.allocate_tensors()
    ends = [network.get_input_details(), network.get_output_details()]
    assert [len(tensors) for tensors in ends] == [1, 1]
    assert {np.dtype(tensors[0]["dtype"]).name for tensors in ends} == {"int8"}
    assert {np.dtype(t["dtype"]).name for t in network.get_tensor_details()} <= {"int8", "int32"}


def test_every_tensor_of_the_network_is_an_integer(pair):
    network = Interpreter(model_content=pair[1])
    network.allocate_tensors()
    types = {np.dtype(t["dtype"]).name for t in network.get_tensor_details()}
    assert types <= {"int8", "int32"}
