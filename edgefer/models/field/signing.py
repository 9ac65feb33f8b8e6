"""On the maker's side: keys, and the signature of a model directory. No device needs this."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from edgefer.errors import EdgeferError, UsageError
from edgefer.models import directory, minisign
from edgefer.models.field.rules import start_of
from edgefer.models.minisign import SecretKey
from edgefer.models.release import Release, Rotation
from edgefer.support.atomic import write_bytes
from edgefer.support.names import shown

log = logging.getLogger(__name__)

#: A model is seldom signed again after so long.
_LONG_S = 400 * 86400


def keygen(name: str | os.PathLike, password: bytes) -> tuple[Path, Path, minisign.PublicKey]:
    """Makes NAME.key, which signs and is to be kept, and NAME.pub, which devices are given.

    Raises:
        UsageError: one of them is there. EdgeferError: they cannot be written.
    """
    key = minisign.new_key()
    text = minisign.secret_text(key, password)
    secret, public = Path(f"{os.fspath(name)}.key"), Path(f"{os.fspath(name)}.pub")
    for path in (secret, public):
        if os.path.lexists(path):
            raise UsageError(
                f"{shown(path)}: is there already; a key that is lost cannot be made again: choose another name"
            )
    try:
        file = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(file, "w", encoding="ascii") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(file)
        write_bytes(public, minisign.public_text(key.public).encode())
    except OSError as error:
        raise EdgeferError(f"{shown(error.filename or secret)}: cannot be written: {error.strerror}") from None
    return secret, public, key.public


def sign(path: str | os.PathLike, release: Release, key: SecretKey, new_key: SecretKey | None = None) -> Release:
    """Writes a release into the manifest of a model directory, and model.sig beside it.

    A day of signing that is earlier than that of the release before, or very much later, is told by a warning.

    Args:
        path: the directory.
        release: what to say of it.
        key: whose signature it gets.
        new_key: that devices shall trust in place of `key` from then on.

    Raises:
        ModelError: the directory is damaged. EdgeferError: it cannot be written.
    """
    path = Path(path)
    if new_key is not None:
        release = replace(release, rotation=Rotation(old=key.public.text, new=new_key.public.text))
    manifest = directory.load(path, admit=lambda *_: None)  # an old signature goes
    if manifest.release is not None and not _is_likely(release.signed, manifest.release.signed):
        log.warning(
            "%s: was signed last on %s, and today is %s by the clock of this machine; if that is wrong set it, and sign"
            " again with a higher version: devices take the day of signing for certain",
            shown(path),
            manifest.release.signed,
            release.signed,
        )
    try:
        directory.write(path, replace(manifest, release=release))
        content = directory.content(path, directory.MANIFEST_NAME)
        comment = f"timestamp:{int(time.time())}\tfile:{directory.MANIFEST_NAME}\tversion:{release.version}"
        signed = [minisign.sign(content, each, comment) for each in (key, new_key) if each is not None]
        write_bytes(path / directory.SIGNATURE_NAME, b"".join(signed))
    except OSError as error:
        raise EdgeferError(f"{shown(path)}: cannot be written: {error.strerror}") from None
    return release


def _is_likely(day: str, before: str) -> bool:
    """Whether a release follows one that was signed on another day."""
    try:
        return 0 <= start_of(day) - start_of(before) <= _LONG_S
    except ValueError:  # no day at all
        return False


def needs_password(path: str | os.PathLike) -> bool:
    """Whether the secret key of a file is encrypted. Raises UsageError where it cannot be read or is none."""
    with _of_file(path) as text:
        return minisign.is_encrypted(text)


def secret_key(path: str | os.PathLike, password: bytes) -> SecretKey:
    """The key of a file.

    Raises:
        UsageError: it cannot be read, is none, or the password is wrong.
    """
    with _of_file(path) as text:
        return minisign.secret_key(text, password)


@contextmanager
def _of_file(path: str | os.PathLike) -> Iterator[str]:
    """The text of a key's file; what is wrong with it is said with its name."""
    try:
        yield Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except UsageError as error:
        raise UsageError(f"{shown(path)}: {error}") from None
