"""The network of Pandey et al. has the rows of the paper's Table III."""

import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from edgefer.train.architectures import pandey  # noqa: E402

TABLE_III = [
    ("conv1", 480, (64, 64, 1)),
    ("conv2", 13856, (64, 64, 48)),
    ("bottleneck1", 14016, (64, 64, 32)),
    ("bottleneck2", 12480, (32, 32, 32)),
    ("bottleneck3", 8208, (16, 16, 24)),
    ("bottleneck4", 9360, (16, 16, 24)),
    ("bottleneck5", 14016, (8, 8, 32)),
    ("bottleneck6", 14016, (8, 8, 32)),
    ("bottleneck7", 20160, (8, 8, 32)),
    ("bottleneck8", 52608, (8, 8, 64)),
    ("bottleneck9", 52608, (8, 8, 64)),
    ("bottleneck10", 52608, (8, 8, 64)),
    ("bottleneck11", 77184, (8, 8, 64)),
    ("bottleneck12", 301824, (8, 8, 128)),
    ("avg_pool", 0, (8, 8, 256)),
    ("logits", 2048, (1, 1, 256)),
]


@pytest.fixture(scope="module", params=[True, False], ids=["normalised", "plain"])
def model(request):
    return pandey.build(normalisation=request.param)


@pytest.mark.parametrize("row", range(len(TABLE_III)), ids=[name for name, *_ in TABLE_III])
def test_a_row_has_the_parameters_and_the_input_of_the_table(model, row):
    """Batch normalisation, which the table does not count, changes no row."""
    assert pandey.layer_parameters(model)[row] == TABLE_III[row]


def test_the_model_has_no_row_beyond_the_table(model):
    assert len(pandey.layer_parameters(model)) == len(TABLE_III)
    assert sum(parameters for _, parameters, _ in pandey.layer_parameters(model)) == pandey.PARAMETERS


def test_without_normalisation_keras_counts_what_the_paper_counts():
    assert pandey.build(normalisation=False).count_params() == 645_472


def test_sobel_input_costs_two_more_planes_in_the_first_convolution_only():
    one, three = (pandey.layer_parameters(pandey.build(channels)) for channels in (1, 3))
    assert three[0][1] - one[0][1] == 2 * 3 * 3 * 48
    assert [row[1] for row in three[1:]] == [row[1] for row in one[1:]]


def test_each_block_of_equal_shape_and_stride_1_is_residual(model):
    joined = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert joined == [f"bottleneck{n}_add" for n in (3, 5, 6, 8, 9, 10)]


def test_the_output_is_one_logit_a_class_at_any_size_of_input():
    model = pandey.build(3, classes=8, size=None)
    for side in (32, 64):
        assert model(keras.ops.zeros((2, side, side, 3))).shape == (2, 8)
