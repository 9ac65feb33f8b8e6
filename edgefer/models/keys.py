"""Whose signatures this device accepts, and what class of device it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgefer.errors import ModelError
from edgefer.models import minisign
from edgefer.models.minisign import Signature
from edgefer.models.place import models_folder, read_record, write_record
from edgefer.models.release import PublicKey, Release

RECORD = ".keys"


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `edgefer models trust` keeps.

    Attributes:
        keys: public keys, each as the second line of its file.
        device: class of the device; empty: the profile that fits the board.
    """

    schema: Literal[1] = 1
    keys: tuple[PublicKey, ...] = ()
    device: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9_.-]{0,63})?$")] = ""

    def titles(self) -> str:
        """Numbers of the keys, for people."""
        return ", ".join(minisign.public_key(key).title for key in self.keys) or "none"


def read() -> Trust:
    """What this device trusts; nothing where `trust` was never given.

    Raises:
        ModelError: the record is damaged: it is not known then whom to trust.
    """
    path = models_folder() / RECORD
    return read_record(path, Trust, "say again whom to trust: edgefer models trust FILE.pub") or Trust()


def write(trust: Trust) -> None:
    """Replaces it; for a holder of the lock. Raises OSError where it cannot be written."""
    write_record(models_folder() / RECORD, trust)


def admit(name: str, manifest: bytes, signature: bytes, release: Release | None) -> Trust:
    """Checks the signature of a manifest.

    Args:
        name: of the model, for messages.
        manifest, signature: the bytes of model.toml and of model.sig.
        release: what the manifest says.

    Returns:
        What the device trusts from now on, should it take the model: another key where the model brings one that
        the trusted one has signed for.

    Raises:
        ModelError: the signature is damaged or wrong, or its key is not trusted. UsageError: PyNaCl is missing.
    """
    try:
        return _admitted(manifest, signature, release)
    except ModelError as error:
        raise ModelError(f"model {name}: model.sig {error}") from None


def _admitted(manifest: bytes, signature: bytes, release: Release | None) -> Trust:
    trust = read()
    found = minisign.signatures(signature)
    rotation = release.rotation if release is not None else None
    if rotation is None:
        if len(found) != 1:
            raise ModelError("has two signatures, and the manifest speaks of no change of keys")
        known = [key for key in map(minisign.public_key, trust.keys) if key.number == found[0].number]
        if not known:
            raise ModelError(_unknown(found[0], trust))
        found[0].verify(manifest, known[0])
        return trust
    if len(found) != 2:
        raise ModelError("has one signature; expected two, for the manifest changes the key")
    for each, key in zip(found, (rotation.old, rotation.new), strict=True):
        each.verify(manifest, minisign.public_key(key))
    if not {rotation.old, rotation.new} & set(trust.keys):
        raise ModelError(_unknown(found[0], trust))
    kept = tuple(key for key in trust.keys if key not in (rotation.old, rotation.new))
    return msgspec.structs.replace(trust, keys=(*kept, rotation.new))


def _unknown(signature: Signature, trust: Trust) -> str:
    return (
        f"is of key {signature.title}, which this device does not trust (it trusts: {trust.titles()});"
        " expected a model signed by one of those, or `edgefer models trust FILE.pub`"
    )


def public_key_of(path: Path) -> str:
    """The line of a public key's file. Raises UsageError where it holds none, OSError where it cannot be read."""
    return minisign.public_key(path.read_text(encoding="utf-8", errors="replace")).text
