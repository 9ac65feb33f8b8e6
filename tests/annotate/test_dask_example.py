"""The example of docs/annotate.md for Dask: a scheduler and two workers, of which one is killed in the midst."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_annotate import film

from edgefer.commands import console as cli

pytest.importorskip("distributed", reason="the example for several machines needs Dask (pip install distributed)")

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "annotate_dask.py"


@pytest.fixture
def cluster(tmp_path):
    """The file of a scheduler, and its two workers."""
    file = tmp_path / "scheduler.json"
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    worker = ["worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    worker += ["--host", "127.0.0.1", "--local-directory", str(tmp_path / "scratch")]
    with (tmp_path / "log").open("w") as log:
        processes = [
            subprocess.Popen([sys.executable, "-m", "dask", *command], stdout=log, stderr=log, cwd=tmp_path)
            for command in (scheduler, worker, worker)
        ]
        yield file, processes[1:]
        for process in processes:
            process.kill()
            process.wait()


def test_a_worker_that_is_killed_costs_nothing(cluster, tmp_path):
    file, workers = cluster
    films = tmp_path / "films"
    films.mkdir()
    for index in range(6):
        film(films / f"{index}.avi", 100, shift=index)
    output, parts = tmp_path / "dask.csv", tmp_path / "dask.parts"
    arguments = [sys.executable, str(EXAMPLE), address_in(file), str(output), str(films)]
    client = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while not list(parts.glob("[!.]*.csv")):
        assert client.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    workers[0].kill()
    said = client.communicate(timeout=120)[0]
    assert client.returncode == 0, said
    assert "6 of 6" in said
    assert cli.main(["annotate", str(films), "--output", str(tmp_path / "alone.csv"), "--model", "edgefer-s"]) == 0
    assert output.read_bytes() == (tmp_path / "alone.csv").read_bytes()


def address_in(file: Path) -> str:
    """Where the scheduler listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return json.loads(file.read_text())["address"]
        except (OSError, ValueError):
            assert time.monotonic() < deadline
            time.sleep(0.05)
