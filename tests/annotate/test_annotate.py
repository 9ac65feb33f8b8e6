"""`edgefer annotate`: films into one table, whatever ends it in between."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from portrait import portrait
from tiny_model import make_directory

from edgefer import assemble
from edgefer.annotate import Job, Outcome, find, join, work
from edgefer.annotate import output as outputs
from edgefer.annotate.pool import Pool
from edgefer.commands import console as cli
from edgefer.errors import EdgeferError
from edgefer.reader.options import StreamOptions, settings_of
from edgefer.sinks.lines import readable

pytest.importorskip("av", reason="films need PyAV (extra `film`)")

FPS = 25


def film(path: Path, frames: int, shift: int = 1) -> Path:
    """The portrait, moving aside."""
    image = cv2.cvtColor(cv2.resize(portrait(), (256, 300), interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), FPS, (256, 300))
    for index in range(frames):
        writer.write(np.roll(image, shift * index, axis=1))
    writer.release()
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(make_directory(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Films in a folder and in one below it, a photograph, and what is neither."""
    where = tmp_path_factory.mktemp("annotate")
    (where / "films" / "b").mkdir(parents=True)
    film(where / "films" / "z.avi", 20)
    film(where / "films" / "b" / "a film.avi", 12, shift=2)
    film(where / "films" / "b" / "c.avi", 6, shift=-1)
    cv2.imwrite(str(where / "films" / "b" / "photo.png"), portrait())
    (where / "films" / "notes.txt").write_text("nothing to see\n")
    return where


NAMES = ["films/b/a film.avi", "films/b/c.avi", "films/b/photo.png", "films/z.avi"]


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def arguments(model: str, output: Path, *more: str) -> list[str]:
    return ["annotate", "--model", model, "--output", str(output), *more]


@pytest.fixture(scope="module")
def unbroken(folder, model, tmp_path_factory) -> bytes:
    """The output of one run that nothing disturbed."""
    output = tmp_path_factory.mktemp("unbroken") / "out.csv"
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert cli.main(arguments(model, output, "films", "--jobs", "1")) == 0
    finally:
        os.chdir(before)
    return output.read_bytes()


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_the_rows_are_those_of_csv_with_the_film_before_them(model, unbroken, tmp_path):
    assert cli.main(["run", "-q", "--model", model, *NAMES, "--output", f"csv:{tmp_path}/run.csv"]) == 0
    expected = (tmp_path / "run.csv").read_bytes()
    head = expected.partition(b"\n")[0].decode().split(",")
    assert unbroken.partition(b"\n")[0].decode().split(",") == ["film", *head]
    found, told = rows(unbroken), rows(expected)
    assert len(found) == len(told) > 30
    for row, other in zip(found, told, strict=True):
        assert row["film"] == row["source"]
        clock = {name: row[name] for name in ("time", "age_ms", "total_ms")}
        assert set(clock.values()) == {""}
        assert {**{name: row[name] for name in head}, **clock} == {**other, **clock}
    assert list(dict.fromkeys(row["film"] for row in found)) == NAMES


def test_processes_and_shards_and_what_is_there_change_no_byte(model, unbroken, tmp_path, capsys):
    output = tmp_path / "two.csv"
    assert cli.main(arguments(model, output, "films", "--jobs", "2")) == 0
    assert output.read_bytes() == unbroken
    shares = tmp_path / "shares.csv"
    for share in ("2/2", "1/2"):
        assert cli.main(arguments(model, shares, "films", "--shard", share, "--jobs", "1")) == 0
        assert not shares.exists()
    assert len(list((tmp_path / "shares.parts").iterdir())) == len(NAMES)
    capsys.readouterr()
    assert cli.main(arguments(model, shares, "films")) == 0
    assert "0 films (4 more were there)" in capsys.readouterr().err
    assert shares.read_bytes() == unbroken


def started(model: str, output: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "edgefer", *arguments(model, output, *more)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_until(happened, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


def workers_of(process: subprocess.Popen) -> list[Path]:
    """/proc/N of its children."""
    children = Path(f"/proc/{process.pid}/task")
    return [Path("/proc", pid) for task in children.glob("*/children") for pid in task.read_text().split()]


@pytest.fixture(scope="module")
def long_films(folder) -> Path:
    """Films of which one is over before the others."""
    where = folder / "long"
    where.mkdir()
    for index in range(3):
        film(where / f"{index}.avi", 150, shift=1 + index)
    film(where / "3.avi", 800)
    return where


@pytest.fixture(scope="module")
def unbroken_long(long_films, model, tmp_path_factory) -> bytes:
    output = tmp_path_factory.mktemp("unbroken") / "long.csv"
    assert cli.main(arguments(model, output, str(long_films))) == 0
    return output.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_what_was_ended_in_the_midst_of_a_film_goes_on_and_gives_the_same_bytes(
    number, model, long_films, unbroken_long, tmp_path
):
    output, parts = tmp_path / "out.csv", tmp_path / "out.parts"
    process = started(model, output, str(long_films), "--jobs", "2")
    wait_until(lambda: list(parts.glob("[!.]*.csv")) and list(parts.glob(".part.*")), process)
    workers = workers_of(process)
    process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 1}[number], said
    assert workers and not output.exists()
    deadline = time.monotonic() + 20
    while any(worker.exists() and "edgefer" in (worker / "cmdline").read_text() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not list(parts.glob(".part.*"))
    finished = len(list(parts.iterdir()))
    assert 1 <= finished < 4
    if number != signal.SIGKILL:
        assert said.count("\n") == 1 and f"{finished} of 4 films are done; the same command goes on" in said
    again = started(model, output, str(long_films), "--jobs", "2")
    said = again.communicate(timeout=120)[1]
    assert (again.returncode, f"{4 - finished} films ({finished} more were there)" in said) == (0, True), said
    assert output.read_bytes() == unbroken_long


def test_a_process_that_dies_costs_its_film_alone(model, tmp_path, folder):
    job = Job.of(tmp_path / "out.csv", settings_of(model=model))
    films = find(["films"]).names
    found = {}
    with Pool() as pool:
        pool.begin(job, [str(film(tmp_path / "long.avi", 800)), *films], 1)
        for event in pool.events(60):
            if isinstance(event, tuple):
                if event[0] not in films:
                    (process,) = pool._running
                    process.kill()
            elif event is not None:
                found[event.film] = event
    assert [bool(found[name].part) for name in films] == [True] * len(films)
    (remark,) = found[str(tmp_path / "long.avi")].remarks
    assert remark == f"{tmp_path}/long.avi: the process that read it ended (signal SIGKILL)"


@pytest.mark.parametrize("often", [1, 9])
def test_a_process_that_dies_at_its_start_is_replaced_a_few_times(model, tmp_path, often):
    job = Job.of(tmp_path / "out.csv", settings_of(model=model))
    with Pool() as pool:
        start, left = pool._start, [None] * often

        def doomed():
            process = start()
            if left:
                left.pop()
                process.kill()
            return process

        pool._start = doomed
        pool.begin(job, NAMES[:1], 1)
        if often == 9:
            with pytest.raises(EdgeferError, match="ended at their start .signal SIGKILL"):
                list(pool.events(60))
        else:
            assert [event.frames for event in pool.events(60) if isinstance(event, Outcome)] == [12]


def test_a_process_ends_when_nobody_talks_to_it_though_no_signal_wakes_it():
    code = (
        "import signal, socket, sys; from edgefer.annotate import worker;"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]);"
        "worker._read_films(socket.socket(fileno=int(sys.argv[1])), None)"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen([sys.executable, "-c", code, str(theirs.fileno())], pass_fds=[theirs.fileno()])
    try:
        assert process.wait(30) >= 0, "it ended by itself, and by no signal"
    finally:
        process.kill()


def test_films_that_cannot_be_read_are_a_line_each(model, unbroken, tmp_path, folder, capsys):
    bad = tmp_path / "bad"
    shutil.copytree("films", bad / "films")
    whole = (bad / "films" / "z.avi").read_bytes()
    (bad / "films" / "cut.avi").write_bytes(whole[: len(whole) // 2])
    (bad / "films" / "garbage.mp4").write_bytes(bytes(range(256)) * 9)
    (bad / "films" / "empty.mkv").write_bytes(b"")
    (bad / "list").write_text(f"{bad}/films\r\n\n{bad}/nowhere.mkv\n")
    output = tmp_path / "out.csv"
    for _ in range(2):  # what was read in part is not read again, and said again
        assert cli.main(arguments(model, output, str(bad / "list"), "--jobs", "2")) == 3
        said = capsys.readouterr().err
        for line in (
            f"edgefer: {bad}/list, line 3: {bad}/nowhere.mkv: no such file or folder",
            f"edgefer: {bad}/films/cut.avi: ends early at frame",
            f"edgefer: {bad}/films/garbage.mp4: not a film that can be decoded",
            f"edgefer: {bad}/films/empty.mkv: the file is empty",
            "edgefer: 4 of 8 films could not be read whole, 1 only in part; the others were",
        ):
            assert said.count(line) == 1, said
    assert "2 films (5 more were there), 0 frames" in said
    found = [row for row in rows(output.read_bytes()) if not row["film"].endswith("cut.avi")]
    assert [row["x0"] for row in found] == [row["x0"] for row in rows(unbroken)]
    assert 5 < sum(row["film"].endswith("cut.avi") for row in rows(output.read_bytes())) < 20


def test_what_is_read_is_not_written_to_and_a_table_stays_where_nothing_can_be_read(model, tmp_path, folder, capsys):
    listed = tmp_path / "list.csv"
    listed.write_text(f"{folder}/films/z.avi\n")
    assert cli.main(arguments(model, listed, str(listed))) == 2
    assert "would replace what is read" in capsys.readouterr().err
    assert listed.read_text() == f"{folder}/films/z.avi\n"
    table = tmp_path / "table.csv"
    table.write_text("before")
    assert cli.main(arguments(model, table, str(listed), "--region", "5000,0,6000,100")) == 3
    assert "no film could be read" in capsys.readouterr().err and table.read_text() == "before"


def test_nothing_that_can_be_read_is_an_error_and_no_output(model, tmp_path, capsys):
    (tmp_path / "bad.mp4").write_bytes(bytes(range(256)) * 9)
    assert cli.main(arguments(model, tmp_path / "out.csv", str(tmp_path / "bad.mp4"))) == 3
    assert "no film could be read" in capsys.readouterr().err
    (tmp_path / "none").mkdir()
    assert cli.main(arguments(model, tmp_path / "out.csv", str(tmp_path / "none"))) == 3
    assert "no film or photograph among its 0 files" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("end", ["\n", "\0"])
def test_a_list_may_come_from_standard_input(end, folder, monkeypatch):
    text = end.join([*NAMES[:2], "films/nothing.avi", NAMES[0]]) + end
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    found = find(["-", "films/z.avi", "films/*.avi"])
    assert found.names == [NAMES[0], NAMES[1], NAMES[3]]
    assert [problem.partition(": no such")[0] for problem in found.problems] == [
        "standard input, line 3: films/nothing.avi"
    ]


@pytest.mark.parametrize("what", ["closed", "not for reading"])
def test_standard_input_that_holds_no_list_is_one_line(what, model, tmp_path, monkeypatch, capsys):
    with contextlib.ExitStack() as opened:
        number = os.open(os.devnull, os.O_WRONLY)
        given = opened.enter_context(io.TextIOWrapper(io.BufferedReader(io.FileIO(number))))
        monkeypatch.setattr(sys, "stdin", given if what == "not for reading" else None)
        assert cli.main(arguments(model, tmp_path / "out.csv", "-")) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("edgefer: standard input: ")


def test_a_film_counts_once_however_its_folder_is_written(folder, tmp_path):
    here, link = os.getcwd(), tmp_path / "link"
    link.symlink_to(folder / "films")
    listed = tmp_path / "films.txt"
    spelt = [NAMES[3], "./films//z.avi", "films/b/../z.avi", f"{here}/films", str(link)]
    listed.write_text("\n".join(spelt), encoding="utf-8-sig")
    found = find([str(listed)])
    assert not found.problems
    assert found.names == sorted([NAMES[3], *(f"{here}/{name}" for name in NAMES[:3])])


def test_a_part_is_named_by_all_that_decides_about_it(model, tmp_path):
    path = film(tmp_path / "a.avi", 3)
    output = tmp_path / "out.csv"
    names = set()

    def note(job: Job) -> None:
        names.add(job.part(str(path)))
        names.add(job.part(str(path)))  # twice the same

    settings = settings_of(model=model)
    note(Job.of(output, settings))
    note(Job.of(output, settings, landmarks=True))
    note(Job.of(output, settings, empty=True))
    note(Job.of(output, settings, StreamOptions(every=2)))
    note(Job.of(output, settings_of(model=[model, "edgefer-nano"])))
    note(Job.of(output, settings_of(model=model, detector="haar")))
    manifest = tmp_path / "model" / "model.toml"
    shutil.copytree(model, manifest.parent)
    other = settings_of(model=str(manifest.parent))
    note(Job.of(output, other))
    manifest.write_text(manifest.read_text() + "# trained again\n")
    note(Job.of(output, other))
    cascade = tmp_path / "nose.xml"
    for content in ("one", "another"):
        cascade.write_text(content)
        note(Job.of(output, settings_of(model=f"khan,points=classic,nose={cascade}")))
    os.utime(path, (1, 1))
    note(Job.of(output, settings))
    assert len(names) == 11
    assert Job.of(output, settings).folder == Job.of(tmp_path / "out.parquet", settings).folder


def test_models_are_loaded_once_in_a_process(model, tmp_path, monkeypatch):
    made = []
    parts = assemble.Parts
    monkeypatch.setattr(assemble, "Parts", lambda *given: made.append(given) or parts(*given))
    job = Job.of(tmp_path / "out.csv", settings_of(model=model))
    found = [work(job, name) for name in NAMES]
    assert len(made) == 1
    assert [outcome.reused for outcome in (*found, work(job, NAMES[0]))] == [False] * 4 + [True]
    join([Outcome(NAMES[0]), *found, *found[:2], Outcome(NAMES[0])], tmp_path / "out.csv")  # as where tasks run twice
    joined = rows((tmp_path / "out.csv").read_bytes())
    assert {row["film"] for row in joined} == set(NAMES) and len(joined) == sum(outcome.rows for outcome in found)


@pytest.mark.parametrize("every", [1, 5, 100])
def test_a_film_is_as_long_however_few_of_its_frames_are_given(every, model, tmp_path):
    job = Job.of(tmp_path / "out.csv", settings_of(model=model), StreamOptions(every=every))
    outcome = work(job, NAMES[3])
    assert (outcome.frames, outcome.rows, outcome.seconds) == (20, -(-20 // every), 0.8)


@pytest.mark.parametrize("name", [b"no \xff text.avi", b'a\n"line".avi', b"re\rturn.avi", b"-", b"0", b"demo"])
def test_a_film_may_have_any_name(name, model, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = os.fsdecode(name)
    shutil.copy(folder / "films" / "b" / "c.avi", path)
    job = Job.of("out.csv", settings_of(model=model))
    assert find([os.path.join(".", path)]).names == [path]
    outcomes = [work(job, path), work(job, path)]
    assert [(outcome.film, outcome.frames, outcome.whole) for outcome in outcomes] == [(path, 6, True)] * 2
    join(outcomes[1:], "out.csv")
    assert {row["film"] for row in rows(Path("out.csv").read_bytes())} == {readable(path)}


def test_parquet_has_the_same_rows(model, unbroken, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs PyArrow (extra `parquet`)")
    path = tmp_path / "out.parquet"
    assert cli.main(arguments(model, path, "films", "--jobs", "1")) == 0
    first = path.read_bytes()
    assert cli.main(arguments(model, path, "films")) == 0
    assert path.read_bytes() == first
    table = parquet.read_table(path).to_pylist()
    expected = rows(unbroken)
    assert len(table) == len(expected)
    for row, text in zip(table, expected, strict=True):
        assert list(row) == list(text)
        for name, value in row.items():
            told = text[name]
            assert value is None if not told else value == (told if isinstance(value, str) else float(told)), name
    assert isinstance(table[0]["frame"], int) and isinstance(table[0]["x0"], float)


def test_parquet_without_its_package_is_one_line(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(outputs.importlib.util, "find_spec", lambda name: None)
    assert cli.main(arguments(model, tmp_path / "out.parquet", "films")) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "pip install 'edgefer[parquet]'" in said


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["films", "--shard", "3/2"], "expected K/N with K from 1 to N"),
        (["films", "--shard", "0/2"], "expected K/N with K from 1 to N"),
        (["films", "--jobs", "0"], "--jobs"),
        (["films", "--threads", "2"], "unrecognized arguments"),
        (["films", "--output", "x.json"], "ends in .csv or .parquet"),
        (["films", "--output", "nowhere/x.csv"], "there is no folder nowhere"),
        (["films", "--model", "edgefer-x"], "unknown model"),
        ([], "required: PATH"),
    ],
)
def test_wrong_usage_is_one_line(model, tmp_path, capsys, more, words):
    assert cli.main(arguments(model, tmp_path / "x.csv", *more)) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and words in said


def test_parts_that_cannot_be_written_are_one_line(model, tmp_path, capsys):
    (tmp_path / "x.parts").write_text("")
    assert cli.main(arguments(model, tmp_path / "x.csv", "films")) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "cannot be written" in said


def test_a_model_that_is_refused_ends_it_at_once(model, tmp_path, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (network,) = broken.glob("*.tflite")
    network.write_bytes(network.read_bytes() + b"\0")
    assert cli.main(arguments(str(broken), tmp_path / "x.csv", "films")) == 4
    assert capsys.readouterr().err.count("\n") == 1
