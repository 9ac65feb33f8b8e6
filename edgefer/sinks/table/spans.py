"""Lines of styled text, laid out by terminal cells."""

from __future__ import annotations

from collections.abc import Sequence

from edgefer.support.palette import Colour
from edgefer.support.words import cells, head

#: Text and its style, as rich writes styles: "bold", "dim", "#f0c419".
Span = tuple[str, str]
Line = list[Span]


def style_of(colour: Colour, more: str = "") -> str:
    """A style of a colour, with "bold" or the like before it."""
    return f"{more} #{colour[0]:02x}{colour[1]:02x}{colour[2]:02x}".strip()


def width_of(line: Sequence[Span]) -> int:
    """Cells that a line takes."""
    return sum(cells(text) for text, _ in line)


def plain(line: Sequence[Span]) -> str:
    """The line without its styles."""
    return "".join(text for text, _ in line)


def padded(line: Line, width: int) -> Line:
    """The line with spaces up to a width."""
    room = width - width_of(line)
    return [*line, (" " * room, "")] if room > 0 else line


def clipped(line: Line, width: int) -> Line:
    """The line cut off at a width: what guards against a name that nobody thought of."""
    if width_of(line) <= width:
        return line
    kept: Line = []
    for text, style in line:
        part = head(text, width)
        width -= cells(part)
        kept.append((part, style))
        if part != text:
            break
    return kept


def apart(left: Line, right: Line, width: int) -> Line:
    """One part at the left edge, the other at the right."""
    room = width - width_of(left) - width_of(right)
    return [*left, (" " * max(room, 1), ""), *right] if right else left


def pieces(texts: Sequence[str], width: int, gap: str = "   ") -> str:
    """As many of the texts, from the first on, as fit beside each other."""
    taken = ""
    for text in texts:
        longer = taken + gap + text if taken else text
        if cells(longer) > width:
            break
        taken = longer
    return taken


def flowing(entries: Sequence[Line], width: int, gap: int = 2) -> list[Line]:
    """Entries beside each other, in as many lines as they need; none is broken."""
    lines: list[Line] = [[]]
    for entry in entries:
        if lines[-1] and width_of(lines[-1]) + gap + width_of(entry) > width:
            lines.append([])
        if lines[-1]:
            lines[-1].append((" " * gap, ""))
        lines[-1] += entry
    return lines
