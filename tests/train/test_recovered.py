"""A network that learns on from an int8 model."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install -e '.[train]'")

from portrait import portrait

from edgefer.errors import UsageError
from edgefer.models import directory, store
from edgefer.models.interpreter import Interpreter
from edgefer.train import runs
from edgefer.train.averaged import values_of
from edgefer.train.checkpoint import start
from edgefer.train.data.augment import augment
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.settings import TrainingSettings, build

SETTINGS = TrainingSettings(architecture="edgefer-s", size=48, stages=((48, 1),), start="edgefer-s", dropout=0.2)


@pytest.fixture(scope="module")
def examples() -> np.ndarray:
    """Inputs of the network, real values."""
    rng = np.random.default_rng(0)
    face = portrait()
    return Inputs(input_spec(SETTINGS.input, SETTINGS.size)).stack(
        np.stack([augment(face, rng, 48) for _ in range(64)])
    )


@pytest.fixture(scope="module")
def same(examples):
    """A network of the model's classes that began with it."""
    model = build(SETTINGS, dropout=SETTINGS.dropout)
    assert start(SETTINGS.start, model, lambda: examples) == 0.0
    return model


@pytest.mark.parametrize("learning", [False, True])
def test_it_computes_what_the_model_computes(same, examples, learning):
    manifest, content = directory.read_frame(store.find(SETTINGS.start))
    interpreter = Interpreter(content, manifest)
    levels = np.rint(examples * 128).astype(np.int8)
    said = np.stack([interpreter.run(one[None])[0] for one in levels]).astype(np.float32)
    if learning:  # by mean and deviation of the batch itself, and without what dropout drops
        same.get_layer("dropout").rate = 0.0
    found = np.asarray(same(examples, training=learning))
    assert np.corrcoef(found.ravel(), said.ravel())[0, 1] > 0.98


def test_with_other_classes_all_but_the_last_layer_is_the_models(same, examples):
    seven = build(replace(SETTINGS, labels="basic7"), dropout=SETTINGS.dropout)
    start(SETTINGS.start, seven, lambda: examples)
    for ours, theirs in zip(values_of(seven.variables), values_of(same.variables), strict=True):
        assert ours.dtype.kind != "f" or ours.shape[-1:] == (7,) or np.allclose(ours, theirs, 1e-4, 1e-4)


def test_another_network_is_refused(examples):
    with pytest.raises(UsageError, match="expected"):
        start("edgefer-nano", build(SETTINGS), lambda: examples)
    with pytest.raises(UsageError, match="expected"):
        start("ferplus-sobel", build(SETTINGS), lambda: examples)


def test_a_run_from_a_model_has_no_run_before_it(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "settings.json").write_text(json.dumps(asdict(SETTINGS)))
    assert [each for each, _ in runs.lineage(run)] == [str(run)]
