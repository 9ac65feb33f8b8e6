"""A panel for each face, with a bar for each label, and one for the stages' times."""

from __future__ import annotations

from edgefer.labels import UNCERTAIN
from edgefer.sinks.table import below
from edgefer.sinks.table.base import box_text, percent, reasons
from edgefer.sinks.table.spans import Line, padded
from edgefer.sinks.table.view import Marks, View
from edgefer.sinks.units import codes
from edgefer.support.words import cells, middle, phrase
from edgefer.values import FaceReading

LEAST_WIDTH, MOST_WIDTH = 39, 60
_LABEL_WIDTH = 10


def body(view: View, marks: Marks, width: int, room: int) -> list[Line] | None:
    """Panels in as many columns as fit, and the last minute below; None where they do not all fit."""
    faces = view.faces
    columns = (width + 1) // (LEAST_WIDTH + 1)
    if not columns:
        return None
    whole = _arranged(view, marks, width, room, columns, True)
    if not faces or (whole and whole[1]):
        return whole[0] if whole else None
    bare = _arranged(view, marks, width, room, columns, False)
    best = bare if bare and (bare[1] or not whole) else whole
    return best[0] if best else None


def _arranged(
    view: View, marks: Marks, width: int, room: int, columns: int, stages: bool
) -> tuple[list[Line], bool] | None:
    """The panels, with that of the stages or without, and whether there was room for the last minute below them."""
    faces = view.faces
    number = max(len(faces), 1) + stages
    columns = min(columns, number)
    panel_width = min(MOST_WIDTH, (width - columns + 1) // columns)
    lines_of = [len(face.scores) + len(face.models) + bool(face.units) for face in faces]
    lines_inside = max(lines_of or [len(marks.labels) or 4])
    if stages:
        lines_inside = max(lines_inside, len(view.stages) + 1)
    rows_needed = -(-number // columns)
    if rows_needed * (lines_inside + 2) > room:
        return None
    panels = [_face(face, marks, panel_width, lines_inside) for face in faces]
    if not faces:
        panels = [_framed([[("no face", "dim")]], "", "", "dim", marks, panel_width, lines_inside)]
    if stages:
        panels.append(_stages(view, marks, panel_width, lines_inside))
    lines: list[Line] = []
    for start in range(0, number, columns):
        beside = panels[start : start + columns]
        for parts in zip(*beside, strict=True):
            line: Line = []
            for part in parts:
                line += [*([(" ", "")] if line else []), *part]
            lines.append(line)
    under = below.strips(view, marks, width, room - len(lines))
    complete = bool(under) or view.history.empty
    if not stages:
        under = under + below.stage_lines(view, width, room - len(lines) - len(under))
    spare = room - len(lines) - len(under)
    return lines + ([[]] if under and spare >= 2 else []) + under, complete


def _framed(
    content: list[Line], title: str, foot: str, style: str, marks: Marks, width: int, height: int
) -> list[Line]:
    """Lines in a frame with a title in its upper edge and words in its lower one."""
    corners, across, down = ("╭╮╰╯", "─", "│") if marks.unicode else ("++++", "-", "|")
    inside = width - 4
    title = phrase(title, width - 6, marks.dots)
    foot = phrase(foot, width - 6, marks.dots)
    upper = f" {title} " if title else ""
    lower = f" {foot} " if foot else ""
    lines: list[Line] = [
        [
            (corners[0] + across, style),
            (upper, f"bold {style}".strip()),
            (across * (width - 3 - cells(upper)) + corners[1], style),
        ]
    ]
    for index in range(height):
        line = content[index] if index < len(content) else []
        lines.append([(f"{down} ", style), *padded(line, inside), (f" {down}", style)])
    lines.append(
        [(corners[2] + across * (width - 3 - cells(lower)), style), (lower, "dim"), (across + corners[3], style)]
    )
    return lines


def _face(face: FaceReading, marks: Marks, width: int, height: int) -> list[Line]:
    uncertain = face.expression == UNCERTAIN
    bar_width = width - 4 - _LABEL_WIDTH - 1 - 1 - 5
    content: list[Line] = []
    for label, score in face.scores.items():
        strongest = label == face.expression
        words = "bold" if strongest else "dim" if uncertain else ""
        name = middle(label, _LABEL_WIDTH, marks.dots)
        content.append(
            [
                *padded([(name, words)], _LABEL_WIDTH + 1),
                *padded([(marks.bar(score, bar_width), "dim" if uncertain else marks.style(label))], bar_width + 1),
                (f"{100 * score:3.0f} %", words),
            ]
        )
    for name, model in face.models.items():
        said = f": {percent(model)}"
        short = middle(marks.shown(name), max(width - 4 - len(said), 4), marks.dots)
        content.append([(phrase(short + said, width - 4, marks.dots), "dim")])
    if face.units:
        content.append([(phrase(f"units: {codes(face) or 'none'}", width - 4, marks.dots), "dim")])
    title = f"#{face.track} {UNCERTAIN}: {reasons(face)}" if uncertain else f"#{face.track} {percent(face)}"
    return _framed(content, title, box_text(face), "yellow" if uncertain else "green", marks, width, height)


def _stages(view: View, marks: Marks, width: int, height: int) -> list[Line]:
    name_width = width - 4 - 18
    content: list[Line] = [[(f"{'stage':<{name_width}}{'p50':>9}{'p95':>9}", "dim")]]
    for stage, ms in view.stages.items():
        style = "bold" if stage == "total" else ""
        content.append([(f"{stage:<{name_width}}{ms.p50:>9.2f}{ms.p95:>9.2f}", style)])
    return _framed(content, "latency, ms", "", "blue", marks, width, height)
