"""Readings drawn into a picture: boxes, points, a title for each face, and bars of its scores where there is room.

Sizes follow the picture and the face, so that a film of 160 pixels and a photograph of 8K can both be read. The
titles of faces that stand close together give way to each other: beside the face, then over it, then shorter.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from edgefer.labels import UNCERTAIN
from edgefer.landmarks.points import CLOSED_LINES, OPEN_LINES
from edgefer.sinks.events import event_text
from edgefer.sinks.units import codes
from edgefer.sources.opencv import cv2
from edgefer.support.canvas import latin
from edgefer.values import Event, FaceReading, Frame, Reading

_GREEN, _YELLOW, _WHITE, _BLACK, _RED = (90, 200, 60), (60, 200, 230), (255, 255, 255), (0, 0, 0), (60, 60, 240)
_PINK = (230, 130, 255)  # of events
_FONT = cv2.FONT_HERSHEY_SIMPLEX
#: Below this the letters of the font run together.
_SMALLEST = 0.4
#: Shorter side, pixels, for which the font's own size is right.
_NATURAL_SIDE = 800
#: A title is about so much wider than its face at most.
_TITLE_PER_FACE = 1.6
#: Distance of the eyes' outer corners, pixels, from which single landmarks can be told apart.
_DOTS_FROM_PX = 60
#: Of the coordinates that lines are drawn with: OpenCV counts in parts of a pixel.
_FRACTION_BITS = 3
#: Side of a sketch in parts of its face's box, and pixels at least; and where it covers a part of that face.
_SKETCH_PER_FACE, _LEAST_SKETCH = 0.4, 48
_COVERING_PER_FACE, _LEAST_COVERING = 0.3, 24
#: Labels shown where there is no room for all of them.
_FEW = 3


class _Area(NamedTuple):
    """Whole pixels; right and bottom exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    def overlap(self, other: _Area) -> int:
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return width * height if width > 0 and height > 0 else 0


class _Size(NamedTuple):
    width: int
    height: int


class _Sheet:
    """A picture that is drawn into, with what is taken already."""

    def __init__(self, image: np.ndarray, faces: Iterable[FaceReading]) -> None:
        self.image = image
        self.height, self.width = image.shape[:2]
        self.scale = max(0.5, min(self.width, self.height) / _NATURAL_SIDE)
        self.boxes = {id(face): _box(face, self.width, self.height) for face in faces}
        self.taken: list[_Area] = []

    def scale_of(self, face: FaceReading) -> float:
        """Size of the letters about a face."""
        box = self.boxes[id(face)]
        side = max(box.x1 - box.x0, box.y1 - box.y0)
        fitting = _TITLE_PER_FACE * side / _text_size("#1 happiness 100%", 1.0).width
        return round(min(self.scale, max(fitting, _SMALLEST, 0.3 * self.scale)), 2)

    def others(self, face: FaceReading) -> list[_Area]:
        """The boxes of the other faces."""
        return [box for key, box in self.boxes.items() if key != id(face)]

    def holds(self, area: _Area) -> bool:
        return area.x0 >= 0 and area.y0 >= 0 and area.x1 <= self.width and area.y1 <= self.height

    def shade(self, area: _Area) -> None:
        """Darkens an area, so that writing on it can be read, and takes it."""
        region = self.image[max(area.y0, 0) : max(area.y1, 0), max(area.x0, 0) : max(area.x1, 0)]
        region //= 3
        self.taken.append(area)

    def write(self, text: str, x: int, y: int, scale: float, colour: tuple[int, int, int]) -> None:
        cv2.putText(self.image, latin(text), (x, y), _FONT, scale, colour, _weight(scale), cv2.LINE_AA)


def annotate(image: np.ndarray, reading: Reading, events: Sequence[Event] = ()) -> np.ndarray:
    """A copy of a uint8 (H, W, 3) image with the reading drawn into it, and events of its faces that are to be seen."""
    faces = sorted(reading.faces, key=lambda face: face.box.y0 - face.box.y1)  # the greatest get their room first
    sheet = _Sheet(image.copy(), faces)
    for face in faces:
        _draw_box(sheet, face)
    if not reading.image:
        _draw_footer(sheet, reading)
    for face in faces:
        _draw_title(sheet, face)
        _draw_units(sheet, face)
    for face in faces:
        _draw_sketch(sheet, face)
        _draw_bars(sheet, face)
    for face in faces:
        _draw_event(sheet, face, [event for event in events if event.track == face.track])
    return sheet.image


def colour_image(frame: Frame) -> np.ndarray:
    """The frame's uint8 (H, W, 3) image, grey where it has no other."""
    image = frame.bgr() if frame.bgr is not None else None
    return cv2.cvtColor(frame.grey, cv2.COLOR_GRAY2BGR) if image is None else image


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image in a (width, height) canvas: cropped by a pixel, or scaled to fit and centred."""
    width, height = size
    have_height, have_width = image.shape[:2]
    if width <= have_width <= width + 1 and height <= have_height <= height + 1:
        return np.ascontiguousarray(image[:height, :width])
    scale = min(width / have_width, height / have_height)
    inner = (max(1, min(width, round(have_width * scale))), max(1, min(height, round(have_height * scale))))
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_AREA)
    return canvas


def _colour(face: FaceReading) -> tuple[int, int, int]:
    return _YELLOW if face.expression == UNCERTAIN else _GREEN


def _box(face: FaceReading, width: int, height: int) -> _Area:
    """The face's box in whole pixels; one far outside keeps to the picture's neighbourhood."""
    x0, y0, x1, y1 = face.box
    across, down = (-width, 2 * width), (-height, 2 * height)
    edges = [*np.clip([x0, x1], *across), *np.clip([y0, y1], *down)]
    left, right, top, bottom = (round(float(edge)) for edge in edges)
    return _Area(left, top, right, bottom)


def _weight(scale: float) -> int:
    return max(1, round(scale * 1.6))


def _margin(scale: float) -> int:
    """Room beside letters, pixels."""
    return max(4, round(6 * scale))


@functools.lru_cache(maxsize=4096)
def _text_size(text: str, scale: float) -> _Size:
    return _Size(*cv2.getTextSize(latin(text), _FONT, scale, _weight(scale))[0])


def _draw_box(sheet: _Sheet, face: FaceReading) -> None:
    box, scale = sheet.boxes[id(face)], sheet.scale_of(face)
    colour = _colour(face)
    cv2.rectangle(
        sheet.image, (box.x0, box.y0), (box.x1 - 1, box.y1 - 1), colour, max(1, round(2 * scale)), cv2.LINE_AA
    )
    if face.landmarks is not None:
        _draw_landmarks(sheet, face.landmarks, colour)
    if face.points is not None:
        _draw_points(sheet, face.points, max(2, round((box.x1 - box.x0) / 75)), _RED)


def _draw_points(sheet: _Sheet, points: np.ndarray, radius: int, colour: tuple[int, int, int]) -> None:
    limit = 4 * max(sheet.width, sheet.height)  # far outside, OpenCV's whole numbers overflow
    for x, y in np.clip(np.nan_to_num(points), -limit, limit):
        cv2.circle(sheet.image, (round(float(x)), round(float(y))), radius, colour, -1, cv2.LINE_AA)


def _draw_landmarks(sheet: _Sheet, landmarks: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Lines along the contour, brows, nose, eyes and lips, and dots where a face is large enough to tell them apart."""
    limit = 4 * max(sheet.width, sheet.height)  # far outside, OpenCV's whole numbers overflow
    points = np.clip(np.nan_to_num(landmarks), -limit, limit)
    size_px = float(np.hypot(*(points[45] - points[36])))
    fine = 1 << _FRACTION_BITS
    whole = np.rint(points * fine).astype(np.int32)
    for lines, closed in ((OPEN_LINES, False), (CLOSED_LINES, True)):
        runs = [whole[first : last + 1, None] for first, last in lines]
        thickness = max(1, round(size_px / 120))
        cv2.polylines(sheet.image, runs, closed, colour, thickness, cv2.LINE_AA, _FRACTION_BITS)
    if size_px >= _DOTS_FROM_PX:
        radius = max(1.5, size_px / 60)
        for x, y in whole.tolist():
            cv2.circle(sheet.image, (x, y), round(radius * fine), _WHITE, -1, cv2.LINE_AA, _FRACTION_BITS)


def _draw_footer(sheet: _Sheet, reading: Reading) -> None:
    """The number of the frame, its time, and what it took, as far as there is room."""
    scale = max(0.45, min(1.0, 0.8 * sheet.scale))
    total = reading.latency_ms.get("total")
    parts = [f"frame {reading.frame}", f"{reading.t_s:.2f} s"] + ([f"{total:.1f} ms"] if total is not None else [])
    while parts and _text_size("   ".join(parts), scale).width + 16 > sheet.width:
        parts.pop()
    if not parts or sheet.height < 120:
        return
    text = "   ".join(parts)
    size = _text_size(text, scale)
    at = 8, sheet.height - 8
    for colour, thickness in ((_BLACK, 3), (_WHITE, 1)):
        cv2.putText(sheet.image, text, at, _FONT, scale, colour, thickness, cv2.LINE_AA)
    sheet.taken.append(_Area(0, at[1] - size.height - 4, at[0] + size.width, sheet.height))


def _titles(face: FaceReading) -> list[str]:
    """What may stand at a face, the fullest first."""
    if face.expression == UNCERTAIN:
        why = face.quality.reasons
        longest = f"{UNCERTAIN}: {', '.join(why) or 'no clear label'}"
        titles = [longest, f"{UNCERTAIN}: {why[0]}" if why else UNCERTAIN, UNCERTAIN]
    else:
        titles = [f"{face.expression} {100 * face.confidence:.0f}%", face.expression]
    return [f"#{face.track} {titles[0]}", *titles, f"#{face.track}"]


def _draw_title(sheet: _Sheet, face: FaceReading) -> None:
    scale = sheet.scale_of(face)
    line = round(32 * scale)
    placed = _place_title(sheet, face, scale, line)
    if placed is not None:
        title, area = placed
        sheet.shade(area)
        sheet.write(title, area.x0 + _margin(scale), area.y0 + round(line * 0.75), scale, _colour(face))


def _draw_units(sheet: _Sheet, face: FaceReading) -> None:
    """The action units that show, as codes, where they cover nothing."""
    text = codes(face)
    if not text:
        return
    scale = max(_SMALLEST, 0.75 * sheet.scale_of(face))
    line = round(32 * scale)
    size = _Size(_text_size(text, scale).width + 2 * _margin(scale), line)
    for places in (_beside, _inside):
        for area in places(sheet.boxes[id(face)], size, sheet.width):
            if sheet.holds(area) and not any(map(area.overlap, [*sheet.taken, *sheet.others(face)])):
                sheet.shade(area)
                sheet.write(text, area.x0 + _margin(scale), area.y0 + round(line * 0.75), scale, _WHITE)
                return


def _draw_event(sheet: _Sheet, face: FaceReading, events: Sequence[Event]) -> None:
    """The newest event of a face, at its box; the longest words that have room."""
    if not events:
        return
    scale, box = sheet.scale_of(face), sheet.boxes[id(face)]
    line = round(32 * scale)
    places = (_inside, _beside) if sheet.height < 2 * (box.y1 - box.y0) else (_beside, _inside)
    for text in (event_text(events[-1]), f"{events[-1].kind} {events[-1].onset_s:.2f} s", events[-1].kind):
        size = _Size(_text_size(text, scale).width + 2 * _margin(scale), line)
        for area in (area for place in places for area in place(box, size, sheet.width)):
            if sheet.holds(area) and not any(map(area.overlap, sheet.taken)):
                sheet.shade(area)
                sheet.write(text, area.x0 + _margin(scale), area.y0 + round(line * 0.75), scale, _PINK)
                return


def _place_title(sheet: _Sheet, face: FaceReading, scale: float, line: int) -> tuple[str, _Area] | None:
    """The fullest title that covers nothing, else that covers its own face alone, else the one least in the way."""
    best: tuple[float, str, _Area] | None = None
    for places in (_beside, _inside):
        for title in _titles(face):
            size = _Size(_text_size(title, scale).width + 2 * _margin(scale), line)
            for area in places(sheet.boxes[id(face)], size, sheet.width):
                if not sheet.holds(area):
                    continue
                cost = 4.0 * sum(map(area.overlap, sheet.taken)) + sum(map(area.overlap, sheet.others(face)))
                if cost == 0:
                    return title, area
                if best is None or cost < best[0]:
                    best = cost, title, area
    return best[1:] if best else None


def _beside(box: _Area, size: _Size, width: int) -> Iterator[_Area]:
    """Above, below, right and left of a box; above and below are moved into the picture."""
    left = max(0, min(box.x0, width - size.width))
    for x, y in (
        (left, box.y0 - size.height),
        (left, box.y1),
        (box.x1, box.y0),
        (box.x0 - size.width, box.y0),
        (max(0, min(box.x1 - size.width, width - size.width)), box.y0 - size.height),
    ):
        yield _Area(x, y, x + size.width, y + size.height)


def _inside(box: _Area, size: _Size, width: int) -> Iterator[_Area]:
    """Over the upper and the lower edge of a box."""
    left = max(0, min(box.x0, width - size.width))
    for y in (max(0, box.y0), box.y1 - size.height):
        yield _Area(left, y, left + size.width, y + size.height)


def _draw_sketch(sheet: _Sheet, face: FaceReading) -> None:
    """The emotion sketch of a face, small, beside its box or in a corner of it; or none where all is taken."""
    if face.sketch is None:
        return
    box = sheet.boxes[id(face)]
    longer = max(box.x1 - box.x0, box.y1 - box.y0)
    side = min(max(_LEAST_SKETCH, round(_SKETCH_PER_FACE * longer)), min(sheet.width, sheet.height) // 3)
    top = max(0, min(box.y1 - side, sheet.height - side))
    left = max(0, min(box.x0, sheet.width - side))
    places = [(box.x1 + 2, top), (box.x0 - side - 2, top), (left, box.y1 + 2), (left, box.y0 - side - 2)]
    areas = [_Area(x, y, x + side, y + side) for x, y in places]
    covering = min(side, round(_COVERING_PER_FACE * longer))
    if covering >= _LEAST_COVERING:
        x, y = max(box.x0, 0) + 2, min(box.y1, sheet.height) - covering - 2
        areas.append(_Area(x, y, x + covering, y + covering))
    others = [*sheet.taken, *sheet.others(face)]
    for area in areas:
        if area.x1 > area.x0 and sheet.holds(area) and not any(map(area.overlap, others)):
            shown = cv2.resize(face.sketch, (area.x1 - area.x0, area.y1 - area.y0), interpolation=cv2.INTER_AREA)
            sheet.image[area.y0 : area.y1, area.x0 : area.x1] = shown[:, :, np.newaxis]
            cv2.rectangle(sheet.image, (area.x0, area.y0), (area.x1 - 1, area.y1 - 1), _colour(face), 1)
            sheet.taken.append(area)
            return


def _draw_bars(sheet: _Sheet, face: FaceReading) -> None:
    """A bar for each label beside the face, or for the strongest few, or none where all is taken."""
    if not face.scores:
        return
    scale = sheet.scale_of(face)
    small = max(_SMALLEST, 0.75 * scale)
    strongest = sorted(face.scores, key=lambda label: -face.scores[label])[:_FEW]
    for labels in (list(face.scores), [label for label in face.scores if label in strongest]):
        row = round(34 * small)
        name_width = max(_text_size(label, small).width for label in labels) + 3 * _margin(small)
        size = _Size(name_width + round(120 * scale) + 2 * _margin(small), row * len(labels) + _margin(small))
        area = _place_bars(sheet, face, size)
        if area is not None:
            _draw_block(sheet, face, labels, area, name_width, row, small)
            return


def _place_bars(sheet: _Sheet, face: FaceReading, size: _Size) -> _Area | None:
    box = sheet.boxes[id(face)]
    top = max(0, min(box.y0, sheet.height - size.height))
    left = max(0, min(box.x0, sheet.width - size.width))
    for x, y in (
        (max(0, box.x1 + 2), top),
        (box.x0 - size.width - 2, top),
        (left, box.y1 + 2),
        (left, box.y0 - size.height - 2),
    ):
        area = _Area(x, y, x + size.width, y + size.height)
        if sheet.holds(area) and not any(map(area.overlap, [*sheet.taken, *sheet.boxes.values()])):
            return area
    if len(sheet.boxes) > 1 or size.width > sheet.width // 2:
        return None
    left = max(0, min(box.x1, sheet.width) - size.width)  # a face that fills the picture: over its lower part
    area = _Area(left, sheet.height - size.height, left + size.width, sheet.height)
    return area if sheet.holds(area) else None


def _draw_block(
    sheet: _Sheet, face: FaceReading, labels: list[str], area: _Area, name_width: int, row: int, scale: float
) -> None:
    sheet.shade(area)
    margin = _margin(scale)
    start = area.x0 + name_width
    length = area.x1 - 2 * margin - start
    for index, label in enumerate(labels):
        y = area.y0 + margin // 2 + index * row
        shown = _colour(face) if label == face.expression else _WHITE
        sheet.write(label, area.x0 + margin, y + round(row * 0.75), scale, shown)
        end = start + max(1, round(length * min(max(face.scores[label], 0.0), 1.0)))
        cv2.rectangle(sheet.image, (start, y + row // 5), (end, y + row - row // 4), shown, -1)
