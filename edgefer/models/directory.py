"""A model directory on disk: read whole or refused, hashed and sealed.

A model directory holds `model.toml`, the files its `[files]` table names (the network, a model card), and
nothing else: a file that is not named cannot be told from a damaged or misnamed one, so it is refused. Names
that begin with a dot are ignored; file managers and network file systems leave them behind.

Two hashes cover every byte. `[files]` gives the sha256 of each file. The last two lines of model.toml are its
seal, the sha256 of all bytes that stand before the `sha256` line, so that a changed digit in a metric or a
comment is found as surely as one in the weights:

    [seal]
    sha256 = "…64 lower-case hexadecimal digits…"

This guards against damage (a worn card, a broken copy, an edit by hand), not against an attacker, who could
seal his own file; that is what a signature is for. `write` makes the seal; a manifest is not edited by hand.
A `model.sig` is the signature of model.toml, and so of all that it lists (models/keys.py). Where there is one
it is checked: against the keys that this device trusts or, in an installed copy, against what was accepted
(models/slots.py).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from edgefer.errors import ModelError
from edgefer.models import clip as clip  # kinds are known once they are imported
from edgefer.models import geometry as geometry
from edgefer.models import keys, slots
from edgefer.models import micro as micro
from edgefer.models import units as units
from edgefer.models.manifest import FrameManifest, Manifest, from_fields
from edgefer.models.release import Release
from edgefer.support.atomic import write_bytes
from edgefer.support.names import brief
from edgefer.support.toml import DEEP_KEY, dumps

MANIFEST_NAME = "model.toml"
SIGNATURE_NAME = "model.sig"
MANIFEST_MAX_BYTES = 256 * 1024
SIGNATURE_MAX_BYTES = 8 * 1024
FILE_MAX_BYTES = 64 * 1024 * 1024

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_SEAL = re.compile(rb'(?<=\n)\[seal\]\nsha256 = "([0-9a-f]{64})"\n\Z')
_SEAL_HEAD = b"[seal]\n"
Admit: TypeAlias = "Callable[[str, bytes, bytes, Release | None], object]"
_ADVICE = "restore the directory from its source"


def load(directory: str | os.PathLike, admit: Admit | None = None) -> Manifest:
    """The manifest of a model directory, after every file in it was checked against its hash.

    Args:
        directory: of the model.
        admit: called with a name for messages, the bytes of model.toml and of model.sig, and the manifest's release,
            where there is a signature that has not been accepted before; keys.admit by default.

    Raises:
        ModelError: the directory or a file is missing, unreadable, too large, not a plain file, not named in
            the manifest or not what its hash says; or the manifest is not valid TOML, has an unknown key, a
            wrong type or a value out of range.
    """
    return read(directory, admit)[0]


def read(directory: str | os.PathLike, admit: Admit | None = None) -> tuple[Manifest, bytes]:
    """Like `load`, with the checked bytes of the network."""
    directory = Path(directory)
    found = names(directory)
    if MANIFEST_NAME not in found:
        raise ModelError(f"model {_shown(directory)}: has no {MANIFEST_NAME}; {_ADVICE}")
    head = _bytes(directory, MANIFEST_NAME, MANIFEST_MAX_BYTES)
    signature = _bytes(directory, SIGNATURE_NAME, SIGNATURE_MAX_BYTES) if SIGNATURE_NAME in found else b""
    manifest = _parse(directory, head)
    if not slots.is_pinned(directory, head, signature) and SIGNATURE_NAME in found:
        (admit or keys.admit)(_shown(directory), head, signature, manifest.release)
    expected = {*manifest.files, MANIFEST_NAME} | found & {SIGNATURE_NAME}
    unknown, missing = sorted(found - expected), sorted(expected - found)
    if missing:
        raise ModelError(f"model {_shown(directory)}: has no {missing[0]}, which {MANIFEST_NAME} lists; {_ADVICE}")
    if unknown:
        raise ModelError(f"model {_shown(directory)}: {unknown[0]!r} is not listed in {MANIFEST_NAME}; remove it")
    model = b""
    for name, digest in manifest.files.items():
        content = _bytes(directory, name, FILE_MAX_BYTES)
        got = hashlib.sha256(content).hexdigest()
        if got != digest:
            raise ModelError(
                f"model {_shown(directory)}: {name} is damaged: expected sha256 {digest[:12]}…, "
                f"got {got[:12]}…; {_ADVICE}"
            )
        if name == manifest.network:
            model = content
    return manifest, model


def load_frame(directory: str | os.PathLike) -> FrameManifest:
    """As `load`, of a model that scores single face crops.

    Raises:
        ModelError: as of `load`, or the model is of another kind.
    """
    return read_frame(directory)[0]


def read_frame(directory: str | os.PathLike) -> tuple[FrameManifest, bytes]:
    """Like `load_frame`, with the very bytes of the network that were checked."""
    manifest, content = read(directory)
    if not isinstance(manifest, FrameManifest):
        raise ModelError(f"model {_shown(Path(directory))}: does not score single face crops")
    return manifest, content


def write(directory: str | os.PathLike, manifest: Manifest) -> Manifest:
    """Write model.toml for the files in the directory: hash them, seal, replace in one step.

    A signature goes, for it was the old one's.

    Args:
        directory: holds the network and whatever else is to ship; all of it is listed.
        manifest: `files` is ignored and filled in.

    Returns:
        The manifest as read back by `load`.

    Raises:
        ModelError: the result would be refused by `load`; model.toml is then left as it was.
    """
    directory = Path(directory)
    listed = sorted(names(directory) - {MANIFEST_NAME, SIGNATURE_NAME})
    files = {name: hashlib.sha256(_bytes(directory, name, FILE_MAX_BYTES)).hexdigest() for name in listed}
    fields = msgspec.to_builtins(manifest)
    del fields["files"]
    fields["files"] = files  # last, before the seal
    body = dumps(fields).encode() + b"\n" + _SEAL_HEAD
    content = body + f'sha256 = "{hashlib.sha256(body).hexdigest()}"\n'.encode()
    _parse(directory, content)
    (directory / SIGNATURE_NAME).unlink(missing_ok=True)
    write_bytes(directory / MANIFEST_NAME, content)
    return load(directory)


def names(directory: Path) -> set[str]:
    """Names of the files in a directory but for those that begin with a dot.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        return {entry.name for entry in os.scandir(directory) if not entry.name.startswith(".")}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(
            f"model {_shown(directory)}: expected a model directory: {reason}; "
            "`edgefer models list` shows what is installed"
        ) from None


def content(directory: Path, name: str) -> bytes:
    """The bytes of one of its files. Raises ModelError where it is no plain file, too large or cannot be read."""
    limits = {MANIFEST_NAME: MANIFEST_MAX_BYTES, SIGNATURE_NAME: SIGNATURE_MAX_BYTES}
    return _bytes(directory, name, limits.get(name, FILE_MAX_BYTES))


def _bytes(directory: Path, name: str, limit: int) -> bytes:
    """The content of one plain file; links, pipes and folders are refused before they are opened."""
    path = directory / name
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ModelError(f"model {_shown(directory)}: {name} is not a plain file; {_ADVICE}")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"model {_shown(directory)}: cannot read {name}: {reason}; {_ADVICE}") from None
    if len(content) > limit:
        raise ModelError(f"model {_shown(directory)}: {name} is larger than the {limit // 1024} KiB allowed; {_ADVICE}")
    return content


def _parse(directory: Path, content: bytes) -> Manifest:
    """Manifest from the bytes of model.toml: seal, syntax, types, then what the types cannot say."""

    def refuse(what: str) -> ModelError:
        return ModelError(f"model {_shown(directory)}: {MANIFEST_NAME} {brief(' '.join(what.split()), 400)}; {_ADVICE}")

    seal = _SEAL.search(content)
    if seal is None:
        raise refuse("does not end with its [seal]: it is cut short or was not written by edgefer")
    if hashlib.sha256(content[: seal.start() + len(_SEAL_HEAD)]).hexdigest() != seal[1].decode():
        raise refuse("is damaged: its bytes do not agree with its seal")
    if DEEP_KEY.search(content):
        raise refuse("is not a valid manifest: nested too deeply")
    try:
        fields = msgspec.toml.decode(content)
        if set(fields.pop("seal")) != {"sha256"}:
            raise ValueError("seal: expected nothing but sha256")
        manifest = from_fields(fields)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise refuse(f"is not a valid manifest: {error}") from None
    if manifest.network not in manifest.files:
        raise refuse(f"files: expected an entry for {manifest.network}")
    for name in manifest.files:
        if not _FILE_NAME.fullmatch(name) or name in (MANIFEST_NAME, SIGNATURE_NAME):
            raise refuse(f"files: expected the name of a file in the directory, got {name!r}")
    return manifest


def _shown(directory: Path) -> str:
    """A path on one line, whatever characters it holds."""
    text = str(directory)
    return text if text.isprintable() else repr(text)
