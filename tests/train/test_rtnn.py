"""RTNN is mini-Xception, with the parameters its paper prints, and a transformer before each stream."""

import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from edgefer.train.architectures import build, rtnn  # noqa: E402

MODULES = [  # input of each module at 64x64: the start loses a pixel at each side, twice
    ("module1_separable1", (60, 60, 8)),
    ("module2_separable1", (30, 30, 16)),
    ("module3_separable1", (15, 15, 32)),
    ("module4_separable1", (8, 8, 64)),
    ("logits", (4, 4, 128)),
]


@pytest.fixture(scope="module")
def model():
    return build("rtnn", "grey", classes=7)


def test_it_has_approximately_60000_parameters(model):
    assert model.count_params() == rtnn.PARAMETERS == 58_423
    assert round(model.count_params(), -4) == 60_000


def test_1472_of_them_are_the_moving_moments(model):
    moving = sum(v.shape[0] for v in model.non_trainable_variables if "moving" in v.name)
    assert moving == 1_472


@pytest.mark.parametrize(("name", "shape"), MODULES, ids=[name for name, _ in MODULES])
def test_a_module_halves_the_image(model, name, shape):
    assert tuple(model.get_layer(name).input.shape[1:]) == shape


def test_the_last_row_of_table_i_has_three_networks_each_behind_a_transformer():
    model = build("rtnn", "grey+sobel+laplacian", "parallel", stl=True, classes=7)
    names = [layer.name for layer in model.layers]
    for stream in ("grey", "sobel", "laplacian"):
        assert {f"{stream}_stl", f"{stream}_stem", f"{stream}_body"} <= set(names)
    stl, sobel_stl = 50_686, 50_686 + 5 * 5 * 20  # Sobel's second plane, in the first of its convolutions
    assert model.count_params() == 3 * 58_423 + 3 * 3 * 8 + 2 * stl + sobel_stl
