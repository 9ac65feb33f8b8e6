"""The network of Breuer and Kimmel has the layers of section 2.1."""

import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from keras import layers  # noqa: E402

from edgefer.train.architectures import breuer, build  # noqa: E402


@pytest.fixture(scope="module")
def model():
    return build("breuer", "grey", classes=8, size=48, dropout=breuer.DROPOUT)


def test_three_convolutions_of_5x5_have_64_128_and_256_filters(model):
    found = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    assert [layer.filters for layer in found] == [64, 128, 256]
    assert {layer.kernel_size for layer in found} == {(5, 5)}
    assert [tuple(layer.input.shape[1:]) for layer in found] == [(48, 48, 1), (24, 24, 64), (12, 12, 128)]


def test_each_is_followed_by_a_max_pool_of_2x2(model):
    names = [layer.name for layer in model.layers if isinstance(layer, (layers.Conv2D, layers.MaxPooling2D))]
    assert names == ["conv1", "pool1", "conv2", "pool2", "conv3", "pool3"]


def test_a_layer_of_512_stands_before_the_eight_classes(model):
    found = [layer for layer in model.layers if isinstance(layer, layers.Dense)]
    assert [layer.units for layer in found] == [512, 8]


def test_dropout_is_a_quarter_after_the_last_convolution_and_a_half_between_the_layers(model):
    rates = [(layer.name, layer.rate) for layer in model.layers if isinstance(layer, layers.Dropout)]
    assert rates == [("drop_conv", 0.25), ("drop_hidden", 0.5)]


def test_up_to_50_action_units_change_the_last_layer_only():
    classes, units = (build("breuer", "grey", classes=n, size=48).count_params() for n in (7, 50))
    assert classes == breuer.PARAMETERS == 5_748_743
    assert units - classes == 43 * 513
