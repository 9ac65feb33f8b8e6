"""Filters of networks whose answer is known, led back to their pixels; and `edgefer explain` as a whole."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from edgefer import kernels
from edgefer.commands.console import main
from edgefer.errors import UsageError
from edgefer.labels import label_set
from edgefer.measure.datasets import Dataset
from edgefer.preprocess.crop import REAL_VALUES

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from keras import layers  # noqa: E402

from edgefer.train.explain.explanation import explain  # noqa: E402
from edgefer.train.explain.network import (  # noqa: E402
    Field,
    Network,
    survey,  # noqa: E402
)
from edgefer.train.explain.projection import project, to_image  # noqa: E402
from edgefer.train.explain.sheets import (  # noqa: E402
    class_sheet,
    grad_cam,
    over_image,
    patch,  # noqa: E402
)
from edgefer.train.settings import TrainingSettings, build  # noqa: E402

SIDE = 16
EDGE = np.array([[-1, 0, 1]] * 3, np.float32)  # dark to bright, from the left


def network(*chain, planes=1, name="run"):
    """A network of layers in a row, on SIDE x SIDE pixels."""
    settings = TrainingSettings(
        input={1: "grey", 3: "grey+sobel"}[planes], size=SIDE, stages=((SIDE, 1),), labels="basic7"
    )
    image = keras.Input((SIDE, SIDE, planes))
    x = image
    for layer in chain:
        x = layer(x)
    return Network(name, settings, keras.Model(image, x))


def convolution(name, kernel, bias=0.0, **options):
    """One with the weights given: (h, w) for one filter of one plane, or (h, w, planes, filters)."""
    kernel = np.asarray(kernel, np.float32)
    kernel = kernel.reshape(*kernel.shape[:2], *(kernel.shape[2:] or (1, 1)))
    return layers.Conv2D(
        kernel.shape[-1],
        kernel.shape[:2],
        kernel_initializer=keras.initializers.Constant(kernel),
        bias_initializer=keras.initializers.Constant(bias),
        name=name,
        **options,
    )


def at(row, column, kernel):
    """A kernel on an empty picture, its first corner at a place."""
    picture = np.zeros((SIDE, SIDE), np.float32)
    picture[row : row + kernel.shape[0], column : column + kernel.shape[1]] = kernel
    return picture


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(size=(3, SIDE, SIDE, 1)).astype(np.float32)


RULES = ("gradient", "deconvolution", "guided")


@pytest.mark.parametrize("rule", RULES)
def test_one_convolution_gives_its_filter_at_the_place_of_the_unit(rule, noise):
    """The transpose of a correlation puts the filter down as it is."""
    kernel = np.arange(9, dtype=np.float32).reshape(3, 3)
    made = network(convolution("conv", kernel))
    got = project(made.find("conv"), noise, [(0, 0, 0), (4, 7, 0), (13, 13, 0)], rule)
    expected = [at(0, 0, kernel), at(4, 7, kernel), at(13, 13, kernel)]
    assert np.array_equal(got[..., 0], expected)


@pytest.mark.parametrize("rule", RULES)
def test_in_a_linear_network_every_rule_gives_the_derivative(rule, noise):
    """Which finite differences give as well, without an error from curvature."""
    rng = np.random.default_rng(1)
    made = network(
        convolution("first", rng.normal(size=(3, 3, 1, 4)), padding="same", strides=2),
        layers.BatchNormalization(),
        convolution("second", rng.normal(size=(3, 3, 4, 2)), padding="same"),
    )
    filters, unit = made.find("second"), (3, 5, 1)
    got = project(filters, noise[:1], [unit], rule)
    steps = noise[:1] + np.eye(SIDE * SIDE, dtype=np.float32).reshape(-1, SIDE, SIDE, 1)
    answers = filters.response.predict(np.concatenate([noise[:1], steps]), verbose=0)[(slice(None), *unit)]
    assert np.allclose(got.ravel(), answers[1:] - answers[0], atol=1e-4)


# x before the rectifier, signal after it, and what each rule lets through: zero, or the signal
PASSED = [
    # x, signal, gradient, deconvolution, guided
    (-1, 2, 0, 2, 0),
    (-1, -2, 0, 0, 0),
    (1, 2, 2, 2, 2),
    (1, -2, -2, 0, 0),
]


@pytest.mark.parametrize(
    ("activation", "cases"),
    [("relu", [*PASSED, (7, 2, 2, 2, 2), (7, -2, -2, 0, 0)]), ("relu6", [*PASSED, (7, 2, 0, 2, 2), (7, -2, 0, 0, 0)])],
)
@pytest.mark.parametrize("fused", [True, False], ids=["in the convolution", "a layer of its own"])
def test_rectifiers_pass_what_the_papers_say(activation, cases, fused):
    for x, signal, *expected in cases:
        made = network(
            convolution("before", [[1]], activation=activation if fused else None),
            *([] if fused else [layers.Activation(activation)]),
            convolution("after", [[signal]]),
        )
        image = np.full((1, SIDE, SIDE, 1), x, np.float32)
        got = [project(made.find("after"), image, [(2, 3, 0)], rule)[0, 2, 3, 0] for rule in RULES]
        assert got == expected, (x, signal)


def test_a_max_pool_leads_back_to_where_the_maximum_was(noise):
    made = network(layers.MaxPooling2D(4), convolution("conv", [[3]]))
    got = project(made.find("conv"), noise, [(1, 2, 0)] * 3, "deconvolution")[..., 0]
    for image, picture in zip(noise[..., 0], got, strict=True):
        row, column = np.unravel_index(image[4:8, 8:12].argmax(), (4, 4))
        assert np.array_equal(picture, at(4 + row, 8 + column, np.array([[3.0]])))


def test_normalisation_leads_back_by_its_factor_with_its_sign(noise):
    normalised = layers.BatchNormalization(
        epsilon=0.0,
        gamma_initializer=keras.initializers.Constant(-3.0),
        moving_mean_initializer=keras.initializers.Constant(5.0),
        moving_variance_initializer=keras.initializers.Constant(4.0),
    )
    made = network(convolution("conv", [[2]]), normalised, layers.Activation("relu6"))
    got = project(made.find("conv"), noise[:1], [(2, 3, 0)], "guided")[..., 0]
    assert np.allclose(got[0], at(2, 3, np.array([[-3.0]])))


def test_the_network_is_afterwards_what_it_was(noise):
    made = network(convolution("one", EDGE, activation="relu"), convolution("two", EDGE, activation="relu"))
    before = made.model.predict(noise, verbose=0)
    project(made.find("two"), noise, [(0, 0, 0)] * 3, "deconvolution")
    assert made.model.get_layer("one").activation is keras.activations.relu
    assert np.array_equal(made.model.predict(noise, verbose=0), before)
    with pytest.raises(IndexError):
        project(made.find("two"), noise, [(99, 0, 0)] * 3, "deconvolution")
    assert made.model.get_layer("one").activation is keras.activations.relu


def test_the_planes_lead_back_to_the_image_by_the_transpose_of_what_made_them():
    """<planes of the image, signal> equals <image, signal led back>, for the runtime's own kernels."""
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (12, 15), dtype=np.uint8)
    gx, gy = kernels.sobel(image)
    planes = {"grey": image, "gx": gx, "gy": gy, "laplacian": kernels.laplacian(image)}
    for name, plane in planes.items():
        signal = rng.normal(size=(1, 12, 15, 1)).astype(np.float32)
        forward = float((plane * REAL_VALUES[name][0] * signal[0, ..., 0]).sum())
        back = float((image * to_image(signal, [name])[0]).sum())
        # sums of 180 float32 products of at most a few hundred
        assert forward == pytest.approx(back, abs=0.01), name
    both = rng.normal(size=(2, 12, 15, 2)).astype(np.float32)
    parts = to_image(both[..., :1], ["grey"]) + to_image(both[..., 1:], ["gx"])
    assert np.allclose(to_image(both, ["grey", "gx"]), parts)


# images on which a filter's answer is known


@pytest.fixture
def planted():
    """Grey crops: flat ones of several levels, and in number 5 an edge from dark to bright at (6..8, 10)."""
    images = np.stack([np.full((SIDE, SIDE), level, np.uint8) for level in (90, 100, 128, 128, 140, 128, 70)])
    images[5, 6:9, 9] = 28
    images[5, 6:9, 11] = 228
    return images


def planted_network():
    """Filter 0 sees edges bright to dark, 1 answers to brightness, 2 to nothing, 3 to the planted edge."""
    kernel = np.zeros((3, 3, 1, 4), np.float32)
    kernel[1, 1, 0, 1], kernel[..., 0, 3] = 1, EDGE
    kernel[..., 0, 0] = -EDGE
    return network(convolution("conv", kernel, [0, 0, -9, 0], activation="relu"), layers.GlobalAveragePooling2D())


def test_the_planted_image_and_place_are_found(planted):
    made = planted_network()
    found = survey(made, made.find(None), planted)
    assert found.exciting(3, 9).tolist() == [5]
    # the unit whose 3x3 pixels have the edge in their middle
    assert found.places[5, 3].tolist() == [6, 9]
    assert made.find("conv").field.box(6, 9) == (9, 6, 12, 9)
    assert np.array_equal(patch(planted[5], (9, 6, 12, 9)), [[28, 128, 228]] * 3)
    # 3 rows of (228 - 28) / 128
    assert found.answers[5, 3] == pytest.approx(600 / 128)


def test_images_come_strongest_first_and_equal_ones_in_their_order(planted):
    made = planted_network()
    assert survey(made, made.find("conv"), planted).exciting(1, 9).tolist() == [5, 4]


def test_dead_filters_are_those_that_answer_to_nothing(planted):
    made = planted_network()
    found = survey(made, made.find("conv"), planted)
    assert found.dead.tolist() == [False, False, True, False]
    # brightness: only what is above middle grey; a bright spot makes edges on both sides
    assert found.active.tolist() == [1, 2, 0, 1]


def test_a_linear_map_has_no_dead_filter(planted):
    made = network(convolution("conv", [[1]], -9), layers.BatchNormalization())
    found = survey(made, made.find("conv"), planted)
    assert found.active.tolist() == [0] and not found.dead.any()


def test_bounded_answers_are_told_apart(planted):
    """ReLU6 makes both 6; the filter ranks them by what it rectifies."""
    made = network(convolution("conv", [[100]]), layers.Activation("relu6"))
    assert survey(made, made.find("conv"), planted[[4, 5]]).exciting(0, 2).tolist() == [1, 0]


def test_a_patch_beyond_the_edge_is_middle_grey_there(planted):
    got = patch(planted[0], (-1, -2, 2, 1))
    assert np.array_equal(got, [[128, 128, 128], [128, 128, 128], [128, 90, 90]])


# Grad-CAM


@pytest.mark.parametrize("fused", [True, False], ids=["in the convolution", "a layer of its own"])
@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_under_a_mean_and_a_dense_layer_grad_cam_is_the_weighted_sum_of_the_maps(noise, activation, fused):
    """There the gradient of a class is its weight over the number of places."""
    rng = np.random.default_rng(6)
    kernel, weights = rng.normal(size=(3, 3, 1, 5)), rng.normal(size=(5, 7)).astype(np.float32)
    made = network(
        convolution("conv", kernel, activation=activation if fused else None),
        *([] if fused else [layers.Activation(activation)]),
        layers.GlobalAveragePooling2D(),
        layers.Dense(7, kernel_initializer=keras.initializers.Constant(weights)),
    )
    filters, classes = made.find("conv"), np.array([0, 3, 6])
    maps = np.clip(filters.response.predict(noise, verbose=0), 0, 6 if activation == "relu6" else None)
    expected = np.maximum(np.einsum("nhwc,cn->nhw", maps, weights[:, classes]), 0) / 14**2
    assert np.allclose(grad_cam(filters, noise, classes), expected, atol=1e-5)


def test_grad_cam_is_hottest_where_the_class_is_planted(planted):
    """The class is the sum of the edges; the brightness speaks against it."""
    made = planted_network()
    dense = layers.Dense(7, kernel_initializer=keras.initializers.Constant([[0] * 7, [-1] * 7, [0] * 7, [1] * 7]))
    filters = made.find("conv")
    logits = keras.Model(made.model.input, dense(made.model.output))
    filters = replace(filters, logits=logits)
    heats = grad_cam(filters, made.inputs(planted), np.full(len(planted), 2))
    assert np.unravel_index(heats[5].argmax(), heats[5].shape) == (6, 9)
    assert heats[[0, 1, 2, 3, 4, 6]].max() == 0
    over = over_image(heats[5], filters.field, SIDE)
    assert np.unravel_index(over.argmax(), over.shape) == (7, 10), "in the middle of the edge"


def test_a_map_is_spread_so_that_each_unit_lies_in_the_middle_of_what_it_sees():
    heat = np.array([[0, 1], [0, 0]], np.float32)
    over = over_image(heat, Field(8, -2, 6, 2), SIDE)  # the middles are at 2 and 10
    assert over[2, 10] == 1 and over[2, 2] == 0 and over[10, 10] == 0
    assert over[2, 6] == pytest.approx(0.5) and over[0, 15] == 1


def test_the_truth_beside_a_heat_is_named_by_the_labels_of_the_data(planted):
    """A network of eight classes may be shown data of seven, which number them differently."""
    made = network(convolution("conv", EDGE, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(8))
    made.labels = label_set("ferplus8")
    data = Dataset("here", "all", "basic7", "every row", planted, np.full(len(planted), 6))
    _, listed = class_sheet(made, made.find("conv"), data, 2, ["title"])
    assert [entry["class"] for entry in listed] == list(made.labels)
    assert {image["truth"] for entry in listed for image in entry["images"]} == {label_set("basic7")[6]}


def test_grad_cam_needs_rectified_maps(planted):
    made = network(convolution("conv", EDGE), layers.GlobalAveragePooling2D())
    data = Dataset("here", "all", "basic7", "every row", planted, np.zeros(len(planted), np.int64))
    with pytest.raises(UsageError, match="gradcam: conv is linear; choose a convolution that is rectified"):
        explain(made, data, "gradcam", "nowhere", "conv")


# the networks that are trained here

SETTINGS = {
    "pandey": TrainingSettings(),
    "pandey parallel": TrainingSettings(mode="parallel", input="grey+laplacian"),
    "pandey shared": TrainingSettings(mode="shared", input="grey+sobel+laplacian"),
    "vgg13": TrainingSettings(architecture="vgg13", input="grey", stages=((64, 1),)),
    "rtnn": TrainingSettings(architecture="rtnn", input="grey", labels="basic7"),
    "breuer": TrainingSettings(architecture="breuer", input="grey", labels="basic7", size=48, stages=((48, 1),)),
    "edgefer-s": TrainingSettings(architecture="edgefer-s"),
    "edgefer-nano": TrainingSettings(architecture="edgefer-nano", mode="parallel"),
}
LAYERS = {  # the last rectified one, and one with a receptive field smaller than the image
    "pandey": ("bottleneck12_filter", "bottleneck1_filter"),
    "pandey parallel": ("laplacian/bottleneck12_filter", "laplacian/conv2"),
    "pandey shared": ("laplacian/bottleneck12_filter", "sobel/bottleneck3_expand"),
    "vgg13": ("conv4_3", "conv2_2"),
    "rtnn": ("module4_separable1", "module2_separable1"),
    "breuer": ("conv3", "conv2"),
    "edgefer-s": ("head", "stage1_2_filter"),
    "edgefer-nano": ("sobel/head", "sobel/stage2_1_filter"),
}


@pytest.fixture(scope="module", params=SETTINGS, ids=str)
def trained(request):
    """A network of each architecture, with random weights, those of the normalisation too."""
    settings = SETTINGS[request.param]
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    model = build(settings, size=settings.size)
    for variable in model.variables:
        if len(variable.shape) == 1:
            variable.assign(rng.uniform(0.2, 0.8, variable.shape))
    return request.param, Network("run", settings, model)


def test_a_unit_sees_its_receptive_field_and_nothing_else(trained):
    name, made = trained
    filters, side = made.find(LAYERS[name][1]), made.settings.size
    rows, columns = filters.places
    x0, y0, x1, y1 = filters.field.box(rows // 2, columns // 2)
    assert 0 < x0 < x1 < side and 0 < y0 < y1 < side, "the unit in the middle sees no edge of the image"
    inside = np.zeros((side, side, 1), bool)
    inside[y0:y1, x0:x1] = True
    rng = np.random.default_rng(4)
    first = rng.uniform(-1, 1, (8, side, side, len(made.planes))).astype(np.float32)
    other = rng.uniform(-1, 1, first.shape).astype(np.float32)
    answers = [
        filters.response.predict(images, verbose=0)[:, rows // 2, columns // 2]
        for images in (first, np.where(inside, first, other), np.where(inside, other, first))
    ]
    assert abs(answers[0] - answers[1]).max() < 0.1 * abs(answers[0] - answers[2]).max()
    units = [(rows // 2, columns // 2, index) for index in range(len(first))]
    signal = project(filters, first, units, "deconvolution")
    seen = np.argwhere(np.abs(signal).max(axis=(0, 3)) > 0)
    assert seen.min(axis=0).tolist() == [y0, x0] and seen.max(axis=0).tolist() == [y1 - 1, x1 - 1]


def test_the_last_rectified_layer_is_taken_where_none_is_named(trained):
    name, made = trained
    filters = made.find(None)
    assert filters.name == LAYERS[name][0]


def test_the_logits_of_the_streams_add_up_to_those_of_the_network(trained):
    _, made = trained
    image = np.random.default_rng(5).uniform(-1, 1, (1, *made.model.input.shape[1:])).astype(np.float32)
    streams = {name.rpartition("/")[0]: filters.logits for name, filters in made.filters.items()}
    logits, *parts = (
        keras.ops.convert_to_numpy(model(image, training=False)) for model in (made.model, *streams.values())
    )
    assert np.allclose(sum(parts), logits, atol=1e-4)


def test_a_field_after_a_mean_is_the_whole_image():
    made = network(
        convolution("conv", EDGE, padding="same"),
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.UpSampling2D(4),
        convolution("last", [[1]]),
    )
    assert made.find("conv").field == Field(1, -1, 1, SIDE)
    assert made.find("last").field is None


# the command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run directory: edgefer-nano with random weights."""
    directory = tmp_path_factory.mktemp("runs") / "nano"
    directory.mkdir()
    settings = TrainingSettings(architecture="edgefer-nano", labels="basic7")
    keras.utils.set_random_seed(1)
    build(settings, size=settings.size).save_weights(directory / "best.weights.h5")
    (directory / "settings.json").write_text(json.dumps(asdict(settings)))
    return directory


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for label in ("neutral", "happiness"):
        (folder / label).mkdir()
        for number in range(3):
            image = cv2.resize(rng.integers(0, 256, (6, 6), dtype=np.uint8), (64, 64))
            cv2.imwrite(str(folder / label / f"{number}.png"), image)
    return folder


@pytest.mark.parametrize("method", ["deconvolution", "guided", "patches"])
def test_a_sheet_is_written_and_its_images_are_listed(run, faces, tmp_path, capsys, method):
    out = tmp_path / "new" / "filters"
    words = ["explain", str(run), "--data", str(faces), "--method", method, "--out", str(out)]
    options = ["--layer", "stage1_2_filter", "--top", "4", "--filters", "0,3-4"]
    assert main([*words, *options, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["layer"], said["filters"], said["places"]) == ("stage1_2_filter", 16, [32, 32])
    # 3x3 of stride 2, then two of 3x3
    assert said["receptive_field_px"] == 3 + 2 * 2 + 2 * 2
    assert [entry["filter"] for entry in said["top"]] == [0, 3, 4]
    for entry in said["top"]:
        answers = [image["answer"] for image in entry["images"]]
        assert len(answers) == min(4, entry["active_on"]) and answers == sorted(answers, reverse=True)
    assert said["top"][0]["images"][0]["file"].endswith(".png")
    assert [path.name for path in out.iterdir()] == [f"{method}-stage1_2_filter.png"]
    assert said["files"] == [str(out / f"{method}-stage1_2_filter.png")]
    picture = cv2.imread(said["files"][0])
    assert len(np.unique(picture)) > 20


def test_grad_cam_draws_every_class(run, faces, tmp_path, capsys):
    words = ["explain", str(run), "--data", str(faces), "--method", "gradcam", "--out", str(tmp_path)]
    assert main([*words, "--top", "2", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [entry["class"] for entry in said["top"]] == list(label_set("basic7"))
    for entry in said["top"]:
        scores = [image["score"] for image in entry["images"]]
        assert len(scores) == 2 and scores == sorted(scores, reverse=True)
        assert {image["truth"] for image in entry["images"]} <= {"neutral", "happiness"}
    assert cv2.imread(str(tmp_path / "gradcam-head.png")) is not None


def test_the_text_counts_active_and_dead_filters(run, faces, tmp_path, capsys):
    assert main(["explain", str(run), "--data", str(faces), "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "layer     head, 8x8 places, each sees " in text
    assert "rows      6 of 6 rows count" in text
    assert " of 160 active (" in text and " dead, on 6 rows" in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layer", "conv9"], "no convolution 'conv9'; available: stem, stage1_1_filter, "),
        (["--filters", "2,160"], "--filters: head has 0 to 159, got 160"),
        (["--filters", "7-3"], "expected numbers and ranges, as in 0,7,12-20, got '7-3'"),
        (["--method", "magic"], "invalid choice: 'magic'"),
    ],
)
def test_wrong_usage_is_one_line(run, faces, tmp_path, capsys, options, words):
    assert main(["explain", str(run), "--data", str(faces), "--out", str(tmp_path), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error


def test_a_directory_that_is_no_run_is_refused_with_what_is_missing(run, faces, tmp_path, capsys):
    words = ["--data", str(faces), "--out", str(tmp_path / "out")]
    assert main(["explain", "ferplus-sobel", *words]) == 2
    assert "expected the directory of a training run" in capsys.readouterr().err
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "settings.json").write_text((run / "settings.json").read_text())
    assert main(["explain", str(unfinished), *words]) == 2
    assert "best.weights.h5 is not there" in capsys.readouterr().err
    (unfinished / "best.weights.h5").write_bytes(b"damaged")
    assert main(["explain", str(unfinished), *words]) == 4
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "not the weights of edgefer-nano" in error
    (unfinished / "settings.json").write_text('{"stages": 64}')
    assert main(["explain", str(unfinished), *words]) == 4
    assert "not the settings of a run" in capsys.readouterr().err


def test_a_network_that_moves_the_image_is_refused(faces, tmp_path, capsys):
    settings = TrainingSettings(architecture="rtnn", input="grey", stl=True, labels="basic7", stages=((64, 1),))
    build(settings, size=64).save_weights(tmp_path / "best.weights.h5")
    (tmp_path / "settings.json").write_text(json.dumps(asdict(settings)))
    assert main(["explain", str(tmp_path), "--data", str(faces), "--out", str(tmp_path / "out")]) == 2
    assert "moves the image (spatial transformer)" in capsys.readouterr().err
