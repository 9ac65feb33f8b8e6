"""What the commands of training have in common: errors in one line, numbers in their range, tables that are read."""

from __future__ import annotations

import functools
import math
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgefer.errors import INTERRUPTED, EdgeferError, UsageError


def reported(main: Callable[[], None]) -> Callable[[], int]:
    """A command's main, whose errors become one line on stderr and an exit code."""

    @functools.wraps(main)
    def run() -> int:
        try:
            main()
        except EdgeferError as error:
            print(f"edgefer: {error}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            return INTERRUPTED
        return 0

    return run


def check_numbers(**least: tuple[float, float]) -> None:
    """Options that are numbers, each by its name as (value, least value).

    Raises:
        UsageError: one is below, infinite or no number.
    """
    for name, (value, low) in least.items():
        if not low <= value < math.inf:
            raise UsageError(f"--{name}: expected {low:g} or more, got {value:g}")


def begin(out: Path) -> None:
    """Make the directory of a new run: weights of one and figures of another would be exported together.

    Raises:
        UsageError: it holds a finished run.
    """
    if (out / "done.json").exists():
        raise UsageError(f"{out}: holds a finished run; choose another --out, or take that one away")
    out.mkdir(parents=True, exist_ok=True)


def needed(path: Path, what: str) -> Path:
    """The path of a file that is there.

    Raises:
        UsageError: it is not; `what` says what it holds, and what writes it.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected {what}")
    return path


def read_table(path: Path, what: str, *names: str) -> dict[str, np.ndarray]:
    """Arrays of an npz file by their names.

    Raises:
        UsageError: it is not there, damaged, or lacks one; `what` as of `needed`.
    """
    needed(path, what)
    try:
        with np.load(path, allow_pickle=False) as kept:
            return {name: kept[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        words = " ".join(str(error).split())
        raise UsageError(f"{path}: damaged, or another file: {words}; expected {what}") from None
