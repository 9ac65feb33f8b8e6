"""Cross-validation by person: nobody is on both sides, folds that are done stay done, figures are SciPy's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import sequence_trees
from msgspec import structs
from scipy import stats

from edgefer.errors import UsageError
from edgefer.measure.datasets.sequences import last_frames
from edgefer.train.clips.parameters import AUGMENTATIONS, preset
from edgefer.train.data.splits import stepped_subject_folds
from edgefer.train.protocols import paper
from edgefer.train.protocols.__main__ import main
from edgefer.train.protocols.faces import load
from edgefer.train.protocols.folds import Fold, Run
from edgefer.train.protocols.plan import Plan, divide
from edgefer.train.protocols.results import compare, one_sided, result


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    return sequence_trees.write_tree(tmp_path_factory.mktemp("tree"), people=10)


@pytest.fixture(scope="module")
def clips(tree, tmp_path_factory):
    return load(tree, "ckplus", tmp_path_factory.mktemp("clips"))


@pytest.fixture
def learner(monkeypatch, tmp_path) -> Path:
    """The learner that needs no Keras; gives its log."""
    monkeypatch.setitem(sys.modules, "edgefer.train.protocols.learning", sequence_trees.stand_in())
    monkeypatch.setenv("LEARNER_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def plan_of(clips, **changes) -> Plan:
    plan = Plan(clips=clips.digest, protocol="loso", parameters=preset("ckplus").words(), width=1 / 32, side=16)
    return structs.replace(plan, **changes)


def begun(log: Path) -> list[str]:
    """Who was tested in each fold that was begun."""
    return [line.split()[3] for line in log.read_text().splitlines() if line.startswith("begin")]


@pytest.mark.parametrize("seed", range(60))
def test_no_fold_mixes_people_and_every_sequence_is_tested_once(seed):
    rng = np.random.default_rng(seed)
    people = int(rng.integers(2, 60))
    subjects = np.array([f"S{number:03d}" for number in rng.permutation(200)[:people]])
    subjects = rng.permutation(np.concatenate([subjects, rng.choice(subjects, int(rng.integers(0, 200)))]))
    for protocol in ("loso", f"{int(rng.integers(2, people + 1))}-fold", *(["10-fold"] if people >= 10 else [])):
        folds = divide(protocol, subjects)
        for _, split in folds:
            assert not set(subjects[split.train]) & set(subjects[split.test])
            assert sorted([*split.train, *split.test]) == list(range(len(subjects)))
        assert sorted(np.concatenate([split.test for _, split in folds])) == list(range(len(subjects)))
        assert len(folds) == (people if protocol == "loso" else int(protocol.split("-")[0]))


def test_ten_folds_take_every_tenth_person():
    subjects = np.array([f"S{number:03d}" for number in range(118)])
    folds = stepped_subject_folds(subjects, 10)
    assert subjects[folds[0].test].tolist() == [f"S{number:03d}" for number in range(0, 118, 10)]
    with pytest.raises(UsageError, match="k must be 2 to the number of people, 3, got 10"):
        divide("10-fold", np.array(["a", "b", "c"]))
    with pytest.raises(UsageError, match="unknown protocol 'ten'; available: loso, 10-fold"):
        divide("ten", subjects)


def test_clips_are_the_last_ten_frames_and_of_short_sequences_the_last_one_again(tmp_path):
    assert last_frames(12).tolist() == list(range(2, 12)) and last_frames(3).tolist() == [0, 1, 2, *[2] * 7]
    short = load(sequence_trees.write_tree(tmp_path / "short", 2, frames=3), "ckplus", tmp_path)
    assert short.frames.shape == (6, 10, 112, 112)
    assert (short.frames[:, 3:] == short.frames[:, 2:3]).all() and (short.frames[:, 1] != short.frames[:, 2]).any()
    long = load(sequence_trees.write_tree(tmp_path / "long", 2, frames=14), "ckplus", tmp_path)
    first = long.frames[0].mean(axis=(1, 2))
    assert first == pytest.approx(60 + np.arange(5, 15), abs=1)


def test_what_is_not_marked_as_made_is_not_called_synthetic(clips, tree, tmp_path):
    assert not clips.synthetic and clips.unseen == len(clips) == 30
    assert clips.labels[clips.truth[0]] == "anger" and clips.subjects[0] == "S001"
    again = load(tree, "ckplus", tmp_path)
    assert again.digest == clips.digest and (again.frames == clips.frames).all()


def test_each_class_has_the_papers_copies(clips):
    plan = plan_of(clips, augmentation="ckplus")
    assert [int(plan.copies(label)) for label in ("contempt", "fear", "surprise", "neutral")] == [12, 9, 2, 0]
    with pytest.raises(UsageError, match="unknown augmentation 'many'; available: none, ckplus, oulu-casia"):
        plan_of(clips, augmentation="many").copies("fear")


def test_a_run_goes_on_with_the_folds_that_are_missing(clips, learner, tmp_path):
    class End(Exception):
        pass

    def after(fold: Fold) -> None:
        if fold.name == "S003":
            raise End

    run = Run(tmp_path / "run", plan_of(clips), clips)
    with pytest.raises(End):
        run.work(after)
    assert begun(learner) == ["S001", "S002", "S003"] and len(run.done()) == 3
    (tmp_path / "run" / ".part.S004.json").write_text("{")  # of a process that was killed while it wrote
    again = Run(tmp_path / "run", plan_of(clips), clips)
    again.work()
    assert begun(learner) == [f"S{number:03d}" for number in range(1, 11)]
    told = result(again.done(), len(clips.labels))
    assert told.overall == 100 and told.accuracies == (100.0,) * 10 and told.confusion.trace() == 30
    with pytest.raises(UsageError, match=r"holds a run with another epochs \(16\); choose another folder"):
        Run(tmp_path / "run", plan_of(clips, epochs=2), clips)


def test_processes_share_the_folds_of_a_run(tree, tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, sequence_trees.__file__, "protocols", "run", "--data", str(tree), "--layout", "ckplus"]
    command += ["--out", str(tmp_path / "run"), "--epochs", "2", "--quiet"]
    environment = {**os.environ, "LEARNER_LOG": str(log), "LEARNER_S": "0.3", "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen(command, env=environment) for _ in range(2)]
    codes = [process.wait(120) for process in running]
    assert sorted(begun(log)) == [f"S{number:03d}" for number in range(1, 11)]
    assert len({line.split()[1] for line in log.read_text().splitlines()}) == 2
    assert codes == [0, 0]  # the one that ends first, too


def test_accuracies_are_of_the_last_epoch_and_beside_it_of_the_best():
    folds = [
        Fold(name="a", subjects=["a"], rows=[2, 0], truth=[0, 1], predicted=[[0, 1], [0, 0]]),
        Fold(name="b", subjects=["b"], rows=[1], truth=[1], predicted=[[0], [1]]),
    ]
    told = result(folds, 2)
    assert told.accuracies == (50, 100) and told.best == (100, 100) and told.mean == 75
    assert told.overall == pytest.approx(200 / 3) and told.overall_best == 100
    assert told.confusion.tolist() == [[1, 0], [1, 1]] and told.right.tolist() == [False, True, True]
    with pytest.raises(UsageError, match="no fold is finished"):
        result([], 2)


@pytest.mark.parametrize("seed", range(20))
def test_p_values_of_two_runs_are_those_of_scipy(seed):
    rng = np.random.default_rng(seed)
    runs, truth = [], rng.integers(0, 3, (10, 12))
    for _ in range(2):
        folds = [
            Fold(name=str(k), subjects=[str(k)], rows=list(range(12 * k, 12 * k + 12)), truth=truth[k].tolist(),
                 predicted=[np.where(rng.random(12) < 0.8, truth[k], 0).tolist()])
            for k in range(10)
        ]  # fmt: skip
        runs.append(result(folds, 3))
    first, second = runs
    told = compare(first, second)
    assert told.folds.p == pytest.approx(stats.ttest_rel(first.accuracies, second.accuracies).pvalue, rel=1e-9)
    wanted = stats.ttest_rel(first.accuracies, second.accuracies, alternative="greater").pvalue
    assert told.one_sided == pytest.approx(wanted, rel=1e-9)
    only = (first.right & ~second.right).sum(), (~first.right & second.right).sum()
    assert told.rows.p == pytest.approx(stats.binomtest(int(only[0]), int(sum(only))).pvalue, rel=1e-9)


@pytest.mark.parametrize("table", [paper.TABLE_4, paper.TABLE_5], ids=["4", "5"])
def test_the_papers_p_values_follow_from_its_folds(table):
    """To what one decimal of each fold leaves; c3 and c4 come out as they are printed, to within a tenth."""
    first = next(iter(table.values()))[0]
    for folds, average, p in table.values():
        assert np.mean(folds) == pytest.approx(average, abs=0.4)
        if p is not None:
            assert one_sided(first, folds) == pytest.approx(p, rel=0.1)


def test_the_tables_print_the_papers_figures_and_say_what_is_not_run(tree, learner, tmp_path, capsys):
    (marked := sequence_trees.write_tree(tmp_path / "made", people=10)).joinpath("SYNTHETIC").touch()
    command = ["tables", "--ckplus", str(marked), "--out", str(tmp_path / "out"), "--width", "1/32", "--epochs", "2"]
    assert main(command) == 0
    told = capsys.readouterr().out
    rows = {}
    for line in told.splitlines():
        if line.startswith("|"):
            rows.setdefault(line.split("|")[1].strip(), line)
    assert "| 90.76 " in rows["c2, paper"] and rows["c2, synthetic"].count("33.3 (") == 10
    assert rows["c3, synthetic"].count("not run") == 11 and "| 0.0365 " in told
    assert "| 97.56" in told and "100.00 (100.00)" in told and "Not run: no oulu-casia tree was given." in told
    assert "Synthetic: faces that we made" in told and "Fig. 2" in told and "no --storage of a search" in told
    count = len(begun(learner))
    assert main([*command, "--done"]) == 0 and len(begun(learner)) == count == 10 + 10 + 10


def test_the_tables_have_a_row_of_our_edge_network_where_its_frame_network_is_given(tree, learner, tmp_path, capsys):
    (tmp_path / "nano").mkdir()
    command = ["tables", "--ckplus", str(tree), "--out", str(tmp_path / "out"), "--only", "7", "--epochs", "2"]
    assert main([*command, "--frames", str(tmp_path / "nano")]) == 2
    assert "expected a finished run of edgefer-nano" in capsys.readouterr().err
    (tmp_path / "nano" / "best.weights.h5").write_bytes(b"weights")
    assert main([*command, "--frames", str(tmp_path / "nano")]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| edge"))
    assert "100.00 (100.00)" in row and len(begun(learner)) == 20


def test_an_architecture_that_is_trained_on_the_other_set_before_starts_from_it(tree, learner, tmp_path, capsys):
    oulu, rng = tmp_path / "oulu", np.random.default_rng(0)
    for person in range(1, 11):
        for name in ("Anger", "Fear", "Happiness"):
            folder = oulu / "OriginalImg/VL/Strong" / f"P{person:03d}" / name
            folder.mkdir(parents=True)
            for frame in range(2):
                cv2.imwrite(str(folder / f"{frame:03d}.jpeg"), rng.integers(0, 255, (40, 40)).astype(np.uint8))
    command = ["tables", "--ckplus", str(tree), "--oulu", str(oulu), "--out", str(tmp_path / "out"), "--only", "4,5"]
    assert main([*command, "--epochs", "2"]) == 0
    assert [line.split()[0] for line in learner.read_text().splitlines()].count("all") == 2
    assert "c4, here" in capsys.readouterr().out and set(AUGMENTATIONS) == {"ckplus", "oulu-casia"}


def test_two_finished_runs_are_compared(tree, learner, tmp_path, capsys):
    for network in ("ckplus", "oulu-casia"):
        command = ["run", "--data", str(tree), "--layout", "ckplus", "--protocol", "10-fold", "--network", network]
        assert main([*command, "--out", str(tmp_path / network), "--epochs", "2"]) == 0
    told = capsys.readouterr().out
    assert "synthetic" not in told.lower() and "| all " in told
    assert main(["compare", str(tmp_path / "ckplus"), str(tmp_path / "oulu-casia")]) == 0
    assert "100.00 % against 33.33 %, mean of 10 folds" in capsys.readouterr().out
    assert main(["compare", str(tmp_path / "ckplus"), str(tmp_path)]) == 2
    assert "expected the folder of a run" in capsys.readouterr().err


def kept_run(folder, folds, **changes):
    """A folder as a run leaves it: rows, truth and what was predicted of each fold."""
    folder.mkdir()
    told = {"clips": "0", "protocol": "2-fold", "parameters": {}, **changes}
    (folder / "plan.json").write_text(json.dumps(told))
    for number, (rows, truth, predicted) in enumerate(folds, 1):
        fold = {"name": f"{number:02d}", "subjects": [str(number)], "rows": rows, "truth": truth}
        (folder / f"{number:02d}.json").write_text(json.dumps({**fold, "predicted": [predicted]}))
    return str(folder)


def test_runs_over_other_sequences_of_the_same_number_are_not_compared(tmp_path, capsys):
    first = kept_run(tmp_path / "a", [([0, 1], [0, 1], [0, 1]), ([2, 3], [0, 1], [0, 0])])
    for name, folds in (
        ("rows", [([0, 2], [0, 1], [0, 1]), ([1, 3], [0, 1], [0, 0])]),
        ("truth", [([0, 1], [1, 1], [0, 1]), ([2, 3], [0, 0], [0, 0])]),
    ):
        assert main(["compare", first, kept_run(tmp_path / name, folds)]) == 2
        assert "two runs over the same folds of the same sequences" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "damaged", "message"),
    [
        (0, "", "no fold is finished"),
        (1, "", "expected two finished folds or more, got 1"),
        (2, "01", "01.json: damaged"),
    ],
)
def test_what_cannot_be_compared_is_one_line(count, damaged, message, tmp_path, capsys):
    folds = [([0, 1], [0, 1], [0, 1]), ([2, 3], [0, 1], [0, 0])][:count]
    run = kept_run(tmp_path / "a", folds)
    if damaged:
        (tmp_path / "a" / f"{damaged}.json").write_text('{"name": "0')
    assert main(["compare", run, run]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error


def test_a_damaged_plan_is_one_line(tree, learner, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/plan.json").write_text("{")
    assert main(["run", "--data", str(tree), "--layout", "ckplus", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "plan.json: damaged" in error


@pytest.mark.parametrize(
    ("layout", "option", "message"),
    [
        ("oulu-casia", "cropped=no", "cropped: expected true or false, got 'no'"),
        ("folders", "fps=fast", "fps: expected a number"),
        ("folders", "fps", "--option: expected NAME=VALUE"),
        ("ckplus", "light=Weak", "--option: "),
    ],
)
def test_a_wrong_option_of_a_reader_is_one_line(layout, option, message, tree, tmp_path, capsys):
    command = ["run", "--data", str(tree), "--layout", layout, "--option", option, "--out", str(tmp_path / "out")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error


def test_a_reader_is_told_false_in_a_word(tmp_path, capsys):
    """A word that is not empty is true to Python: the cut-out faces were taken."""
    frame = np.random.default_rng(0).integers(0, 255, (40, 40)).astype(np.uint8)
    for folder in ("OriginalImg/VL/Strong", "PreProcess_Img/VL_Acropped/Strong"):
        (tmp_path / folder / "P001/Anger").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / folder / "P001/Anger/000.jpeg"), frame[: 40 if "Orig" in folder else 20])
    command = ["run", "--data", str(tmp_path), "--layout", "oulu-casia", "--option", "cropped=false"]
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgefer.train.protocols.__main__.load", lambda *args: seen.append(args[3]) or load(*args))
        assert main([*command, "--out", str(tmp_path / "out")]) == 2
    assert seen == [{"cropped": False}] and "two people or more" in capsys.readouterr().err
