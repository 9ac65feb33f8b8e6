"""VGG13 has the parameters the papers print."""

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from edgefer.train.architectures import build, vgg13  # noqa: E402

SHAPES = [  # published code of FER+: input of each convolution and layer
    ("conv1_1", (64, 64, 1)),
    ("conv1_2", (64, 64, 64)),
    ("conv2_1", (32, 32, 64)),
    ("conv2_2", (32, 32, 128)),
    ("conv3_1", (16, 16, 128)),
    ("conv3_2", (16, 16, 256)),
    ("conv3_3", (16, 16, 256)),
    ("conv4_1", (8, 8, 256)),
    ("conv4_2", (8, 8, 256)),
    ("conv4_3", (8, 8, 256)),
    ("fc5", (4 * 4 * 256,)),
    ("fc6", (1024,)),
    ("logits", (1024,)),
]


@pytest.mark.parametrize("channels", ["grey", "grey+laplacian", "grey+sobel"])
def test_every_row_of_table_ii_has_8_75_million_parameters(channels):
    """Cut to two places, as 8.7577 becomes the table's 8.75."""
    millions = build("vgg13", channels, classes=8).count_params() / 1e6
    assert int(millions * 100) / 100 == 8.75


def test_the_network_of_fer_plus_has_8757704():
    assert build("vgg13", "grey", classes=8, size=64).count_params() == vgg13.PARAMETERS == 8_757_704


def test_thirteen_layers_have_weights_and_the_shapes_of_the_published_code():
    model = build("vgg13", "grey", classes=8, dropout=vgg13.DROPOUT)
    weighted = [layer for layer in model.layers if layer.weights]
    assert [(layer.name, tuple(layer.input.shape[1:])) for layer in weighted] == SHAPES


def test_dropout_is_a_quarter_after_each_block_and_a_half_after_each_hidden_layer():
    model = build("vgg13", "grey", dropout=vgg13.DROPOUT)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.25] * 4 + [0.5] * 2


def test_the_signal_keeps_its_strength_through_the_untrained_network():
    """Without batch normalisation nothing else keeps it: a start that shrinks it learns nothing for long."""
    keras.utils.set_random_seed(1)
    model = build("vgg13", "grey", classes=8)
    images = np.random.default_rng(1).normal(0, 0.5, (8, 64, 64, 1)).astype(np.float32)
    assert np.std(np.asarray(model.predict_on_batch(images))) > 0.1 * images.std()
