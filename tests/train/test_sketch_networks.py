"""The networks for sketches: parameter counts worked out by hand, output shapes, and the capsules' mathematics."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from edgefer.train.sketch import ROUTING_DIGITS, ROUTING_SKETCHES, networks  # noqa: E402


@pytest.fixture(autouse=True)
def fresh():
    yield
    keras.backend.clear_session()


def test_vgg11_is_configuration_a_of_table_1():
    """8 convolutions of 9 cin cout + cout; 7x7x512 after five halvings of 250; 4096, 4096 and the classes."""
    widths = [1, 64, 128, 256, 256, 512, 512, 512, 512]
    convolutions = sum(9 * a * b + b for a, b in zip(widths, widths[1:], strict=False))
    dense = 7 * 7 * 512 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 4 + 4
    small = networks.vgg11(4, 64)
    assert small.count_params() - 2 * 2 * 512 * 4096 + 7 * 7 * 512 * 4096 == convolutions + dense == 128_781_572
    assert small.output_shape == (None, 4)
    weighted = [layer for layer in small.layers if layer.weights]
    assert len(weighted) == 11
    assert [small.get_layer(f"pool{n}").output.shape[1] for n in range(1, 6)] == [32, 16, 8, 4, 2]


def test_resnet50_has_the_published_body_and_one_dense_layer():
    model = networks.resnet50(4, 64)
    assert model.count_params() == 23_587_712 + 2048 * 4 + 4
    assert model.output_shape == (None, 4)
    body = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    convolutions = [layer for layer in body.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) - 4 + 1 == 50  # four are projections, beside the 50 of the name; one is dense
    image = np.random.default_rng(1).normal(size=(1, 64, 64, 1)).astype(np.float32)
    assert np.asarray(model(image)).sum() == pytest.approx(1, abs=1e-5)


def test_capsnet_at_250_pixels():
    """9x9 at stride 16: 250 -> 16; 9x9 at stride 2: 16 -> 4; 4x4x32 capsules of 8; one of 16 for each class."""
    model = networks.capsnet(4)
    assert model.get_layer("conv1").output.shape[1:] == (16, 16, 128)
    assert model.get_layer("primary").output.shape[1:] == (4, 4, 256)
    assert model.get_layer("primary_squash").output.shape[1:] == (512, 8)
    assert model.get_layer("class_capsules").output.shape[1:] == (4, 16)
    assert model.output_shape == (None, 4)
    convolutions = 81 * 128 + 128 + 81 * 128 * 256 + 256
    assert model.count_params() == convolutions + 512 * 4 * 8 * 16 == 2_927_104


def test_squash_keeps_the_direction_and_bounds_the_length():
    """Equation 1: a length of 3 becomes 9/10, of 1 a half, of 0 nothing."""
    vectors = np.float32([[3, 0], [0, 1], [0, 0], [-300, 400]])
    squashed = np.asarray(networks.squash(vectors))
    np.testing.assert_allclose(squashed[:3], [[0.9, 0], [0, 0.5], [0, 0]], atol=1e-5)
    np.testing.assert_allclose(squashed[3], [-0.6, 0.8], atol=1e-4)


def by_hand(below: np.ndarray, kernel: np.ndarray, rounds: int) -> np.ndarray:
    """Procedure 1 for one image, in loops."""
    said = np.array([[row @ kernel[i, j] for j in range(kernel.shape[1])] for i, row in enumerate(below)])
    agreement = np.zeros(said.shape[:2])
    for _ in range(rounds):
        shares = np.exp(agreement) / np.exp(agreement).sum(axis=1, keepdims=True)
        joint = (shares[:, :, None] * said).sum(axis=0)
        square = (joint**2).sum(axis=1, keepdims=True)
        joint = joint * square / (1 + square) / np.sqrt(square + 1e-7)
        agreement = agreement + (said * joint).sum(axis=2)
    return joint


@pytest.mark.parametrize("rounds", [ROUTING_DIGITS, ROUTING_SKETCHES])
def test_routing_is_procedure_1(rounds):
    rng = np.random.default_rng(1)
    layer = networks.ClassCapsules(3, 5, rounds)
    below = rng.normal(size=(2, 7, 4)).astype(np.float32)
    got = np.asarray(layer(below))
    kernel = np.asarray(layer.kernel)
    for image, row in zip(below, got, strict=True):
        np.testing.assert_allclose(row, by_hand(image, kernel, rounds), atol=1e-5)


def test_the_margin_loss_is_equation_4():
    """Present at 0.5: (0.9 - 0.5)^2 = 0.16; absent at 0.3: half of 0.2^2 = 0.02; absent at 0.05: nothing."""
    loss = networks.margin_loss(np.float32([[1, 0, 0]]), np.float32([[0.5, 0.3, 0.05]]))
    assert np.asarray(loss).tolist() == pytest.approx([0.18])


def test_lengths_become_shares():
    np.testing.assert_allclose(networks.proportions(np.array([[0.6, 0.2, 0.1, 0.1]]) * 0.5), [[0.6, 0.2, 0.1, 0.1]])


def test_our_own_network():
    """3x3 convolutions with batch normalisation (a scale and an offset that learn, two moments that do not)."""
    model = networks.own(4)
    widths = [1, *networks.OWN_WIDTHS, networks.OWN_WIDTHS[-1]]
    side = networks.OWN_SIDE // 2 ** len(networks.OWN_WIDTHS)
    expected = sum(9 * a * b + 4 * b for a, b in zip(widths, widths[1:], strict=False))
    assert model.count_params() == expected + side * side * widths[-1] * 4 + 4
    assert model.output_shape == (None, 4)
