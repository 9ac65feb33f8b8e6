"""The runs behind each model: every network of the papers has them, and the list says what they cost."""

import json

import pytest

from edgefer import recognize
from edgefer.labels import label_set
from edgefer.train import __main__ as listing
from edgefer.train import architectures
from edgefer.train import fit as fitting
from edgefer.train.recipes import RECIPES, REPEATED, SHIPPED, epochs, repetition
from edgefer.train.streams import Streams

RUNS = [(name, run, settings) for name, runs in RECIPES.items() for run, settings in runs]
IDS = [run for _, run, _ in RUNS]


def test_every_network_has_a_recipe():
    used = {settings.architecture for _, _, settings in RUNS}
    assert used == set(architectures.ARCHITECTURES)


@pytest.mark.parametrize(("name", "run", "settings"), RUNS, ids=IDS)
def test_the_settings_of_a_run_fit_its_network(name, run, settings):
    found = architectures.find(settings.architecture)
    assert Streams.of(settings.input, settings.mode).streams
    assert label_set(settings.labels)
    assert settings.stages[-1][0] == settings.size == found.size
    one_size = len({side for side, _ in settings.stages}) == 1
    assert one_size or (found.any_size and not settings.stl)


@pytest.mark.parametrize(("name", "run", "settings"), RUNS, ids=IDS)
def test_the_command_of_a_run_repeats_it(name, run, settings, monkeypatch):
    seen = []
    monkeypatch.setattr(fitting, "fit", lambda found, out, processes: seen.append((found, str(out))) or {})
    assert fitting.main(settings.command(run).split()[3:]) == 0
    assert seen == [(settings, run)]


def test_the_rows_of_a_table_are_trained_alike():
    """Only the input, and how it reaches the network, sets them apart."""
    for prefix in ("ferplus-", "vgg13-", "rtnn-"):
        rows = [runs for name, runs in RECIPES.items() if name.startswith(prefix)]
        schedules = {
            tuple((s.stages, s.rate, s.batch, s.dropout, s.weight_decay, s.average, s.stop) for _, s in runs)
            for runs in rows
        }
        assert len(schedules) == 1, prefix


def test_a_repetition_has_another_seed_and_directories_of_its_own():
    assert repetition("ferplus-sobel", 1) == RECIPES["ferplus-sobel"]
    (small, first), (full, second) = repetition("ferplus-sobel", 3)
    assert (small, full) == ("runs/ferplus-sobel-small-3", "runs/ferplus-sobel-3")
    assert first.seed == second.seed == 3 and second.start == small


def test_epochs_after_a_stop_cost_nothing():
    assert epochs(RECIPES["ferplus-sobel"]) == {32: 22, 48: 2, 64: 8}


def test_a_finished_run_of_a_model_that_does_not_ship_is_no_longer_owed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = next(name for name in RECIPES if name not in SHIPPED and name in REPEATED)
    trained, words = listing.standing(name)
    assert not trained and words.startswith("owed: epochs 40 at 64 px")
    assert listing.owed_repetitions(name) == [2, 3, 4]
    for number in (1, 3):
        run = tmp_path / repetition(name, number)[-1][0]
        run.mkdir(parents=True)
        (run / "done.json").write_text(json.dumps({"val_accuracy_float32": 83.5, "val_rows": 10}))
    assert listing.standing(name) == (True, "trained: 83.50 % on 10 rows of val, float32")
    assert listing.owed_repetitions(name) == [2, 4]


def test_a_model_that_does_not_ship_is_exported_elsewhere_and_one_with_a_transformer_not_at_all():
    assert listing.commands("ferplus-grey")[-1] == "python -m edgefer.train.export runs/ferplus-grey"
    assert listing.commands("vgg13-grey")[-1].endswith("runs/vgg13-grey --out build/models/vgg13-grey")
    assert all("edgefer.train.fit" in command for command in listing.commands("rtnn-stl"))


def test_every_shipped_model_has_a_recipe():
    assert set(recognize.shipped()) <= set(SHIPPED)
