"""Installing models: staged, checked, tried, and only then named by the slot's record; and the way back.

    .staging/slot, .staging/<number>/    what is being installed, laid out as a slot, so that the self-test can open it
    <slot>/<number>/.new                 the mark of a copy that no record may name yet

Everything before the record is replaced can be lost, at any moment, without a trace that counts: the next command that
takes the lock clears away what no record names. Where there is no record only what bears the mark is edgefer's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from msgspec.structs import replace

from edgefer.errors import ModelError, UsageError
from edgefer.models import directory, keys, place, slots, store
from edgefer.models.field import rules
from edgefer.models.keys import Trust
from edgefer.models.manifest import DetectorManifest, LandmarkManifest, Manifest
from edgefer.models.place import hand_over, locked, sync_folder, told, write_record
from edgefer.models.slots import Copy, Record
from edgefer.support.names import shown
from edgefer.support.redact import url_name

log = logging.getLogger(__name__)

_STAGING = ".staging"
_MARK = ".new"
_MOST_FILES = 64


class How(NamedTuple):
    """How a model is installed.

    Attributes:
        slot: where to; the slot of the model's own name when None.
        device: class of this device, where `edgefer models trust --device` has not said it.
        allow_downgrade: whether a lower version will do, or one that was given up here.
        allow_http: whether an address may begin with http.
        trust_clock: whether this device's clock is right, whatever day a model before was signed on.
    """

    slot: str | None = None
    device: str = ""
    allow_downgrade: bool = False
    allow_http: bool = False
    trust_clock: bool = False


_PLAINLY = How()


def install(
    source: str | os.PathLike, self_test: Callable[[Path], None], how: How = _PLAINLY
) -> tuple[str, Copy, bool]:
    """Installs a model; the one in use stays in use until the new one is on the disk and has passed its self-test.

    Args:
        source: a model directory, an archive of one, or the address of such an archive.
        self_test: opens the model of a directory as a run would, in another process; raises ModelError.
        how: see How.

    Returns:
        The slot, the copy in use, and whether it was installed now rather than before.

    Raises:
        UsageError: a name that is no slot, or no such address. ModelError: the model is refused. EdgeferError: it
        cannot be fetched, or the state folder cannot be written.
    """
    source = os.fspath(source)
    slot = None if how.slot is None else slots.slot_name(how.slot)
    name = url_name(source) if "://" in source else shown(source)
    with _downloaded(source, how.allow_http) as archive, locked() as folder:
        staging = folder / _STAGING
        with told(folder):
            _clear(folder)
        try:
            with told(folder):
                staging.mkdir()
                fetched = _fetched(source if archive is None else archive, name, staging)
            return _accept(folder, slot, fetched, how, self_test)
        except ModelError as error:
            raise ModelError(re.sub(rf"{re.escape(str(staging))}/\w+", lambda _: name, str(error))) from None
        finally:
            with contextlib.suppress(OSError):  # the next command that takes the lock tries again
                _clear(folder, slot)


@contextlib.contextmanager
def _downloaded(source: str, allow_http: bool) -> Iterator[IO[bytes] | None]:
    """What is at an address, in a file that has no name; None of another source.

    A server may take its time: the lock is free meanwhile, for runs that begin and end trials.
    """
    if "://" not in source:
        yield None
        return
    import tempfile

    from edgefer.models.field.fetch import fetch

    with locked() as folder:  # it is there from now on
        pass
    with contextlib.ExitStack() as opened:
        with told(folder):
            archive = opened.enter_context(tempfile.TemporaryFile(dir=folder))
            fetch(source, archive, allow_http)
        yield archive


def _fetched(source: str | IO[bytes], name: str, staging: Path) -> Path:
    """The files of a source, in a folder of our own, whatever they are: they are checked where they will be run."""
    from edgefer.models.field.archive import unpack, unpack_file

    target = staging / "new"
    target.mkdir()
    if not isinstance(source, str):
        unpack_file(source, target, name)
        return target
    if os.path.isfile(source):
        unpack(Path(source), target, name)
    elif not os.path.exists(source) and store.is_shipped(source):  # by its name, for a name of one's own
        _copy(store.SHIPPED / source, target)
    else:
        _copy(Path(source), target)
    return target


def _accept(
    folder: Path, slot: str | None, fetched: Path, how: How, self_test: Callable[[Path], None]
) -> tuple[str, Copy, bool]:
    """Judges and tries what was fetched, and takes it into use."""
    trust = after = keys.read()

    def admit(*signed: Any) -> None:
        nonlocal after
        after = keys.admit(*signed)

    manifest = directory.load(fetched, admit)
    head, signature = (
        directory.content(fetched, each) if (fetched / each).exists() else b""
        for each in (directory.MANIFEST_NAME, directory.SIGNATURE_NAME)
    )
    slot = slot or manifest.name
    place.refuse_link(folder / slot)
    record = _record(slot)
    check_role(slot, manifest, None, record.current)
    release = manifest.release if signature else None
    here = folder / slot
    numbers = [int(each.name) for each in here.iterdir() if each.name.isdecimal()] if here.is_dir() else []
    copy = slots.copy_of(
        max(numbers, default=0) + 1, manifest.name, head, signature, release.version if release is not None else 0
    )
    current = record.current
    if not signature and trust.keys:
        raise ModelError(
            f"model {fetched}: is not signed, and this device takes models signed by {trust.titles()} alone;"
            " sign it: edgefer models sign"
        )
    if signature and release is None:
        raise ModelError(f"model {fetched}: is signed without a [release] with its version; use edgefer models sign")
    if release is not None:
        device = trust.device or how.device
        certain = rules.check(copy, release, slot, record, device, how.allow_downgrade, how.trust_clock)
        highest = record.highest
        highest = copy if highest is None or copy.version >= highest.version else highest
        record = replace(record, seen_s=certain, highest=highest)
    same = current is not None and (current.manifest, current.signature) == (copy.manifest, copy.signature)
    if current is not None and same and whole(slot, current):
        _rotate(trust, after)
        return slot, current, False
    staged = folder / _STAGING / str(copy.number)
    with told(folder):
        fetched.rename(staged)
        (staged / _MARK).touch()
        hand_over(staged)
        _sync(staged)
        write_record(folder / _STAGING / slots.RECORD, Record(current=copy))
    self_test(staged)
    _rotate(trust, after)
    with told(folder):
        target = slots.folder_of(slot, copy)
        if target.parent.is_dir():
            staged.rename(target)
        else:  # in one step: a folder without a marked copy in it would be nobody's
            made = folder / _STAGING / "made"
            made.mkdir()
            staged.rename(made / staged.name)
            made.rename(target.parent)
        hand_over(target.parent)
        sync_folder(target.parent)
        sync_folder(folder)
        previous, returns = (current, True) if current is not None else (None, store.is_shipped(slot))
        unproven = record.trial != "" and record.returns
        if current is not None and (unproven or not whole(slot, current)):  # no more is a damaged copy one to return to
            previous, returns = record.previous, record.returns
        slots.write(slot, replace(record, current=copy, previous=previous, returns=returns, trial="new", why=""))
    return slot, copy, True


def _record(slot: str) -> Record:
    """The record of a slot, a new one where it is damaged."""
    try:
        return slots.read(slot) or Record()
    except ModelError as error:
        log.warning("%s; it is begun again, and what it knew of versions is lost", error)
        return Record()


def _rotate(before: Trust, after: Trust) -> None:
    """Trusts the key that a model has brought: before the model is in use, which needs no key any more."""
    if after != before:
        with told(place.models_folder()):
            keys.write(after)
        log.warning("this device now trusts: %s", after.titles())


def check_role(slot: str, manifest: Manifest, *copies: Copy | None) -> None:
    """Refuses a model that cannot stand in for copies of a slot; None: the model that ships under this name, if any."""
    for copy in copies:
        try:
            there = directory.load(store.SHIPPED / slot if copy is None else slots.folder_of(slot, copy))
        except ModelError:
            continue  # of a damaged one nobody knows
        advice = "install it under another name: --as NAME"
        if _role(there) != _role(manifest):
            raise ModelError(
                f"model {manifest.name}: is {_role(manifest)}, and slot {slot} holds {_role(there)}; {advice}"
            )
        if _gives_expression(there) and not _gives_expression(manifest):
            raise ModelError(
                f"model {manifest.name}: gives no expression, and slot {slot} holds one that does; {advice}"
            )


def _role(manifest: Manifest) -> str:
    """What a model is for: only one of the same role can take its place."""
    if isinstance(manifest, DetectorManifest):
        return f"a detector ({manifest.decoding})"
    return "a landmark network" if isinstance(manifest, LandmarkManifest) else "a recognizer"


def _gives_expression(manifest: Manifest) -> bool:
    """Whether a run needs no other recognizer beside it."""
    return bool(getattr(manifest, "labels", ()))


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
            give_up(slot, record, slots.BY_HAND)
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
    failures = record.failures + 1 if failed == record.failed else 1
    after = replace(record, current=record.previous, previous=None, returns=False, trial="", why=why)
    after = replace(after, failed=failed, failures=rules.FAILURES if why == slots.BY_HAND else failures)
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
        if not slots.is_name(slot):
            continue
        place.refuse_link(folder / slot)
        try:
            record = slots.read(slot)
        except ModelError:
            continue  # what it named is not known
        here = folder / slot
        copies = [each for each in here.iterdir() if each.name.isdecimal()] if here.is_dir() else []
        marked = [each for each in copies if os.path.exists(each / _MARK)]
        if record is None and marked:  # a folder that holds nothing else goes with them
            others = {each.name for each in here.iterdir()} - {each.name for each in marked}
            for each in marked if others - {f".part.{slots.RECORD}"} else [here]:
                _remove(folder, each)
        elif record is not None:
            named = {str(copy.number) for copy in (record.current, record.previous) if copy is not None}
            for each in copies:
                if each.name not in named and (each in marked or os.path.exists(each / directory.MANIFEST_NAME)):
                    _remove(folder, each)
                elif each in marked:
                    (each / _MARK).unlink()


def _remove(folder: Path, path: Path) -> None:
    """Takes a folder away in one step, so that nothing of it stays without its mark, and then removes it."""
    staging = folder / _STAGING
    staging.mkdir()
    path.rename(staging / "old")
    shutil.rmtree(staging)
