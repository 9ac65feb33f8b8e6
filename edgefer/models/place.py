"""Where a device keeps what it was given: the folder, the lock on it, and small files that are whole or not there.

A record is one line of JSON and, below it, that line's sha256: a changed bit is an error, never another answer.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from edgefer.errors import EdgeferError, ModelError
from edgefer.support.atomic import replacing
from edgefer.support.names import shown
from edgefer.support.typed import converted

#: The folder that systemd makes for the service.
SERVICE = Path("/var/lib/edgefer")
RECORD_MAX_BYTES = 64 * 1024
#: How long another `edgefer models` is waited for.
LOCK_S = 30.0

Value = TypeVar("Value", bound=msgspec.Struct)


def state() -> Path:
    """The folder of this device's state.

    $EDGEFER_STATE; else $STATE_DIRECTORY, as systemd sets it for a service; else, for root, the service's folder
    where it is there; else edgefer's in $XDG_STATE_HOME, which is ~/.local/state by default.
    """
    given = os.environ.get("EDGEFER_STATE") or os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(os.path.abspath(given))
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # as the specification has it, another one counts for nothing
        if os.geteuid() == 0 and SERVICE.is_dir():
            return SERVICE
        base = os.path.expanduser("~/.local/state")
    return Path(base, "edgefer") if os.path.isabs(base) else SERVICE


def models_folder() -> Path:
    """The folder of the installed models."""
    return state() / "models"


@contextmanager
def locked(wait_s: float | None = None) -> Iterator[Path]:
    """The folder of the installed models, made where it is missing, for one process at a time.

    Args:
        wait_s: for another process; LOCK_S when None.

    Raises:
        EdgeferError: it cannot be written, or another process does not finish.
    """
    folder = models_folder()
    with told(folder):
        refuse_link(folder)
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            hand_over(folder)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        wait_s = LOCK_S if wait_s is None else wait_s
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EdgeferError(
                        f"{shown(folder)}: another process has been changing the models for {wait_s:g} s;"
                        " wait for it to finish"
                    ) from None
                time.sleep(0.05)
        with told(folder):
            hand_over(folder / ".lock")
        yield folder
    finally:
        os.close(lock)


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Makes one line of an OSError: what could not be written, why, and what to do."""
    try:
        yield
    except OSError as error:
        what = shown(error.filename) if isinstance(error.filename, (str, bytes)) else shown(folder)
        raise EdgeferError(
            f"{what}: cannot be written: {error.strerror or error}; the model in use stays whole; "
            f"expected room and permission in {shown(state())} (EDGEFER_STATE chooses another folder)"
        ) from None


def hand_over(path: Path) -> None:
    """Gives root's new file, or folder with all in it, to the owner of the state folder, mostly the service's user."""
    if os.geteuid() != 0:
        return
    owner = state().stat()
    ids = owner.st_uid, owner.st_gid
    for _, folders, files, inside in os.fwalk(path):  # follows no links
        for name in (*folders, *files):
            os.chown(name, *ids, dir_fd=inside, follow_symlinks=False)
    os.chown(path, *ids, follow_symlinks=False)


def refuse_link(path: Path) -> None:
    """Raises EdgeferError where a folder is a link: its owner, a service, must not lead root elsewhere by one."""
    if path.is_symlink():
        raise EdgeferError(f"{shown(path)}: is a link, expected a folder; remove it")


def sync_folder(path: Path) -> None:
    """Has the names in a folder survive a power cut."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_record(path: Path, value: msgspec.Struct) -> None:
    """Replaces a record: a power cut leaves the old one or the new one.

    Raises:
        OSError: it cannot be written.
    """
    line = msgspec.json.encode(value)
    with replacing(path) as scratch:
        scratch.write_bytes(line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n")
        hand_over(scratch)
    sync_folder(path.parent)


def read_record(path: Path, kind: type[Value], advice: str) -> Value | None:
    """A record; None where there is none.

    Raises:
        ModelError: it is damaged or cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = file.read(RECORD_MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ModelError(f"{shown(path)}: cannot be read: {error.strerror}; {advice}") from None
    line, _, seal = content.partition(b"\n")
    try:
        if seal != hashlib.sha256(line).hexdigest().encode() + b"\n":
            raise ValueError("its bytes do not agree with its sha256")
        return converted(msgspec.json.decode(line), kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ModelError(f"{shown(path)}: is damaged: {error}; {advice}") from None
