"""JSON lines and CSV."""

import contextlib
import csv
import errno
import io
import json
import os
import resource
import subprocess
import sys

import jsonschema
import numpy as np
import pytest
from readings import face, reading

from edgefer.errors import SinkClosed, SinkError, UsageError
from edgefer.labels import FERPLUS8
from edgefer.sinks import OUTPUTS, open_sink
from edgefer.sinks.lines import SCHEMA_PATH, reading_values
from edgefer.sinks.units import codes
from edgefer.values import ModelReading, Pose

SCHEMA = json.loads(SCHEMA_PATH.read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def lines_of(path):
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return text.splitlines()


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "faces", [(), (face(),), (face(1), face(2, "fear", ("small", "dark"), x=-30.0))], ids=["no-face", "one", "two"]
)
def test_every_line_fits_the_schema(tmp_path, faces):
    path = tmp_path / "out.jsonl"
    sink = open_sink(f"jsonl:{path}")
    for index in range(3):
        sink.write(reading(index, *faces))
    sink.close()
    lines = [json.loads(line) for line in lines_of(path)]
    assert [line["frame"] for line in lines] == [0, 1, 2]
    for line in lines:
        VALIDATOR.validate(line)
        assert len(line["faces"]) == len(faces)


def test_numpy_scalars_are_written_as_numbers(tmp_path):
    one = face()
    one.confidence = np.float32(0.7)
    one.scores = {label: np.float32(score) for label, score in one.scores.items()}
    path = tmp_path / "out.jsonl"
    sink = open_sink(f"jsonl:{path}")
    sink.write(reading(0, one))
    sink.close()
    line = json.loads(path.read_text())
    VALIDATOR.validate(line)
    assert line["faces"][0]["confidence"] == pytest.approx(0.7, abs=1e-3)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.pop("age_ms"),
        lambda line: line.update(schema=1),
        lambda line: line.update(extra=1),
        lambda line: line.update(t_s=-1),
        lambda line: line.pop("source"),
        lambda line: line.update(image=""),
        lambda line: line.update(time="yesterday"),
        lambda line: line["faces"][0]["box"].pop(),
        lambda line: line["faces"][0].update(track=0),
        lambda line: line["faces"][0].update(confidence=1.5),
        lambda line: line["faces"][0]["quality"]["reasons"].append("ugly"),
        lambda line: line["latency_ms"].update(total=None),
    ],
)
def test_the_schema_refuses_what_is_no_reading(damage):
    line = reading_values(reading(0, face()))
    VALIDATOR.validate(line)
    damage(line)
    assert not VALIDATOR.is_valid(line)


def test_values_are_rounded_to_what_they_mean():
    line = reading_values(reading(0, face()))
    assert line["age_ms"] == 12.346
    assert line["faces"][0]["box"] == [20.0, 30.0, 80.1, 90.0]
    assert line["faces"][0]["scores"]["fear"] == 0.0429
    assert line["faces"][0]["quality"]["sharpness"] == 0.0512
    assert sum(line["faces"][0]["scores"].values()) == pytest.approx(1, abs=1e-3)


def test_csv_has_a_header_and_one_row_a_face(tmp_path):
    path = tmp_path / "out.csv"
    sink = open_sink(f"csv:{path}", labels=FERPLUS8)
    sink.write(reading(0))
    sink.write(reading(1, face(1), face(2, "fear", ("small", "dark"))))
    sink.close()
    rows = list(csv.DictReader(lines_of(path)))
    assert [(row["frame"], row["track"], row["expression"]) for row in rows] == [
        ("1", "1", "happiness"),
        ("1", "2", "uncertain"),
    ]
    assert rows[1]["reasons"] == "small|dark" and rows[0]["reasons"] == ""
    assert float(rows[0]["happiness"]) == 0.7 and float(rows[1]["fear"]) == 0.7
    assert (float(rows[0]["x1"]), float(rows[0]["total_ms"])) == (80.1, 5.0)


def test_csv_without_labels_takes_those_of_the_first_face(tmp_path):
    path = tmp_path / "out.csv"
    sink = open_sink(f"csv:{path}")
    sink.write(reading(0))
    sink.write(reading(1, face()))
    sink.close()
    assert set(FERPLUS8) < set(next(csv.reader(lines_of(path))))


def test_a_csv_without_faces_has_its_header_when_the_labels_are_known(tmp_path):
    path = tmp_path / "out.csv"
    sink = open_sink(f"csv:{path}", labels=FERPLUS8)
    sink.write(reading(0))
    sink.close()
    assert len(lines_of(path)) == 1


def test_csv_tells_of_frames_without_a_face_where_asked(tmp_path):
    path = tmp_path / "out.csv"
    sink = open_sink(f"csv:{path},empty=yes", labels=FERPLUS8)
    for index, faces in enumerate([(), (face(),), ()]):
        sink.write(reading(index, *faces))
    sink.close()
    rows = list(csv.DictReader(lines_of(path)))
    assert [(row["frame"], row["t_s"], row["track"]) for row in rows] == [
        ("0", "0.0", ""),
        ("1", "0.04", "1"),
        ("2", "0.08", ""),
    ]
    filled = {name for name, value in rows[0].items() if value}
    assert filled == {"source", "frame", "t_s", "time", "age_ms", "total_ms"}


def test_csv_has_columns_for_each_further_model(tmp_path):
    path = tmp_path / "out.csv"
    sink = open_sink(f"csv:{path}", labels=FERPLUS8, models={"b-net": ("calm", "glad"), "c": ("x",)})
    one = face()
    one.models = {"b-net": ModelReading("glad", 0.875, {"calm": 0.125, "glad": 0.875})}
    sink.write(reading(0))
    sink.write(reading(1, one))
    sink.close()
    (row,) = csv.DictReader(lines_of(path))
    assert list(row)[-7:] == [
        "b-net_expression",
        "b-net_confidence",
        "b-net_calm",
        "b-net_glad",
        "c_expression",
        "c_confidence",
        "c_x",
    ]
    assert list(row.values())[-7:] == ["glad", "0.875", "0.125", "0.875", "", "", ""]


def test_csv_has_a_column_for_each_action_unit(tmp_path):
    """Of its intensity; empty where a face has none yet."""
    path = tmp_path / "out.csv"
    sink = open_sink(f"csv:{path}", labels=FERPLUS8, models={}, units=("AU6", "AU12"))
    one = face()
    one.units, one.unit_scores = {"AU6": 0.25, "AU12": 4.5}, {"AU6": 0.1, "AU12": 0.98}
    sink.write(reading(0, one, face(2)))
    sink.close()
    known, unknown = csv.DictReader(lines_of(path))
    assert list(known)[-2:] == ["AU6", "AU12"]
    assert [known["AU6"], known["AU12"], unknown["AU6"], unknown["AU12"]] == ["0.25", "4.5", "", ""]


def test_action_units_are_in_the_line_and_fit_the_schema():
    one = face()
    one.units, one.unit_scores = {"AU6": 0.25, "AU12": 4.5}, {"AU6": 0.1, "AU12": 0.98}
    values = reading_values(reading(0, one))
    VALIDATOR.validate(values)
    assert values["faces"][0]["units"] == {"AU6": 0.25, "AU12": 4.5}
    assert values["faces"][0]["unit_scores"] == {"AU6": 0.1, "AU12": 0.98}


def test_action_units_are_written_as_facs_codes():
    """Those that show, with the letter of their intensity."""
    one = face()
    one.units = {"AU1": 0.4, "AU6": 1.6, "AU12": 4.4, "AU25": 0.2}
    one.unit_scores = {"AU1": 0.3, "AU6": 0.6, "AU12": 0.98, "AU25": 0.5}
    assert codes(one) == "6B+12D+25A"
    assert codes(face()) == ""


def test_csv_has_the_pose_where_something_finds_it(tmp_path):
    path = tmp_path / "out.csv"
    sink = open_sink(f"csv:{path}", labels=FERPLUS8)
    one = face()
    one.pose = Pose(-12.34, 5.0, 0.0)
    sink.write(reading(0, one, face(2)))
    sink.close()
    turned, unknown = csv.DictReader(lines_of(path))
    assert [turned[name] for name in ("yaw", "pitch", "roll")] == ["-12.3", "5.0", "0.0"]
    assert [unknown[name] for name in ("yaw", "pitch", "roll")] == ["", "", ""]


ODD_NAMES = ["a,b.jpg", 'a "b".jpg', "a\nb.jpg", "a;\tb\u202f\u200d.jpg", "ü 顔.jpg", "=1+1.jpg", ""]


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_names_of_any_kind_are_read_back(tmp_path, kind, name):
    path = tmp_path / "out"
    sink = open_sink(f"{kind}:{path}", labels=FERPLUS8)
    one = reading(0, face())
    one.image = name
    sink.write(one)
    sink.write(reading(1, face()))
    sink.close()
    text = path.read_bytes().decode("utf-8")
    first = json.loads(text.splitlines()[0]) if kind == "jsonl" else next(csv.DictReader(io.StringIO(text, "")))
    assert first.get("image", "") == name


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_bytes_that_are_no_text_are_escaped(tmp_path, kind):
    path = tmp_path / "out"
    sink = open_sink(f"{kind}:{path}", labels=FERPLUS8)
    one = reading(0, face())
    one.image, one.source = os.fsdecode(b"caf\xe9.jpg"), "lone \ud800"
    sink.write(one)
    sink.close()
    text = path.read_bytes().decode("utf-8")
    first = json.loads(text) if kind == "jsonl" else next(csv.DictReader(text.splitlines()))
    assert (first["image"], first["source"]) == (r"caf\xe9.jpg", r"lone \ud800")


def test_lines_are_in_the_file_at_once(tmp_path):
    path = tmp_path / "out.jsonl"
    sink = open_sink(f"jsonl:{path}")
    for index in range(3):
        sink.write(reading(index))
        assert len(lines_of(path)) == index + 1
    sink.close()


def test_a_new_file_that_got_nothing_is_not_left_behind(tmp_path):
    open_sink(f"jsonl:{tmp_path / 'out.jsonl'}").close()
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_that_someone_removed_meanwhile_is_no_failure(tmp_path):
    sink = open_sink(f"jsonl:{tmp_path / 'out.jsonl'}")
    (tmp_path / "out.jsonl").unlink()
    sink.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("place", ["no/such/folder/out", "."])
def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path, monkeypatch, kind, place):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SinkError, match="cannot be written") as caught:
        open_sink(f"{kind}:{place}")
    assert caught.value.exit_code == 1 and "\n" not in str(caught.value)


def test_a_video_without_a_file_is_told_how_it_is_written():
    with pytest.raises(UsageError, match="output 'video': path is missing; write video:PATH"):
        open_sink("video")


@pytest.mark.parametrize("spec", ["", "json", "jsonl:", "csv:", "video:", "table:x", "udp://host"])
def test_an_unknown_output_lists_the_known_ones(spec):
    with pytest.raises(UsageError, match="available: table, jsonl") as caught:
        open_sink(spec)
    assert all(entry.shape in str(caught.value) for entry in OUTPUTS)


def test_a_full_device_is_one_line():
    sink = open_sink("jsonl:/dev/full")
    with pytest.raises(SinkError, match="/dev/full: cannot be written: No space left on device"):
        sink.write(reading(0))
    sink.close()
    assert os.path.exists("/dev/full")


@contextlib.contextmanager
def limited_file_size(size):
    """The kernel refuses to let any file of this process grow beyond the size: a full disk in miniature."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_file_that_may_not_grow_ends_in_a_whole_line(tmp_path, kind):
    """The kernel takes the beginning of the line that does not fit; it has to be taken back."""
    path = tmp_path / "out"
    sink = open_sink(f"{kind}:{path}", labels=FERPLUS8)
    written = 0
    with limited_file_size(3000):
        with pytest.raises(SinkError, match="cannot be written"):
            for index in range(1000):
                sink.write(reading(index, face()))
                written += 1
        sink.close()
    assert 2000 < path.stat().st_size <= 3000
    lines = lines_of(path)
    assert len(lines) == written + (kind == "csv")
    if kind == "jsonl":
        assert [json.loads(line)["frame"] for line in lines] == list(range(written))


def test_a_full_disk_leaves_whole_lines(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        sink = open_sink(f"jsonl:{disk / 'out.jsonl'}")
        with pytest.raises(SinkError, match="No space left on device"):
            for index in range(1000):
                sink.write(reading(index, face()))
        sink.close()
        frames = [json.loads(line)["frame"] for line in lines_of(disk / "out.jsonl")]
        assert frames == list(range(len(frames))) and len(frames) > 10
    finally:
        subprocess.run(["umount", str(disk)], check=True)


WRITER = """if True:
    import sys
    from edgefer.errors import EdgeferError
    from edgefer.sinks import open_sink
    from edgefer.values import Reading
    written = 0
    try:
        sink = open_sink(sys.argv[1])
        for index in range(int(sys.argv[2])):
            sink.write(Reading(index, 0.0, "2026-11-21T10:00:00Z", 1.0, latency_ms={"total": 1.0}))
            written += 1
        sink.close()
    except EdgeferError as error:
        print(type(error).__name__, error.exit_code, error, file=sys.stderr)
    print(written, file=sys.stderr)
"""


def test_head_ends_the_stream_cleanly():
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, "jsonl", "100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    first = json.loads(writer.stdout.readline())
    writer.stdout.close()
    error = writer.stderr.read().splitlines()
    assert writer.wait(30) == 0 and first["frame"] == 0
    assert error[0] == "SinkClosed 0 standard output: the reader has gone"
    assert int(error[1]) < 100000 and len(error) == 2


@pytest.mark.parametrize("mode", ["w", "a"])
def test_standard_output_into_a_file_that_fills_up_ends_in_a_whole_line(tmp_path, mode):
    path = tmp_path / "out.jsonl"
    path.write_text("before\n")
    with path.open(mode) as file:
        done = subprocess.run(
            [sys.executable, "-c", WRITER, "jsonl", "1000"],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
        )
    assert done.stderr.startswith("SinkError 1 standard output: cannot be written: File too large")
    lines = lines_of(path)
    if mode == "a":
        assert lines.pop(0) == "before"
    assert [json.loads(line)["frame"] for line in lines] == list(range(int(done.stderr.splitlines()[1])))


def test_a_terminal_made_non_blocking_loses_nothing():
    """The pipe's buffer fills up, write() says EAGAIN, and the line goes on where it stopped."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    process = subprocess.Popen([sys.executable, "-c", WRITER, "jsonl", "3000"], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        frames = [json.loads(line)["frame"] for line in pipe]
    assert process.wait(30) == 0 and frames == list(range(3000))


def test_a_failing_close_is_reported(tmp_path, monkeypatch):
    sink = open_sink(f"jsonl:{tmp_path / 'out'}")
    sink.write(reading(0))
    real = os.close

    def close(fd):
        real(fd)
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "close", close)
    with pytest.raises(SinkError, match="Disk quota exceeded; its end may be missing"):
        sink.close()


def test_a_closed_pipe_is_no_fault():
    assert issubclass(SinkClosed, SinkError) and SinkClosed.exit_code == 0
