"""What stands below the faces: the last minute of each as a strip of cells, and the stages' times."""

from __future__ import annotations

from edgefer.sinks.table.base import count
from edgefer.sinks.table.history import cell_s
from edgefer.sinks.table.spans import Line, flowing, padded, pieces, width_of
from edgefer.sinks.table.view import Marks, View

_LEAST_CELLS = 10


def strips(view: View, marks: Marks, width: int, most: int) -> list[Line]:
    """The last minute of each face, a line each, and what its cells mean; none where they do not all fit."""
    faces = view.faces
    if view.history.empty or not faces:
        return []
    names = [f"#{face.track} " for face in faces]
    name_width = max(map(len, names))
    room = width - name_width
    if room < _LEAST_CELLS:
        return []
    histories = [view.history.cells(face.track, room) for face in faces]
    lines = [
        [*padded([(name, "bold")], name_width), *marks.strip(history)]
        for name, history in zip(names, histories, strict=True)
    ]
    expressions = {cell.expression for history in histories for cell in history if cell}
    words = legend(marks, expressions, width, cell_s(room), most - len(lines))
    return lines + words if words and len(lines) + len(words) <= most else []


def legend(marks: Marks, expressions: set[str], width: int, seconds: int, most: int) -> list[Line]:
    """Lines that say what the cells of the strips mean, `most` at most; the words of one line where more do not fit."""
    title: Line = [(f"last minute, {count(seconds, 'second')} a cell:", "dim")]
    lines = flowing([title, *marks.legend(sorted(expressions))], width)
    return lines if len(lines) <= most and width_of(title) <= width else []


def stage_lines(view: View, width: int, room: int) -> list[Line]:
    """The stages' times in one line, the whole first."""
    if room < 1 or not view.stages:
        return []
    names = sorted(view.stages, key=lambda stage: stage != "total")
    texts = [f"{stage} {view.stages[stage].p50:.1f}/{view.stages[stage].p95:.1f}" for stage in names]
    return [[(pieces(["ms p50/p95:", *texts], width, "  "), "dim")]]
