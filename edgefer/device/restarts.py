"""How often a service began again after an end that was not clean: a crash, the watchdog, the power."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from edgefer.support.atomic import write_bytes


@contextlib.contextmanager
def counted_restarts() -> Iterator[int]:
    """The count, for the length of a run that has a folder of its own ($EDGEFER_STATE); 0 for any other.

    A mark lies in the folder while it runs. A run that finds the mark of another knows that it ended badly; one that is
    ended by an error, as by a camera that never came, leaves its mark as well.
    """
    folder = os.environ.get("EDGEFER_STATE") or os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if not folder:
        yield 0
        return
    path = Path(folder, "restarts")
    count, running = _read(path)
    count += running
    _write(path, count, True)
    yield count
    _write(path, count, False)


def _read(path: Path) -> tuple[int, bool]:
    try:
        found = re.fullmatch(r"(\d{1,9})( running)?\n", path.read_text())
    except (OSError, UnicodeDecodeError):
        found = None
    return (int(found[1]), found[2] is not None) if found else (0, False)


def _write(path: Path, count: int, running: bool) -> None:
    with contextlib.suppress(OSError):  # a count is not worth a run
        write_bytes(path, f"{count}{' running' if running else ''}\n".encode())
