"""The timeline as a picture: a lane for each track, coloured by expression, over media time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgefer.labels import UNCERTAIN
from edgefer.sinks.timeline.lanes import MOST_LANES, Lane, Lanes, shares
from edgefer.support.canvas import Canvas, text_width
from edgefer.support.palette import GREY, Colour, colours_of
from edgefer.support.words import middle
from edgefer.support.words import shown as escaped

WIDTH = 1200
_LEFT, _RIGHT, _TOP, _GAP = 158, 172, 22, 9
_INK, _SOFT, _PALE, _BACK = (35, 35, 35), (115, 115, 115), (222, 222, 222), (246, 246, 246)
#: Colour of events.
EVENT: Colour = (200, 30, 160)
#: Height of a lane, by how many there are at most.
_HEIGHTS = ((1, 96), (3, 60), (8, 42), (16, 30), (100, 22))
#: Distances between marks of the axis, s.
_STEPS_S = (
    *(digit * power for power in (0.001, 0.01, 0.1, 1) for digit in (1, 2, 5)),
    *(10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400),
)
_MOST_MARKS = 11


def draw(lanes: Lanes, labels: Sequence[str], title: str, most: int) -> Canvas:
    """The picture of all that was read so far.

    Args:
        lanes: with at least one reading.
        labels: of the model, in order.
        title: what the source is called.
        most: how many tracks are shown.
    """
    shown = lanes.longest_seen(most)
    several = len(lanes.sources) > 1
    lane_height = next((height for count, height in _HEIGHTS if len(shown) <= count), _HEIGHTS[-1][1])
    heads = len({lane.source for lane in shown}) if several else 0
    legend = list(_legend(labels))
    top = _TOP + 58 + 22 * (legend[-1][2] + 1)
    bottom = top + max(len(shown), 1) * (lane_height + _GAP) + heads * 28
    left_out = lanes.tracks - len(shown)
    canvas = Canvas(WIDTH, bottom + 62 + (20 if left_out else 0))
    canvas.text(_fitting(title or "timeline", WIDTH - 2 * 24, 19), 24, _TOP + 4, 19, _INK, bold=True)
    canvas.text(_subtitle(lanes), 24, _TOP + 28, 12.5, _SOFT)
    colours = colours_of(labels)
    for label, x, row in legend:
        middle_y = _TOP + 56 + 22 * row
        if label == UNCERTAIN:
            canvas.hatched(x, middle_y - 6, x + 20, middle_y + 6, GREY)
        else:
            canvas.rectangle(x, middle_y - 6, x + 20, middle_y + 6, colours[label])
        canvas.text(label, x + 27, middle_y, 13, _INK)
    axis = _Axis(lanes)
    for t_s in axis.marks() if shown else ():
        canvas.line(axis.x(t_s), top - 4, axis.x(t_s), bottom, _PALE)
    y, source = float(top), None
    for lane in shown:
        if several and lane.source != source:
            source = lane.source
            canvas.text(_fitting(escaped(source) or "source", WIDTH - 2 * 24, 14), 24, y + 12, 14, _INK, bold=True)
            y += 28
        _draw_lane(canvas, axis, lane, lanes, colours, y, lane_height)
        y += lane_height + _GAP
    if not shown:
        canvas.text("no face was seen", (_LEFT + WIDTH - _RIGHT) / 2, (top + bottom) / 2, 16, _SOFT, "middle")
    _draw_axis(canvas, axis, bottom)
    if left_out:
        noun = "track" if left_out == 1 else "tracks"
        text = f"{left_out} more {noun}, each seen for less time than those shown"
        canvas.text(text, _LEFT, bottom + 64, 12.5, _SOFT)
    return canvas


def _legend(labels: Sequence[str]) -> Iterator[tuple[str, float, int]]:
    """Each label with its place: x and the row."""
    x, row = 24.0, 0
    for label in (*labels, UNCERTAIN):
        width = 27 + text_width(label) + 20
        if x + width > WIDTH - 24 and x > 24:
            x, row = 24.0, row + 1
        yield label, x, row
        x += width


def _subtitle(lanes: Lanes) -> str:
    span = duration(lanes.end_s - (lanes.first_s or 0.0))
    parts = [f"{lanes.tracks} track{'' if lanes.tracks == 1 else 's'} in {span}"]
    if lanes.begun:
        parts.append(f"read from {lanes.begun[:19].replace('T', ' ')}")
    parts.append("height of a bar: confidence")
    events = sum(len(lane.events) for lane in lanes.longest_seen(MOST_LANES))
    if events:
        parts.append(
            f"{events} {'event' if events == 1 else 'events'}: a mark from onset to offset, a line at the apex"
        )
    return ";  ".join(parts)


def duration(seconds: float) -> str:
    """A length of time for people: 0.4 s, 12.0 s, 3 min 5 s, 2 h 4 min."""
    if seconds < 59.95:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    if round(seconds) < 3600:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def _short_duration(seconds: float) -> str:
    """The same where there is little room: 3:05 min, 2:04 h."""
    if seconds < 59.95:
        return duration(seconds)
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02} min" if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02} h"


def _fitting(text: str, width: float, size: float) -> str:
    """The text, shortened in its middle until it is no wider."""
    length = len(text)
    while length > 8 and text_width(text, size, bold=True) > width:
        length -= max(1, length // 20)
        text = middle(text, length, "...")
    return text


class _Axis:
    """From media time to the place in the picture."""

    def __init__(self, lanes: Lanes) -> None:
        self.first_s = lanes.first_s or 0.0
        self.end_s = max(lanes.end_s, self.first_s + 1e-3)
        span = self.end_s - self.first_s
        self.step_s = next((step for step in _STEPS_S if span / step <= _MOST_MARKS), 0.0)
        if not self.step_s:
            self.step_s = 86_400.0 * (1 + span // (_MOST_MARKS * 86_400))
        self._scale = (WIDTH - _LEFT - _RIGHT) / span

    def x(self, t_s: float) -> float:
        return _LEFT + (min(max(t_s, self.first_s), self.end_s) - self.first_s) * self._scale

    def marks(self) -> list[float]:
        first = -(-(self.first_s - 1e-9) // self.step_s)
        count = int((self.end_s + 1e-9 - first * self.step_s) // self.step_s) + 1
        return [(first + number) * self.step_s for number in range(max(count, 0))]

    @property
    def unit(self) -> str:
        if self.end_s < 120:
            return "s"
        return "min:s" if self.end_s < 7200 else "h:min" if self.step_s >= 60 else "h:min:s"

    def name(self, t_s: float) -> str:
        if self.unit == "s":
            return f"{t_s:.3f}".rstrip("0").rstrip(".") if self.step_s < 1 else f"{t_s:.0f}"
        seconds = round(t_s)
        if self.unit == "min:s":
            return f"{seconds // 60}:{seconds % 60:02}"
        return f"{seconds // 3600}:{seconds // 60 % 60:02}" + (f":{seconds % 60:02}" if self.unit == "h:min:s" else "")


def _draw_axis(canvas: Canvas, axis: _Axis, y: float) -> None:
    right = WIDTH - _RIGHT
    canvas.line(_LEFT, y, right, y, _SOFT)
    for t_s in axis.marks():
        canvas.line(axis.x(t_s), y, axis.x(t_s), y + 5, _SOFT)
        canvas.text(axis.name(t_s), axis.x(t_s), y + 17, 12.5, _INK, "middle")
    canvas.text(f"media time, {axis.unit}", (_LEFT + right) / 2, y + 38, 12.5, _SOFT, "middle")


def _draw_lane(
    canvas: Canvas, axis: _Axis, lane: Lane, lanes: Lanes, colours: dict[str, Colour], top: float, height: float
) -> None:
    slot_s = lanes.slot_s
    base, centre = top + height, top + height / 2
    canvas.text(f"#{lane.track}", 24, centre, 15 if height > 24 else 13.5, _INK)
    canvas.text(_short_duration(lane.seen_s), _LEFT - 12, centre, 12.5, _SOFT, "end")
    x0, x1 = (axis.x(t_s) for t_s in lanes.span(lane.source))
    canvas.rectangle(x0, top, x1, base, _BACK)
    for expression, numbers, confidences in _stretches(lane):
        if expression == UNCERTAIN:
            left, right = axis.x(numbers[0] * slot_s), axis.x((numbers[-1] + 1) * slot_s)
            canvas.hatched(left, top + height / 4, max(right, left + 0.5), base, GREY)
            continue
        outline = []
        for number, confidence in zip(numbers, confidences, strict=True):
            left, right = axis.x(number * slot_s), axis.x((number + 1) * slot_s)
            y = base - max(min(confidence, 1.0) * height, 1.0)
            outline += [(left, y), (max(right, left + 0.5), y)]
        canvas.polygon([(outline[0][0], base), *outline, (outline[-1][0], base)], colours.get(expression, GREY))
    canvas.line(x0, base, x1, base, _SOFT)
    for event in lane.events:
        left, right, apex = (axis.x(t_s) for t_s in (event.onset_s, event.offset_s, event.apex_s))
        canvas.rectangle(left, top - 4, max(right, left + 2), top + 2, EVENT)
        canvas.line(apex, top - 4, apex, base, EVENT)
    parts = shares(lane.total)
    right = WIDTH - _RIGHT + 14
    if not parts:
        canvas.text(UNCERTAIN, right, centre, 12.5, _SOFT)
    rows = min(len(parts), 3 if height >= 50 else 2 if height >= 40 else 1)
    for row, (expression, part) in enumerate(parts[:rows]):
        y = centre + 17 * (row - (rows - 1) / 2)
        canvas.rectangle(right, y - 5, right + 10, y + 5, colours.get(expression, GREY))
        canvas.text(f"{expression} {100 * part:.0f} %", right + 17, y, 12.5, _INK)


def _stretches(lane: Lane) -> Iterator[tuple[str, list[int], list[float]]]:
    """Neighbouring slots with one expression: it, their numbers, and the confidence in each."""
    expression, numbers, confidences = "", [], []  # type: str, list[int], list[float]
    for number in sorted(lane.slots):
        name, confidence = lane.slots[number].strongest()
        if numbers and (name != expression or number != numbers[-1] + 1):
            yield expression, numbers, confidences
            numbers, confidences = [], []
        expression = name
        numbers.append(number)
        confidences.append(confidence)
    if numbers:
        yield expression, numbers, confidences
