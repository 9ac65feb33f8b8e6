"""The terminal: a live table on a screen, plain lines once a second anywhere else, a summary at the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from edgefer.sinks.base import Sink
from edgefer.sinks.table.live import LiveTable
from edgefer.sinks.table.plain import PlainTable
from edgefer.sinks.table.terminal import in_foreground
from edgefer.support.registry import Options

__all__ = ["LiveTable", "PlainTable", "open_output", "open_table"]


def open_table(
    title: str = "", output: TextIO | None = None, labels: Sequence[str] = (), fps: float | None = None
) -> Sink:
    """The live table where standard output is a terminal that can redraw and ours to draw on, else the plain lines."""
    output = output or sys.stdout
    if output is not None and output.isatty() and in_foreground(output.fileno()):
        from rich.console import Console

        console = Console(file=output, highlight=False)
        if console.is_terminal and not console.is_dumb_terminal:
            return LiveTable(title, console, labels=labels, fps=fps)
    return PlainTable(title)


def open_output(options: Options, *, labels: Sequence[str], title: str, fps: float | None) -> Sink:
    """The output `table`."""
    return open_table(title, labels=labels, fps=fps)
