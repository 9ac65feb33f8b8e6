"""Trainings side by side: what waits for what, the time each gets, and what is packed."""

import json
import tarfile

import pytest

from edgefer.train import lanes, recipes
from edgefer.train.lanes import Job


def test_teachers_come_first_then_lessons_then_students(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = {job.directory: job for job in lanes.jobs(["edgefer-nano"])}
    assert list(found)[:4] == ["runs/edgefer-l", "runs/edgefer-l-2", "runs/edgefer-l-3", "runs/lessons"]
    assert found["runs/lessons"].needs == list(found)[:3]
    assert found["runs/edgefer-nano"].needs == ["runs/lessons"]
    (tmp_path / "runs/edgefer-l-2").mkdir(parents=True)
    (tmp_path / "runs/edgefer-l-2/done.json").write_text("{}")
    assert "runs/edgefer-l-2" not in [job.directory for job in lanes.jobs(["edgefer-nano"])]


def test_time_is_shared_with_what_waits_behind():
    chain = [Job("a", [], 30), Job("b", ["a"], 10), Job("c", ["b"], 60), Job("d", [], 5)]
    left = 100 + lanes.RESERVE
    assert lanes.minutes_for(chain[0], chain, left) * 60 == pytest.approx(30)
    assert lanes.minutes_for(chain[2], chain, left) * 60 == pytest.approx(100)


def test_a_command_has_its_time_and_the_teachers_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *_, lesson, student, _ = lanes.jobs(["edgefer-nano"])
    words = lesson.step(1.0, {"runs/edgefer-l-3"}).arguments
    assert words[words.index("--teachers") + 1] == "runs/edgefer-l-3" and words[-2:] == ["--minutes", "1.00"]
    assert student.step(None, ()).arguments == recipes.fit_step(student.directory, student.settings).arguments


SCRIPT = """
import json, pathlib, sys
out = pathlib.Path(sys.argv[1]); out.mkdir(parents=True)
if "bad" in out.name: sys.exit(3)
(out / "best.weights.h5").write_bytes(b"w" * 10)
(out / "done.json").write_text(json.dumps({"needs": sys.argv[2:]}))
"""


def test_what_fails_holds_back_only_what_cannot_do_without_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(SCRIPT)

    class Scripted(Job):
        def step(self, minutes, there):
            return recipes.Step("script", [self.directory, *sorted(there)])

    made = recipes.RECIPES["edgefer-l"][-1][1]
    plan = [
        Scripted("runs/bad", [], 1, made),
        Scripted("runs/good", [], 1, made),
        Scripted("runs/lessons", ["runs/bad", "runs/good"], 1),
        Scripted("runs/student", ["runs/lessons"], 1, made),
        Scripted("runs/orphan", ["runs/bad"], 1, made),
    ]
    monkeypatch.setattr(lanes, "jobs", lambda names: plan)
    assert lanes.run([], 2, 1.0, tmp_path / "pack") == 1
    said = capsys.readouterr().out
    assert "failed runs/bad" in said and "left out runs/orphan for want of runs/bad" in said
    assert json.loads((tmp_path / "runs/lessons/done.json").read_text())["needs"] == ["runs/good"]
    assert (tmp_path / "runs/student/done.json").exists() and "over; left: nothing" in said
    with tarfile.open(tmp_path / "pack/runs-1.tar") as file:
        assert "runs/student/best.weights.h5" in file.getnames()
    with tarfile.open(tmp_path / "pack/runs-records.tgz") as file:
        assert {"runs/student/done.json", "runs/bad.log"} <= set(file.getnames())


def test_when_the_time_is_up_what_runs_is_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sleeper.py").write_text("import time; time.sleep(60)")

    class Sleeper(Job):
        def step(self, minutes, there):
            return recipes.Step("sleeper", [])

    monkeypatch.setattr(lanes, "jobs", lambda names: [Sleeper("runs/x", [], 1)])
    assert lanes.run([], 1, 0.02, None) == 0
    assert "over; left: runs/x" in capsys.readouterr().out
