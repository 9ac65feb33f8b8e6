"""Which files of a recording stay."""

from __future__ import annotations

import os
import time

import pytest
from readings import face, health, reading

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


def unset(path) -> None:
    """As written before the clock was set."""
    os.utime(path, (1000.0, 1000.0))


def test_a_clock_that_is_set_while_the_device_starts_fills_no_file_and_removes_none(tmp_path):
    path = tmp_path / "a.jsonl"
    sink = open_sink(f"jsonl:{path},period=1d,keep=2,max_age=30d")
    for _ in range(5):
        write(sink, 3)
        unset(path)
    write(sink, 3)
    sink.close()
    assert not older_files(str(path)) and len(path.read_text().splitlines()) == 18


def test_a_file_whose_age_nobody_knows_ages_from_now_on(tmp_path):
    path = tmp_path / "a.jsonl"
    for number in (1, 2):
        (tmp_path / f"a.jsonl.{number}").write_bytes(b"x" * 1000)
        unset(tmp_path / f"a.jsonl.{number}")
    sink = open_sink(f"jsonl:{path},max_age=30d,period=1d")
    write(sink, 1)
    sink.close()
    assert [each.name for each in older_files(str(path))] == ["a.jsonl.1", "a.jsonl.2"]
    assert all(time.time() - each.stat().st_mtime < 60 for each in older_files(str(path)))
    sink = open_sink(f"jsonl:{path},period=1d,total=1500")
    write(sink, 1)
    sink.close()
    assert not (tmp_path / "a.jsonl.2").exists()


def test_a_device_that_never_hears_the_time_has_its_periods(monkeypatch):
    monkeypatch.setattr("edgefer.sinks.retention.time.time", lambda: 90_000.0)
    state = os.stat_result((0, 0, 0, 0, 0, 0, 500, 80_000.0, 80_000.0, 80_000.0))
    assert Retention(period_s=3600.0).is_full(state, 1, 0)
    assert not Retention(period_s=86_400.0 * 7).is_full(state, 1, 0)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_what_is_too_old_goes_also_while_nothing_is_written(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("edgefer.sinks.files.LOOK_S", 0.0)
    path = tmp_path / "a"
    sink = open_sink(f"{kind}:{path},period=1d,max_age=3d,on=change")
    write(sink, 2)
    aged(path, 2 * 86400)
    sink.report(health())
    (full,) = older_files(str(path))
    assert full.read_bytes() and not path.exists()
    sink.report(health())
    aged(full, 4 * 86400)
    sink.write(reading(2))
    sink.report(health())
    assert not full.exists() and path.exists()
    sink.close()


def test_a_file_that_could_not_be_renamed_is_tried_again(tmp_path, monkeypatch, caplog):
    replace, failing, moment = os.replace, [True, True, False], [1000.0]
    monkeypatch.setattr("edgefer.sinks.files.time.monotonic", lambda: moment[0])

    def sometimes(*paths):
        if failing.pop(0) if failing else False:
            raise PermissionError(13, "Permission denied")
        replace(*paths)

    monkeypatch.setattr("edgefer.sinks.retention.os.replace", sometimes)
    path = tmp_path / "a.jsonl"
    sink = open_sink(f"jsonl:{path},size=2k,keep=9")
    for index in range(60):
        moment[0] += 10.0
        sink.write(reading(index, face()))
    sink.close()
    said = [record.getMessage().removeprefix(str(path)) for record in caplog.records]
    assert said == [": cannot be renamed (Permission denied) and grows on", ": can be renamed again"]
    assert path.stat().st_size <= 2000 and len(older_files(str(path))) > 3


def test_fewer_are_kept_than_before(tmp_path):
    path = tmp_path / "a.jsonl"
    for number in range(1, 9):
        (tmp_path / f"a.jsonl.{number}").write_text("x")
    sink = open_sink(f"jsonl:{path},size=2k,keep=3")
    write(sink, 10)
    sink.close()
    assert [each.name for each in older_files(str(path))] == ["a.jsonl.1", "a.jsonl.2", "a.jsonl.3"]


def test_a_name_with_a_number_is_somebody_elses(tmp_path):
    path = tmp_path / "readings"
    mine = tmp_path / "readings.2023"
    mine.write_text("x")
    aged(mine, 900 * 86400)
    sink = open_sink(f"jsonl:{path},max_age=30d,size=1k,keep=2")
    write(sink, 20)
    sink.close()
    assert mine.exists() and len(older_files(str(path))) == 2
