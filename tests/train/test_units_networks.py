"""Networks for action units: ours, and the paper's heads."""

from __future__ import annotations

import json

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from test_units_material import rows  # noqa: E402

from edgefer.errors import UsageError  # noqa: E402
from edgefer.train.architectures import breuer  # noqa: E402
from edgefer.train.data.synthetic.units import UNITS  # noqa: E402
from edgefer.train.landmarks import network as landmarks  # noqa: E402
from edgefer.train.units import export, fit, network, paper  # noqa: E402

COUNT = len(UNITS)


@pytest.fixture
def at_once():
    """Networks run step by step: for a few pictures, tracing them takes far longer than running them."""
    tensorflow = pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install -e '.[train]'")
    tensorflow.config.run_functions_eagerly(True)
    yield
    tensorflow.config.run_functions_eagerly(False)


def test_our_network_has_a_logit_and_an_intensity_for_each_unit():
    model = network.build()
    assert model.input_shape == (None, 96, 80, 1) and model.output_shape == (None, 2 * COUNT)
    assert model.count_params() < 1_000_000


def test_its_convolutions_begin_as_those_of_the_landmark_network(tmp_path):
    """Cross-task transfer: the first stay as they are where asked."""
    other = landmarks.build(network.SHAPE, np.zeros(136))
    other.save_weights(tmp_path / "landmarks.weights.h5")
    model = network.build()
    network.start(model, tmp_path / "landmarks.weights.h5", held=4)
    own, its = ([layer for layer in each.layers if isinstance(layer, keras.layers.Conv2D)] for each in (model, other))
    assert len(own) == len(its) - 1, "all but the one that reads the features"
    for mine, given in zip(own, its, strict=False):
        np.testing.assert_array_equal(mine.get_weights()[0], given.get_weights()[0])
    assert [layer.trainable for layer in own] == [False] * 4 + [True] * (len(own) - 4)
    with pytest.raises(UsageError, match="no weights of a landmark network deep80"):
        network.start(model, tmp_path / "nothing.weights.h5")


def test_the_loss_leaves_out_what_nobody_knows():
    truth = np.zeros((2, 3 * COUNT), np.float32)
    truth[0, 2 * COUNT] = 1  # one unit of the first row is known: it does not show
    said = np.full((2, 2 * COUNT), 9.0, np.float32)
    said[0, 0], said[0, COUNT] = 0.0, 2.0
    assert float(network.loss(truth, said)) == pytest.approx(np.log(2) + 4, rel=1e-5)


def test_a_run_keeps_its_best_weights_and_what_decided_it(tmp_path, at_once):
    parts = {"made_train": rows(16), "made_val": rows(6), "real_train": rows(8, real=True)}
    parts["real_val"] = rows(5, real=True)
    done = fit.fit_units(fit.UnitsTraining(epochs=1, batch=8), parts, tmp_path)
    assert json.loads((tmp_path / "done.json").read_text()) == done
    assert (tmp_path / fit.WEIGHTS).exists() and done["people"]["made_train"] == 8


def test_a_run_goes_on_from_another(tmp_path, at_once):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    network.build().save_weights(first / fit.WEIGHTS)
    (first / "done.json").write_text(json.dumps({"training": {}}))
    parts = {"made_train": rows(8), "made_val": rows(6), "real_train": rows(8, real=True)}
    parts["real_val"] = rows(5, real=True)
    fit.fit_units(fit.UnitsTraining(further=str(first / fit.WEIGHTS), epochs=1, batch=8, rate=0.0), parts, second)
    own, its = network.build(), network.build()
    own.load_weights(second / fit.WEIGHTS)
    its.load_weights(first / fit.WEIGHTS)
    np.testing.assert_array_equal(own.get_layer("hidden").get_weights()[0], its.get_layer("hidden").get_weights()[0])
    assert export.chain(second) == [first, second]
    from_nothing = fit.UnitsTraining(further=str(tmp_path / "nothing.weights.h5"))
    with pytest.raises(UsageError, match="no weights of units"):
        fit.fit_units(from_nothing, parts, tmp_path / "third")
    with pytest.raises(UsageError, match="second: holds a finished run"):
        fit.fit_units(from_nothing, parts, second)


def test_the_papers_network_changes_its_last_layer_for_units():
    """5,748,743 parameters with seven classes; 513 for each further output."""
    model = paper.network(COUNT, paper.PaperTraining())
    assert model.count_params() == breuer.PARAMETERS + (COUNT - 7) * (breuer.HIDDEN + 1)
    assert paper.features(model).output_shape == (None, 6 * 6 * 256)


@pytest.mark.parametrize("make", [paper.occurrence_loss, paper.intensity_loss])
def test_sparsity_costs_what_is_said(make):
    """L1 and L2 of the output: the same error costs more where more is named."""
    truth, said = np.zeros((1, 4), np.float32), np.full((1, 4), 2.0, np.float32)
    level = 1 / (1 + np.exp(-2.0)) if make is paper.occurrence_loss else 2.0
    more = float(make(0.1, 0.01)(truth, said)) - float(make(0.0, 0.0)(truth, said))
    assert more == pytest.approx(0.1 * level + 0.01 * level**2, rel=1e-5)


def test_all_forms_of_the_paper_are_trained_and_stand_beside_its_figures(tmp_path, at_once):
    made, test, real = rows(24), rows(12), rows(12, real=True)
    tags = {name: ("happiness", "neutral")[i % 2] for i, name in enumerate(sorted(set(real.names.tolist())))}
    training = paper.PaperTraining(width=0.03, rows=20, epochs=1, emotion_epochs=1, batch=8)
    done = paper.run(training, made, test, real, tags, tmp_path)
    assert json.loads((tmp_path / "paper.json").read_text()) == done
    table = paper.table(done)
    assert "97.54 %" in table and "96.1 %, MSE 0.2045" in table and table.startswith("Synthetic:")
    assert len(table.splitlines()) == 4 + 6 and done["rows"]["train"] == 20
