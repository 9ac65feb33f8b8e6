"""The live table: what it shows of a run, and when."""

import io

import pytest
from msgspec import structs
from readings import face, reading
from rich.console import Console

from edgefer.errors import SinkClosed, SinkError
from edgefer.sinks.table import LiveTable
from edgefer.sinks.table.spans import plain
from edgefer.values import Health, ModelReading

LEFT = "\x1b[?1049l"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Run:
    """A live table, and the text of what it drew."""

    def __init__(self, width=80, height=24, title="demo", **more):
        self.clock = Clock()
        self.file = io.StringIO()
        console = Console(file=self.file, width=width, height=height, force_terminal=True, color_system=None)
        self.sink = LiveTable(title, console, self.clock, **more)
        self.count = 0

    def read(self, *faces, frames=1, step_s=1 / 30, image=""):
        for _ in range(frames):
            one = structs.replace(reading(self.count, *faces), image=image)
            self.sink.write(one)
            self.count += 1
            self.clock.now += step_s

    def report(self, **more):
        values = {"dropped": 0, "governor_level": 0, "temperature_c": None, "throttled": False, "source": "running"}
        health = {"frames": self.count, "faces": 1, "fps": 30.0, "age_ms": 5.0, "reconnects": 0, **values, **more}
        self.sink.report(Health(**health))

    @property
    def drawn(self):
        return self.file.getvalue()


def test_it_is_redrawn_five_times_a_second_not_with_every_frame(monkeypatch):
    run = Run()
    drawn = []
    monkeypatch.setattr(run.sink._screen, "draw", lambda lines: drawn.append(run.clock.now))
    run.read(face(), frames=60)
    assert 8 <= len(drawn) <= 10
    assert min(later - one for one, later in zip(drawn, drawn[1:])) >= 0.199  # noqa: B905


def test_the_summary_stands_on_the_normal_screen():
    run = Run()
    run.read(face(), frames=31)
    run.sink.close()
    run.sink.close()
    _, after = run.drawn.split(LEFT)
    assert "31 frames in 1.0 s" in after and "ms p50/p95: capture 0.5/0.5" in after
    assert "latency" not in after and "╭" not in after


def test_a_run_that_is_over_at_once_prints_its_picture_and_leaves_the_screen_alone():
    run = Run()
    run.read(face(), frames=2)
    run.sink.close()
    assert "\x1b" not in run.drawn
    assert "#1 happiness 70 %" in run.drawn and "2 frames in" in run.drawn and "q ends" not in run.drawn


def test_the_last_photograph_stays_in_the_terminal():
    run = Run()
    run.read(face(), frames=5, step_s=1.0, image="a/b.jpg")
    run.sink.close()
    before, after = run.drawn.split(LEFT)
    assert "a/b.jpg" in before and "a/b.jpg" in after and "#1 happiness 70 %" in after
    assert "last minute" not in before + after  # photographs have none


def test_the_summary_of_photographs_counts_faces_and_no_tracks():
    run = Run()
    run.read(face(), frames=3, step_s=1.0, image="a.jpg")
    run.read(face(1), face(2), image="b.jpg")
    run.sink.close()
    assert "4 photographs in 3.0 s, 1.0 a second; a face in 4 (100.0 %), 5 faces" in run.drawn


def test_of_several_sources_the_one_that_is_read_is_named_and_counted_alone():
    run = Run(title="2 sources", fps=25.0)
    run.read(face(), frames=50)
    run.report(length=20, first_index=40)
    run.read(face())
    text = "\n".join(plain(line) for line in _last_lines(run))
    assert "edgefer 2 sources: clip.mp4" in text and "55 %" in text


def test_a_text_console_gets_ascii_and_names_in_full(monkeypatch):
    monkeypatch.setenv("TERM", "linux")
    run = Run(title="été")
    run.read(face(), frames=10)
    assert "été" in run.drawn and "╭" not in run.drawn and "+- #1 happiness 70 %" in run.drawn


@pytest.mark.parametrize(
    ("system", "no_color", "bold", "cell"),
    [
        ("truecolor", False, "\x1b[1;32m", "\x1b[38;2;240;196;25m▅"),
        ("256", False, "\x1b[1;32m", "\x1b[38;5;220m▅"),
        ("standard", False, "\x1b[1;32m", "\x1b[93mh"),
        ("truecolor", True, "\x1b[1m", "h"),
        (None, False, "", "h"),
    ],
    ids=["full", "256", "16", "NO_COLOR", "none"],
)
def test_expressions_have_their_colours_where_the_terminal_has(system, no_color, bold, cell):
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=system, no_color=no_color)
    clock = Clock()
    sink = LiveTable("demo", console, clock)
    for index in range(3):
        sink.write(reading(index, face()))
        clock.now += 0.3
    text = console.file.getvalue()
    assert f"{bold} #1 happiness 70 % " in text
    assert f" {cell}\x1b" in text


def test_the_summary_breaks_no_word():
    run = Run(width=40)
    run.read(face(), frames=31)
    run.sink.close()
    lines = run.drawn.split(LEFT)[1].splitlines()
    assert max(map(len, lines)) <= 40 and lines[0] == "31 frames in 1.0 s, 30.0 a second; a"


def test_a_film_shows_how_far_it_is():
    run = Run(fps=25.0)
    run.read(face())
    run.report(length=750)
    run.read(face(), frames=375, step_s=0.04)
    assert "0:14 ━━━━━━━━━━━━━━━─────────────── 0:30" in run.drawn and "50 %" in run.drawn


def test_what_is_wrong_is_shown_while_it_lasts():
    run = Run()
    run.read(face(), frames=10)
    run.report(governor_level=2, throttled=True, temperature_c=81.4, dropped=7)
    assert "! governor at level 2, processor throttled" in run.drawn
    assert "7 dropped   81 °C" in run.drawn
    run.report(source="stalled")
    assert "! no picture, opening the source again" in run.drawn
    run.clock.now += 1
    run.report()
    run.read(face(), frames=10)
    assert not any("!" in "".join(text for text, _ in line) for line in _last_lines(run))


def _last_lines(run):
    return run.sink._picture(run.sink._latest).lines


def test_it_is_redrawn_while_no_frame_comes():
    run = Run()
    run.read(face(), frames=10)
    before = len(run.drawn)
    run.clock.now += 5
    run.report(source="stalled")
    assert len(run.drawn) > before


def test_a_key_is_heeded_while_no_frame_comes(monkeypatch):
    run = Run()
    run.read(face(), frames=10)
    monkeypatch.setattr(run.sink._screen, "keys", lambda: "xq")
    assert not run.sink.end_asked
    run.clock.now += 1
    run.report(source="stalled")
    assert run.sink.end_asked


def test_faces_that_come_and_go_do_not_make_the_picture_jump():
    run = Run()
    few, many = [face(n) for n in (1, 2)], [face(n) for n in range(1, 8)]
    run.read(*few, frames=10)
    assert "╭" in run.drawn
    run.read(*many, frames=10)
    start = len(run.drawn)
    run.read(*few, frames=60)
    assert "╭" not in run.drawn[start:]
    run.read(*few, frames=120)
    assert "╭" in run.drawn[start:]


def test_several_models_stand_below_the_first():
    run = Run()
    judged = face()
    judged.models = {"edgefer-nano": ModelReading("sadness", 0.54, {"sadness": 0.54})}
    run.read(judged, frames=10)
    assert "edgefer-nano: sadness 54 %" in run.drawn


def test_markup_and_control_characters_in_a_name_are_text():
    run = Run(title="[red]x[/]\x1b]0;gone\x07")
    run.read(face(), frames=10)
    run.sink.close()
    assert "[red]x[/]\\x1b]0;gone\\x07" in run.drawn


@pytest.mark.parametrize(("fault", "kind"), [(BrokenPipeError(), SinkClosed), (OSError(5, "I/O error"), SinkError)])
def test_a_terminal_that_goes_away_ends_the_sink(fault, kind):
    class Gone(io.StringIO):
        def write(self, text):
            raise fault

    clock = Clock()
    sink = LiveTable("demo", Console(file=Gone(), width=80, force_terminal=True), clock)
    sink.write(reading(0, face()))
    clock.now += 1
    with pytest.raises(kind) as caught:
        sink.write(reading(1, face()))
    assert type(caught.value) is kind
    with pytest.raises(kind):
        sink.close()
