"""The training loop: settings, schedule, and going on after an interruption."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgefer import datasets
from edgefer.errors import UsageError
from edgefer.train import fit as fitting
from edgefer.train.fit import Settings, learning_rate, main, parse_stages


def test_a_command_repeats_its_settings(tmp_path, monkeypatch):
    settings = Settings(stages=((32, 2), (64, 1)), rate=1e-3, seed=7)
    seen = []
    monkeypatch.setattr(fitting, "fit", lambda found, out: seen.append((found, out)) or {})
    words = settings.command(str(tmp_path)).split()
    assert words[:3] == ["python", "-m", "edgefer.train.fit"]
    assert main(words[3:]) == 0
    assert seen == [(settings, tmp_path)]


def test_settings_survive_their_file(tmp_path):
    settings = Settings(stages=((32, 2), (64, 1)))
    fitting._claim(tmp_path / "settings.json", fitting.asdict(settings))
    assert Settings.read(tmp_path / "settings.json") == settings


def test_a_directory_takes_no_second_run_with_other_settings(tmp_path):
    fitting._claim(tmp_path / "settings.json", fitting.asdict(Settings(seed=1)))
    with pytest.raises(UsageError, match="other settings"):
        fitting._claim(tmp_path / "settings.json", fitting.asdict(Settings(seed=2)))


def test_an_epoch_belongs_to_its_stage():
    settings = Settings(stages=((32, 2), (48, 1), (64, 1)))
    assert [settings.side(epoch) for epoch in range(settings.epochs)] == [32, 32, 48, 64]
    with pytest.raises(ValueError):
        settings.side(4)


def test_the_rate_rises_then_falls_to_zero():
    settings = Settings(rate=1.0, warmup=0.1)
    rates = [learning_rate(settings, progress) for progress in np.linspace(0, 1, 101)]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(1.0) and peak == 10
    assert np.all(np.diff(rates[:peak]) > 0) and np.all(np.diff(rates[peak:]) < 0)
    assert rates[-1] == 0


@pytest.mark.parametrize("text", ["", "32", "32:0", "8:3", "128:1", "a:b"])
def test_a_wrong_stage_is_refused(text):
    with pytest.raises(Exception, match="expected side:epochs"):
        parse_stages(text)


def test_a_run_that_is_not_there_cannot_be_started_from(tmp_path):
    with pytest.raises(UsageError, match="no run to start from"):
        fitting._start(tmp_path / "checkpoint.npz", None)


def test_stages_that_do_not_end_at_the_full_side_are_refused():
    with pytest.raises(UsageError, match="stages: the last one must have the full side, 64, got 48"):
        fitting.build(Settings(stages=((48, 3),)))


def test_without_votes_the_target_is_the_class():
    truth = np.array([3, 6])
    data = datasets.Dataset("here", "train", "basic7", "every row", np.zeros((2, 48, 48), np.uint8), truth)
    assert np.array_equal(fitting.targets(data), np.eye(7, dtype=np.float32)[truth])


def test_missing_data_is_one_line_and_exit_code_2(tmp_path, capsys):
    pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
    assert main(["--out", str(tmp_path / "run"), "--data", str(tmp_path / "none.npz")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "none.npz" in error


@pytest.fixture
def small_set(tmp_path):
    """An npz like FER-2013's: 24 train and 8 val rows, a bright or a dark image, neutral or happy."""
    rng = np.random.default_rng(0)
    truth = np.arange(32) % 2
    images = (60 + 120 * truth[:, None, None] + rng.integers(0, 40, (32, 48, 48))).astype(np.uint8)
    packed = [cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].ravel() for image in images]
    votes = np.zeros((32, 10), np.int16)
    votes[np.arange(32), truth] = 10
    path = tmp_path / "small.npz"
    np.savez(
        path,
        webp=np.concatenate(packed),
        offset=np.cumsum([0] + [len(p) for p in packed]),
        emotion=np.where(truth, 3, 6).astype(np.int8),
        split=(np.arange(32) >= 24).astype(np.int8),
        votes=votes,
        votes_known=np.ones(32, bool),
        duplicate_of_train=np.zeros(32, bool),
    )
    return path


def test_an_interrupted_run_goes_on_to_the_same_weights(small_set, tmp_path, monkeypatch):
    """Stopped after one of two epochs and started again: the weights of a run that was never stopped."""
    pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
    settings = Settings(architecture="edgefer-nano", data=str(small_set), stages=((16, 1), (64, 1)), batch=12)
    done = fitting.fit(settings, tmp_path / "whole")
    assert (done["train_rows"], done["val_rows"], done["best_epoch"]) == (24, 8, 2)

    batches = fitting.training_batches

    def failing(*args):
        if args[-1] == 1:
            raise KeyboardInterrupt
        return batches(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fitting, "training_batches", failing)
        fitting.fit(settings, tmp_path / "parts")
    assert not (tmp_path / "parts" / "done.json").exists()
    fitting.fit(settings, tmp_path / "parts")

    one, two = (np.load(tmp_path / name / "checkpoint.npz") for name in ("whole", "parts"))
    assert json.loads(str(two["state"]))["epoch"] == 2
    for name in one.files:
        if name != "state":
            # threads add up in any order, and two steps of Adam carry that on
            assert np.allclose(one[name], two[name], atol=2e-3), name
    lines = (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["side"] for line in lines] == [16, 64]

    left_off = replace(settings, stop=1)
    assert fitting.fit(left_off, tmp_path / "first") == {"stopped_after": 1}
    last = replace(settings, stages=((64, 1),), rate=1e-9, start=str(tmp_path / "first"))
    finished = fitting.fit(last, tmp_path / "last")
    assert finished["best_epoch"] == 1 and finished["seconds"] > 0
    first, last = (np.load(tmp_path / name / "checkpoint.npz") for name in ("first", "last"))
    assert np.allclose(first["averaged0"], last["model0"], atol=1e-6), "it begins with the averaged weights"
