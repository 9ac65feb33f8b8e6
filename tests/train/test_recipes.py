"""The runs behind each model: every network of the papers has them, and the list says what they cost."""

import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from edgefer.errors import ModelError
from edgefer.labels import label_set
from edgefer.models import store
from edgefer.support import packages
from edgefer.support.packages import require
from edgefer.train import __main__ as listing
from edgefer.train import architectures, recipes, runs, short
from edgefer.train import fit as fitting
from edgefer.train.architectures import Streams
from edgefer.train.architectures.edgefer import STEMS
from edgefer.train.recipes import ELSEWHERE, OWNERS, RECIPES, REPEATED, SHIPPED, epochs, in_order, repetition

RUNS = [(name, run, settings) for name, runs in RECIPES.items() for run, settings in runs]
IDS = [run for _, run, _ in RUNS]


def test_every_network_has_a_recipe():
    used = {settings.architecture for _, _, settings in RUNS}
    assert used == set(architectures.ARCHITECTURES) - set(STEMS)  # those are for the tricks


@pytest.mark.parametrize(("name", "run", "settings"), RUNS, ids=IDS)
def test_the_settings_of_a_run_fit_its_network(name, run, settings):
    found = architectures.find(settings.architecture)
    assert Streams.of(settings.input, settings.mode).streams
    assert label_set(settings.labels)
    assert settings.stages[-1][0] == settings.size
    assert found.any_size or settings.size == found.size
    one_size = len({side for side, _ in settings.stages}) == 1
    assert one_size or (found.any_size and not settings.stl)


@pytest.mark.parametrize(("name", "run", "settings"), RUNS, ids=IDS)
def test_the_command_of_a_run_repeats_it(name, run, settings, monkeypatch):
    seen = []
    monkeypatch.setattr(fitting, "fit", lambda found, out, *_: seen.append((found, str(out))) or {})
    assert fitting.main(recipes.fit_step(run, settings).arguments) == 0
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


def test_a_repetition_of_a_fold_is_the_next_fold():
    runs = [repetition("folds-breuer-grey", number)[-1] for number in range(1, 11)]
    assert [settings.division for _, settings in runs] == [f"fold:{number}/10" for number in range(1, 11)]
    assert {settings.seed for _, settings in runs} == {1} and len({run for run, _ in runs}) == 10


def test_teachers_come_before_those_they_teach():
    order = in_order(["fer2013-edgefer-s-lessons"])
    assert order[-1] == ("fer2013-edgefer-s-lessons", 2) and len(order) == 8
    everything = in_order(RECIPES)
    assert sorted(everything) == sorted(OWNERS.values())
    made = []
    for name, number in everything:
        for run, settings in repetition(name, number):
            needed = {each for each in recipes.taught_by(settings) if each not in store.shipped()}
            assert needed <= set(made), run
            made.append(run)


def test_epochs_after_a_stop_cost_nothing():
    assert epochs(RECIPES["ferplus-sobel"]) == {32: 22, 48: 2, 64: 8}


def test_short_forms_of_one_network_are_trained_alike_and_on_few_rows():
    forms = short.short_runs(list(RECIPES))
    assert set(RECIPES) <= set(forms)
    for _, settings in forms.values():
        architecture = settings.architecture
        budget = short.BUDGETS[architecture]
        assert (settings.rows, settings.epochs) == (budget.rows, budget.epochs)
        assert settings.side(0) == settings.size and not settings.start and not settings.stop
    assert forms["ferplus-sobel-2"][1].seed == 2
    names = list(forms)
    for name, (_, settings) in forms.items():
        for teacher in settings.teacher_names:
            assert names.index(Path(teacher).name) < names.index(name)


def finish(folder, name, number, **other):
    """A finished run of a recipe, or of other settings."""
    directory, settings = repetition(name, number)[-1]
    run = folder / directory
    run.mkdir(parents=True, exist_ok=True)
    (run / "settings.json").write_text(json.dumps({**asdict(settings), **other}))
    (run / "done.json").write_text(json.dumps({"val_accuracy_float32": 83.5, "val_rows": 10}))


def test_a_finished_run_of_a_model_that_does_not_ship_is_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = next(name for name in RECIPES if name not in SHIPPED and name in REPEATED)
    trained, words = listing.status(name, {})
    assert not trained and words.startswith("not run yet: epochs 40 at 64 px")
    assert listing.missing_repetitions(name, {}) == [2, 3, 4]
    for number in (1, 3):
        finish(tmp_path, name, number)
    assert listing.status(name, {}) == (True, "trained: 83.50 % on 10 rows of val, float32")
    assert listing.missing_repetitions(name, {}) == [2, 4]
    finish(tmp_path, name, 1, batch=32)
    assert listing.status(name, {})[1].endswith("float32, with other settings than its recipe")


def test_a_run_on_record_is_trained_though_its_weights_are_not_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = runs.Record("vgg13-sobel", 85.14, 2948, "rule", 1, "", "")
    kept = {"vgg13-sobel": run, "vgg13-sobel-3": run}
    words = "trained: 85.14 % on 2948 rows of val, float32; on record"
    assert listing.status("vgg13-sobel", kept) == (True, words)
    assert listing.missing_repetitions("vgg13-sobel", kept) == [2, 4]


def test_a_teacher_of_which_only_the_record_is_here_is_trained_for_its_student(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def trained():
        return [step.arguments[-1] for step in listing.steps("fer2013-edgefer-s-lessons") if "fit" in step.module]

    wide = [f"{name}{number}" for number in ("", "-2", "-3") for name in ("runs/edgefer-l", "runs/fer2013-edgefer-l")]
    assert trained() == [*wide, "runs/fer2013-edgefer-s-lessons"]
    finish(tmp_path, "fer2013-edgefer-l", 3)
    assert trained() == [*wide[:4], "runs/fer2013-edgefer-s-lessons"]


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """The commands a training would run, in a folder without any run; all succeed but those of `broken`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(listing, "find_data", lambda name: tmp_path / ("none" if name == "KDEF" else ""))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    seen = []

    def run(words, check, env):
        seen.append((" ".join(words[1:]), env["KERAS_BACKEND"]))
        broken = "--out runs/rtnn-grey" in seen[-1][0]
        return subprocess.CompletedProcess(words, 7 if broken else 0)

    monkeypatch.setattr(recipes.subprocess, "run", run)
    monkeypatch.setattr(listing, "require", lambda module: None)
    return seen


def test_one_model_is_trained_with_its_teachers_and_exported_by_tensorflow(commands, capsys):
    assert listing.main(["all", "edgefer-nano-quick"]) == 0
    outs = [command.split()[-1] for command, _ in commands if "train.fit" in command]
    assert outs[:2] == ["runs/edgefer-s-small", "runs/edgefer-s-first"]
    assert outs[-1] == "runs/edgefer-nano-quick"
    exported = "-m edgefer.train.export runs/edgefer-nano-quick --out build/models/edgefer-nano-quick"
    assert commands[-1] == (exported, "tensorflow")
    assert all(backend == ("tensorflow" if "export" in command else "torch") for command, backend in commands)
    assert f"$ python {exported}\n" in capsys.readouterr().out


def test_lessons_are_made_by_jax_between_the_teachers_and_the_student(commands):
    assert listing.main(["all", "fer2013-edgefer-s-lessons"]) == 0
    place = [number for number, (command, _) in enumerate(commands) if "train.lessons" in command]
    assert commands[place[0]][1] == "jax" and "--out runs/fer2013-edgefer-s-lessons" in commands[place[0] + 1][0]
    assert "--out runs/fer2013-edgefer-l-3" in commands[place[0] - 1][0]


def test_a_repetition_starts_from_the_run_with_its_number():
    starts = [repetition("fer2013-edgefer-l", number)[0][1].start for number in (1, 2, 3)]
    assert starts == ["runs/edgefer-l", "runs/edgefer-l-2", "runs/edgefer-l-3"]
    assert repetition("ferplus-grey", 2)[1][1].start == "runs/ferplus-grey-small-2"


def test_what_fails_or_lacks_its_data_is_named_and_the_rest_goes_on(commands, capsys):
    assert listing.main(["all", "rtnn-grey", "kdef-rtnn-grey", "rtnn-stl"]) == 7
    trained = [command.split()[-1] for command, _ in commands if "train.fit" in command]
    assert trained == ["runs/rtnn-grey", "runs/rtnn-stl"]
    assert commands[-1][0] == "-m edgefer.train.export runs/rtnn-stl --precision float32", "it has no int8 form"
    out, err = capsys.readouterr()
    assert "kdef-rtnn-grey: left out, needs KDEF" in out
    assert "edgefer: rtnn-grey failed with exit code 7" in err


@pytest.mark.parametrize("action", ["all", "short"])
def test_without_keras_nothing_is_begun_and_one_line_says_so(action, commands, monkeypatch, capsys):
    monkeypatch.setattr(listing, "require", require)
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda module: None)
    assert listing.main([action, "rtnn-grey", "rtnn-stl"]) == 2
    assert commands == []
    assert capsys.readouterr().err.splitlines() == [
        "edgefer: Keras is not installed, which is needed for training and `edgefer explain`: "
        "pip install 'edgefer[train]'"
    ]


def test_short_forms_are_trained_exported_and_kept(commands, tmp_path, monkeypatch):
    """The export of what is too short to quantise well is refused; the record says so."""

    def trained(words, check, env, **options):
        if "edgefer.train.fit" in words:
            folder = Path(words[-1])
            folder.mkdir(parents=True)
            (folder / "settings.json").write_text("{}")
            (folder / "done.json").write_text(json.dumps({"val_accuracy_float32": 50.0}))
            (folder / "metrics.jsonl").write_text('{"loss": 2.0}\n{"loss": 1.5}\n')
            code = 7 if "ferplus-laplacian" in words[-1] else 0
            return subprocess.CompletedProcess(words, code)
        return subprocess.CompletedProcess(words, 1, stderr="a warning\nedgefer: export: lost too much\n")

    monkeypatch.setattr(recipes.subprocess, "run", trained)
    names = ["rtnn-stl", "kdef-rtnn-grey", "ferplus-laplacian", "ferplus-grey"]
    assert listing.main(["short", "--records", "kept", *names]) == 7
    kept = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "kept" / "short").iterdir()}
    assert set(kept) == {"rtnn-stl", "ferplus-grey", "ferplus-grey-2"}, "KDEF is not here, laplacian fails"
    assert kept["rtnn-stl"]["losses"] == [2.0, 1.5]
    assert kept["rtnn-stl"]["exported"] == "export: lost too much"
    assert kept["ferplus-grey-2"]["exported"] == "", "one seed is enough"


def test_a_damaged_model_is_made_again_and_its_runs_go_in_order(commands, monkeypatch):
    def damaged(directory):
        raise ModelError("damaged")

    monkeypatch.setattr(listing.directory, "load_frame", damaged)
    assert listing.main(["all", "ferplus-sobel"]) == 0
    (small, full), export = ([command.split() for command, _ in commands[:2]], commands[2][0].split())
    assert full[full.index("--start") + 1] == small[-1] == "runs/ferplus-sobel-small"
    assert full[-1] == export[-1] == "runs/ferplus-sobel" and export[1] == "edgefer.train.export"


def test_the_list_names_every_model_and_what_it_takes(capsys):
    assert listing.main([]) == 0
    *lines, _, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*RECIPES, *ELSEWHERE]
    assert "trained: " in lines[0] and all("; by python -m edgefer.train." in line for line in lines[len(RECIPES) :])
    assert "trainings are not run yet" in last and "`make train-all`" in last


def test_an_unknown_model_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as caught:
        listing.main(["all", "edgefer-xl"])
    assert caught.value.code == 2
    assert "unknown model 'edgefer-xl'; available: ferplus-sobel" in capsys.readouterr().err


def test_a_model_that_does_not_ship_is_exported_elsewhere_and_one_with_a_transformer_in_float():
    assert str(listing.steps("ferplus-grey")[-1]) == "python -m edgefer.train.export runs/ferplus-grey"
    assert listing.steps("vgg13-grey")[-1].arguments[1:] == ["--out", "build/models/vgg13-grey"]
    assert listing.steps("rtnn-stl")[-1].arguments == ["runs/rtnn-stl", "--precision", "float32"]
    assert all(step.module == "edgefer.train.fit" for step in listing.steps("folds-breuer-grey"))


def test_the_teacher_of_a_run_is_made_first_where_only_a_record_behind_it_is_here(commands, tmp_path, monkeypatch):
    kept = runs.Record("edgefer-s-quick", 87.65, 2948, "rule", 1, "", "")
    monkeypatch.setattr(listing.runs, "read_records", lambda folder: {"edgefer-s-quick": kept})
    assert listing.main(["all", "edgefer-nano-quick"]) == 0
    trained = [command.split()[-1].removeprefix("runs/") for command, _ in commands if "train.fit" in command]
    assert trained == ["edgefer-s-small", "edgefer-s-first", "edgefer-nano-small", "edgefer-nano-quick"]
    (tmp_path / "runs" / "edgefer-s-first").mkdir(parents=True)
    (tmp_path / "runs" / "edgefer-s-first" / "done.json").touch()
    assert len(listing.steps("edgefer-nano-quick")) == 3, "its own runs, and the export"


def test_a_run_that_starts_from_a_model_needs_no_other():
    assert RECIPES["fer2013-edgefer-s"][0][1].start == "edgefer-s"
    assert len(listing.steps("fer2013-edgefer-s")) == 3, "its own runs, and the export"


def test_every_shipped_model_has_a_recipe():
    assert set(store.shipped("frame")) <= set(SHIPPED)
