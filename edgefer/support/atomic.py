"""Files that are written whole or not at all, also where the power fails in between."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str], alone: bool = True) -> Iterator[Path]:
    """Gives a hidden scratch path in the file's own folder, which takes the file's place after the block.

    The scratch name ends as the file's does, for libraries that choose a format by it. A block that raises
    leaves the file as it was. A link stays, and the file it points to is replaced.

    Args:
        path: of the file.
        alone: whether nobody else writes it at the same time; else the scratch name is that of this process. What a
            process leaves behind that was killed, the next one replaces only where it is alone.

    Raises:
        OSError: the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    owner = "" if alone else f"{platform.node()}.{os.getpid()}."
    scratch = target.with_name(f".part.{owner}{target.name}")
    try:
        yield scratch
        with scratch.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(scratch, target)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file whole or not at all; a device or a pipe is written to, not replaced.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    with replacing(path) as scratch:
        scratch.write_bytes(data)
