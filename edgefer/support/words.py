"""Words that fit: names and phrases shown in a bounded number of terminal cells or letters."""

from __future__ import annotations

import os
import unicodedata
from typing import TextIO

from edgefer.support import names

# Letters that take no room and only choose how the one before looks.
_SELECTORS = dict.fromkeys(range(0xFE00, 0xFE10))
_JOINERS = "\u200c\u200d"


def shown(name: str, encoding: str = "utf-8") -> str:
    """A name as it may be put on a terminal: what cannot be seen, or not in that encoding, is escaped."""
    text = names.shown(name.translate(_SELECTORS))
    text = "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) == "Cf" and letter not in _JOINERS
        else letter
        for letter in text
    )
    return text.encode(encoding, "backslashreplace").decode(encoding)


def cells(text: str) -> int:
    """Width in a terminal."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(letter) for letter in text)


def _cells_of(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def head(text: str, width: int) -> str:
    """As much of the beginning as fits into `width` cells."""
    used = 0
    for index, letter in enumerate(text):
        used += _cells_of(letter)
        if used > width:
            return text[:index]
    return text


def tail(text: str, width: int) -> str:
    """As much of the end as fits into `width` cells."""
    used = 0
    for index in range(len(text) - 1, -1, -1):
        used += _cells_of(text[index])
        if used > width:
            return text[index + 1 :].lstrip("".join(sorted(_marks(text[index + 1 :]))))
    return text


def _marks(text: str) -> set[str]:
    """Letters that would combine with whatever stands before them."""
    return {letter for letter in text[:1] if _cells_of(letter) == 0}


def middle(text: str, width: int, dots: str = "…") -> str:
    """The text in at most `width` cells: where it is too long, its middle is left out. A path keeps its end."""
    if cells(text) <= width:
        return text
    room = width - cells(dots)
    if room < 2:
        return head(text, width)
    front = room // 3
    return head(text, front) + dots + tail(text, room - front)


def phrase(text: str, width: int, dots: str = "…") -> str:
    """The text in at most `width` cells: where it is too long, whole words are left off its end."""
    if cells(text) <= width:
        return text
    room = width - cells(dots)
    if room < 1:
        return ""
    cut = head(text, room)
    if text[len(cut)] not in " ,;:":
        cut = cut.rpartition(" ")[0]
    return cut.rstrip(" ,;:") + dots if cut.strip() else ""


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells, broken between words, where none is longer than that."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cells(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def to_width(text: str, stream: TextIO) -> list[str]:
    """The text in lines that a stream shows without breaking a word: as wide as it is, where it is a terminal."""
    try:
        return wrapped(text, os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):  # no terminal
        return [text]
