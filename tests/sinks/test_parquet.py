"""Readings as Parquet files."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

import pytest

pytest.importorskip("pyarrow", reason="no PyArrow here: the extra parquet")

from pyarrow import parquet
from readings import face, health, reading

from edgefer.commands.console import main
from edgefer.errors import SinkError, SinkStalled
from edgefer.labels import FERPLUS8
from edgefer.sinks import open_sink


def files(folder) -> list:
    return sorted(folder.glob("[0-9]*.parquet"))


def test_the_rows_are_those_of_csv_with_types(tmp_path):
    words = ["--model", "edgefer-s", "--model", "edgefer-nano"]
    outputs = ["--output", f"csv:{tmp_path}/a.csv,empty=yes", "--output", f"parquet:{tmp_path}/a,empty=yes"]
    assert main(["run", "-q", "--source", "demo:1", *words, *outputs]) == 0
    import csv

    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    table = parquet.read_table(tmp_path / "a")
    assert table.column_names == list(rows[0]) and table.num_rows == len(rows)
    for row, values in zip(rows, table.to_pylist(), strict=True):
        for name, text in row.items():
            value = values[name]
            assert text == "" if value is None else (str(value) == text or float(text) == value), name
    kinds = {field.name: str(field.type) for field in table.schema}
    assert (kinds["frame"], kinds["expression"], kinds["x0"], kinds["edgefer-nano_expression"]) == (
        "int64", "string", "double", "string",
    )  # fmt: skip


def test_a_file_is_written_when_it_is_full_and_holds_every_row_once(tmp_path):
    sink = open_sink(f"parquet:{tmp_path}/a,rows=100", labels=FERPLUS8)
    for index in range(250):
        sink.write(reading(index, face()))
        assert len(files(tmp_path / "a")) == (index + 1) // 100
    sink.close()
    sink.close()
    frames = [row for file in files(tmp_path / "a") for row in parquet.read_table(file)["frame"].to_pylist()]
    assert frames == list(range(250))


def test_a_file_is_written_when_its_time_is_over_also_while_no_reading_comes(tmp_path):
    sink = open_sink(f"parquet:{tmp_path}/a,period=1s", labels=FERPLUS8)
    sink.write(reading(0, face()))
    assert not (tmp_path / "a").exists()
    time.sleep(1.05)
    sink.report(health())
    assert len(files(tmp_path / "a")) == 1
    sink.close()
    assert len(files(tmp_path / "a")) == 1


def test_a_run_that_is_killed_leaves_whole_files_alone(tmp_path):
    """However often, and whenever: each file can be read, and the next run sweeps up nothing that is another's."""
    code = (
        "import sys; sys.path[:0] = ['tests/sinks', 'tests']\n"
        "from readings import face, reading\nfrom edgefer.sinks import open_sink\n"
        f"sink = open_sink('parquet:{tmp_path}/a,rows=100', labels=('a', 'b'))\n"
        "for index in range(10 ** 9):\n    sink.write(reading(index, face()))\n"
    )
    for wait_s in (0.0, 0.05, 0.11, 0.17):
        process = subprocess.Popen([sys.executable, "-c", code])
        deadline = time.monotonic() + 30
        before = len(files(tmp_path / "a"))
        while len(files(tmp_path / "a")) <= before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(wait_s)
        process.kill()
        process.wait()
    assert len(files(tmp_path / "a")) >= 4
    for file in files(tmp_path / "a"):
        assert parquet.read_table(file).num_rows == 100


def test_what_a_killed_run_left_behind_goes_after_an_hour(tmp_path):
    (tmp_path / "a").mkdir()
    for name, age_s in ((".part.old.parquet", 7200), (".part.new.parquet", 60)):
        (tmp_path / "a" / name).write_bytes(b"x")
        os.utime(tmp_path / "a" / name, (time.time() - age_s,) * 2)
    open_sink(f"parquet:{tmp_path}/a", labels=FERPLUS8).close()
    assert [path.name for path in (tmp_path / "a").iterdir()] == [".part.new.parquet"]


def test_files_go_by_number_and_size(tmp_path):
    sink = open_sink(f"parquet:{tmp_path}/a,rows=100,keep=3", labels=FERPLUS8)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mine.txt").write_text("somebody's own")
    for index in range(700):
        sink.write(reading(index, face()))
    sink.close()
    assert len(files(tmp_path / "a")) == 3 and (tmp_path / "a" / "mine.txt").exists()
    assert parquet.read_table(files(tmp_path / "a")[-1])["frame"].to_pylist()[-1] == 699
    most = 2 * files(tmp_path / "a")[0].stat().st_size + 100
    sink = open_sink(f"parquet:{tmp_path}/a,rows=100,total={most}", labels=FERPLUS8)
    for index in range(100):
        sink.write(reading(index, face()))
    sink.close()
    assert sum(path.stat().st_size for path in files(tmp_path / "a")) <= most


def test_what_was_written_last_stays_whatever_the_clock_says(tmp_path):
    """As on a board that begins in 1970, or after the clock was wrong for a while."""
    (tmp_path / "a").mkdir()
    for number in range(3):
        old = tmp_path / "a" / f"20990101T00000{number}+0000-0001.parquet"
        old.write_bytes(b"x")
        os.utime(old, (time.time() + 30 * 86400,) * 2)
    mine = tmp_path / "a" / "2024_summary.parquet"
    mine.write_bytes(b"x")
    sink = open_sink(f"parquet:{tmp_path}/a,rows=100,keep=3", labels=FERPLUS8)
    for index in range(600):
        sink.write(reading(index, face()))
    sink.close()
    mine.unlink()
    assert parquet.read_table(tmp_path / "a")["frame"].to_pylist() == list(range(300, 600))


def test_rows_that_wait_for_room_are_not_called_lost(tmp_path, monkeypatch):
    monkeypatch.setattr("edgefer.sinks.parquet._AGAIN_S", 0.0)
    monkeypatch.setattr("edgefer.sinks.parquet._BATCH", 50)
    write_table, full = parquet.write_table, [True]

    def failing(*given, **named):
        if full[0]:
            raise OSError(28, "No space left on device")
        write_table(*given, **named)

    monkeypatch.setattr(parquet, "write_table", failing)
    sink = open_sink(f"parquet:{tmp_path}/a,rows=100", labels=FERPLUS8)
    lost = []
    for index in range(300):
        try:
            sink.write(reading(index, face()))
        except SinkStalled as error:
            lost.append(error.lost)
        sink.report(health())  # meets the same disk, and counts nothing
    full[0] = False
    assert sink.write(reading(300, face())) is True
    kept = parquet.read_table(tmp_path / "a")["frame"].to_pylist()
    assert not any(lost[:100]) and sum(lost) + len(kept) == 301 and kept == list(range(sum(lost), 301))
    assert sink.write(reading(301, face())) is False
    sink.close()


def test_a_disk_that_is_full_costs_rows_and_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr("edgefer.sinks.parquet._AGAIN_S", 0.0)
    sink = open_sink(f"parquet:{tmp_path}/a,rows=100", labels=FERPLUS8)
    for index in range(99):
        sink.write(reading(index, face()))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(SinkStalled, match="cannot be written: File too large; the files before are complete"):
            sink.write(reading(99, face()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not files(tmp_path / "a") and not list((tmp_path / "a").iterdir())
    sink.write(reading(100, face()))
    assert parquet.read_table(tmp_path / "a")["frame"].to_pylist() == list(range(101))
    sink.close()


def test_a_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(SinkError, match="expected a folder"):
        open_sink(f"parquet:{tmp_path}/a")


def test_a_run_without_faces_leaves_nothing(tmp_path):
    sink = open_sink(f"parquet:{tmp_path}/a", labels=FERPLUS8)
    sink.write(reading(0))
    sink.close()
    assert not (tmp_path / "a").exists()
