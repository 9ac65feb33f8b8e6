"""Training with rounding: its gradients, its levels, what the converter makes of it, and what it regains."""

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
tf = pytest.importorskip("tensorflow", reason="conversion needs TensorFlow: pip install -e '.[train]'")
if keras.backend.backend() != "tensorflow":
    pytest.skip("conversion needs KERAS_BACKEND=tensorflow", allow_module_level=True)

from ai_edge_litert.interpreter import Interpreter  # noqa: E402
from keras import layers  # noqa: E402

from edgefer.errors import UsageError  # noqa: E402
from edgefer.train.architectures import build  # noqa: E402
from edgefer.train.export.fake_quantise import MOMENTUM, Rounded, RoundedWeights, fake_quantised  # noqa: E402
from edgefer.train.export.quantise import quantisation, quantise  # noqa: E402


def images(rows: int, side: int, planes: int) -> np.ndarray:
    """Levels of the int8 input as real values, rough enough to tell one from another."""
    levels = np.random.default_rng(rows).integers(-128, 128, (rows, side // 4, side // 4, planes))
    return (levels.repeat(4, axis=1).repeat(4, axis=2) / 128).astype(np.float32)


def gradient(function, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(function(x))
    return tape.gradient(y, x).numpy()


def test_rounding_passes_the_gradient_inside_its_range_and_stops_it_outside():
    layer = Rounded(-1.0, 127 / 128)
    x = np.array([-3.0, -0.999, -0.3, 0.0, 0.501, 0.99, 1.2], np.float32)
    assert gradient(layer, x).tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert np.asarray(layer(x)) == pytest.approx(np.clip(np.rint(x * 128), -128, 127) / 128)


@pytest.mark.parametrize(
    ("layer", "shape", "shared"),
    [
        pytest.param(layers.Conv2D(5, 3, use_bias=True), (2, 6, 6, 3), (0, 1, 2), id="convolution"),
        pytest.param(layers.DepthwiseConv2D(3, use_bias=True), (2, 6, 6, 4), (0, 1), id="depthwise"),
        pytest.param(layers.Dense(7), (4, 9), None, id="dense"),
    ],
)
def test_a_kernel_is_rounded_and_has_the_gradient_of_one_that_is_not(layer, shape, shared):
    """The output is linear in the kernel, so that its gradient does not depend on the kernel's rounding."""
    keras.utils.set_random_seed(3)
    x = tf.constant(np.random.default_rng(3).normal(size=shape).astype(np.float32))
    rounded = RoundedWeights(layer)
    rounded(x)
    kernel = layer.kernel.numpy()
    # a channel whose weights are small has a scale of its own
    small = (..., 0, slice(None)) if isinstance(layer, layers.DepthwiseConv2D) else (..., 0)
    kernel[small] *= 1e-3
    layer.kernel.assign(kernel)
    gradients = []
    for function in (layer, rounded):
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(function(x))
        gradients.append(tape.gradient(y, layer.kernel).numpy())
    assert np.allclose(*gradients, rtol=1e-4, atol=1e-5)
    step = np.abs(kernel).max(axis=shared, keepdims=True) / 127
    got = rounded(x).numpy()
    layer.kernel.assign(np.rint(kernel / step) * step)
    assert np.allclose(got, layer(x).numpy(), atol=1e-4)


def test_a_range_follows_training_slowly_and_holds_zero():
    layer = Rounded()
    layer(np.float32([1.0, 4.0]), training=True)
    assert (float(layer.low), float(layer.high)) == (0, 4)
    layer(np.float32([-2.0, 6.0]), training=True)
    assert float(layer.low) == pytest.approx(-2 * (1 - MOMENTUM))
    assert float(layer.high) == pytest.approx(4 + 2 * (1 - MOMENTUM))
    before = float(layer.high)
    layer(np.float32([100.0]))
    assert float(layer.high) == before


def dense_net():
    image = keras.Input((16, 16, 2))
    x = layers.Conv2D(8, 3, activation="relu", name="first")(image)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Dropout(0.3)(x)
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(4, name="logits")(layers.Dense(16, activation="relu")(x)))


NETWORKS = {
    "dense": dense_net,
    "nano": lambda: build("edgefer-nano", "grey+sobel", size=32),
    "separable-shared": lambda: build("rtnn", "grey+sobel", "shared", size=32),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_rounded_network_is_near_its_own_and_the_converter_makes_it_what_it_is(name):
    """Near: 256 levels a tensor leave a few percent of the logits' spread. Converted: each of some dozens of
    tensors may round its ties another way, one level each, so the mean error stays about one level."""
    keras.utils.set_random_seed(4)
    model = NETWORKS[name]()
    x = images(8, model.input_shape[1], model.input_shape[3])
    # moments and offsets that folding must not leave out
    rng = np.random.default_rng(4)
    for variable in model.variables:
        if variable.name in ("moving_mean", "beta", "bias"):
            variable.assign(rng.normal(0, 0.1, variable.shape))
        if variable.name in ("moving_variance", "gamma"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    rounded = fake_quantised(model)
    rounded(x, training=True)
    own, got = np.asarray(model(x)), np.asarray(rounded(x))
    assert np.abs(got - own).mean() < 0.15 * own.std()

    content = quantise(rounded, x)
    network = Interpreter(model_content=content)
    network.allocate_tensors()
    assert {np.dtype(t["dtype"]).name for t in network.get_tensor_details()} <= {"int8", "int32"}
    scale, zero_point = quantisation(content)[1]
    levels = []
    for image in x:
        network.set_tensor(network.get_input_details()[0]["index"], np.rint(image[None] * 128).astype(np.int8))
        network.invoke()
        levels.append(network.get_tensor(network.get_output_details()[0]["index"])[0])
    # rounded(x) is on the levels of the output already
    assert np.abs(np.array(levels) - (got / scale + zero_point)).mean() < 1.5


def test_training_regains_what_quantisation_loses():
    """One channel is 300 times the others: 256 levels over them all leave the others next to nothing."""
    keras.utils.set_random_seed(5)
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(12, 1, activation="relu", name="wide")(image)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(4, name="logits")(x))
    wide, narrow = model.get_layer("wide"), model.get_layer("logits")
    x = images(256, 8, 2)
    logits = np.asarray(model(x))
    narrow.bias.assign(-logits.mean(axis=0))
    wide.kernel.assign(wide.kernel * np.where(np.arange(12) == 0, 300, 1))
    narrow.kernel.assign(narrow.kernel * np.where(np.arange(12) == 0, 1 / 300, 1)[:, None])
    truth = np.asarray(model(x)).argmax(axis=1)

    def accuracy(content):
        network = Interpreter(model_content=content)
        network.allocate_tensors()
        right = 0
        for row, label in zip(x, truth, strict=True):
            levels = np.rint(row[None] * 128).astype(np.int8)
            network.set_tensor(network.get_input_details()[0]["index"], levels)
            network.invoke()
            output = network.get_tensor(network.get_output_details()[0]["index"])
            right += int(output.argmax() == label)
        return 100 * right / len(x)

    rounded = fake_quantised(model)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    rounded.compile(keras.optimizers.Adam(1e-2), loss, jit_compile=False)
    rounded.fit(x, np.eye(4)[truth], batch_size=64, epochs=60, verbose=0)
    before, after = accuracy(quantise(model, x)), accuracy(quantise(rounded, x))
    assert before < 85 and after > before + 8, (before, after)


def test_a_layer_without_a_rounded_form_is_named_in_one_line():
    image = keras.Input((8, 8, 1))
    model = keras.Model(image, layers.Flatten()(layers.UpSampling2D(name="larger")(image)))
    with pytest.raises(UsageError, match=r"UpSampling2D \(larger\) has no rounded form") as refused:
        fake_quantised(model)
    assert "\n" not in str(refused.value)
