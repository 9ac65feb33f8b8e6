"""Files that are written whole or not at all, also where the power fails in between; and those that are spared."""

from __future__ import annotations

import glob
import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgefer.errors import UsageError
from edgefer.support.names import shown


@contextmanager
def replacing(path: str | os.PathLike[str], alone: bool = True) -> Iterator[Path]:
    """Gives a hidden scratch path in the file's own folder, which takes the file's place after the block.

    The scratch name ends as the file's does, for libraries that choose a format by it. A block that raises
    leaves the file as it was. A link stays, and the file it points to is replaced.

    Args:
        path: of the file.
        alone: whether nobody else writes it at the same time; else the scratch name is that of this process. What a
            process leaves behind that was killed, the next one replaces only where it is alone; see remove_abandoned.

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


def remove_abandoned(path: str | os.PathLike[str]) -> None:
    """Removes what processes of this machine that are gone left of a file which they were not alone to write."""
    target = Path(os.path.realpath(path))
    before, after = f".part.{platform.node()}.", f".{target.name}"
    for scratch in target.parent.glob(f"{glob.escape(before)}*{glob.escape(after)}"):
        owner = scratch.name[len(before) : -len(after)]
        if owner.isdecimal() and not _is_running(int(owner)):
            scratch.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's; no number of a process
        return True
    return True


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


# -- what is read is not written to


def file_key(path: str | os.PathLike[str]) -> object:
    """What two paths to one file have in common, be they links, hard or soft."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def is_inside(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Whether a file or folder is that folder, or lies in it or below."""
    within = os.path.realpath(folder)
    return os.path.commonpath([os.path.realpath(path), within]) == within


def check_spared(target: str, what: str, read: Iterable[str | os.PathLike[str]]) -> None:
    """Refuses to write where something is read.

    Args:
        target: file that is to be written. what: what it is called, as the name of an option.
        read: files; folders, in which no file that is there may be replaced.

    Raises:
        UsageError: the target is one of them, or in one of them.
    """
    if not os.path.exists(target):
        return
    key = file_key(target)
    for path in read:
        if file_key(path) == key or (os.path.isdir(path) and is_inside(target, path)):
            raise UsageError(f"{what} {shown(target)}: would replace what is read; give it a file of its own")


def check_writable(target: str, what: str) -> None:
    """Refuses a file that could not be written at the end, before the work that it is to show.

    Args:
        target: file that is to be written. what: what it is called, as the name of an option.

    Raises:
        UsageError: it is a folder, or its own folder is not there or permits no new file.
    """
    folder = Path(os.path.realpath(target)).parent
    if os.path.isdir(target):
        raise UsageError(f"{what} {shown(target)}: it is a folder; give it a file's name")
    if os.path.exists(target) and not os.path.isfile(target):
        return  # a device or a pipe is written to, and not replaced
    if not folder.is_dir():
        raise UsageError(f"{what} {shown(target)}: there is no folder {shown(folder)}; make it, or choose another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{what} {shown(target)}: {shown(folder)} permits no new file; choose another")
