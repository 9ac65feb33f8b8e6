"""Several sources by one pattern, in the order a person would list them."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable

from edgefer.errors import SourceError
from edgefer.sources.registry import names_a_kind
from edgefer.support.names import shown


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key in which img2 comes before img10; the same for no two names."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts if part], name


def expanded(specs: Iterable[str]) -> list[str]:
    """The sources that texts name: a pattern, as a shell has it, stands for the files it matches.

    Args:
        specs: sources, or patterns with `*`, `?`, `[…]` or `**`, quoted from the shell. What exists under
            that very name, is a URL, or is called by its kind (`film:clip [1].mp4`), is no pattern.

    Raises:
        SourceError: nothing matches a pattern.
    """
    found: list[str] = []
    for spec in specs:
        if not glob.has_magic(spec) or "://" in spec or os.path.lexists(spec) or names_a_kind(spec):
            found.append(spec)
            continue
        matches = sorted(glob.glob(spec, recursive=True), key=natural_key)
        if not matches:
            raise SourceError(f"{shown(spec)}: no file matches this pattern")
        found += matches
    return found
