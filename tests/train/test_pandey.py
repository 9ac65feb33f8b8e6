"""The network of Pandey et al. has the rows of the paper's Table III."""

import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from edgefer.train.architectures import build, pandey  # noqa: E402

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


def layer_parameters(model):
    """The rows of Table III as this model has them, batch normalisation left out.

    Returns:
        (row name, parameters, input shape H x W x C) in the table's order, avg_pool included.
    """
    rows: dict[str, list] = {}
    for layer in model.layers:
        name = layer.name.split("_")[0] if layer.name != "avg_pool" else layer.name
        if isinstance(layer, (keras.layers.InputLayer, keras.layers.Dropout, keras.layers.Reshape)):
            continue
        row = rows.setdefault(name, [0, tuple(getattr(layer.input, "shape", ())[1:])])
        if not isinstance(layer, keras.layers.BatchNormalization):
            row[0] += layer.count_params()
    return [(name, parameters, shape) for name, (parameters, shape) in rows.items()]


@pytest.fixture(scope="module", params=[True, False], ids=["normalised", "plain"])
def model(request):
    return build("pandey", normalisation=request.param)


@pytest.mark.parametrize("row", range(len(TABLE_III)), ids=[name for name, *_ in TABLE_III])
def test_a_row_has_the_parameters_and_the_input_of_the_table(model, row):
    """Batch normalisation, which the table does not count, changes no row."""
    assert layer_parameters(model)[row] == TABLE_III[row]


def test_the_model_has_no_row_beyond_the_table(model):
    assert len(layer_parameters(model)) == len(TABLE_III)
    assert sum(parameters for _, parameters, _ in layer_parameters(model)) == pandey.PARAMETERS


def test_without_normalisation_keras_counts_what_the_paper_counts():
    assert build("pandey", normalisation=False).count_params() == 645_472


@pytest.mark.parametrize(("channels", "planes"), [("grey+laplacian", 2), ("grey+sobel", 3)])
def test_further_planes_cost_parameters_in_the_first_convolution_only(channels, planes):
    one, more = (layer_parameters(build("pandey", c)) for c in ("grey", channels))
    assert more[0][1] - one[0][1] == (planes - 1) * 3 * 3 * 48
    assert [row[1] for row in more[1:]] == [row[1] for row in one[1:]]


TABLE_IV = [
    ("grey", "concatenated", 645_472),
    ("grey+laplacian", "concatenated", 645_904),
    ("grey+sobel", "concatenated", 646_336),
    ("grey+laplacian", "shared", 645_952),
    ("grey+sobel", "shared", 646_384),
]


@pytest.mark.parametrize(("channels", "mode", "exact"), TABLE_IV)
def test_every_row_of_table_iv_has_0_65_million_parameters(channels, mode, exact):
    """Parallel streams keep the printed count only if they share all but the first convolution."""
    found = build("pandey", channels, mode, normalisation=False).count_params()
    assert found == exact and round(found / 1e6, 2) == 0.65


def test_sub_networks_of_their_own_have_twice_what_table_iv_prints():
    found = build("pandey", "grey+laplacian", "parallel", normalisation=False).count_params()
    assert found == 2 * 645_472


def test_each_block_of_equal_shape_and_stride_1_is_residual(model):
    joined = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert joined == [f"bottleneck{n}_add" for n in (3, 5, 6, 8, 9, 10)]
