"""The spatial transformer: the identity at first, right between pixels, and differentiable."""

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from keras import ops  # noqa: E402

from edgefer.train.architectures.layers import IDENTITY, RATE, SpatialTransformer, affine_grid, bilinear_sample  # noqa: E402


def hat(images, x, y):
    """Equation 5 of Jaderberg et al., term by term, in float64; places beyond the edge moved onto it."""
    height, width = images.shape[1:3]
    column = np.clip((x + 1) * (width - 1) / 2, 0, width - 1)
    row = np.clip((y + 1) * (height - 1) / 2, 0, height - 1)
    across = np.maximum(0, 1 - np.abs(column[..., None] - np.arange(width)))
    down = np.maximum(0, 1 - np.abs(row[..., None] - np.arange(height)))
    return np.einsum("nhwc,nijw,nijh->nijc", images.astype(np.float64), across, down)


@pytest.mark.parametrize(("height", "width", "channels"), [(2, 2, 1), (5, 7, 3), (16, 9, 2)])
def test_sampling_is_the_sum_of_equation_5(height, width, channels):
    """Float32 against float64: a place has an error of a few eps times the width, which a difference of
    neighbouring pixels (at most 2) multiplies; 16 pixels and 16 operations of 2**-24 give 4e-5."""
    rng = np.random.default_rng(1)
    images = rng.uniform(-1, 1, (3, height, width, channels)).astype(np.float32)
    x, y = rng.uniform(-1.3, 1.3, (2, 3, 6, 4)).astype(np.float32)
    got = ops.convert_to_numpy(bilinear_sample(ops.convert_to_tensor(images), x, y))
    assert np.allclose(got, hat(images, x, y), atol=4e-5)


def test_the_identity_gives_the_image_back_with_its_edges():
    rng = np.random.default_rng(2)
    images = rng.uniform(-1, 1, (2, 64, 48, 3)).astype(np.float32)
    theta = np.tile(np.float32(IDENTITY), (2, 1))
    got = bilinear_sample(ops.convert_to_tensor(images), *affine_grid(ops.convert_to_tensor(theta), 64, 48))
    assert np.allclose(ops.convert_to_numpy(got), images, atol=4e-5)


@pytest.mark.parametrize(
    ("theta", "expected"),
    [
        pytest.param((-1, 0, 0, 0, 1, 0), lambda image: image[:, ::-1], id="mirrored"),
        pytest.param((0, 1, 0, 1, 0, 0), lambda image: image.transpose(1, 0, 2), id="transposed"),
        pytest.param((0, 0, -1, 0, 0, -1), lambda image: np.broadcast_to(image[0, 0], image.shape), id="corner"),
        pytest.param((1, 0, 2, 0, 1, 0), lambda image: np.repeat(image[:, -1:], 9, 1), id="edge-repeats"),
    ],
)
def test_an_affine_map_moves_the_image(theta, expected):
    image = np.random.default_rng(3).uniform(-1, 1, (9, 9, 2)).astype(np.float32)
    grid = affine_grid(ops.convert_to_tensor(np.float32([theta])), 9, 9)
    got = ops.convert_to_numpy(bilinear_sample(ops.convert_to_tensor(image[None]), *grid))[0]
    assert np.allclose(got, expected(image), atol=1e-5)


def test_a_new_layer_is_the_identity():
    images = np.random.default_rng(4).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    assert np.allclose(ops.convert_to_numpy(SpatialTransformer()(images)), images, atol=4e-5)


def test_it_survives_its_configuration_and_its_weights(tmp_path):
    image = keras.Input((32, 32, 2))
    model = keras.Model(image, SpatialTransformer(name="stl")(image))
    layer = next(each for each in model.get_layer("stl").localisation if each.name == "theta")
    layer.bias.assign(np.float32([0.9, 0.1, 0.05, -0.1, 1.1, -0.02]) / RATE)
    model.save(tmp_path / "stl.keras")
    again = keras.saving.load_model(tmp_path / "stl.keras")
    images = np.random.default_rng(5).uniform(-1, 1, (2, 32, 32, 2)).astype(np.float32)
    assert np.array_equal(ops.convert_to_numpy(model(images)), ops.convert_to_numpy(again(images)))


@pytest.mark.parametrize("entry", range(6), ids=["a", "b", "c", "d", "e", "f"])
def test_the_gradient_of_each_number_is_the_slope(entry):
    """A smooth image sampled by a map that keeps every place off the pixel borders, where the slope jumps.

    The central difference over 2**-9 in float32 has a rounding error of eps * |loss| / 2**-9, about 1e-3 of a
    loss of a few units; the loss is linear between pixels but for products of two shifts, which cancel.
    """
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes its gradient with TensorFlow")
    import tensorflow as tf

    rng = np.random.default_rng(6)
    images = rng.uniform(-1, 1, (1, 5, 5, 2)).astype(np.float32)
    weights = rng.uniform(-1, 1, (1, 3, 3, 2)).astype(np.float32)
    start = np.float32([[0.55, 0.06, 0.13, -0.05, 0.57, 0.15]])

    def loss(theta):
        return ops.sum(bilinear_sample(ops.convert_to_tensor(images), *affine_grid(theta, 3, 3)) * weights)

    theta = tf.Variable(start)
    with tf.GradientTape() as tape:
        value = loss(theta)
    gradient = tape.gradient(value, theta).numpy()[0, entry]
    step = np.zeros((1, 6), np.float32)
    step[0, entry] = 2.0**-9
    slope = (float(loss(start + step)) - float(loss(start - step))) / 2.0**-8
    assert gradient == pytest.approx(slope, abs=2e-3 * max(1.0, abs(float(value))))
    assert abs(gradient) > 1e-2


@pytest.mark.parametrize("shift", [-2.6, 2.6])
def test_a_map_that_has_left_the_image_finds_back(shift):
    """A ramp from dark to light, and a map that sees its edge alone; by the slope there it comes back in."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes its gradient with TensorFlow")
    import tensorflow as tf

    ramp = np.tile(np.linspace(-1, 1, 17, dtype=np.float32), (17, 1))[None, :, :, None]
    middle = ramp[:, 8:9, 8:9]
    theta = tf.Variable(np.float32([[0.1, 0, shift, 0, 0.1, 0]]))
    for _ in range(200):
        with tf.GradientTape() as tape:
            seen = bilinear_sample(ops.convert_to_tensor(ramp), *affine_grid(theta, 3, 3))
            loss = ops.mean((seen - middle) ** 2)
        theta.assign_sub(0.05 * tape.gradient(loss, theta))
    assert float(loss) < 1e-3 and abs(float(theta[0, 2])) < 0.05


def test_places_far_out_are_the_edge():
    """A coordinate of 1e6 pixels rounds to 0.06: what is sampled stays within a part of the last two pixels' step."""
    images = np.random.default_rng(8).uniform(-1, 1, (1, 6, 5, 1)).astype(np.float32)
    x, y = (np.float32([[[sign * 1e6]]]) for sign in (-1, 1))
    got = ops.convert_to_numpy(bilinear_sample(ops.convert_to_tensor(images), x, y))
    assert got[0, 0, 0, 0] == pytest.approx(images[0, -1, 0, 0], abs=0.3)


def test_the_map_begins_like_any_other_network_and_learns_at_a_tenth_of_the_rate():
    """A first step of Adam moves every weight that has a gradient by the rate."""
    keras.utils.set_random_seed(9)
    image = keras.Input((32, 32, 1))
    stl = SpatialTransformer(name="stl")
    model = keras.Model(image, keras.layers.Flatten()(stl(image)))
    hidden, last = (each for each in stl.localisation if isinstance(each, keras.layers.Dense))
    taken, given = hidden.kernel.shape
    glorot = np.sqrt(6 / (taken + given))
    assert np.abs(RATE * hidden.kernel.numpy()).max() == pytest.approx(glorot, rel=0.01)
    assert np.abs(RATE * hidden.kernel.numpy()).mean() == pytest.approx(glorot / 2, rel=0.05)
    before = last.bias.numpy()
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    images = np.random.default_rng(10).uniform(-1, 1, (8, 32, 32, 1)).astype(np.float32)
    model.train_on_batch(images, np.zeros((8, 1024), np.float32))
    np.testing.assert_allclose(np.abs(last.bias.numpy() - before) * RATE, 1e-4, rtol=0.05)
