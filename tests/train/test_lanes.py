"""Trainings side by side: what waits for what, the time each gets, and what is packed."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgefer.train import lanes, recipes
from edgefer.train.__main__ import main
from edgefer.train.lanes import Job


def test_teachers_come_first_then_lessons_then_students(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = {job.directory: job for job in lanes.jobs(["edgefer-nano-lessons"])}
    wide = ["runs/edgefer-l", "runs/edgefer-l-2", "runs/edgefer-l-3"]
    assert list(found)[:4] == [*wide, "runs/lessons"]
    assert found["runs/lessons"].needs == wide
    assert found["runs/edgefer-nano-lessons"].needs == ["runs/lessons"]
    (tmp_path / "runs/edgefer-l-2").mkdir(parents=True)
    (tmp_path / "runs/edgefer-l-2/done.json").write_text("{}")
    assert "runs/edgefer-l-2" not in [job.directory for job in lanes.jobs(["edgefer-nano-lessons"])]


def test_time_is_shared_with_what_waits_behind():
    chain = [Job("a", [], 30), Job("b", ["a"], 10), Job("c", ["b"], 60), Job("d", [], 5)]
    left = 100 + lanes.RESERVE
    assert lanes.minutes_for(chain[0], chain, left) * 60 == pytest.approx(30)
    assert lanes.minutes_for(chain[2], chain, left) * 60 == pytest.approx(100)


def test_a_command_has_its_time_and_the_teachers_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *_, lesson, student, _ = lanes.jobs(["edgefer-nano-lessons"])
    words = lesson.step(1.0, {"runs/edgefer-l-3"}).arguments
    assert words[words.index("--teachers") + 1] == "runs/edgefer-l-3" and words[-2:] == ["--minutes", "1.00"]
    assert student.step(None, ()).arguments == recipes.fit_step(student.directory, student.settings).arguments


SCRIPT = """
import json, pathlib, sys
out = pathlib.Path(sys.argv[1]); out.mkdir(parents=True, exist_ok=True)
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
    assert said.count("failed runs/bad") == lanes.ATTEMPTS == 2
    assert json.loads((tmp_path / "runs/lessons/done.json").read_text())["needs"] == ["runs/good"]
    assert (tmp_path / "runs/student/done.json").exists() and "over; left: nothing" in said
    with tarfile.open(tmp_path / "pack/runs-1.tar") as file:
        assert "runs/student/best.weights.h5" in file.getnames()
    with tarfile.open(tmp_path / "pack/runs-records.tgz") as file:
        assert {"runs/student/done.json", "runs/bad.log"} <= set(file.getnames())


ONCE = """
import json, pathlib, sys, time
out = pathlib.Path(sys.argv[1]); out.mkdir(parents=True, exist_ok=True)
others = [path.parent.name for path in out.parent.glob("*/metrics.jsonl")]
with open("begun", "a") as file: file.write(json.dumps([out.name, others]) + "\\n")
time.sleep(1)
(out / "metrics.jsonl").write_text("{}")
if out.name == "a" and not (out / "tried").exists():
    (out / "tried").touch()
    sys.exit(1)
(out / "done.json").write_text("{}")
"""


def test_one_of_those_that_compile_the_same_goes_ahead_and_what_failed_is_tried_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "once.py").write_text(ONCE)

    class Once(Job):
        def step(self, minutes, there):
            return recipes.Step("once", [self.directory])

    made = recipes.RECIPES["edgefer-l"][-1][1]
    plan = [Once(f"runs/{name}", [], 1, replace(made, seed=seed)) for seed, name in enumerate("abc")]
    plan.append(Once("runs/other", [], 1, replace(made, size=64, stages=((64, 1),))))
    monkeypatch.setattr(lanes, "jobs", lambda names: plan)
    assert lanes.run([], 4, 1.0, None) == 0
    begun = [json.loads(line) for line in (tmp_path / "begun").read_text().splitlines()]
    assert {name for name, _ in begun[:2]} == {"a", "other"} and not begun[0][1]
    assert all("a" in others for name, others in begun if name in "bc"), "they wait for what it compiles"
    assert sorted(name for name, _ in begun) == ["a", "a", "b", "c", "other"]
    assert capsys.readouterr().out.count("failed runs/a") == 1


def test_runs_share_a_gpu_where_its_service_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    log, control = tmp_path / "log", tmp_path / "nvidia-cuda-mps-control"
    control.write_text(f'#!/bin/sh\nread -r words; echo "$1 $words $CUDA_MPS_PIPE_DIRECTORY" >> {log}\n')
    control.chmod(0o755)
    with lanes.side_by_side() as settings:
        place = settings["CUDA_MPS_PIPE_DIRECTORY"]
        assert Path(place).is_dir()
    assert log.read_text().splitlines() == [f"-d  {place}", f" quit {place}"] and not Path(place).exists()
    control.write_text("#!/bin/sh\nexit 1\n")
    with lanes.side_by_side() as settings:
        assert settings == {}
    control.unlink()
    with lanes.side_by_side() as settings:
        assert settings == {}


def test_when_the_time_is_up_what_runs_is_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sleeper.py").write_text("import time; time.sleep(60)")

    class Sleeper(Job):
        def step(self, minutes, there):
            return recipes.Step("sleeper", [])

    monkeypatch.setattr(lanes, "jobs", lambda names: [Sleeper("runs/x", [], 1)])
    assert lanes.run([], 1, 0.02, None) == 0
    assert "over; left: runs/x" in capsys.readouterr().out


def test_a_run_that_leaves_off_is_made_when_it_can_be_started_from(tmp_path, monkeypatch):
    """Its record has a line more than its checkpoint has epochs where it was killed between the two."""
    monkeypatch.chdir(tmp_path)
    settings = replace(recipes.RECIPES["edgefer-l"][-1][1], stages=((48, 4),), stop=2)
    job = Job("runs/half", [], 1, settings)
    assert not job.finished
    (tmp_path / "runs/half").mkdir(parents=True)
    (tmp_path / "runs/half/metrics.jsonl").write_text("{}\n{}\n")
    assert not job.finished
    for epoch in (1, 2):
        np.savez(tmp_path / "runs/half/checkpoint.npz", state=json.dumps({"epoch": epoch}))
        assert job.finished == (epoch == 2)


SLEEPER = """
import os, pathlib, time
pathlib.Path("begun").write_text(str(os.getpid()))
time.sleep(60)
"""
LANES = """
import pathlib, sys
from edgefer.train import lanes, recipes
class Sleeper(lanes.Job):
    def step(self, minutes, there):
        return recipes.Step("sleeper", [])
lanes.jobs = lambda names: [Sleeper("runs/x", [], 1)]
try:
    lanes.run([], 1, None, None)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_runs_end_with_what_started_them(ended_by, tmp_path):
    """Else they would go on beside those that the same command starts again."""
    if ended_by == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("needs Linux, which ends them then")
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    (tmp_path / "lanes.py").write_text(LANES)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    process = subprocess.Popen([sys.executable, "lanes.py"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
    begun = tmp_path / "begun"
    until = time.monotonic() + 60
    while not (begun.exists() and begun.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    own = int(begun.read_text())
    process.send_signal(ended_by)
    process.communicate(timeout=30)
    assert process.returncode == (130 if ended_by == signal.SIGTERM else -signal.SIGKILL)
    while _is_there(own) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _is_there(own)


def _is_there(number):
    status = Path(f"/proc/{number}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_pack_holds_whole_files_and_no_scratch_ones(tmp_path, monkeypatch):
    run = tmp_path / "runs/a"
    run.mkdir(parents=True)
    (run / "done.json").write_text("{}")
    (run / ".part.done.json").write_text("half")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/runs-7.tar").write_bytes(b"of an earlier, larger pack")
    (tmp_path / "pack/runs-mine.tar").write_bytes(b"of someone else")
    (run / "best.weights.h5").write_bytes(b"w" * 10)
    read = Path.read_bytes

    def replaced(path):
        """While it is packed, a run writes weights that are longer."""
        content = read(path)
        if path.name == "best.weights.h5":
            path.write_bytes(b"v" * 20)
        return content

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", replaced)
        lanes.packed_files(tmp_path / "runs", tmp_path / "pack")
    with tarfile.open(tmp_path / "pack/runs-1.tar") as file:
        assert file.extractfile("runs/a/best.weights.h5").read() == b"w" * 10
    with tarfile.open(tmp_path / "pack/runs-records.tgz") as file:
        assert file.getnames() == ["runs/a/done.json"]
    assert sorted(path.name for path in (tmp_path / "pack").glob("*.tar")) == ["runs-1.tar", "runs-mine.tar"]


def test_a_pack_that_cannot_be_written_stops_no_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "pack").write_text("a file")

    class Scripted(Job):
        def step(self, minutes, there):
            return recipes.Step("script", [self.directory])

    monkeypatch.setattr(lanes, "jobs", lambda names: [Scripted("runs/good", [], 1)])
    assert lanes.run([], 1, None, tmp_path / "pack") == 0
    assert "not packed" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", ["--lanes 0", "--lanes -1", "--lanes 1 --minutes nan", "--lanes 1 --minutes 0", "--minutes 5", "--pack x"]
)
def test_lanes_that_make_no_sense_are_one_line(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["all", "edgefer-nano", *words.split()]) == 2
    assert capsys.readouterr().err.count("\n") == 1
