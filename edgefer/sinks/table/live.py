"""The live table: the newest state on a screen of its own, the summary on the one before."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

from edgefer.errors import SinkClosed, SinkError
from edgefer.sinks.events import Recent
from edgefer.sinks.table.base import Table
from edgefer.sinks.table.history import History
from edgefer.sinks.table.spans import Line
from edgefer.sinks.table.terminal import Screen
from edgefer.support.words import wrapped
from edgefer.values import Event, Health, Reading

if TYPE_CHECKING:
    from rich.console import Console

    from edgefer.sinks.table.layout import Picture
    from edgefer.sinks.table.view import Marks, View

REFRESH_S = 0.2  # drawing costs a small board several ms, which it should spend on frames
#: Once there was no room for panels, faces stay rows for so long, lest the picture jump with every face that comes.
CROWDED_S = 5.0
_REPAINT = "\x0c"  # Ctrl-L


class LiveTable(Table):
    """Redraws itself in the terminal: each face with its bars, and p50/p95 of each stage.

    A run that is over before the first picture is due, as that of one photograph, prints the picture where the
    cursor is and leaves the screen alone.
    """

    def __init__(
        self,
        title: str = "",
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        labels: Sequence[str] = (),
        fps: float | None = None,
    ) -> None:
        """Args:
        title: what the header calls the source.
        console: a rich console to draw on; standard output when None.
        clock: seconds; for tests.
        labels: of the first model, in order.
        fps: rate of the source, where it has one.
        """
        from rich.console import Console

        super().__init__(REFRESH_S, clock)
        self.name = "terminal"
        self._title, self._fps = title, fps
        self._console = console or Console(highlight=False)
        cast(Any, self._console).on_broken_pipe = self._gone  # rich would end the whole process
        self._labels = list(labels)
        self._marks: Marks | None = None
        self._screen = Screen(self._console)
        self._history = History()
        self._recent = Recent()
        self._events: list[Event] = []
        self._health: Health | None = None
        self._begun_s: float | None = None
        self._crowded_until_s = 0.0
        self._drawn = False

    def _gone(self) -> NoReturn:
        raise SinkClosed("terminal: gone")

    def _take(self, reading: Reading) -> None:
        self._history.add(reading)
        self._events = self._recent.add(reading)
        if self._begun_s is None:
            self._begun_s = self._shown_s = self._clock()  # the first picture comes after one interval

    def report(self, health: Health) -> None:
        if health.source != "ended":  # by then the source is closed and tells nothing
            self._health = health
        super().report(health)
        if self._totals is not None and health.source != "ended" and self._due():  # while no reading comes
            self._draw()

    def _show(self, reading: Reading) -> None:
        self._draw()

    def _tell(self, trouble: str) -> None:
        if self._drawn:
            self._draw()

    def _draw(self) -> None:
        reading = self._latest
        if reading is None:
            return
        try:
            self._read_keys()
            now = self._clock()
            drawn = self._picture(reading, now < self._crowded_until_s)
            if drawn.crowded:
                self._crowded_until_s = now + CROWDED_S
            self._screen.draw(drawn.lines)
            self._drawn = True
        except BrokenPipeError:
            self._gone()
        except OSError as error:  # the terminal was closed
            raise SinkError(f"terminal: cannot be written: {error.strerror}") from None

    def _read_keys(self) -> None:
        keys = self._screen.keys()
        if "q" in keys.lower():
            self.end_asked = True
        if _REPAINT in keys:
            self._screen.repaint()

    def _picture(self, reading: Reading, compact: bool = False) -> Picture:
        # Loaded after the first reading, which they need not hold up.
        from edgefer.sinks.table.layout import picture
        from edgefer.sinks.table.view import Marks

        if self._marks is None:
            colours = self._console.color_system in ("256", "truecolor") and not self._console.no_color
            blocks = os.environ.get("TERM") != "linux"
            self._marks = Marks(self._labels, self._console.encoding, colours, blocks)
        return picture(self._view(reading), self._marks, *self._screen.size, compact)

    def _view(self, reading: Reading) -> View:
        from edgefer.sinks.table.view import View

        health = self._health
        length = health.length if health else None
        first = health.first_index if health else 0
        note, before = self._screen.note
        return View(
            self._title,
            reading,
            self._stages.spread(),
            self._rate.per_second(),
            self._history,
            self._clock() - (self._begun_s or 0.0),
            done=reading.frame + 1 - first,
            length=length,
            length_s=length / self._fps
            if length and self._fps and not first
            else None,  # the rate is the first source's
            dropped=health.dropped if health else 0,
            temperature_c=health.temperature_c if health else None,
            trouble=self._trouble,
            note=note,
            notes_before=before,
            keys=self._screen.reads_keys,
            events=self._events,
        )

    def close(self) -> None:
        totals, self._totals = self._totals, None
        if totals is None:
            return
        self._screen.close()
        lines: list[Line] = []
        if self._latest is not None and (not self._drawn or self._latest.image):
            lines += self._picture(self._latest).lines  # it stays above the summary
        width, _ = self._screen.size
        lines += [[(part, "")] for line in totals.lines() for part in wrapped(line, width)]
        try:
            for line in lines:
                self._console.file.write(self._screen.rendered(line) + "\n")
            self._console.file.flush()
        except BrokenPipeError:
            self._gone()
        except OSError as error:
            raise SinkError(f"terminal: cannot be written: {error.strerror}") from None
