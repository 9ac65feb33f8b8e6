"""Files that are read and must not be written to."""

from __future__ import annotations

import os
from collections.abc import Iterable

from edgefer.errors import UsageError
from edgefer.support.names import shown


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
