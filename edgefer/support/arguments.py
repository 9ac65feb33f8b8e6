"""Types of command-line arguments: each turns text into a value, or says what was expected."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A whole number from low to high."""

    def convert(text: str) -> int:
        if text.isascii() and text.isdecimal() and len(text) < 10 and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {text!r}")

    return convert


def numbers(text: str) -> list[int]:
    """`0,7,12-20` to its numbers, each once."""
    values: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part.strip(), re.ASCII)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise argparse.ArgumentTypeError(f"expected numbers and ranges, as in 0,7,12-20, got {text!r}")
        values += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(values))
