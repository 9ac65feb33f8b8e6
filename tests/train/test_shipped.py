"""The shipped network is the one of Table III, and does on val what its manifest says."""

import importlib.util
import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefer import recognize
from edgefer.measure import datasets
from edgefer.models import directory, manifest, store
from edgefer.train.export.card import origin_of
from edgefer.train.recipes import ELSEWHERE, MAKERS, RECIPES, chain

NAME = "ferplus-sobel"
DATA = Path(os.environ.get("EDGEFER_DATA", Path(__file__).parents[3] / "shared" / "data"))
NPZ = DATA / "fer2013" / "fer2013_train_val.npz"
needs_data = pytest.mark.skipif(not NPZ.exists(), reason=f"needs {NPZ}; EDGEFER_DATA names the folder")

# Table III: channels in, channels out of each inverted bottleneck; every one expands sixfold.
WIDTHS = [32, 32, 24, 24, 32, 32, 32, 64, 64, 64, 64, 128, 256]


@pytest.fixture(scope="module")
def weights():
    """Shapes and numbers of the int8 weights of the shipped file: those of its 4-D constants."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="needs ai-edge-litert")
    path = store.find(NAME) / manifest.MODEL_NAME
    network = litert.Interpreter(model_path=str(path))
    network.allocate_tensors()
    shapes = [tuple(int(n) for n in t["shape"]) for t in network.get_tensor_details()]
    # an activation is (1, H, W, C) with H from 64 down to 1; the 3x3 filters are the only (1, 3, 3, C)
    return Counter(s for s in shapes if len(s) == 4 and (s[0] > 1 or s[1:3] == (3, 3)))


def test_the_weights_of_the_file_are_those_of_table_iii(weights):
    expected = Counter([(48, 3, 3, 3), (32, 3, 3, 48), (8, 1, 1, 256)])
    for inside, outside in zip(WIDTHS, WIDTHS[1:], strict=False):
        wide = 6 * inside
        expected += Counter([(wide, 1, 1, inside), (1, 3, 3, wide), (outside, 1, 1, wide)])
    assert weights == expected


def test_the_file_holds_the_papers_number_of_parameters(weights):
    """645,472 less the two biases of the stem (80), plus two Sobel planes in the first convolution (864)."""
    assert sum(int(np.prod(shape)) * n for shape, n in weights.items()) == 645_472 - 80 + 864


@pytest.mark.parametrize("name", store.shipped("frame"))
def test_the_card_states_the_manifests_figures(name):
    found = directory.load(store.find(name))
    card = (store.find(name) / "MODEL_CARD.md").read_text()
    for words in (
        f"{found.metrics.accuracy_int8:.2f} %",
        f"{found.metrics.accuracy_float32:.2f} %",
        f"{found.metrics.rows} rows",
        f"temperature {found.output.temperature} ",
        f"{found.metrics.ece:.2f} %",
        *found.training.command.split(" && "),
        "research use",
    ):
        assert words in card.replace("\n", " ")
    words = " ".join(card.split())
    assert origin_of(found.training.rule).judged in words
    assert ("ten people's judgements" in words) == (found.output.labels == "ferplus8")


def lineage(name):
    """The runs of a recipe, after those of another that its first one starts from."""
    runs = RECIPES[name]
    start = runs[0][1].start
    if start not in MAKERS:
        return runs
    before = lineage(MAKERS[start][0])
    return (*before[: [run for run, _ in before].index(start) + 1], *runs)


@pytest.mark.parametrize("name", store.shipped("frame"))
def test_the_manifest_is_what_its_recipe_makes(name):
    """The shipped model was trained by the settings under its name, so `train all` would make it again."""
    found = directory.load(store.find(name))
    runs = lineage(name)
    assert found.training.command == " && ".join(map(str, chain(runs)))
    assert found.training.seed == runs[-1][1].seed


def test_every_shipped_model_is_trained_by_a_recipe_or_a_command_of_its_own():
    assert not set(RECIPES) & set(ELSEWHERE)
    here = {name for name, (_, needed) in ELSEWHERE.items() if not needed}
    assert here <= set(store.shipped()) <= {*RECIPES, *here}
    for command, _ in ELSEWHERE.values():
        assert importlib.util.find_spec(command.split()[0])


@pytest.mark.parametrize("name", store.shipped("frame"))
def test_a_model_is_good_enough_to_ship(name):
    found = directory.load(store.find(name))
    metrics = found.metrics
    assert metrics.accuracy_int8 >= {"ferplus8": 84, "basic7": 65}[found.output.labels]
    assert metrics.accuracy_float32 - metrics.accuracy_int8 <= 0.3
    assert metrics.ece <= 3


@pytest.fixture(scope="module")
def val():
    found = datasets.load(NPZ, "val")
    return found.images[:600], found.truth[:600]


@pytest.fixture(scope="module")
def plain(val):
    return accuracy(recognize.open(NAME), *val)


def accuracy(recognizer, images, truth):
    picked = []
    for image in images:
        recognizer.prepare_crop(image)
        picked.append(int(np.argmax(recognizer.infer())))
    return 100 * float(np.mean(np.array(picked) == truth))


@needs_data
@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda image: image[:, ::-1].copy(), id="mirrored"),
        pytest.param(lambda image: image[3:, 3:].copy(), id="cut-off-centre"),
        pytest.param(lambda image: np.rint(image * 0.6).astype(np.uint8), id="darker"),
        pytest.param(lambda image: cv2.resize(image, (160, 160)), id="near-the-camera"),
    ],
)
def test_what_a_camera_changes_costs_little_accuracy(val, plain, alter):
    """On 600 rows, at most 4 points: two standard errors of a paired difference are about 2.5."""
    images, truth = val
    assert accuracy(recognize.open(NAME), [alter(image) for image in images], truth) >= plain - 4
