"""A colour and a letter for each expression, the same in the terminal and in pictures."""

from __future__ import annotations

from collections.abc import Sequence

from edgefer.labels import GROUPS

Colour = tuple[int, int, int]

# Chosen by search from the colours that people connect with the expressions: any two differ by at least 25 (CIE
# 1976) to normal eyes and to those that lack one of the three cones, and all can be told from black and from white.
_COLOURS: dict[str, Colour] = {
    "neutral": (0x97, 0xB2, 0xA7),
    "happiness": (0xF0, 0xC4, 0x19),
    "surprise": (0x27, 0xD9, 0xFF),
    "sadness": (0x05, 0x68, 0xC8),
    "anger": (0xC9, 0x28, 0x0A),
    "disgust": (0x09, 0xA8, 0x56),
    "fear": (0x98, 0x1D, 0x74),
    "contempt": (0x56, 0x4D, 0x38),
}
#: What has no expression: uncertain faces.
GREY: Colour = (0x9A, 0x9A, 0x9A)

_LETTERS = {"surprise": "u", "negative": "g"}  # sadness has the s, neutral the n


def colours_of(labels: Sequence[str]) -> dict[str, Colour]:
    """Red, green and blue of each label.

    A label of GROUPS has the colour of its first expression; another that is no expression takes one that is free.
    """
    stand_in = {label: GROUPS[label][0] if label in GROUPS else label for label in labels}
    free = [colour for name, colour in _COLOURS.items() if name not in stand_in.values()] or list(_COLOURS.values())
    others = [label for label in labels if stand_in[label] not in _COLOURS]
    return {
        label: _COLOURS[name] if name in _COLOURS else free[others.index(label) % len(free)]
        for label, name in stand_in.items()
    }


def letters_of(labels: Sequence[str]) -> dict[str, str]:
    """One letter for each label, none twice: the first of the word that is free."""
    given = {label: _LETTERS[label] for label in labels if label in _LETTERS}
    for label in labels:
        if label not in given:
            candidates = [*label.lower(), *"abcdefghijklmnopqrstuvwxyz0123456789"]
            free = (letter for letter in candidates if letter.isalnum() and letter.isascii())
            given[label] = next((letter for letter in free if letter not in given.values()), "?")
    return given
