"""From a run to a model directory: the figures, the temperature, the margin, and what is refused."""

import json
from dataclasses import asdict

import cv2
import numpy as np
import pytest

from edgefer import detect, geometry, kernels
from edgefer.errors import ModelError
from edgefer.sources.demo import portrait_path
from edgefer.train import __main__ as listing
from edgefer.train.data import crop_margin
from edgefer.train.export import Measured, fit_temperature, lineage
from edgefer.train.export import main as export
from edgefer.train.fit import Settings
from edgefer.train.recipes import OWED, RECIPES


def test_a_run_that_is_not_finished_is_refused(tmp_path, capsys):
    assert export([str(tmp_path), "--out", str(tmp_path / "model")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "settings.json" in error
    assert not (tmp_path / "model").exists()


def test_the_figures_are_counted_from_the_outputs():
    truth = np.array([0, 0, 1, 2])
    logits = np.eye(3)[[0, 1, 1, 2]]
    outputs = np.eye(3)[[0, 0, 1, 0]]
    measured = Measured(logits, outputs, truth)
    assert measured.accuracy_float32 == 75
    assert measured.accuracy_int8 == 75
    assert measured.same_label == 50
    assert measured.confusion.tolist() == [[2, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert measured.logit_error == pytest.approx(np.sqrt(4 / 12))


@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.7])
def test_the_temperature_that_made_the_scores_is_found_again(temperature):
    logits = np.random.default_rng(0).normal(0, 3, (500, 8))
    scores = np.exp(logits / temperature)
    scores /= scores.sum(axis=1, keepdims=True)
    assert fit_temperature(logits, scores) == pytest.approx(temperature, abs=0.011)


def test_the_margin_about_the_detectors_box_is_found_again():
    """The portrait, cropped by the detector's own box and a known margin, at the training images' size."""
    pytest.importorskip("matplotlib", reason="the portrait comes with matplotlib (extra `demo`)")
    image = cv2.imread(str(portrait_path()), cv2.IMREAD_GRAYSCALE)
    box = geometry.squared(detect.open_detector("haar").detect(image)[0].box)
    for margin in (0.1, 0.2):
        crop = kernels.crop_resize(image, geometry.squared(box, margin), (48, 48))
        measured = crop_margin.measure([crop])
        assert (measured.rows, measured.found) == (1, 1)
        # a Haar box repeats to about a tenth of its side
        assert measured.value == pytest.approx(margin, abs=0.06)
        assert np.abs(measured.shift).max() < 0.06


def test_images_without_a_face_have_no_margin():
    with pytest.raises(ValueError, match="no face"):
        crop_margin.measure([np.zeros((48, 48), np.uint8)])


def test_the_list_names_every_model_and_how_it_stands(capsys):
    assert listing.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*RECIPES, *OWED]
    assert "trained: " in lines[0] and all("owed" in line for line in lines[len(RECIPES) :])


def test_all_trains_and_exports_what_is_owed_and_stops_at_a_failure(monkeypatch):
    """A model that is damaged counts as owed; the runs before it go first."""
    ran = []

    def run(command, check):
        ran.append(command)
        return type("Done", (), {"returncode": 3 if "edgefer.train.export" in command else 0})

    def damaged(directory):
        raise ModelError("damaged")

    monkeypatch.setattr(listing.subprocess, "run", run)
    monkeypatch.setattr(listing.manifest, "load", damaged)
    assert listing.main(["all"]) == 3
    fits, export = ran[:-1], ran[-1]
    assert len(fits) == len(RECIPES["ferplus-sobel"])
    assert all(command[2] == "edgefer.train.fit" for command in fits) and export[2] == "edgefer.train.export"
    for before, after in zip(fits, fits[1:], strict=False):
        assert after[after.index("--start") + 1] == before[-1]
    assert fits[-1][-1] == export[-1] == "runs/ferplus-sobel"


def test_a_lineage_goes_back_to_the_first_run(tmp_path):
    first, last = tmp_path / "small", tmp_path / "full"
    small, full = Settings(stages=((32, 2), (64, 1)), stop=1), Settings(stages=((64, 1),), start=str(first))
    for directory, settings in ((first, small), (last, full)):
        directory.mkdir()
        (directory / "settings.json").write_text(json.dumps(asdict(settings)))
    assert lineage(last) == [(str(first), small), (str(last), full)]
