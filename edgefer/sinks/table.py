"""The terminal: a live table on a screen, plain lines once a second anywhere else, a summary at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from edgefer.errors import SinkClosed, SinkError
from edgefer.labels import UNCERTAIN
from edgefer.loop.clock import Identities, Rate, StageClock
from edgefer.sinks.base import Sink
from edgefer.sinks.lines import LineOutput
from edgefer.support.registry import Options
from edgefer.values import FaceReading, Frame, Health, ModelReading, Reading

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REFRESH_S = 0.2  # drawing costs a small board several ms, which it should spend on frames
PLAIN_INTERVAL_S = 1.0
_PANEL_WIDTH = 39  # two fit side by side into 80 columns
_BAR_WIDTH = 18


class Totals:
    """Running figures of everything read so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started: float | None = None
        self._latest = 0.0
        self.frames = 0
        self.frames_with_face = 0
        self.identities = Identities()
        self.expressions: Counter[str] = Counter()
        self.stages = StageClock(10_000)

    def add(self, reading: Reading) -> None:
        self._latest = self._clock()
        if self._started is None:
            self._started = self._latest
        self.frames += 1
        self.frames_with_face += bool(reading.faces)
        self.identities.add(face.track for face in reading.faces)
        self.expressions.update(face.expression for face in reading.faces)
        self.stages.add(reading.latency_ms)

    def lines(self) -> list[str]:
        """The figures as plain text."""
        if not self.frames or self._started is None:
            return ["no frame was read"]
        span = self._latest - self._started
        rate = f", {(self.frames - 1) / span:.1f} a second" if span > 0 else ""
        share = 100 * self.frames_with_face / self.frames
        lines = [
            f"{_count(self.frames, 'frame')} in {span:.1f} s{rate}; "
            f"a face in {self.frames_with_face} ({share:.1f} %), {_count(self.identities.count, 'track')}"
        ]
        total = sum(self.expressions.values())
        if total:
            shares = (f"{name} {100 * n / total:.0f} %" for name, n in self.expressions.most_common())
            lines.append("expressions: " + ", ".join(shares))
        spread = self.stages.spread()
        if spread:
            stages = (f"{stage} {ms.p50:.1f}/{ms.p95:.1f}" for stage, ms in spread.items())
            lines.append("ms p50/p95: " + ", ".join(stages))
        return lines


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _box_text(face: FaceReading) -> str:
    box = face.box
    return f"{box.width:.0f}x{box.height:.0f} at {box.x0:.0f},{box.y0:.0f}"


def _trouble(health: Health | None) -> str:
    """What is wrong with a run, in a few words; empty while nothing is."""
    if health is None:
        return ""
    words = []
    if health.source == "stalled":
        words.append("no picture, opening the source again")
    if health.governor_level:
        words.append(f"governor at level {health.governor_level}")
    if health.throttled:
        words.append("processor throttled")
    return ", ".join(words)


def _verdict(face: FaceReading) -> str:
    """Expression with its confidence, or why there is none."""
    if face.expression == UNCERTAIN:
        return f"{UNCERTAIN} ({', '.join(face.quality.reasons) or 'no clear label'})"
    return _percent(face)


def _percent(judged: FaceReading | ModelReading) -> str:
    """An expression with its confidence."""
    return f"{judged.expression} {100 * judged.confidence:.0f} %"


class _Table(Sink):
    """What both tables do: keep the figures, show them now and then, and say at once what goes wrong."""

    def __init__(self, interval_s: float, clock: Callable[[], float]) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._totals: Totals | None = Totals(clock)
        self._rate = Rate(clock=clock)
        self._stages = StageClock()
        self._shown: float | None = None
        self._latest: Reading | None = None
        self._trouble = ""

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        if self._totals is None:
            return
        self._totals.add(reading)
        self._rate.tick()
        self._stages.add(reading.latency_ms)
        self._latest = reading
        now = self._clock()
        if self._shown is None or now - self._shown >= self._interval_s:
            self._shown = now
            self._show(reading)

    def report(self, health: Health) -> None:
        trouble, before = _trouble(health), self._trouble
        self._trouble = trouble
        if trouble != before and self._totals is not None:
            self._tell(trouble)

    def _show(self, reading: Reading) -> None:
        raise TypeError(f"{type(self).__name__} does not say how to show a reading")

    def _tell(self, trouble: str) -> None:
        raise TypeError(f"{type(self).__name__} does not say how to report trouble")


class PlainTable(_Table):
    """Lines for a pipe, a file or a journal: the newest state about once a second, then the summary."""

    def __init__(self, title: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(PLAIN_INTERVAL_S, clock)
        self._output = LineOutput(None)
        self.name = self._output.name
        if title:
            self._output.write(f"reading {title}\n")

    def _show(self, reading: Reading) -> None:
        self._output.write(self._line(reading) + "\n")

    def _tell(self, trouble: str) -> None:
        self._output.write((trouble or "back to normal") + "\n")

    def _line(self, reading: Reading) -> str:
        parts = [f"frame {reading.frame}"]
        for face in reading.faces:
            others = "".join(f", {name} {_percent(model)}" for name, model in face.models.items())
            parts.append(f"#{face.track} {_verdict(face)}{others}, {_box_text(face)}")
        if not reading.faces:
            parts.append("no face")
        total = self._stages.spread().get("total")
        parts.append(f"{self._rate.per_second():.1f} fps")
        parts.append(f"age {reading.age_ms:.1f} ms")
        if total is not None:
            parts.append(f"total p50 {total.p50:.1f} p95 {total.p95:.1f} ms")
        return " | ".join(parts)

    def close(self) -> None:
        totals, self._totals = self._totals, None
        if totals is not None:
            self._output.write("".join(line + "\n" for line in totals.lines()))


class LiveTable(_Table):
    """A table in the terminal that redraws itself: each face with its bars, and p50/p95 of each stage."""

    def __init__(
        self, title: str = "", console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Args:
        title: what the header calls the source.
        console: a rich console to draw on; standard output when None.
        clock: seconds; for tests.
        """
        from rich.console import Console
        from rich.live import Live

        super().__init__(REFRESH_S, clock)
        self.name = "terminal"
        self._title = title
        self._console = console or Console(highlight=False)
        cast(Any, self._console).on_broken_pipe = self._gone  # rich would end the whole process
        self._unicode = self._console.encoding.lower().startswith("utf")
        self._live = Live(
            console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=_is_terminal(sys.stderr)
        )
        self._started = False

    def _gone(self) -> NoReturn:
        raise SinkClosed("terminal: gone")

    def _show(self, reading: Reading) -> None:
        self._draw()

    def _tell(self, trouble: str) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._latest is None:
            return
        try:
            if not self._started:
                self._live.start()
                self._started = True
            self._live.update(self._picture(self._latest), refresh=True)
        except BrokenPipeError:
            self._gone()
        except OSError as error:  # the terminal was closed
            raise SinkError(f"terminal: cannot be written: {error.strerror}") from None

    def _picture(self, reading: Reading) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        width, height = self._console.size
        header = Table.grid(expand=True)
        header.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        header.add_column(justify="right", no_wrap=True)
        header.add_row(
            Text.assemble(("edgefer ", "bold"), (self._title, "cyan")),
            Text(
                f"{self._rate.per_second():.1f} fps   age {reading.age_ms:.0f} ms   "
                f"{_count(len(reading.faces), 'face')}   frame {reading.frame}"
            ),
        )
        columns = max(1, (width + 1) // (_PANEL_WIDTH + 1))
        labels = max((len(face.scores) for face in reading.faces), default=0)
        rows_that_fit = max(1, (height - 2) // (max(labels, len(reading.latency_ms)) + 3))
        room = max(1, columns * rows_that_fit - 1)  # one panel shows the stages
        panels = [self._face_panel(face) for face in reading.faces[:room]]
        if not panels:
            panels = [self._panel(Text("no face", "dim"), "", "dim")]
        panels.append(self._stage_panel())
        grid = Table.grid(padding=(0, 1, 0, 0))
        for start in range(0, len(panels), columns):
            grid.add_row(*panels[start : start + columns])
        hidden = len(reading.faces) - room
        more = [Text(f"and {_count(hidden, 'more face')}", "dim")] if hidden > 0 else []
        trouble = [Text(self._trouble, "yellow")] if self._trouble else []
        return Group(header, *trouble, grid, *more)

    def _panel(self, content: RenderableType, title: str, style: str, subtitle: str = "") -> RenderableType:
        from rich.box import ASCII, ROUNDED
        from rich.markup import escape
        from rich.panel import Panel

        return Panel(
            content,
            box=ROUNDED if self._unicode else ASCII,
            title=f"[bold]{escape(title)}[/]" if title else None,
            subtitle=f"[dim]{escape(subtitle)}[/]" if subtitle else None,
            title_align="left",
            subtitle_align="right",
            border_style=style,
            width=_PANEL_WIDTH,
        )

    def _face_panel(self, face: FaceReading) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        uncertain = face.expression == UNCERTAIN
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=10, no_wrap=True)
        grid.add_column(width=_BAR_WIDTH, no_wrap=True)
        grid.add_column(width=4, justify="right")
        for label, score in face.scores.items():
            style = "bold green" if label == face.expression else "dim" if uncertain else ""
            grid.add_row(
                Text(label, style), Text(self._bar(score), style or "blue"), Text(f"{100 * score:.0f} %", style)
            )
        style = "yellow" if uncertain else "green"
        others = [Text(f"{name}: {_percent(model)}", "dim", no_wrap=True) for name, model in face.models.items()]
        return self._panel(Group(grid, *others), f"#{face.track} {_verdict(face)}", style, _box_text(face))

    def _bar(self, score: float) -> str:
        if not self._unicode:
            return "#" * round(score * _BAR_WIDTH)
        eighths = round(min(max(score, 0.0), 1.0) * _BAR_WIDTH * 8)
        part = " ▏▎▍▌▋▊▉"[eighths % 8].strip()
        return "█" * (eighths // 8) + part

    def _stage_panel(self) -> RenderableType:
        from rich.table import Table

        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=12)
        grid.add_column(width=9, justify="right")
        grid.add_column(width=9, justify="right")
        grid.add_row("[dim]stage, ms[/]", "[dim]p50[/]", "[dim]p95[/]")
        for stage, ms in self._stages.spread().items():
            bold = "bold" if stage == "total" else "none"
            grid.add_row(f"[{bold}]{stage}[/]", f"[{bold}]{ms.p50:.2f}[/]", f"[{bold}]{ms.p95:.2f}[/]")
        return self._panel(grid, "latency", "blue")

    def close(self) -> None:
        totals, self._totals = self._totals, None
        if totals is None:
            return
        try:
            if self._started:
                self._draw()
                self._live.stop()
            for line in totals.lines():
                self._console.print(line, markup=False)
        except BrokenPipeError:
            self._gone()
        except OSError as error:
            raise SinkError(f"terminal: cannot be written: {error.strerror}") from None


def open_table(title: str = "", output: TextIO | None = None) -> Sink:
    """The live table where standard output is a terminal that can redraw, else the plain lines."""
    output = output or sys.stdout
    if _is_terminal(output):
        from rich.console import Console

        console = Console(file=output, highlight=False)
        if console.is_terminal and not console.is_dumb_terminal:
            return LiveTable(title, console)
    return PlainTable(title)


def open_output(options: Options, *, labels: Sequence[str], title: str, fps: float | None) -> Sink:
    """The output `table`."""
    return open_table(title)
