"""The terminal."""

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest
from readings import face, reading
from rich.console import Console

from edgefer.errors import SinkClosed, SinkError
from edgefer.labels import FERPLUS8
from edgefer.sinks.table import LiveTable, PlainTable, open_table


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def run_plain(capfd, count, step_s, *faces):
    clock = Clock()
    sink = PlainTable("clip.mp4", clock)
    for index in range(count):
        sink.write(reading(index, *faces, total_ms=5.0 + index % 2))
        clock.now += step_s
    sink.close()
    sink.close()
    out, err = capfd.readouterr()
    assert err == ""
    return out.splitlines()


def test_plain_lines_come_once_a_second_and_end_in_a_summary(capfd):
    lines = run_plain(capfd, 96, 1 / 32, face())
    assert lines[0] == "reading clip.mp4"
    frames = [line for line in lines if line.startswith("frame ")]
    assert [line.split(" | ")[0] for line in frames] == ["frame 0", "frame 32", "frame 64"]
    assert "#1 happiness 70 %, 60x60 at 20,30" in frames[1]
    assert "32.0 fps" in frames[1] and "age 12.3 ms" in frames[1] and "total p50 5.0 p95 6.0 ms" in frames[1]
    assert lines[-3] == "96 frames in 3.0 s, 32.0 a second; a face in 96 (100.0 %), 1 track"
    assert lines[-2] == "expressions: happiness 100 %"
    assert lines[-1].startswith("ms p50/p95: capture 0.5/0.5, detect 2.0/2.0")


def test_plain_lines_tell_why_a_face_is_not_judged_and_when_there_is_none(capfd):
    assert "#1 uncertain (small, dark)" in run_plain(capfd, 1, 1.0, face(reasons=("small", "dark")))[1]
    lines = run_plain(capfd, 2, 1.0)
    assert "no face" in lines[1] and "a face in 0 (0.0 %), 0 tracks" in lines[-2]


def test_a_run_without_a_frame_says_so(capfd):
    assert run_plain(capfd, 0, 1.0) == ["reading clip.mp4", "no frame was read"]


def draw(readings, width=80, height=24, encoding="utf-8"):
    """What a terminal of that size would show: the last picture and the summary, as lines."""
    buffer = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=buffer, width=width, height=height, force_terminal=True, color_system=None, highlight=False)
    clock = Clock()
    sink = LiveTable("demo", console, clock)
    for one in readings:
        sink.write(one)
        clock.now += 1 / 30
    if readings:
        paper = Console(file=io.StringIO(), width=width, height=height, highlight=False)
        paper.print(sink._picture(readings[-1]))
        picture = paper.file.getvalue().splitlines()
    else:
        picture = []
    sink.close()
    buffer.seek(0)
    return picture, buffer.read()


def test_the_live_table_fits_eighty_columns_and_shows_every_label():
    picture, everything = draw([reading(index, face()) for index in range(31)])
    assert max(map(len, picture)) <= 80
    assert "edgefer demo" in picture[0] and "30.0 fps" in picture[0] and "age 12 ms" in picture[0]
    assert "1 face " in picture[0] and "frame 30" in picture[0]
    text = "\n".join(picture)
    for label in FERPLUS8:
        row = next(line for line in picture if f" {label} " in line and "%" in line and "#" not in line)
        assert ("████████████▋" in row) == (label == "happiness")
    assert "#1 happiness 70 %" in text and "60x60 at 20,30" in text
    assert "detect" in text and "2.00" in text and "p95" in text and "total" in text
    assert "31 frames in 1.0 s" in everything and "\x1b[?25h" in everything  # the cursor is back


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 12), (20, 5), (200, 60)])
def test_no_line_is_wider_than_the_terminal(width, height):
    many = [face(track, x=10.0 * track) for track in range(1, 20)]
    picture, _ = draw([reading(0, *many)], width, height)
    assert max(map(len, picture)) <= width


def test_faces_that_do_not_fit_are_counted():
    picture, _ = draw([reading(0, *(face(track) for track in range(1, 8)))])
    assert len(picture) <= 24
    assert any("and 4 more faces" in line for line in picture)


def test_an_ascii_terminal_gets_ascii():
    picture, everything = draw([reading(0, face())], encoding="ascii")
    assert "\n".join(picture).isascii()
    assert any("#############" in line for line in picture)


def test_markup_in_a_name_is_text():
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    sink = LiveTable("[red]x[/]", console, Clock())
    sink.write(reading(0, face()))
    sink.close()
    assert "[red]x[/]" in console.file.getvalue()


def test_the_table_is_redrawn_five_times_a_second_not_with_every_frame(monkeypatch):
    clock = Clock()
    sink = LiveTable("demo", Console(file=io.StringIO(), width=80, force_terminal=True), clock)
    drawn = []
    monkeypatch.setattr(sink, "_picture", lambda one: drawn.append(one.frame) or "x")
    for index in range(60):
        sink.write(reading(index, face()))
        clock.now += 1 / 30
    assert 9 <= len(drawn) <= 11
    sink.close()
    assert drawn[-1] == 59  # the last frame is always shown


@pytest.mark.parametrize(("fault", "kind"), [(BrokenPipeError(), SinkClosed), (OSError(5, "I/O error"), SinkError)])
def test_a_terminal_that_goes_away_ends_the_sink(fault, kind):
    class Gone(io.StringIO):
        def write(self, text):
            raise fault

    sink = LiveTable("demo", Console(file=Gone(), width=80, force_terminal=True), Clock())
    with pytest.raises(kind) as caught:
        sink.write(reading(0, face()))
    assert type(caught.value) is kind


def test_what_is_no_terminal_gets_plain_lines():
    assert isinstance(open_table("demo", io.StringIO()), PlainTable)


def in_a_terminal(code, stderr_path=None, term="xterm-256color"):
    """Runs a program on a pseudo-terminal of 80 by 24; gives what it shows, and what its stderr file got."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    stderr = stderr_path.open("wb") if stderr_path else slave
    process = subprocess.Popen([sys.executable, "-c", code], stdout=slave, stderr=stderr, env={**env, "TERM": term})
    os.close(slave)
    seen = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(master)
    if stderr_path:
        stderr.close()
    assert process.wait(30) == 0
    return seen.decode(), stderr_path.read_text() if stderr_path else ""


def test_a_real_terminal_gets_the_live_table():
    """A pseudo-terminal of 80 by 24; a dumb one gets plain lines."""
    code = """if True:
        from edgefer.sinks import open_sink
        from edgefer.values import Reading
        sink = open_sink("table", title="clip")
        for index in range(3):
            sink.write(Reading(index, 0.0, "2026-11-21T10:00:00Z", 1.0, latency_ms={"total": 1.0}))
        sink.close()
        print(type(sink).__name__)
    """
    for term, expected in (("xterm-256color", "LiveTable"), ("dumb", "PlainTable")):
        seen, error = in_a_terminal(code, None, term)
        assert error == ""
        assert expected in seen and "3 frames in" in seen
        assert ("latency" in seen) == (expected == "LiveTable")


@pytest.mark.parametrize("into_a_file", [False, True])
def test_log_lines_appear_above_the_table_and_do_not_tear_it(tmp_path, into_a_file):
    """Where stderr is the same terminal; a stderr that goes to a file stays there."""
    code = """if True:
        import logging, sys
        from edgefer.commands.console import _log_to_stderr
        from edgefer.sinks import open_sink
        from edgefer.values import Reading
        with _log_to_stderr():
            sink = open_sink("table", title="clip")
            sink.write(Reading(0, 0.0, "2026-11-21T10:00:00Z", 1.0, latency_ms={"total": 1.0}))
            logging.getLogger("edgefer.x").warning("a word [bold]of[/] warning")
            sink.close()
    """
    seen, error = in_a_terminal(code, tmp_path / "stderr" if into_a_file else None)
    line = "edgefer: a word [bold]of[/] warning"
    if into_a_file:
        assert error == line + "\n" and line not in seen
        return
    # Once the table's first drawing has been cleared, the line stands alone and the table follows.
    after = seen.split("latency", 1)[1]
    before_line, _, rest = after.partition(line)
    assert rest and before_line.count("\x1b[2K") >= 4 and "latency" in rest
