"""Opening a model by name or directory, and reading a face with it."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_model

from edgefer import recognize
from edgefer.errors import ModelError, UsageError
from edgefer.geometry import Box
from edgefer.models import directory as directories
from edgefer.models import interpreter as interpreters
from edgefer.models import manifest as manifests
from edgefer.models import store
from edgefer.preprocess.crop import Preprocess


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tiny_model.make_directory(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def image():
    return np.random.default_rng(5).integers(0, 256, (120, 160), np.uint8)


def test_a_directory_is_opened_and_scores_sum_to_one(directory, image):
    recognizer = recognize.open(directory)
    assert recognizer.labels == directories.load(directory).labels
    scores = recognizer(image, Box(20, 10, 90, 100))
    assert scores.shape == (8,)
    assert scores.dtype == np.float32
    assert scores.sum() == pytest.approx(1, abs=1e-6)


def test_a_face_is_read_from_the_square_the_manifest_asks_for(directory, image):
    """prepare, infer and the parts they are made of agree; the margin of 0.1 is in the box."""
    recognizer = recognize.open(directory)
    box = Box(20, 10, 70, 100)
    manifest, model = directories.read(directory)
    tensor = Preprocess(manifest.input)(image, Box(-9.0, 1.0, 99.0, 109.0))
    expected = interpreters.scores(interpreters.Interpreter(model, manifest).run(tensor)[0], manifest)
    recognizer.prepare(image, box)
    assert np.array_equal(recognizer.infer(), expected)
    assert np.array_equal(recognizer(image, box), expected)


def test_a_crop_is_taken_whole(directory, image):
    recognizer = recognize.open(directory)
    recognizer.prepare_crop(image)
    whole = recognizer.infer()
    recognizer.prepare(image, Box(0, 0, 160, 120))
    assert not np.array_equal(recognizer.infer(), whole)


def test_an_unknown_name_lists_the_names_there_are(directory, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED", directory.parent)
    assert store.shipped() == ["tiny"]
    recognize.open("tiny")
    with pytest.raises(UsageError, match="unknown model 'tny'; did you mean 'tiny'.*; available: tiny") as caught:
        recognize.open("tny")
    assert caught.value.exit_code == 2


def test_a_path_that_is_not_there_is_a_refused_model(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        recognize.open(tmp_path / "absent")


def test_a_failed_self_test_refuses_the_model(tmp_path):
    vectors = list(tiny_model.manifest().self_test)
    wrong = manifests.SelfTest(seed=11, output=vectors[0].output)
    directory = tiny_model.make_directory(tmp_path / "m", self_test=(*vectors, wrong))
    directories.load(directory)
    with pytest.raises(ModelError, match="self-test 11 failed"):
        recognize.open(directory)


@pytest.mark.parametrize(
    "name", store.shipped("frame") or [pytest.param("", marks=pytest.mark.skip("no model ships yet"))]
)
def test_each_shipped_model_opens_and_bears_its_directory_name(name):
    recognizer = recognize.open(name)
    assert recognizer.manifest.name == name
    assert recognizer.manifest.metrics.rows > 0
    assert (store.SHIPPED / name / "MODEL_CARD.md").is_file()
