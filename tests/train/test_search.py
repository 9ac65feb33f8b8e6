"""The search: Table 1 as its space, pruning that spares who may still pass, and no trial lost or doubled by a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install -e '.[search]'")
import optuna  # noqa: E402
import postgres  # noqa: E402
import sequence_trees  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

from edgefer.errors import UsageError  # noqa: E402
from edgefer.train.clips.parameters import OPTIONS, Parameters, preset  # noqa: E402
from edgefer.train.search.__main__ import main  # noqa: E402
from edgefer.train.search.plot import draw, importances  # noqa: E402
from edgefer.train.search.space import suggest  # noqa: E402
from edgefer.train.search.study import AGAIN, open_study, summary, take, turns_of, work  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    return sequence_trees.write_tree(tmp_path_factory.mktemp("tree"), people=4)


@pytest.fixture(scope="module")
def server():
    found = postgres.programs()
    if found is None:
        pytest.skip("needs a PostgreSQL server: apt install postgresql")
    pytest.importorskip("psycopg", reason="needs psycopg: pip install -e '.[search]'")
    with postgres.server(found) as address:
        yield address


@pytest.fixture
def learner(monkeypatch, tmp_path) -> Path:
    monkeypatch.setitem(sys.modules, "edgefer.train.protocols.learning", sequence_trees.stand_in())
    monkeypatch.setenv("LEARNER_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def arguments(tree: Path, storage: str, out: Path, *more: str) -> list[str]:
    own = ["run", "--storage", storage, "--data", str(tree), "--layout", "ckplus", "--out", str(out), *more]
    return [*own, "--epochs", "2", "--width", "1/32", "--side", "16"]


def start(command: list[str], log: Path, seconds: float) -> subprocess.Popen:
    environment = {**os.environ, "LEARNER_LOG": str(log), "LEARNER_S": str(seconds)}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    return subprocess.Popen([sys.executable, sequence_trees.__file__, "search", *command], env=environment)


def until(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def lines(log: Path, what: str) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines() if line.startswith(what)] if log.exists() else []


def check_whole(study: optuna.Study, count: int, killed: int) -> None:
    """So many trials are finished, each killed one failed and its configuration was done again once."""
    trials = study.get_trials(deepcopy=False)
    states = Counter(trial.state for trial in trials)
    assert states[TrialState.COMPLETE] + states[TrialState.PRUNED] == count
    assert states[TrialState.FAIL] == killed and not states[TrialState.RUNNING] and not states[TrialState.WAITING]
    assert [trial.number for trial in trials] == list(range(count + killed))
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    again = [trial for trial in trials if AGAIN in trial.user_attrs]
    assert sorted(trial.user_attrs[AGAIN] for trial in again) == [trial.number for trial in failed]
    for trial in again:
        before = trials[trial.user_attrs[AGAIN]].params
        assert {name: trial.params[name] for name in before} == before
    configurations = [tuple(trial.params.items()) for trial in trials if trial.state is not TrialState.FAIL]
    assert len(set(configurations)) == count


def test_the_space_is_table_1():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = [suggest(study.ask()) for _ in range(80)]
    for name, values in OPTIONS.items():
        assert {getattr(each, name) for each in found} == set(values)
    assert min(each.dropout for each in found) < 0.1 and max(each.dropout for each in found) > 0.9
    fixed = optuna.trial.FixedTrial(preset("ckplus").words())
    assert suggest(fixed) == preset("ckplus") and isinstance(found[0], Parameters)


def test_trials_that_cannot_reach_the_bound_end_early_and_others_do_not(tree, learner, tmp_path):
    """Max pooling makes the learner wrong in two of three: 2 of 12 in the first fold of four, at most 83.3 % then."""
    storage = f"journal:{tmp_path / 'a' / 'search.log'}"
    assert main(arguments(tree, storage, tmp_path / "out", "--trials", "12", "--below", "80")) == 0
    trials = open_study(storage, "haddad").get_trials(deepcopy=False)
    for trial in trials:
        if trial.params["pooling"] == "max":
            assert trial.state is TrialState.PRUNED and trial.intermediate_values == pytest.approx(
                {1: 250 / 3, 2: 200 / 3}
            )
        else:
            assert trial.state is TrialState.COMPLETE and trial.value == 100 and len(trial.intermediate_values) == 4
    assert {trial.state for trial in trials} == {TrialState.PRUNED, TrialState.COMPLETE} and len(trials) == 12
    count = len(lines(learner, "begin"))
    assert main(arguments(tree, storage, tmp_path / "out", "--trials", "12")) == 0
    assert len(lines(learner, "begin")) == count


def test_a_search_that_is_killed_goes_on_where_it_was(tree, tmp_path):
    """Its trial fails, is done again with the same configuration, and the folds that were done are not."""
    log, out, storage = tmp_path / "log", tmp_path / "out", f"journal:{tmp_path / 'search.log'}"
    command = arguments(tree, storage, out, "--trials", "5", "--below", "0")
    first = start(command, log, 0.2)
    until(lambda: len(lines(log, "begin")) == 7)  # in the third fold of the second trial
    first.kill()
    first.wait()
    assert start(command, log, 0).wait(120) == 0
    study = open_study(storage, "haddad")
    check_whole(study, 5, killed=1)
    ended = [tuple(line[2:]) for line in lines(log, "end")]
    assert len(ended) == len(set(ended)) == 5 * 4
    assert len(lines(log, "begin")) in (5 * 4, 5 * 4 + 1)


def test_two_processes_on_one_postgresql_lose_and_double_nothing_when_one_is_killed(server, tree, tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    command = arguments(tree, server, out, "--trials", "14", "--below", "80", "--study", "killed")
    running = [start(command, log, 0.15) for _ in range(2)]
    until(lambda: all(any(line[1] == str(each.pid) for line in lines(log, "begin")) for each in running))
    until(lambda: len(lines(log, "begin")) >= 8)
    os.kill(running[0].pid, signal.SIGKILL)
    running.append(start(command, log, 0.15))
    assert [each.wait(180) for each in running] == [-signal.SIGKILL, 0, 0]
    study = open_study(server, "killed")
    failed = [t for t in study.get_trials(deepcopy=False) if t.state is TrialState.FAIL]
    check_whole(study, 14, killed=len(failed))
    assert len(failed) <= 1 and len({line[1] for line in lines(log, "begin")}) == 3
    ended = [tuple(line[2:]) for line in lines(log, "end")]
    assert len(ended) == len(set(ended))
    states = Counter(trial.state for trial in study.get_trials(deepcopy=False))
    assert states[TrialState.PRUNED] and states[TrialState.COMPLETE]


def test_a_server_that_ends_a_connection_makes_nothing_twice(server, tmp_path):
    """The trial is taken for lost and done again; what the first one then says is not heard."""
    study = open_study(server, "broken", create=True)
    turns, others = turns_of(server, "broken"), turns_of(server, "broken")
    trial = take(study, 3, turns)
    suggest(trial)
    again = take(study, 3, others)
    assert again.number == 1 and AGAIN not in again.user_attrs
    lost = turns.worker
    others._call("pg_terminate_backend", turns._call("pg_backend_pid"))
    until(lambda: not others.alive(lost))
    third = take(study, 3, others)
    assert third.user_attrs[AGAIN] == 0 and suggest(third).words() == suggest(trial).words()
    with pytest.raises(ValueError, match="Cannot tell a FAIL trial"):
        study.tell(trial, 1.0)
    assert take(study, 4, turns).number == 3 and turns.worker != lost and others.alive(turns.worker)


@pytest.mark.parametrize("place", ["journal", "server"])
def test_more_processes_than_trials_do_no_trial_too_many(place, request, tmp_path):
    address = f"journal:{tmp_path / 'search.log'}" if place == "journal" else request.getfixturevalue("server")
    study = open_study(address, "few", create=True)
    turns = [turns_of(address, "few") for _ in range(3)]
    taken = [take(study, 2, each) for each in turns]
    assert [each is not None for each in taken] == [True, True, False]
    for each in turns:
        each.close()
    assert work(study, lambda trial: suggest(trial).dropout, 2, last := turns_of(address, "few")) == 2
    last.close()
    check_whole(open_study(address, "few"), 2, killed=2)


def test_a_trial_that_fails_is_not_counted_and_three_in_a_row_end_the_work(tmp_path):
    address = f"journal:{tmp_path / 'search.log'}"
    study = open_study(address, "failing", create=True)
    left = [MemoryError("too large"), None, None]

    def objective(trial):
        suggest(trial)
        if left and (error := left.pop(0)):
            raise error
        return 50.0

    turns = turns_of(address, "failing")
    assert work(study, objective, 3, turns) == 4
    assert Counter(trial.state.name for trial in study.trials) == {"COMPLETE": 3, "FAIL": 1}
    assert study.trials[0].user_attrs["error"] == "MemoryError: too large"
    left[:] = [MemoryError("too large")] * 3
    with pytest.raises(RuntimeError, match="3 trials failed one after the other, the last by: too large"):
        work(study, objective, 9, turns)


def test_a_line_that_was_not_written_to_its_end_is_dropped(tmp_path):
    address, path = f"journal:{tmp_path / 'search.log'}", tmp_path / "search.log"
    study = open_study(address, "torn", create=True)
    study.tell(study.ask(), 1.0)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "wor')
    study = open_study(address, "torn", create=True)
    study.tell(study.ask(), 2.0)
    assert [trial.value for trial in open_study(address, "torn").trials] == [1.0, 2.0]
    assert path.read_bytes().startswith(whole) and b'"wor{' not in path.read_bytes()


def test_the_plot_shows_trials_and_which_options_matter(tmp_path):
    study = open_study(f"journal:{tmp_path / 'search.log'}", "drawn", create=True, below=70)
    turns, rng = turns_of(f"journal:{tmp_path / 'search.log'}", "drawn"), np.random.default_rng(0)

    def objective(trial):
        value = 60 + 30 * (suggest(trial).clahe is True) + rng.uniform(0, 5)
        trial.report(value, 1)
        if trial.should_prune():
            raise optuna.TrialPruned
        return value

    with pytest.raises(UsageError, match="no trial is finished"):
        draw(study, tmp_path / "none.png")
    work(study, objective, 30, turns)
    told = importances(study.trials)
    assert next(iter(told)) == "clahe" and told["clahe"] > 0.7 and set(told) == {*OPTIONS, "dropout"}
    picture = cv2.imread(str(draw(study, tmp_path / "plot.png")))
    assert picture.shape == (900, 1100, 3) and len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    assert "best 9" in summary(study) and "pruned" in summary(study)


def test_show_prints_trials_as_json(tree, learner, tmp_path, capsys):
    storage = f"journal:{tmp_path / 'search.log'}"
    assert main(arguments(tree, storage, tmp_path / "out", "--trials", "2", "--below", "0")) == 0
    capsys.readouterr()
    assert main(["show", "--storage", storage]) == 0
    told = capsys.readouterr()
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert [row["number"] for row in rows] == [0, 1] and set(OPTIONS) < set(rows[0])
    assert told.err == "haddad: 2 complete; best " + told.err.partition("best ")[2]
    (made := sequence_trees.write_tree(tmp_path / "made", 4)).joinpath("SYNTHETIC").touch()
    command = arguments(made, storage, tmp_path / "out", "--trials", "1", "--below", "0", "--study", "of made faces")
    assert main(command) == 0 and capsys.readouterr().out.startswith("of made faces (synthetic): 1 complete")


def test_wrong_addresses_are_refused_in_one_line_without_a_password(tmp_path, capsys):
    for address, words in (
        ("sqlite:///a.db", "expected journal:FILE or postgresql://USER@HOST/DATABASE"),
        (f"journal:{tmp_path / 'none'}", "no such journal"),
        ("postgresql://me:secret-word@127.0.0.1:1/db", "postgresql://"),
    ):
        if address.startswith("postgresql"):
            pytest.importorskip("psycopg")
        assert main(["show", "--storage", address]) == 2
        told = capsys.readouterr().err
        assert words in told and told.count("\n") == 1 and "secret" not in told
    open_study(f"journal:{tmp_path / 'a.log'}", "mine", create=True)
    assert main(["show", "--storage", f"journal:{tmp_path / 'a.log'}"]) == 2
    assert "no study 'haddad'; there: mine" in capsys.readouterr().err
