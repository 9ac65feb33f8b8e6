"""What the parsers of all commands have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Execute: TypeAlias = Callable[[argparse.Namespace], int]


def add_command(
    subparsers: Subparsers, name: str, summary: str, examples: str, execute: Execute | None = None
) -> argparse.ArgumentParser:
    """Adds a command with its help; `execute` is what runs it, and gives the exit code."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog="examples:\n" + "".join(f"  edgefer {line}\n" for line in examples.splitlines()),
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="more log lines, and tracebacks")
    if execute is not None:
        parser.set_defaults(execute=execute)
    return parser
