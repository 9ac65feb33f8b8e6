"""Files of lines: what restarts, rotation, other programs and power cuts do to them."""

import csv
import json
import os
import stat
import subprocess
import sys
import threading

import pytest
from readings import face, reading

from edgefer.errors import SinkError, SinkStalled, UsageError
from edgefer.labels import FERPLUS8
from edgefer.sinks import OUTPUTS, check_outputs, open_sink
from edgefer.sinks.registry import bytes_of


def frames_of(path):
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    if path.name.startswith("out.csv"):
        return [int(row["frame"]) for row in csv.DictReader(text.splitlines())]
    return [json.loads(line)["frame"] for line in text.splitlines()]


def open_at(path, options="", labels=FERPLUS8):
    return open_sink(f"{path.suffix[1:]}:{path}{options}", labels=labels)


def write(path, *frames, options="", labels=FERPLUS8):
    """One run, whose lines are as long as each other."""
    sink = open_at(path, options, labels)
    for frame in frames:
        one = reading(frame, face())
        one.t_s = 1.25
        sink.write(one)
    sink.close()


@pytest.fixture(params=["out.jsonl", "out.csv"])
def path(tmp_path, request):
    return tmp_path / request.param


# --- restarts


def test_a_restart_goes_on_where_the_file_ended(path, caplog):
    write(path, 0, 1)
    assert caplog.text == ""
    write(path, 2)
    write(path, 3, 4)
    assert frames_of(path) == [0, 1, 2, 3, 4]
    assert caplog.text.count("exists and is appended to (append=no replaces it)") == 2
    assert path.read_text().count("expression,confidence") == (path.suffix == ".csv")


def test_without_append_a_file_is_replaced_at_the_first_reading_and_not_before(path):
    write(path, 0, 1, 2)
    before = path.read_bytes()
    open_at(path, ",append=no").close()
    assert path.read_bytes() == before
    write(path, 7, options=",append=no")
    assert frames_of(path) == [7]


@pytest.mark.parametrize("cut", [1, 2, 20, 150])
def test_a_line_torn_by_a_power_cut_is_removed(path, cut):
    write(path, 0, 1, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    write(path, 3)
    # A JSON object that lacks only its line break is whole; of a row nobody can tell.
    assert frames_of(path) == ([0, 1, 2, 3] if cut == 1 and path.suffix == ".jsonl" else [0, 1, 3])


def test_zeros_at_the_end_are_no_line(path):
    """Some file systems leave them after a power cut."""
    write(path, 0, 1)
    with path.open("ab") as file:
        file.write(bytes(100_000))
    write(path, 2)
    assert frames_of(path) == [0, 1, 2]


def test_a_file_that_holds_nothing_but_a_torn_line_begins_anew(path):
    path.write_bytes(b'{"schema":2,"fra')
    write(path, 0)
    assert frames_of(path) == [0] or path.suffix == ".csv"
    if path.suffix == ".csv":
        assert frames_of(path.with_name("out.csv")) == [0]


def test_a_torn_row_with_a_line_break_in_a_name_goes_whole(tmp_path):
    path = tmp_path / "out.csv"
    write(path, 0)
    sink = open_at(path)
    odd = reading(1, face())
    odd.image = "two\nlines.jpg"
    sink.write(odd)
    sink.write(odd)
    sink.close()
    text = path.read_text()
    path.write_text(text[: text.rindex("lines.jpg") + 3])
    write(path, 2)
    rows = list(csv.DictReader(path.open(newline="")))
    assert [(row["frame"], row["image"]) for row in rows] == [("0", ""), ("1", "two\nlines.jpg"), ("2", "")]


def test_other_columns_put_the_old_file_aside(tmp_path, caplog):
    path = tmp_path / "out.csv"
    write(path, 0)
    write(path, 1, labels=("calm", "glad"))
    write(path, 2, labels=("calm", "glad"))
    write(path, 3)
    assert [frames_of(tmp_path / f"out.csv{end}") for end in ("", ".1", ".2")] == [[3], [1, 2], [0]]
    assert caplog.text.count(f"{path}: has other columns than this run gives; it is {path}.1 now") == 2


def test_a_foreign_table_is_put_aside_not_spoilt(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("name,age\nAda,36\n")
    write(path, 0)
    assert frames_of(path) == [0] and (tmp_path / "out.csv.1").read_text() == "name,age\nAda,36\n"


# --- rotation


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_full_files_are_numbered_and_the_oldest_goes(path, keep):
    write(path, 10)
    one = len(path.read_bytes())
    path.unlink()
    write(path, *range(10, 30), options=f",size={3 * one},keep={keep}")
    files = sorted(path.parent.iterdir(), key=lambda file: (len(file.name), file.name))
    assert [file.name for file in files] == [path.name, *(f"{path.name}.{n}" for n in range(1, keep + 1))]
    assert all(file.stat().st_size <= 3 * one for file in files)
    frames = [frame for file in reversed(files) for frame in frames_of(file)]
    assert frames == list(range(30 - len(frames), 30)) and len(frames) > 3 * keep - 3


def test_nothing_is_lost_at_the_boundary(path):
    """Sizes about the length of a line and of several: exactly full, one byte less, one more."""
    write(path, 10, 11)
    two = len(path.read_bytes())
    for size in (two - 1, two, two + 1):
        for file in path.parent.iterdir():
            file.unlink()
        write(path, *range(10, 20), options=f",size={size},keep=99")
        files = sorted(path.parent.iterdir(), key=lambda file: -int(file.name.rpartition(".")[2].strip("jsonlcv") or 0))
        assert [frame for file in files for frame in frames_of(file)] == list(range(10, 20))
        assert len(files) == (10 if size < two else 5)


def test_a_line_longer_than_the_size_has_a_file_of_its_own(path):
    write(path, 0, 1, 2, options=",size=10")
    assert [frames_of(path.with_name(f"{path.name}{end}")) for end in ("", ".1", ".2")] == [[2], [1], [0]]


def test_rotation_goes_on_after_a_restart(path):
    write(path, 10)
    size = path.stat().st_size
    for frame in range(11, 16):
        write(path, frame, options=f",size={size},keep=2")
    assert [frames_of(path.with_name(f"{path.name}{end}")) for end in (".2", ".1", "")] == [[13], [14], [15]]


def test_a_gap_left_by_a_removed_file_is_filled_before_one_is_deleted(path):
    write(path, 10)
    size = f",size={path.stat().st_size},keep=3"
    for number in (1, 3):
        path.with_name(f"{path.name}.{number}").write_text(f"{number}")
    write(path, 11, options=size)
    assert [path.with_name(f"{path.name}.{number}").read_text()[:1] for number in (2, 3)] == ["1", "3"]
    assert frames_of(path.with_name(f"{path.name}.1")) == [10]


def test_the_file_behind_a_link_is_rotated_where_it_lies(path, tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    (place / path.name).write_text("")
    path.symlink_to(place / path.name)
    write(path, 0, 1, options=",size=10")
    assert path.is_symlink() and frames_of(path) == [1]
    assert sorted(one.name for one in place.iterdir()) == [path.name, f"{path.name}.1"]


def test_a_folder_that_permits_no_renaming_lets_the_file_grow(path, monkeypatch, caplog):
    def refused(*names):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)
    write(path, 0, 1, 2, options=",size=10")
    assert frames_of(path) == [0, 1, 2]
    assert caplog.text.count("cannot be renamed (Permission denied) and grows on") == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("10MB", 10_000_000),
        ("10 MB", 10_000_000),
        ("512k", 512_000),
        ("512KiB", 524_288),
        ("1GiB", 1 << 30),
        ("2g", 2 * 10**9),
        ("100b", 100),
    ],
)
def test_sizes_are_read_as_people_write_them(text, value):
    assert bytes_of(text) == value
    assert bytes_of(OUTPUTS.parse(f"jsonl:x,size={text}").options.size) == value


@pytest.mark.parametrize("text", ["", "0", "0MB", "-1", "1.5MB", "ten", "10MBs", "10TB", "MB", "9" * 30])
def test_another_size_is_refused_with_examples(text):
    with pytest.raises(UsageError, match="size: expected a text such as 10MB, 512k, 1GiB"):
        OUTPUTS.parse(f"jsonl:x,size={text}")


# --- other programs


def test_a_file_emptied_by_copytruncate_has_no_zeros_and_goes_on(path):
    sink = open_at(path)
    for frame in range(3):
        sink.write(reading(frame, face()))
    copied = path.read_bytes()
    os.truncate(path, 0)
    for frame in range(3, 5):
        sink.write(reading(frame, face()))
    sink.close()
    assert b"\0" not in path.read_bytes() and frames_of(path) == [3, 4]
    path.write_bytes(copied)
    assert frames_of(path) == [0, 1, 2]


@pytest.mark.parametrize("create", [False, True])
def test_a_renamed_file_is_let_go_and_its_name_goes_on(path, create):
    """logrotate without copytruncate, with and without `create`."""
    sink = open_at(path)
    sink.write(reading(0, face()))
    old = path.rename(path.with_name(f"{path.name}.1"))
    if create:
        path.touch(0o640)
    sink.write(reading(1, face()))
    sink.write(reading(2, face()))
    sink.close()
    assert frames_of(old) == [0] and frames_of(path) == [1, 2]
    if create:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_file_that_someone_removed_or_replaced_comes_back(path):
    sink = open_at(path)
    sink.write(reading(0, face()))
    path.unlink()
    sink.write(reading(1, face()))
    assert frames_of(path) == [1]
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.replace(other, path)  # as editors save
    sink.write(reading(2, face()))
    sink.close()
    assert frames_of(path) == [1, 2]


def test_a_folder_that_is_gone_costs_readings_until_it_is_back(tmp_path):
    path = tmp_path / "disk" / "out.jsonl"
    path.parent.mkdir()
    sink = open_at(path)
    sink.write(reading(0))
    path.parent.rename(tmp_path / "gone")
    with pytest.raises(SinkStalled, match="cannot be written: No such file or directory"):
        sink.write(reading(1))
    path.parent.mkdir()
    sink.write(reading(2))
    sink.close()
    assert frames_of(path) == [2] and frames_of(tmp_path / "gone" / "out.jsonl") == [0]


WRITER = """if True:
    import sys
    from edgefer.sinks import open_sink
    from edgefer.values import Reading
    sink = open_sink(sys.argv[1], labels=("a", "b"))
    for index in range(int(sys.argv[2]), int(sys.argv[2]) + 300):
        sink.write(Reading(index, 0.0, "2026-11-21T10:00:00Z", 1.0, latency_ms={"total": 1.0}))
    sink.close()
"""


@pytest.mark.parametrize("rotating", [False, True])
def test_two_processes_share_a_file_line_by_line(tmp_path, rotating):
    path = tmp_path / "out.csv"
    options = ",empty=yes" + (",size=2k,keep=99" if rotating else "")
    both = [subprocess.Popen([sys.executable, "-c", WRITER, f"csv:{path}{options}", str(first)]) for first in (0, 300)]
    assert [process.wait(60) for process in both] == [0, 0]
    files = list(tmp_path.iterdir())
    assert sorted(frame for file in files for frame in frames_of(file)) == list(range(600))
    assert (len(files) > 5) == rotating


def test_a_named_pipe_waits_for_its_reader(tmp_path):
    path = tmp_path / "out.jsonl"
    os.mkfifo(path)
    sink = open_at(path)  # does not wait
    got = []
    reader = threading.Thread(target=lambda: got.extend(path.read_text().splitlines()))
    writer = threading.Thread(target=lambda: (sink.write(reading(0)), sink.write(reading(1)), sink.close()))
    writer.start()
    reader.start()
    writer.join(10)
    reader.join(10)
    assert [json.loads(line)["frame"] for line in got] == [0, 1]


def test_a_named_pipe_that_nobody_reads_is_closed_at_once(tmp_path):
    path = tmp_path / "out.jsonl"
    os.mkfifo(path)
    open_at(path).close()
    assert path.is_fifo()


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_names_of_standard_output_mean_it(name, capfd):
    sink = open_sink(f"jsonl:{name}")
    sink.write(reading(3))
    sink.close()
    assert json.loads(capfd.readouterr().out)["frame"] == 3
    assert sink.name == "standard output"
    with pytest.raises(UsageError, match="both write to standard output"):
        check_outputs([OUTPUTS.parse("csv"), OUTPUTS.parse(f"jsonl:{name}")])


def test_a_device_takes_lines():
    sink = open_sink("csv:/dev/null", labels=FERPLUS8)
    sink.write(reading(0, face()))
    sink.close()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


# --- disks that fill up


def test_a_full_disk_costs_readings_and_goes_on_when_there_is_room(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        path = disk / "out.jsonl"
        (disk / "ballast").write_bytes(bytes(8 << 10))
        sink, lost = open_at(path), []
        for frame in range(100):
            try:
                sink.write(reading(frame, face()))
            except SinkStalled as error:
                assert "No space left on device" in str(error)
                lost.append(frame)
                if len(lost) == 5:
                    (disk / "ballast").unlink()
            if len(lost) >= 5 and frame > lost[4] + 2:
                break
        sink.close()
        assert len(lost) == 5
        assert frames_of(path) == [index for index in range(frame + 1) if index not in lost]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_error_says_what_is_wrong_in_one_line(tmp_path):
    path = tmp_path / "out.jsonl"
    sink = open_at(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(SinkError, match=f"{path}: cannot be written: Is a directory"):
        sink.write(reading(0))
    sink.close()
