"""The live table as lines: a panel for each face while there is room, else a row for each."""

from __future__ import annotations

from typing import NamedTuple

from edgefer.sinks.events import event_text
from edgefer.sinks.table import panels, rows
from edgefer.sinks.table.base import count
from edgefer.sinks.table.spans import Line, apart, clipped, pieces, width_of
from edgefer.sinks.table.view import Marks, View
from edgefer.support.words import cells, middle, phrase

_LEAST_TITLE = 12
_LONGEST_BAR = 30


class Picture(NamedTuple):
    """Lines that fit into the terminal, and whether faces are rows for want of room."""

    lines: list[Line]
    crowded: bool


def picture(view: View, marks: Marks, width: int, height: int, compact: bool = False) -> Picture:
    """What a terminal of that size shows.

    Args:
        view: the moment.
        marks: how expressions look.
        width, height: of the terminal, cells.
        compact: rows even where panels would fit.
    """
    for face in view.reading.faces:
        marks.learn(list(face.scores))
    top = [_header(view, marks, width)]
    status = _status(view, marks, width)
    bottom: list[Line] = []
    if view.note and height >= 6:
        bottom.append([("! " + _note(view, marks, width - 2), "yellow")])
    if view.events and height >= 7:
        told = f"#{view.events[-1].track} {event_text(view.events[-1])}"
        bottom.append([(phrase(marks.shown(told), width, marks.dots), "magenta")])
    foot = _footer(view, width)
    if foot and height >= 5:
        bottom.append(foot)
    if view.trouble and height >= 4:
        top.append([("! " + phrase(view.trouble, width - 2, marks.dots), "yellow")])
    if status and height >= 8:
        top.insert(1, status)
    room = max(1, height - len(top) - len(bottom))
    body = None if compact else panels.body(view, marks, width, room)
    crowded = body is None and not compact
    if body is None:
        body = rows.body(view, marks, width, room)
    fill: list[Line] = [[] for _ in range(height - len(top) - len(body) - len(bottom))] if bottom else []
    lines = [*top, *body, *fill, *bottom][:height]
    return Picture([clipped(line, width) for line in lines], crowded)


def _header(view: View, marks: Marks, width: int) -> Line:
    rate = [f"{view.fps:.1f} fps"] if view.fps else []
    figures = [count(len(view.reading.faces), "face"), *rate, f"age {view.reading.age_ms:.0f} ms"]
    name = "edgefer " if width >= 32 else ""
    title = marks.shown(view.name)
    least = min(cells(title), _LEAST_TITLE)
    right = pieces(figures, width - len(name) - least - 2)
    room = width - len(name) - (len(right) + 2 if right else 0)
    title = middle(title, max(room, 0), marks.dots)
    return apart([(name, "bold"), (title, "cyan")], [(right, "")] if right else [], width)


def clock(seconds: float) -> str:
    """A time in a film: 0:07, 12:30, 1:02:03."""
    whole = int(seconds)
    minutes = f"{whole // 60 % 60:02}" if whole >= 3600 else f"{whole // 60}"
    return (f"{whole // 3600}:" if whole >= 3600 else "") + f"{minutes}:{whole % 60:02}"


def _status(view: View, marks: Marks, width: int) -> Line:
    """How far the source has been read, and what else is known of the run."""
    reading = view.reading
    figures = []
    if reading.image:
        left: Line = [(middle(marks.shown(reading.image), min(width, 40), marks.dots), "")]
        if view.length and view.length > 1:
            figures.append(f"{view.done} of {view.length}")
    elif view.position is not None:
        end = "" if view.length_s is None else clock(view.length_s)
        begin = clock(reading.t_s)
        length = min(_LONGEST_BAR, width - len(begin) - len(end) - 2)
        left = [(f"{begin} ", ""), *_progress(view.position, length, marks.unicode), (f" {end}", "")]
        figures.append(f"{100 * view.position:.0f} %")
    else:
        left = [(clock(view.seconds), "")]
    if not reading.image:
        figures.append(f"frame {reading.frame}")
    if view.dropped:
        figures.append(f"{view.dropped} dropped")
    if view.temperature_c is not None:
        figures.append(f"{view.temperature_c:.0f} {'°' if marks.unicode else ''}C")
    right = pieces(figures, width - width_of(left) - 2)
    return apart(left, [(right, "dim")] if right else [], width)


def _progress(part: float, length: int, unicode: bool) -> Line:
    if length < 5:
        return []
    done = round(min(max(part, 0.0), 1.0) * length)
    full, empty = ("━", "─") if unicode else ("=", "-")
    return [(full * done, "cyan"), (empty * (length - done), "dim")]


def _note(view: View, marks: Marks, width: int) -> str:
    before = f" ({view.notes_before} before it)" if view.notes_before else ""
    if len(before) > width // 2:
        before = ""
    return phrase(marks.shown(view.note), width - len(before), marks.dots) + before


def _footer(view: View, width: int) -> Line:
    return [(pieces(["q ends the run", "Ctrl-Z pauses it"], width), "dim")] if view.keys else []
