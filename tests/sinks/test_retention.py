"""Which files of a recording stay."""

from __future__ import annotations

import os
import time

import pytest
from readings import face, reading

from edgefer.errors import UsageError
from edgefer.sinks import open_sink
from edgefer.sinks.registry import seconds_of
from edgefer.sinks.retention import Retention, older_files


def aged(path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def write(sink, count: int) -> None:
    for index in range(count):
        sink.write(reading(index, face()))


def test_a_file_of_a_time_that_is_over_is_full(tmp_path):
    """And the lines of one hour stay in one file."""
    path = tmp_path / "a.jsonl"
    sink = open_sink(f"jsonl:{path},period=1h,keep=3")
    write(sink, 2)
    aged(path, 3700)
    write(sink, 3)
    aged(path, 2 * 86400)
    write(sink, 1)
    sink.close()
    lines = [len(each.read_text().splitlines()) for each in (path, *older_files(str(path)))]
    assert lines == [1, 3, 2]


def test_a_clock_that_was_put_back_fills_no_file(tmp_path):
    path = tmp_path / "a.csv"
    sink = open_sink(f"csv:{path},period=1h")
    write(sink, 2)
    aged(path, -5 * 3600)
    write(sink, 2)
    sink.close()
    assert not older_files(str(path)) and len(path.read_text().splitlines()) == 5


def test_each_file_of_a_table_begins_with_its_columns(tmp_path):
    path = tmp_path / "a.csv"
    sink = open_sink(f"csv:{path},period=1d")
    write(sink, 1)
    aged(path, 2 * 86400)
    write(sink, 1)
    sink.close()
    assert path.read_text().splitlines()[0] == (tmp_path / "a.csv.1").read_text().splitlines()[0]


def test_full_files_go_by_their_number_age_and_size(tmp_path):
    path = tmp_path / "a.jsonl"
    for number in range(1, 6):
        (tmp_path / f"a.jsonl.{number}").write_bytes(b"x" * 1000)
        aged(tmp_path / f"a.jsonl.{number}", number * 86400 - 3600)
    (tmp_path / "a.jsonl.bak").write_text("somebody's own")
    sink = open_sink(f"jsonl:{path},period=1h,keep=9,max_age=4d")
    write(sink, 1)
    assert [each.name for each in older_files(str(path))] == [f"a.jsonl.{number}" for number in range(1, 5)]
    sink.close()
    sink = open_sink(f"jsonl:{path},period=1h,keep=9,total=3k")
    write(sink, 1)
    sink.close()
    assert sum(each.stat().st_size for each in (path, *older_files(str(path)))) <= 3000
    assert [each.name for each in older_files(str(path))] == ["a.jsonl.1", "a.jsonl.2"]
    assert (tmp_path / "a.jsonl.bak").exists()


def test_a_recording_never_takes_more_than_its_total(tmp_path):
    path = tmp_path / "a.jsonl"
    sink = open_sink(f"jsonl:{path},size=2k,keep=99,total=10k")
    for index in range(200):
        sink.write(reading(index, face()))
        assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 12_500  # the one that grows, until it is full
    sink.close()
    assert len(older_files(str(path))) >= 3


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h", 3600), ("2d", 172800), ("1w", 604800)]
)
def test_periods(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["0h", "h", "1y", "-1d", "1.5h"])
def test_what_is_no_period_is_refused_in_one_line(text):
    with pytest.raises(UsageError, match="period: expected a text such as 30m, 1h, 7d"):
        open_sink(f"jsonl:x,period={text}")


def test_without_limits_everything_stays(tmp_path):
    kept = tmp_path / "a.1"
    kept.write_text("x")
    aged(kept, 1e8)
    Retention().prune([kept])
    assert kept.exists()
