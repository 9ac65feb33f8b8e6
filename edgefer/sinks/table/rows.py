"""A row for each face, as many as fit."""

from __future__ import annotations

from typing import NamedTuple

from edgefer.labels import UNCERTAIN
from edgefer.sinks.table import below
from edgefer.sinks.table.base import box_text, count, reasons
from edgefer.sinks.table.history import SPAN_S, cell_s
from edgefer.sinks.table.spans import Line, padded
from edgefer.sinks.table.view import Marks, View
from edgefer.support.words import middle, phrase
from edgefer.values import FaceReading

_LEAST_STRIP = 12
_MODEL_WIDTH = 10


class _Columns(NamedTuple):
    """Widths of the columns in cells; 0 where there is no room for one."""

    track: int
    expression: int
    bar: int
    box: int
    models: tuple[str, ...]
    strip: int


def body(view: View, marks: Marks, width: int, room: int) -> list[Line]:
    """Rows, with what they mean and the stages' times where that leaves room for the faces."""
    faces = view.faces
    if not faces:
        return [[("no face", "dim")], *below.stage_lines(view, width, room - 1)]
    columns = _columns(view, faces, marks, width)
    most = max(3, room * 3 // 4)
    wanted = len(faces) if len(faces) <= most else most + 1  # one line says how many more there are
    above = [_heading(columns, marks)] if room - 1 >= wanted else []
    under = below.stage_lines(view, width, room - len(above) - wanted)
    shown = _that_fit(faces, room - len(above) - len(under))
    histories = {face.track: view.history.cells(face.track, columns.strip) for face in shown} if columns.strip else {}
    expressions = {cell.expression for cells in histories.values() for cell in cells if cell}
    if expressions:
        spare = room - len(above) - len(under) - wanted
        under = below.legend(marks, expressions, width, cell_s(columns.strip), min(spare, 3)) + under
        shown = _that_fit(faces, room - len(above) - len(under))
    lines = [_row(face, columns, marks, marks.strip(histories.get(face.track, ()))) for face in shown]
    hidden = len(faces) - len(shown)
    if hidden:
        more = f"and {count(hidden, 'more face')}" if shown else count(hidden, "face")
        lines.append([(phrase(more, width, marks.dots), "dim")])
    if under and room - len(above) - len(lines) - len(under) >= 2:
        lines.append([])
    return [*above, *lines, *under]


def _that_fit(faces: list[FaceReading], rows: int) -> list[FaceReading]:
    """The faces that have a row; where they are not all, one is kept for how many more there are."""
    return faces if len(faces) <= rows else faces[: max(rows - 1, 0)]


def _columns(view: View, faces: list[FaceReading], marks: Marks, width: int) -> _Columns:
    track = max(len(f"#{face.track}") for face in faces)
    longest = max([len(label) for label in marks.labels] + [len("expression")])
    expression = min(longest, 14) if width >= 35 else 9
    bar = 12 if width >= 110 else 8 if width >= 70 else 5 if width >= 30 else 0
    left = width - track - 1 - expression - (bar + 1 if bar else 0) - 6
    box = max(len(box_text(face)) for face in faces)
    box = box if left - box - 1 >= _LEAST_STRIP + 1 else 0
    left -= box + 1 if box else 0
    models: tuple[str, ...] = ()
    for name in dict.fromkeys(name for face in faces for name in face.models):
        if left - _MODEL_WIDTH - 1 >= 20:
            models += (name,)
            left -= _MODEL_WIDTH + 1
    strip = SPAN_S // cell_s(left - 1) if left - 1 >= _LEAST_STRIP and not view.history.empty else 0
    return _Columns(track, expression, bar, box, models, strip)


def _heading(columns: _Columns, marks: Marks) -> Line:
    words = [
        (" " * (columns.track + 1), ""),
        *padded([("expression" if columns.expression >= 10 else "", "")], columns.expression + 1),
        *padded([("confidence" if columns.bar >= 5 else "", "")], columns.bar + 6 if columns.bar else 5),
    ]
    for name in columns.models:
        words += [(" ", ""), *padded([(middle(marks.shown(name), _MODEL_WIDTH, marks.dots), "")], _MODEL_WIDTH)]
    if columns.box:
        words += [(" ", ""), *padded([("box", "")], columns.box)]
    if columns.strip:
        words += [(" ", ""), (f"{'last minute':>{columns.strip}}", "")]
    return [(text, "dim") for text, _ in words]


def _row(face: FaceReading, columns: _Columns, marks: Marks, strip: Line) -> Line:
    uncertain = face.expression == UNCERTAIN
    style = "yellow" if uncertain else marks.style(face.expression, "bold")
    name = middle(face.expression, columns.expression, marks.dots)
    line: Line = [
        *padded([(f"#{face.track}", "bold")], columns.track + 1),
        *padded([(name, style)], columns.expression + 1),
    ]
    judged = columns.bar + 6 if columns.bar else 5
    if uncertain:
        line += padded([(_reason(face, judged), "yellow")], judged)
    else:
        if columns.bar:
            line += padded([(marks.bar(face.confidence, columns.bar), marks.style(face.expression))], columns.bar + 1)
        line.append((f"{100 * face.confidence:3.0f} %", ""))
    for model_name in columns.models:
        model = face.models.get(model_name)
        line += [(" ", ""), *padded([(_short(model.expression, marks) if model else "", "dim")], _MODEL_WIDTH)]
    if columns.box:
        line += [(" ", ""), *padded([(box_text(face), "dim")], columns.box)]
    return [*line, (" ", ""), *strip] if strip else line


def _short(label: str, marks: Marks) -> str:
    return middle(label, _MODEL_WIDTH, marks.dots)


def _reason(face: FaceReading, width: int) -> str:
    """As many of the reasons as fit, and how many more there are; no word is broken."""
    names = list(face.quality.reasons)
    if not names:
        return phrase(reasons(face), width, "") or phrase("unclear", width, "")
    for shown in range(len(names), 0, -1):
        more = f" +{len(names) - shown}" if shown < len(names) else ""
        text = ", ".join(names[:shown]) + more
        if len(text) <= width:
            return text
    return names[0] if len(names[0]) <= width else ""
