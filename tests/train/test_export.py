"""From a run to a model directory: the figures, the temperature, the margin, and what is refused."""

import json
import os
from dataclasses import asdict
from dataclasses import replace as altered

import cv2
import numpy as np
import pytest
import tiny_model
from msgspec.structs import replace

from edgefer import detect, geometry, kernels, recognize
from edgefer.errors import UsageError
from edgefer.measure import statistics
from edgefer.measure.datasets import Dataset
from edgefer.measure.statistics import cross_fitted_ece, fit_temperature
from edgefer.models import directory as directories
from edgefer.sources.demo import portrait_path
from edgefer.train.export.__main__ import main as export
from edgefer.train.export.measured import Measured, measure_margin
from edgefer.train.export.models import _draft as draft
from edgefer.train.export.models import calibrate, install
from edgefer.train.runs import keep, lineage
from edgefer.train.settings import TrainingSettings


def test_a_run_that_is_not_finished_is_refused(tmp_path, capsys):
    assert export([str(tmp_path), "--out", str(tmp_path / "model")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "settings.json" in error
    assert not (tmp_path / "model").exists()


def test_the_figures_are_counted_from_the_outputs():
    truth = np.array([0, 0, 1, 2])
    logits = np.eye(3)[[0, 1, 1, 2]]
    outputs = np.eye(3)[[0, 0, 1, 0]]
    measured = Measured(logits, outputs, truth, before=np.eye(3)[truth])
    assert measured.accuracy_before == 100
    assert measured.accuracy_converted == 75
    assert measured.gain.difference == -25
    assert measured.relative_error == pytest.approx(measured.logit_error / logits.std())
    assert measured.same_label == 50
    assert measured.confusion.tolist() == [[2, 0, 0], [0, 1, 0], [1, 0, 0]]
    assert measured.logit_error == pytest.approx(np.sqrt(4 / 12))


def drawn(temperature: float, rows: int = 20_000):
    """Logits, and classes drawn with the chances they have at a temperature."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (rows, 8))
    return logits, (logits / temperature + rng.gumbel(size=logits.shape)).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 1.7])
def test_the_temperature_that_the_classes_were_drawn_with_is_found_again(temperature):
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.03)


def test_no_row_is_judged_with_a_temperature_it_had_a_part_in():
    """One half wants the temperature 0.5, the other 2: each is judged with the other's, so both are wrong."""
    logits, truth = drawn(2.0)
    truth[::2] = drawn(0.5)[1][::2]
    assert cross_fitted_ece(*drawn(2.0)) < 1.5
    assert cross_fitted_ece(logits, truth) > 15


#: A card with each part that a calibration rewrites.
CARD = """# tiny

* Input: int8.
* Output: old
  words.
* Size: small

| on val, 40 rows | accuracy |
|---|---|
| as shipped, int8 | 1.00 % |
| before quantisation, float32 | 12.50 % |

Words.

| truth \\ taken for | rows | old |
|---|---|---|
| neutral | 1 | old |

## Calibration

old

## Limits

Many.
"""


@pytest.fixture
def calibratable(tmp_path):
    """The tiny model with a card that has the section, and 40 rows it "was measured" on: noise, of which it
    gets three in four right."""
    directory = tiny_model.make_directory(tmp_path / "tiny")
    (directory / "MODEL_CARD.md").write_text(CARD)
    found = tiny_model.manifest()
    directories.write(directory, replace(found, metrics=replace(found.metrics, rows=40)))
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (40, 48, 48), dtype=np.uint8)
    truth = scores_of(directory, directories.load(directory), images).argmax(axis=1)
    truth[::4] = (truth[::4] + 1) % 8
    return directory, Dataset("noise", "val", "ferplus8", "none", images, truth)


def scores_of(directory, found, images):
    """What the run time gives with a manifest: float32, shape (N, 8)."""
    recognizer = recognize.open(directory)
    recognizer.manifest = found
    scores = []
    for image in images:
        recognizer.prepare_crop(image)
        scores.append(recognizer.infer())
    return np.array(scores)


def test_a_model_directory_is_calibrated_in_place(calibratable):
    directory, val = calibratable
    before = directories.load(directory)
    made = calibrate(directory, val)
    nll = {}
    for t in (made.output.temperature - 0.05, made.output.temperature, made.output.temperature + 0.05):
        tried = replace(made, output=replace(made.output, temperature=t))
        nll[t] = statistics.calibration(scores_of(directory, tried, val.images), val.truth).nll
    assert min(nll, key=nll.get) == made.output.temperature
    card = (directory / "MODEL_CARD.md").read_text()
    assert f"temperature {made.output.temperature} " in " ".join(card.split())
    assert f"{made.metrics.ece:.2f} %" in card
    assert "old" not in card and card.endswith("\n\n## Limits\n\nMany.\n")
    assert "\n* Size: small\n" in card and "| before quantisation, float32 | 12.50 % |\n\nWords.\n" in card
    scores = scores_of(directory, made, val.images)
    right = 100 * (scores.argmax(axis=1) == val.truth).mean()
    assert made.metrics.accuracy_int8 == pytest.approx(right, abs=0.005)
    plain = 100 * (scores_of(directory, before, val.images).argmax(axis=1) == val.truth).mean()
    shown = card[card.index("| as shipped") : card.index("| before")]
    assert shown == (
        f"| as shipped, int8, with offsets that were fitted on these rows | {right:.2f} % |\n"
        f"| int8, without offsets | {plain:.2f} % |\n"
    )
    assert f"happiness {made.output.offsets[1]:+.2f}" in " ".join(card.split())
    of_happiness = np.bincount(scores[val.truth == 1].argmax(axis=1), minlength=8)
    assert f"| happiness | {of_happiness.sum()} | " in card and f"| {' | '.join(map(str, of_happiness))} |" in card
    assert made.output.temperature != before.output.temperature
    assert (made.self_test, made.training) == (before.self_test, before.training)
    calibrate(directory, val)
    assert (directory / "MODEL_CARD.md").read_text() == card


def test_a_card_tells_that_its_run_is_the_best_of_several(calibratable, tmp_path, monkeypatch):
    directory, val = calibratable
    found = directories.load(directory)
    command = "python -m edgefer.train.fit --start runs/first && python -m edgefer.train.fit --start runs/many-2"
    words = "Quantisation moves it.\nThe epoch was chosen on these\nrows, so they flatter the model a little. No test."
    (directory / "MODEL_CARD.md").write_text(CARD.replace("Words.", words))
    directories.write(directory, replace(found, training=replace(found.training, command=command)))
    for number, accuracy in (("", 88.0), ("-2", 89.0), ("-3", 87.0)):
        run = tmp_path / "runs" / f"many{number}"
        run.mkdir(parents=True)
        (run / "settings.json").write_text("{}")
        done = {"val_accuracy_float32": accuracy, "val_rows": 40, "val_rule": "r", "val_counts": "c"}
        (run / "done.json").write_text(json.dumps({**done, "hardware": "h", "backend": "b", "seconds": 60}))
        keep(run, tmp_path / "docs" / "reproduction")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the second finds what the first wrote
        calibrate(directory, val)
        assert (
            "Quantisation moves it. The epoch was chosen on these rows, and so was the run that it went on from, the "
            "best of 3 seeds, whose mean is 88.00 ± 1.00 % in float, so they flatter the model a little. No test."
        ) in " ".join((directory / "MODEL_CARD.md").read_text().split())


def test_a_temperature_at_its_bound_is_told(calibratable, caplog):
    directory, val = calibratable
    calibrate(directory, val)
    assert not caplog.records
    calibrate(directory, altered(val, truth=(val.truth + 1) % 8))
    assert "tiny: its temperature, 3.99, is a bound of those that are fitted (0.25 to 3.99)" in caplog.text


def test_other_rows_than_those_it_was_measured_on_do_not_calibrate_a_model(calibratable):
    directory, val = calibratable
    before = (directory / "model.toml").read_bytes()
    with pytest.raises(UsageError, match="measured on 40 rows of ferplus8, got 39"):
        calibrate(directory, val.take(np.arange(39)))
    assert (directory / "model.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("rule", "start", "data", "licence"),
    [
        ("FER+ majority: …", "", "FER-2013 Training images with the votes of FER+", "FER-2013 pixels"),
        ("FER-2013 emotion column, every row", "", "FER-2013 Training images", "FER-2013 pixels"),
        ("one folder a class, …", "", "faces, its split train", "faces: terms not stated"),
        (
            "one folder a class, …",
            "edgefer-s",
            "faces, its split train",
            "edgefer-s, with which the training began: FER",
        ),
    ],
    ids=["votes", "emotions", "own-faces", "own-faces-after-a-model"],
)
def test_a_manifest_names_the_data_it_learnt_from(tmp_path, rule, start, data, licence):
    content = (tiny_model.make_directory(tmp_path / "tiny") / "model.tflite").read_bytes()
    lineage = (("run", TrainingSettings(data="faces", start=start)),)
    made = draft("mine", lineage, {"train_rule": rule, "train_rows": 9, "val_rule": rule}, content, 0.0)
    assert made.training.data == data and licence in made.licence.training_data
    assert ("the distribution of the votes" in made.training.rule) == rule.startswith("FER+")


def test_a_manifest_tells_of_the_votes_that_a_target_has_a_share_of(tmp_path):
    content = (tiny_model.make_directory(tmp_path / "tiny") / "model.tflite").read_bytes()
    lineage = (("run", TrainingSettings(labels="basic7", voted=0.5)),)
    rule = "FER-2013 emotion column, every row"
    made = draft("mine", lineage, {"train_rule": rule, "train_rows": 9, "val_rule": rule}, content, 0.0)
    assert made.training.data == "FER-2013 Training images with the votes of FER+"
    assert made.training.rule == f"{rule}; the target is the class, of which 50% is what the votes tell of it"


def test_a_card_without_the_section_is_refused(calibratable):
    directory, val = calibratable
    found = directories.load(directory)
    (directory / "MODEL_CARD.md").write_text(CARD.replace("## Calibration", "## Sure"))
    directories.write(directory, found)
    with pytest.raises(UsageError, match="the card of tiny has no '## Calibration'"):
        calibrate(directory, val)


def test_the_margin_about_the_detectors_box_is_found_again():
    """The portrait, cropped by the detector's own box and a known margin, at the training images' size."""
    pytest.importorskip("matplotlib", reason="the portrait comes with matplotlib (extra `demo`)")
    image = cv2.imread(str(portrait_path()), cv2.IMREAD_GRAYSCALE)
    box = geometry.squared(detect.open_detector("haar").detect(image)[0].box)
    for margin in (0.1, 0.2):
        crop = kernels.crop_resize(image, geometry.squared(box, margin), (48, 48))
        measured = measure_margin([crop])
        assert (measured.rows, measured.found) == (1, 1)
        # a Haar box repeats to about a tenth of its side
        assert measured.value == pytest.approx(margin, abs=0.06)
        assert np.abs(measured.shift).max() < 0.06


def test_images_without_a_face_have_no_margin():
    with pytest.raises(ValueError, match="no face"):
        measure_margin([np.zeros((48, 48), np.uint8)])


def test_a_lineage_goes_back_to_the_first_run(tmp_path):
    first, last = tmp_path / "small", tmp_path / "full"
    small, full = (
        TrainingSettings(stages=((32, 2), (64, 1)), stop=1),
        TrainingSettings(stages=((64, 1),), start=str(first)),
    )
    for directory, settings in ((first, small), (last, full)):
        directory.mkdir()
        (directory / "settings.json").write_text(json.dumps(asdict(settings)))
    assert lineage(last) == ((str(first), small), (str(last), full))


@pytest.mark.parametrize("kept", ["runs/mine/metrics.jsonl", "notes.txt", "model.tflite"])
def test_a_directory_that_is_no_model_is_not_replaced(kept, tmp_path, capsys):
    out = tmp_path / "out"
    (out / kept).parent.mkdir(parents=True)
    (out / kept).write_text("kept")
    with pytest.raises(UsageError, match=r"holds files and no model\.toml"):
        install(tiny_model.make_directory(tmp_path / "tiny"), out)
    assert (out / kept).read_text() == "kept"
    assert export([str(tmp_path / "run"), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "model.toml" in error


def test_a_file_is_not_replaced_by_a_model(tmp_path):
    (tmp_path / "out").write_text("kept")
    with pytest.raises(UsageError, match="is there and no directory"):
        install(tiny_model.make_directory(tmp_path / "tiny"), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "kept"


def test_a_model_takes_the_place_of_another_whole(tmp_path, monkeypatch):
    old, new = (tiny_model.make_directory(tmp_path / name / "tiny") for name in ("old", "new"))
    (old / ".mark").write_text("old")
    rename = os.replace

    def failing(source, target):
        if source == new:
            raise OSError("no space")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing)
        with pytest.raises(OSError, match="no space"):
            install(new, old)
    assert (old / ".mark").read_text() == "old" and directories.load(old)
    install(new, old)
    assert not (old / ".mark").exists() and directories.load(old)
    assert [entry.name for entry in old.parent.iterdir()] == ["tiny"]
    (tmp_path / "empty").mkdir()
    install(old, tmp_path / "empty")
    assert directories.load(tmp_path / "empty")
