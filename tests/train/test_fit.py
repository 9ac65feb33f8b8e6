"""The training loop: settings, schedule, and going on after an interruption."""

import json
import math
import re
import shutil
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from edgefer import recognize
from edgefer.errors import EdgeferError, UsageError
from edgefer.labels import translate
from edgefer.measure import datasets
from edgefer.train import fit as fitting
from edgefer.train import runs
from edgefer.train.averaged import values_of
from edgefer.train.checkpoint import alone, start
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.distil import Ensemble, RunTeacher
from edgefer.train.export import models
from edgefer.train.export.measured import Margin
from edgefer.train.export.models import export, export_float
from edgefer.train.fit import main
from edgefer.train.recipes import fit_step
from edgefer.train.settings import TOLD, TrainingSettings, build, find_data, learning_rate, load_data, parse_stages
from edgefer.train.settings import targets as targets_of


def test_a_command_repeats_its_settings(tmp_path, monkeypatch):
    settings = TrainingSettings(stages=((32, 2), (64, 1)), rate=1e-3, seed=7)
    seen = []
    monkeypatch.setattr(fitting, "fit", lambda found, out, *_: seen.append((found, out)) or {})
    step = fit_step(str(tmp_path), settings)
    assert str(step).startswith("python -m edgefer.train.fit --architecture pandey ")
    assert main(step.arguments) == 0
    assert seen == [(settings, tmp_path)]


def test_settings_survive_their_file(tmp_path):
    settings = TrainingSettings(stages=((32, 2), (64, 1)))
    assert fitting._claimed(tmp_path, settings) == settings
    assert TrainingSettings.read(tmp_path / "settings.json") == settings


def test_a_directory_takes_no_second_run_with_other_settings(tmp_path):
    fitting._claimed(tmp_path, TrainingSettings(seed=1))
    with pytest.raises(UsageError, match="other settings"):
        fitting._claimed(tmp_path, TrainingSettings(seed=2))


def test_an_epoch_belongs_to_its_stage():
    settings = TrainingSettings(stages=((32, 2), (48, 1), (64, 1)))
    assert [settings.side(epoch) for epoch in range(settings.epochs)] == [32, 32, 48, 64]
    with pytest.raises(ValueError):
        settings.side(4)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_rate_rises_then_falls_to_zero(schedule):
    settings = TrainingSettings(rate=1.0, warmup=0.1, schedule=schedule)
    rates = [learning_rate(settings, progress) for progress in np.linspace(0, 1, 101)]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(1.0) and peak == 10
    assert np.all(np.diff(rates[:peak]) > 0) and np.all(np.diff(rates[peak:]) < 0)
    assert rates[-1] == 0
    assert rates[55] == pytest.approx(0.5), "half way down, half the rate, by either schedule"
    assert rates[30] == pytest.approx({"linear": 7 / 9, "cosine": (1 + np.cos(np.pi * 2 / 9)) / 2}[schedule])


def test_a_rate_may_rise_for_the_whole_run():
    settings = TrainingSettings(rate=2.0, warmup=1.0)
    assert [learning_rate(settings, progress) for progress in (0.5, 1.0)] == [1.0, 2.0]


def test_a_command_names_no_setting_that_is_implied_and_a_file_without_it_is_read(tmp_path):
    settings = TrainingSettings()
    words = str(fit_step("runs/x", settings))
    old = {name: value for name, value in fitting.asdict(settings).items() if name in TOLD}
    assert re.findall(r"--(\S+)", words) == [*(name.replace("_", "-") for name in old), "out"]
    (tmp_path / "settings.json").write_text(json.dumps(old))
    assert TrainingSettings.read(tmp_path / "settings.json") == settings
    assert fitting._claimed(tmp_path, settings) == settings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mixup": 1.5}, "mixup: expected a share, 0 to 1, got 1.5"),
        ({"mixup": 0.6, "cutmix": 0.6}, "expected 1 at most together, got 1.2"),
        ({"temperature": 0.0}, "temperature: expected a number above 0"),
        ({"quantisation_aware": True}, "goes on from a finished run; name it with --start"),
        ({"schedule": "step"}, "unknown schedule 'step'; available: linear, cosine"),
        ({"labels": "basic8"}, "unknown label set 'basic8'; available: ferplus8"),
        ({"temperature": math.nan}, "temperature: expected a number above 0, got nan"),
        ({"rate": math.nan}, "rate: expected a number above 0, got nan"),
        ({"rate": math.inf}, "rate: expected a number above 0, got inf"),
        ({"rate": -1.0}, "rate: expected a number above 0, got -1"),
        ({"dropout": 1.5}, "dropout: expected from 0 to below 1, got 1.5"),
        ({"weight_decay": math.nan}, "weight_decay: expected from 0 to below inf, got nan"),
        ({"average": 2.0}, "average: expected a share, 0 to 1, got 2"),
        ({"warmup": -0.1}, "warmup: expected a share, 0 to 1, got -0.1"),
        ({"batch": 0}, "batch: expected 1 row or more, got 0"),
        ({"seed": -1}, "seed: expected from 0 to 1000000000, got -1"),
        ({"stop": -1}, "stop: expected 0 or up to 35, the epochs of its stages, got -1"),
        ({"stop": 36}, "stop: expected 0 or up to 35, the epochs of its stages, got 36"),
        ({"stages": ()}, "stages: expected side:epochs"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        TrainingSettings(**wrong)


@pytest.mark.parametrize("option", ["--minutes=nan", "--minutes=-1", "--processes=-1"])
def test_an_option_out_of_its_range_is_one_line(option, tmp_path, capsys):
    assert main(["--out", str(tmp_path / "run"), option]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and option.partition("=")[0] in error and not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", "32", "32:0", "8:3", "128:1", "a:b"])
def test_a_wrong_stage_is_refused(text):
    with pytest.raises(Exception, match="expected side:epochs"):
        parse_stages(text)


def test_a_run_that_is_not_there_cannot_be_started_from(tmp_path):
    with pytest.raises(UsageError, match="no run to start from"):
        start(str(tmp_path), None, list)


def test_stages_that_do_not_end_at_the_full_side_are_refused():
    with pytest.raises(UsageError, match="stages: the last one must have the full side, 64, got 48"):
        build(TrainingSettings(stages=((48, 3),)))


def test_without_votes_the_target_is_the_class():
    truth = np.array([3, 6])
    data = datasets.Dataset("here", "train", "basic7", "every row", np.zeros((2, 48, 48), np.uint8), truth)
    assert np.array_equal(targets_of(data), np.eye(7, dtype=np.float32)[truth])


def test_by_majority_the_votes_only_choose_the_class():
    votes = np.array([[0.6, 0.4, 0, 0, 0, 0, 0, 0], [0, 0, 0.5, 0.5, 0, 0, 0, 0]], np.float32)
    images, truth = np.zeros((2, 48, 48), np.uint8), np.array([0, 2])
    data = datasets.Dataset("here", "train", "ferplus8", "by hand", images, truth, votes)
    assert np.array_equal(targets_of(data), votes)
    assert np.array_equal(targets_of(data, votes=False), np.eye(8, dtype=np.float32)[truth])


def test_the_rule_by_which_votes_teach_is_a_setting(settings):
    for rule, words in (("majority", "FER+ majority"), ("crossentropy", "FER+ cross-entropy of its authors")):
        train, val = load_data(replace(settings, rule=rule))
        assert train.rule.startswith(words) and val.rule.startswith("FER+ majority")
    with pytest.raises(UsageError, match="unknown rule 'most'; available: majority, plurality, crossentropy"):
        load_data(replace(settings, rule="most"))


def test_missing_data_is_one_line_and_exit_code_2(tmp_path, capsys):
    pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
    assert main(["--out", str(tmp_path / "run"), "--data", str(tmp_path / "none.npz")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "none.npz" in error


@pytest.fixture(scope="module")
def settings(small_set):
    """Two epochs of a small network, with everything that can be drawn."""
    pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
    return TrainingSettings(
        architecture="rtnn",
        input="grey",
        data=str(small_set),
        size=32,
        stages=((16, 1), (32, 1)),
        batch=12,
        mixup=0.3,
        cutmix=0.3,
        smoothing=0.1,
        teachers="ferplus-sobel",
        temperature=2.0,
    )


def test_a_run_can_learn_from_fewer_rows_the_same_for_every_seed(settings):
    train, val = load_data(replace(settings, rows=10))
    again, _ = load_data(replace(settings, rows=10, seed=5))
    whole, _ = load_data(settings)
    assert (len(train), len(val)) == (10, 8) and train.dropped["not drawn"] == 14
    assert np.array_equal(train.images, again.images)
    places = [next(i for i, image in enumerate(whole.images) if np.array_equal(image, x)) for x in train.images]
    assert places == sorted(places) and list(whole.truth[places]) == list(train.truth)
    assert len(load_data(replace(settings, rows=99))[0]) == 24
    with pytest.raises(UsageError, match="rows: expected 0, for all, or more, got -1"):
        replace(settings, rows=-1)


def test_a_run_with_other_classes_gives_all_but_its_last_layer(settings, finished):
    run, _ = finished
    seven = build(replace(settings, labels="basic7"), size=32, dropout=settings.dropout)
    before = values_of(seven.variables)
    start(str(run), seven, list)
    eight = build(settings, size=32, dropout=settings.dropout)
    start(str(run), eight, list)
    after, given = values_of(seven.variables), values_of(eight.variables)
    kept = [i for i, value in enumerate(given) if value.shape != after[i].shape]
    assert kept, "the last layer has other classes"
    for i, value in enumerate(after):
        assert np.array_equal(value, before[i] if i in kept else given[i]), i


def test_a_run_of_another_network_cannot_be_started_from(settings, finished):
    run, _ = finished
    with pytest.raises(UsageError, match="holds another network: expected .* start from a run of the same"):
        start(str(run), build(replace(settings, input="grey+sobel"), size=32, dropout=settings.dropout), list)


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    """A run with these settings, and its done.json."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    return run, fitting.fit(settings, run)


def checkpoint(run):
    with np.load(run / "checkpoint.npz") as kept:
        return dict(kept)


def test_an_interrupted_run_goes_on_to_the_same_weights(settings, finished, tmp_path, monkeypatch):
    """Stopped after one of two epochs and started again: the weights of a run that was never stopped."""
    run, done = finished
    assert (done["train_rows"], done["val_rows"], done["best_epoch"]) == (24, 8, 2)
    batches = fitting.training_batches

    def failing(*args):
        if args[5] == 1:
            raise KeyboardInterrupt
        return batches(*args)

    words = fit_step(str(tmp_path / "parts"), settings).arguments
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "training_batches", failing)
        assert main(words) == 130
    assert not (tmp_path / "parts" / "done.json").exists()
    assert main(words) == 0

    one, two = checkpoint(run), checkpoint(tmp_path / "parts")
    assert json.loads(str(two["state"]))["epoch"] == 2
    for name in one:
        if name != "state":
            # threads add up in any order, and two steps of Adam carry that on
            assert np.allclose(one[name], two[name], atol=2e-3), name
    lines = (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["side"] for line in lines] == [16, 32]


def test_a_finished_run_stays_as_it_is(settings, finished):
    """Given again, as on another machine, whose name does not belong into its record."""
    run, done = finished
    kept = (run / "done.json").read_bytes()
    (run / "done.json").write_bytes(kept.replace(done["hardware"].encode(), b"the other machine"))
    try:
        assert fitting.fit(settings, run)["hardware"] == "the other machine"
        assert b"the other machine" in (run / "done.json").read_bytes()
    finally:
        (run / "done.json").write_bytes(kept)


def test_no_two_processes_write_one_run(settings, tmp_path):
    with alone(tmp_path), pytest.raises(UsageError, match="another process is at it"):
        fitting.fit(settings, tmp_path)
    assert not (tmp_path / "settings.json").exists()


@pytest.fixture
def short(settings):
    return replace(settings, stages=((32, 3),), teachers="")


def test_a_run_with_a_time_limit_that_is_killed_before_its_record_is_written_goes_on(short, tmp_path, monkeypatch):
    """Its settings then hold the epochs there was time for, of which the command knows nothing."""
    write = fitting._write_json

    def killed(path, content):
        if path.name == "done.json":
            raise KeyboardInterrupt
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "_write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            fitting.fit(short, tmp_path, until=1.0)
    assert TrainingSettings.read(tmp_path / "settings.json").epochs == 1
    assert fitting.fit(short, tmp_path, until=1.0)["best_epoch"] == 1
    assert TrainingSettings.read(tmp_path / "settings.json").epochs == 1
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
    with pytest.raises(UsageError, match="other settings"):
        fitting.fit(replace(short, seed=9), tmp_path)


def test_the_rate_of_a_run_that_had_a_time_limit_does_not_rise_again_without_it(short, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "share_left", lambda *args: 0.9)
    batches = fitting.training_batches

    def failing(*args):
        if args[5] == 1:
            raise KeyboardInterrupt
        return batches(*args)

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "training_batches", failing)
        with pytest.raises(KeyboardInterrupt):
            fitting.fit(short, tmp_path, until=1e12)
    fitting.fit(short, tmp_path)
    rates = [json.loads(line)["rate"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(rates) == 3 and rates[0] > rates[1] > rates[2]


def test_an_epoch_that_was_not_kept_is_told_once(short, tmp_path, monkeypatch):
    """Killed between the line of its first epoch and the first checkpoint."""

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting.checkpoint, "keep", killed)
        with pytest.raises(KeyboardInterrupt):
            fitting.fit(short, tmp_path)
    assert not runs.is_made(tmp_path, replace(short, stop=1))
    fitting.fit(replace(short), tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]


def test_a_loss_that_is_no_number_ends_a_run(short, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "targets", lambda *args: np.full((24, 8), np.nan, np.float32))
    with pytest.raises(EdgeferError, match="epoch 1: the loss is nan"):
        fitting.fit(short, tmp_path)
    assert not (tmp_path / "best.weights.h5").exists() and not (tmp_path / "checkpoint.npz").exists()


def test_a_run_that_has_not_come_to_its_end_cannot_be_started_from(settings, finished, tmp_path):
    run, _ = finished
    shutil.copytree(run, tmp_path / "cut")
    (tmp_path / "cut/settings.json").write_text(json.dumps({**asdict(settings), "stages": [[16, 1], [32, 4]]}))
    with pytest.raises(UsageError, match="is after epoch 2 of 5; its own command makes it go on"):
        start(str(tmp_path / "cut"), build(settings), list)


@pytest.mark.parametrize("name", ["settings.json", "done.json", "checkpoint.npz", "best.weights.h5"])
@pytest.mark.parametrize("cut", [0, 0.5])
def test_a_run_of_which_a_file_is_cut_off_is_one_line(settings, finished, tmp_path, name, cut):
    run, _ = finished
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    content = (run / name).read_bytes()
    (copy / name).write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(UsageError, match=name) as caught:
        if name == "best.weights.h5":
            runs.network(copy, settings)
        elif name == "checkpoint.npz":
            start(str(copy), build(settings), list)
        else:
            runs.read_finished(copy)
    assert "\n" not in str(caught.value)


def test_a_run_begins_with_the_averaged_weights_of_another_and_leaves_off_where_it_is_told(
    settings, finished, tmp_path
):
    run, done = finished
    stages = ((32, 1), (32, 1))
    later = replace(settings, stages=stages, rate=1e-9, start=str(run), stop=1, teachers="")
    assert fitting.fit(later, tmp_path) == {"stopped_after": 1}
    assert not (tmp_path / "done.json").exists()
    first, last = checkpoint(run), checkpoint(tmp_path)
    assert np.allclose(first["averaged0"], last["model0"], atol=1e-6)
    assert json.loads(str(last["state"]))["seconds"] > done["seconds"]


@pytest.fixture(scope="module")
def aware(settings, finished, tmp_path_factory):
    """A run that goes on from its weights alone with rounding, at next to no rate; and its settings."""
    run, done = finished
    later = replace(settings, stages=((32, 1),), rate=1e-9, start=str(run), teachers="", quantisation_aware=True)
    directory = tmp_path_factory.mktemp("runs") / "aware"
    (run / "checkpoint.npz").rename(run / "away.npz")
    try:
        assert fitting.fit(later, directory)["seconds"] >= done["seconds"]
    finally:
        (run / "away.npz").rename(run / "checkpoint.npz")
    return directory, later


def test_quantisation_aware_training_goes_on_from_the_best_weights_of_a_finished_run(
    settings, finished, aware, tmp_path
):
    """The network stays what it was, up to its levels."""
    (run, _), (directory, later) = finished, aware
    plain, rounded = build(settings, size=32), build(later, size=32)
    plain.load_weights(run / "best.weights.h5")
    rounded.load_weights(directory / "best.weights.h5")
    x = Inputs(input_spec("grey", 32)).stack(load_data(settings)[1].images)
    expected, got = (np.asarray(model.predict_on_batch(x)) for model in (plain, rounded))
    assert 0 < np.abs(got - expected).mean() < 0.2 * expected.std()

    (run / "done.json").rename(run / "hidden.json")
    try:
        with pytest.raises(UsageError, match="not finished"):
            fitting.fit(later, tmp_path / "early")
    finally:
        (run / "hidden.json").rename(run / "done.json")


def test_a_run_is_exported_as_it_was_trained(settings, finished, aware, tmp_path, monkeypatch):
    """In float, the one that was; in int8 the other, whose loss is that from the first."""
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("conversion needs KERAS_BACKEND=tensorflow")
    (run, _), (directory, _) = finished, aware
    facts = export_float(run, tmp_path / "new" / "x.tflite", "float32")
    assert json.loads((tmp_path / "new" / "x.json").read_text()) == json.loads(json.dumps(facts))
    assert facts["input"]["shape"] == [32, 32, 1] and facts["output"]["labels"][1] == "happiness"
    assert facts["metrics"]["same_label"] == 100 and facts["metrics"]["rows"] == 8
    with pytest.raises(UsageError, match=f"was trained to be int8; export {run} as dynamic"):
        export_float(directory, tmp_path / "y.tflite", "dynamic")

    margin = Margin(rows=8, found=1, quartiles=(0, 0, 0), shift=(0, 0))
    monkeypatch.setattr(models, "measure_margin", lambda images: margin)
    made = export(directory, tmp_path / "model")
    assert made.metrics.accuracy_float32 == facts["metrics"]["accuracy_keras"]
    assert f"--start {run}" in made.training.command and "--quantisation-aware" in made.training.command
    card = " ".join((tmp_path / "model" / "MODEL_CARD.md").read_text().split())
    assert "then 1 epoch at 32x32 with weights and activations rounded as they are in int8" in card
    assert "As shipped and in Keras, with rounding, the network chooses the same label" in card
    assert "Labels are ten people's judgements" in card and "from web searches" in card
    recognize.open(tmp_path / "model")


def test_a_batch_larger_than_the_data_is_refused(settings, tmp_path):
    with pytest.raises(UsageError, match="batch: expected 24 rows at most, all there are, got 25"):
        fitting.fit(replace(settings, batch=25), tmp_path / "run")


def test_teachers_speak_with_one_calibrated_voice(settings, finished):
    """A finished run and a shipped model, each with its own input, mixed with the votes by weight."""
    _, val = load_data(settings)
    run, _ = finished
    both = replace(settings, teachers=f"{run},ferplus-sobel", distil=0.25, temperature=1.0)
    ensemble = Ensemble.of(both, val)
    assert [(spec.channels, side) for spec, side in ensemble.views] == [("grey", 32), ("grey+sobel", 64)]
    inputs = [Inputs(spec, side).stack(val.images) for spec, side in ensemble.views]
    votes = targets_of(val)

    model = recognize.open("ferplus-sobel")
    said = []
    for image in val.images:
        model.prepare_crop(image)
        said.append(model.infer())
    alone = Ensemble.of(replace(both, teachers="ferplus-sobel", distil=1.0), val)
    assert np.allclose(alone.targets(votes, inputs[1:]), said, atol=1e-6)

    first, second = (teacher(x) for teacher, x in zip(ensemble.teachers, inputs, strict=True))
    mixed = ensemble.targets(votes, inputs)
    assert mixed.dtype == np.float32
    assert np.allclose(mixed, 0.75 * votes + 0.25 * (first + second) / 2, atol=1e-6)
    softer = Ensemble(ensemble.teachers, 1.0, 3.0).targets(votes, inputs)
    roots = ((first + second) / 2) ** (1 / 3)
    assert np.allclose(softer, roots / roots.sum(axis=1, keepdims=True), atol=1e-6)


def test_a_run_as_a_teacher_judges_as_it_was_found_to(settings, finished):
    _, val = load_data(settings)
    run, done = finished
    teacher = RunTeacher(run, val)
    right = teacher(Inputs(teacher.spec).stack(val.images)).argmax(axis=1) == val.truth
    assert 100 * right.mean() == done["val_accuracy_float32"]


def test_a_run_is_judged_on_the_classes_of_another_set(settings, finished):
    _, seven = load_data(replace(settings, labels="basic7"))
    teacher = RunTeacher(finished[0], load_data(settings)[1])
    right = translate(teacher(Inputs(teacher.spec).stack(seven.images)), "ferplus8", "basic7").argmax(axis=1)
    found = runs.judged_on(finished[0], seven)
    assert found["accuracy"] == 100 * (right == seven.truth).mean() and found["rows"] == 8
    assert (found["model"], found["data"], found["split"]) == ("whole", "small.npz", "val")


def test_without_teachers_the_votes_are_the_target(settings):
    _, val = load_data(settings)
    ensemble = Ensemble.of(replace(settings, teachers=""), val)
    assert ensemble.views == []
    assert np.array_equal(ensemble.targets(targets_of(val), []), targets_of(val))


def test_a_teacher_that_cannot_teach_is_refused(settings, finished, tmp_path):
    _, val = load_data(settings)
    (tmp_path / "settings.json").write_text("{}")
    for teachers, message in ((str(tmp_path), "the run is not finished"), ("nobody", "unknown model 'nobody'")):
        with pytest.raises(UsageError, match=message):
            Ensemble.of(replace(settings, teachers=teachers), val)
    seven = load_data(replace(settings, labels="basic7"))[1]
    for teachers in (str(finished[0]), "ferplus-sobel"):
        with pytest.raises(UsageError, match="expected the classes of basic7, got those of ferplus8"):
            Ensemble.of(replace(settings, teachers=teachers), seven)


def test_a_fold_is_learnt_from_the_others_and_judged_by_none_of_them(settings):
    whole, _ = load_data(settings)
    judged = []
    for fold in (1, 2, 3):
        train, test = load_data(replace(settings, division=f"fold:{fold}/3"))
        assert (len(train), len(test)) == (16, 8)
        assert f"fold:{fold}/3 of train" in test.rule
        assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}
        judged += [image.tobytes() for image in test.images]
    assert sorted(judged) == sorted(image.tobytes() for image in whole.images)


def test_a_picture_that_is_there_twice_does_not_judge_what_it_taught(tmp_path):
    for label, level in (("happiness", 200), ("sadness", 20)):
        (tmp_path / label).mkdir()
        for number in range(4):
            image = np.full((48, 48), level + (number if label == "sadness" else 0), np.uint8)
            cv2.imwrite(str(tmp_path / label / f"{number}.png"), image)
    train, test = load_data(TrainingSettings(data=str(tmp_path), labels="basic7", division="fold:1/4"))
    assert len(train) == 6 and test.counts() == ("1 of 2 rows count; dropped: 1 duplicates of a row it learns from")


@pytest.mark.parametrize("names", [("train", "val"), ("Training", "PublicTest")])
def test_what_a_folder_calls_its_splits_does_not_change_what_is_divided(tmp_path, names):
    """By other names than train, its val rows were divided, and train was never read."""
    rng = np.random.default_rng(0)
    for split, count in zip(names, (6, 2), strict=True):
        for label in ("happiness", "sadness"):
            (tmp_path / split / label).mkdir(parents=True)
            for number in range(count):
                image = rng.integers(0, 255, (48, 48), np.uint8)
                cv2.imwrite(str(tmp_path / split / label / f"{number}.png"), image)
    settings = TrainingSettings(data=str(tmp_path), labels="basic7")
    assert [len(each) for each in load_data(settings)] == [12, 4]
    train, test = load_data(replace(settings, division="fold:1/4"))
    assert (len(train), len(test), test.split) == (9, 3, "train")


def test_a_picture_of_train_is_not_judged_in_val_either(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for label in ("happiness", "sadness"):
            (tmp_path / split / label).mkdir(parents=True)
            for number in range(3):
                image = rng.integers(0, 255, (48, 48), np.uint8)
                cv2.imwrite(str(tmp_path / split / label / f"{number}.png"), image)
    shutil.copy(tmp_path / "train/sadness/0.png", tmp_path / "val/sadness/0.png")
    settings = TrainingSettings(data=str(tmp_path), labels="basic7")
    counts = "5 of 6 rows count; dropped: 1 duplicates of train"
    assert load_data(settings)[1].counts() == datasets.load(tmp_path, "val", "basic7").counts() == counts
    for path in (tmp_path / "val").glob("*/*.png"):
        shutil.copy(tmp_path / "train/sadness/0.png", path)
    with pytest.raises(UsageError, match="of split val counts: 0 of 6 rows count; dropped: 6 duplicates of train"):
        load_data(settings)


def test_a_folder_without_splits_must_be_divided(tmp_path):
    (tmp_path / "happiness").mkdir()
    with pytest.raises(UsageError, match="has no train and val; divide it, as by --division fold:1/10"):
        load_data(TrainingSettings(data=str(tmp_path)))


def test_data_is_found_where_the_shared_data_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEFER_DATA", str(tmp_path))
    (tmp_path / "fer2013").mkdir()
    (tmp_path / "fer2013" / "a.npz").touch()
    (tmp_path / "KDEF").mkdir()
    assert find_data("a.npz") == tmp_path / "fer2013" / "a.npz"
    assert find_data("KDEF") == tmp_path / "KDEF"
    assert find_data("b.npz").name == "b.npz"
