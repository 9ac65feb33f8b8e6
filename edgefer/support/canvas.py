"""A picture of rectangles, lines and words, for PNG and for SVG."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape, quoteattr

import numpy as np

Colour = tuple[int, int, int]
Point = tuple[float, float]

INK: Colour = (40, 40, 40)
_SCALE = 2  # pixels of a PNG for each unit, so that its text is sharp
_HATCH_PX = 10  # from one stroke of a hatched area to the next
_FONT_UNIT = 22.0  # height of OpenCV's capitals at scale 1, pixels


class Canvas:
    """Collects shapes, in units of about a screen's pixel, and draws them at the end. Colours are (r, g, b)."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._shapes: list[Callable[[_Png | _Svg], None]] = []

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled area."""
        self._shapes.append(lambda to: to.polygon(points, colour))

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A filled rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def hatched(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A rectangle of slanted strokes."""
        self._shapes.append(lambda to: to.hatched(x0, y0, x1, y1, colour))

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        """A thin line."""
        self._shapes.append(lambda to: to.line(x0, y0, x1, y1, colour))

    def text(
        self, text: str, x: float, y: float, size: float = 13, colour: Colour = INK, anchor: str = "start", bold=False
    ) -> None:
        """One line of text, its middle at the height y; anchor is what lies at x: start, middle or end."""
        self._shapes.append(lambda to: to.text(text, x, y, size, colour, anchor, bold))

    def png(self) -> bytes:
        """The picture as a PNG file."""
        drawing = _Png(self.width, self.height)
        for shape in self._shapes:
            shape(drawing)
        return drawing.data()

    def svg(self) -> bytes:
        """The picture as an SVG file."""
        drawing = _Svg(self.width, self.height)
        for shape in self._shapes:
            shape(drawing)
        return drawing.data()


def text_width(text: str, size: float = 13, bold: bool = False) -> float:
    """Width of a line of text, in units of the canvas."""
    import cv2

    (width, _), _ = cv2.getTextSize(latin(text), cv2.FONT_HERSHEY_DUPLEX, _font_scale(size) * _SCALE, 1 + bold)
    return width / _SCALE


def latin(text: str) -> str:
    """A text in the letters that a PNG's font has: accents left off, other scripts as `?`."""
    if text.isascii():
        return text
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return plain.encode("ascii", "replace").decode()


def _font_scale(size: float) -> float:
    return 0.72 * size / _FONT_UNIT


class _Png:
    def __init__(self, width: float, height: float) -> None:
        self._image = np.full((round(height * _SCALE), round(width * _SCALE), 3), 255, np.uint8)

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        import cv2

        corners = np.rint(np.array(points) * _SCALE).astype(np.int32)
        corners[:, 0] -= corners[:, 0] > corners[:, 0].min()  # OpenCV draws the last column and row as well
        corners[:, 1] -= corners[:, 1] > corners[:, 1].min()
        cv2.fillPoly(self._image, [corners], colour[::-1])

    def hatched(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        left, top, right, bottom = (round(edge * _SCALE) for edge in (x0, y0, x1, y1))
        area = self._image[top:bottom, left : max(right, left + 1)]
        rows, columns = np.ogrid[top : top + area.shape[0], left : left + area.shape[1]]
        area[(rows + columns) % _HATCH_PX < 3] = colour[::-1]

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        import cv2

        start, end = ((round(x * _SCALE), round(y * _SCALE)) for x, y in ((x0, y0), (x1, y1)))
        cv2.line(self._image, start, end, colour[::-1], 1, cv2.LINE_AA)

    def text(self, text: str, x: float, y: float, size: float, colour: Colour, anchor: str, bold: bool) -> None:
        import cv2

        scale, thickness = _font_scale(size) * _SCALE, 1 + bold
        text = latin(text)
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, thickness)
        left = x * _SCALE - {"start": 0, "middle": width / 2, "end": width}[anchor]
        at = (round(left), round(y * _SCALE + height / 2))
        cv2.putText(self._image, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, colour[::-1], thickness, cv2.LINE_AA)

    def data(self) -> bytes:
        import cv2

        return cv2.imencode(".png", self._image, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes()


class _Svg:
    def __init__(self, width: float, height: float) -> None:
        self._size = f"{width:g}", f"{height:g}"
        self._patterns: dict[Colour, str] = {}
        self._shapes: list[str] = []

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        corners = " ".join(f"{round(x, 2):g},{round(y, 2):g}" for x, y in points)
        self._shapes.append(f'<polygon points="{corners}" fill="{_hex(colour)}"/>')

    def hatched(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        name = self._patterns.setdefault(colour, f"hatch{len(self._patterns)}")
        self._shapes.append(
            f'<rect x="{x0:.2f}" y="{y0:.2f}" width="{x1 - x0:.2f}" height="{y1 - y0:.2f}" fill="url(#{name})"/>'
        )

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self._shapes.append(
            f'<line x1="{x0:.2f}" y1="{y0:.2f}" x2="{x1:.2f}" y2="{y1:.2f}" stroke="{_hex(colour)}"'
            ' stroke-width="0.5"/>'
        )

    def text(self, text: str, x: float, y: float, size: float, colour: Colour, anchor: str, bold: bool) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self._shapes.append(
            f'<text x="{x:.2f}" y="{y:.2f}" dy="0.35em" font-size="{size:g}" fill="{_hex(colour)}"'
            f" text-anchor={quoteattr(anchor)}{weight}>{escape(text)}</text>"
        )

    def data(self) -> bytes:
        width, height = self._size
        step = _HATCH_PX / _SCALE
        patterns = "".join(
            f'<pattern id="{name}" width="{step:g}" height="{step:g}" patternUnits="userSpaceOnUse"'
            f' patternTransform="rotate(45)"><rect width="1.5" height="{step:g}" fill="{_hex(colour)}"/></pattern>'
            for colour, name in self._patterns.items()
        )
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
            f' viewBox="0 0 {width} {height}" font-family="Helvetica, Arial, sans-serif">',
            f"<defs>{patterns}</defs>",
            '<rect width="100%" height="100%" fill="white"/>',
            *self._shapes,
            "</svg>\n",
        ]
        return "\n".join(lines).encode("utf-8", "backslashreplace")


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
