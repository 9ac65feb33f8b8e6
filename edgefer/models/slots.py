"""Slots: the names under which models are installed on this device, and which copy of each is in use.

    models/<slot>/slot      the record: which copy is in use, which was before, and whether the first has proven itself
    models/<slot>/<number>/ a copy, a model directory; nothing in it changes once the record names it

A slot has at most two copies. The record is replaced in one step, after the new copy is on the disk: whenever the power
fails, it names a whole one. It also holds the sha256 of each copy's manifest and signature as they were when the copy
was accepted, so that a start needs neither keys nor a library for signatures to see that not a byte has changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from edgefer import defaults
from edgefer.errors import ModelError, UsageError
from edgefer.models.place import models_folder, read_record, write_record
from edgefer.support.names import shown

RECORD = "slot"
#: What the default model is called, whatever it is.
DEFAULT = "default"
#: Why a model was given up, where a person has asked for it.
BY_HAND = "rolled back by hand"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class Copy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An installed model directory.

    Attributes:
        number: the folder's name.
        name: of the model.
        manifest, signature: sha256 of model.toml and of model.sig; the second is empty for a model without one.
        version: of a signed model; 0 for another.
    """

    number: int
    name: str
    manifest: str
    signature: str = ""
    version: int = 0

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.name} version {self.version}" if self.version else self.name


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is known of a slot.

    Attributes:
        current: the copy in use; None: the model that ships under this name.
        previous: what a rollback returns to, where `returns`; None: the model that ships.
        trial: "new": no run has used the current copy yet; "begun": one has, and has not said that it is well.
        highest: the copy of the highest version that was ever accepted, signed models alone.
        failed: sha256 of the manifest that was given up last; failures: how often; why: for people.
        seen_s: the latest time that was ever certain, s since 1970.
    """

    schema: Literal[1] = 1
    current: Copy | None = None
    previous: Copy | None = None
    returns: bool = False
    trial: Literal["", "new", "begun"] = ""
    highest: Copy | None = None
    failed: str = ""
    failures: int = 0
    why: str = ""
    seen_s: int = 0


def is_name(text: str) -> bool:
    """Whether it may be the name of a slot, or of a class of devices."""
    return bool(_NAME.fullmatch(text))


def slot_name(name: str) -> str:
    """The slot of a name: "default" is the slot of the default model.

    Raises:
        UsageError: nothing can be installed under this name.
    """
    if not is_name(name):
        raise UsageError(
            f"slot {shown(name)!r}: expected up to 64 lower-case letters, digits, '_', '.' and '-', with a letter or a"
            " digit first"
        )
    return named(name)


def named(name: str) -> str:
    """What is looked for under a name, which may be a path; "default" is the default model."""
    return defaults.MODEL if name == DEFAULT else name


def read(slot: str) -> Record | None:
    """The record of a slot; None where nothing was ever installed there.

    Raises:
        ModelError: it is damaged.
    """
    if not is_name(slot):
        return None
    return read_record(
        models_folder() / slot / RECORD, Record, f"install the model again: edgefer models install … --as {slot}"
    )


def write(slot: str, record: Record) -> None:
    """Replaces the record of a slot. Raises OSError where it cannot be written."""
    write_record(models_folder() / slot / RECORD, record)


def folder_of(slot: str, copy: Copy) -> Path:
    """Where a copy lies."""
    return models_folder() / slot / str(copy.number)


def _folders() -> list[str]:
    try:
        return sorted(entry.name for entry in models_folder().iterdir() if is_name(entry.name))
    except OSError:
        return []


def names() -> list[str]:
    """The slots in use: those whose model is an installed one, and those whose record is damaged."""
    return [name for name in _folders() if _in_use(name)]


def described() -> Iterator[tuple[str, bool]]:
    """A line of each slot for people, and whether its last model failed; a damaged record is for who opens the slot."""
    for slot in _folders():
        try:
            record = read(slot)
        except ModelError:
            continue
        if record is None or (record.current is None and not record.why):
            continue
        words = f"{slot}: {record.current.title if record.current is not None else 'the model that ships'}"
        if record.trial:
            words += ", on trial until a run has been well for its first minute"
        if record.why:
            words += f"; the one after it was given up: {record.why}"
        if record.returns:
            words += f"; before it: {record.previous.title if record.previous is not None else 'the model that ships'}"
        yield words, bool(record.why) and record.why != BY_HAND


def _in_use(slot: str) -> bool:
    try:
        record = read(slot)
    except ModelError:
        return True
    return record is not None and record.current is not None


def installed(slot: str) -> Path | None:
    """The directory of the copy in use; None where nothing is installed.

    Raises:
        ModelError: the record is damaged.
    """
    record = read(slot)
    return folder_of(slot, record.current) if record is not None and record.current is not None else None


def is_pinned(directory: Path, manifest: bytes, signature: bytes) -> bool:
    """Whether this is an installed copy; then its manifest and signature are what they were when it was accepted.

    Raises:
        ModelError: they are not.
    """
    directory = directory.absolute()
    if directory.parent.parent != models_folder():
        return False
    record = read_record(directory.parent / RECORD, Record, "install the model again")
    copies = (record.current, record.previous) if record is not None else ()
    for copy in copies:
        if copy is not None and str(copy.number) == directory.name:
            got = (_digest(manifest), _digest(signature))
            for name, digest, expected in zip(
                ("model.toml", "model.sig"), got, (copy.manifest, copy.signature), strict=True
            ):
                if digest != expected:
                    raise ModelError(
                        f"model {shown(directory)}: {name} is not what was installed: expected sha256 "
                        f"{expected[:12] or 'of no file'}…, got {digest[:12] or 'no file'}…; install the model again"
                    )
            return True
    return False


def copy_of(number: int, name: str, manifest: bytes, signature: bytes, version: int) -> Copy:
    """A copy of these files."""
    return Copy(number, name, _digest(manifest), _digest(signature), version)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if content else ""
