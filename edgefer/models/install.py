"""Installing models: staged, checked, tried, and only then named by the slot's record; and the way back.

    .staging/slot, .staging/<number>/    what is being installed, laid out as a slot, so that the self-test can open it

Everything before the record is replaced can be lost, at any moment, without a trace that counts: the next command that
takes the lock clears away what no record names.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from edgefer.errors import ModelError, UsageError
from edgefer.models import directory, slots, store
from edgefer.models.manifest import DetectorManifest, LandmarkManifest, Manifest
from edgefer.models.place import hand_over, locked, sync_folder, told, write_record
from edgefer.models.slots import Copy, Record
from edgefer.support.names import shown

log = logging.getLogger(__name__)

_STAGING = ".staging"
_MOST_FILES = 64


def install(source: str | os.PathLike, slot: str | None, self_test: Callable[[Path], None]) -> tuple[str, Copy, bool]:
    """Installs a model; the one in use stays in use until the new one is on the disk and has passed its self-test.

    Args:
        source: a model directory.
        slot: where to; the slot of the model's own name when None.
        self_test: opens the model of a directory as a run would, in another process; raises ModelError.

    Returns:
        The slot, the copy in use, and whether it was installed now rather than before.

    Raises:
        UsageError: a name that is no slot. ModelError: the model is refused. EdgeferError: the state folder cannot be
        written.
    """
    slot = None if slot is None else slots.slot_name(slot)
    with locked() as folder:
        staging = folder / _STAGING
        with told(folder):
            _clear(folder)
        try:
            with told(folder):
                staging.mkdir()
                fetched = staging / "new"
                fetched.mkdir()
                _copy(Path(source), fetched)
            try:
                manifest = directory.load(fetched)
                slot = slot or manifest.name
                return _accept(folder, slot, fetched, manifest, self_test)
            except ModelError as error:
                raise ModelError(re.sub(rf"{re.escape(str(staging))}/\w+", shown(source), str(error))) from None
        finally:
            with contextlib.suppress(OSError):  # the next command that takes the lock tries again
                _clear(folder, slot)


def _accept(
    folder: Path, slot: str, fetched: Path, manifest: Manifest, self_test: Callable[[Path], None]
) -> tuple[str, Copy, bool]:
    """Tries what was fetched, and takes it into use."""
    try:
        record = slots.read(slot) or Record()
    except ModelError as error:
        log.warning("%s; it is begun again, and what it knew of versions is lost", error)
        record = Record()
    _check_role(slot, record, manifest)
    here = folder / slot
    numbers = [int(each.name) for each in here.iterdir() if each.name.isdigit()] if here.is_dir() else []
    copy = slots.copy_of(
        max(numbers, default=0) + 1, manifest.name, (fetched / directory.MANIFEST_NAME).read_bytes(), b"", 0
    )
    current = record.current
    if (
        current is not None
        and (current.manifest, current.signature) == (copy.manifest, copy.signature)
        and whole(slot, current)
    ):
        return slot, current, False
    staged = folder / _STAGING / str(copy.number)
    with told(folder):
        fetched.rename(staged)
        _sync(staged)
        write_record(folder / _STAGING / slots.RECORD, Record(current=copy))
    self_test(staged)
    with told(folder):
        target = slots.folder_of(slot, copy)
        target.parent.mkdir(exist_ok=True)
        staged.rename(target)
        hand_over(target.parent)
        sync_folder(target.parent)
        sync_folder(folder)
        previous, returns = (current, True) if current is not None else (None, store.is_shipped(slot))
        if current is not None and not whole(slot, current):  # a damaged copy is nothing to return to
            previous, returns = record.previous, record.returns
        slots.write(slot, replace(record, current=copy, previous=previous, returns=returns, trial="new", why=""))
    return slot, copy, True


def _check_role(slot: str, record: Record, manifest: Manifest) -> None:
    """Refuses a model that cannot stand in for the one of the slot."""
    try:
        if record.current is not None:
            there = directory.load(slots.folder_of(slot, record.current))
        elif store.is_shipped(slot):
            there = directory.load(store.SHIPPED / slot)
        else:
            return
    except ModelError:
        return  # of a damaged one nobody knows
    if _role(there) != _role(manifest):
        raise ModelError(
            f"model {manifest.name}: is {_role(manifest)}, and slot {slot} holds {_role(there)};"
            " install it under another name: --as NAME"
        )


def _role(manifest: Manifest) -> str:
    """What a model is for: only one of the same role can take its place."""
    if isinstance(manifest, DetectorManifest):
        return f"a detector ({manifest.decoding})"
    return "a landmark network" if isinstance(manifest, LandmarkManifest) else "a recognizer"


def roll_back(name: str) -> tuple[str, Copy | None]:
    """Returns a slot to the model before the one in use.

    Returns:
        The slot, and the copy now in use; None: the model that ships.

    Raises:
        UsageError: nothing to return to. ModelError: that is damaged. EdgeferError: the state folder cannot be written.
    """
    slot = slots.slot_name(name)
    with locked() as folder:
        record = slots.read(slot)
        if record is None or record.current is None or not record.returns:
            raise UsageError(
                f"slot {slot}: there is no model before the one in use; `edgefer models list` shows what is there"
            )
        with told(folder):
            give_up(slot, record, "rolled back by hand")
            _clear(folder, slot)
        return slot, record.previous


def give_up(slot: str, record: Record, why: str) -> Record:
    """Takes the copy before the one in use; for a holder of the lock.

    Raises:
        ModelError: it is damaged. OSError: the record cannot be written.
    """
    if record.previous is not None:
        directory.load(slots.folder_of(slot, record.previous))
    failed = record.current.manifest if record.current is not None else ""
    after = replace(record, current=record.previous, previous=None, returns=False, trial="", failed=failed, why=why)
    slots.write(slot, after)
    return after


def whole(slot: str, copy: Copy) -> bool:
    """Whether every byte of a copy is as it was when it was installed."""
    try:
        directory.load(slots.folder_of(slot, copy))
    except ModelError:
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    """The files of a model directory, whatever they are: they are checked where they will be run."""
    names = directory.names(source)
    if directory.MANIFEST_NAME not in names:
        raise ModelError(f"model {shown(source)}: has no {directory.MANIFEST_NAME}; expected a model directory")
    if len(names) > _MOST_FILES:
        raise ModelError(f"model {shown(source)}: expected at most {_MOST_FILES} files, got {len(names)}")
    for name in sorted(names):
        (target / name).write_bytes(directory.content(source, name))


def _sync(path: Path) -> None:
    """Has a staged copy survive a power cut."""
    for each in path.iterdir():
        with each.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(path)


def _clear(folder: Path, *touched: str | None) -> None:
    """Removes what no record names, and what was not finished; raises OSError where it cannot be removed."""
    if (folder / _STAGING).exists():
        shutil.rmtree(folder / _STAGING)
    for slot in [name for name in touched if name] or [each.name for each in folder.iterdir() if each.is_dir()]:
        try:
            record = slots.read(slot)
        except (ModelError, UsageError):
            continue  # what it named is not known
        named = (
            {str(copy.number) for copy in (record.current, record.previous) if copy is not None} if record else set()
        )
        here = folder / slot
        for each in here.iterdir() if here.is_dir() else ():
            if each.name.isdigit() and each.name not in named:
                shutil.rmtree(each)
        if record is None and here.is_dir() and not any(here.iterdir()):
            here.rmdir()
