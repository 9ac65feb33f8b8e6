"""Model directories as one file: a tar, plain or with gzip, or a zip; bounded, and nothing in it but plain files."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from edgefer.errors import ModelError
from edgefer.support.names import shown

#: Of all files of an archive together, unpacked; of one, directory.FILE_MAX_BYTES counts when it is checked.
MOST_BYTES = 128 << 20
MOST_FILES = 64
#: Of a file's name; a manifest names none that is longer.
_NAME_BYTES = 100
_CHUNK = 1 << 20


def unpack(path: Path, target: Path, name: str = "") -> None:
    """Writes the files of an archive into a folder: those in its root, or in the one folder that it holds.

    Args:
        path: of the archive.
        target: an empty folder.
        name: for messages; the path when empty.

    Raises:
        ModelError: it is damaged, no archive, or has something else in it; it is too large or has too many files.
        OSError: the target cannot be written.
    """
    name = name or shown(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise ModelError(f"model {name}: cannot be read: {error.strerror}") from None
    with file:
        unpack_file(file, target, name)


def unpack_file(file: IO[bytes], target: Path, name: str) -> None:
    """As `unpack`, of an open file."""
    file.seek(0)
    magic = file.read(4)
    file.seek(0)
    members = _of_zip(file) if magic == b"PK\3\4" else _of_tar(file, magic.startswith(b"\x1f\x8b"))
    try:
        _write(members, target)
    except ModelError as error:
        raise ModelError(f"model {name}: {error}") from None


def _write(members: Iterator[tuple[str, int, IO[bytes]]], target: Path) -> None:
    """Writes files as they come out of an archive; OSError is the target's, all else the archive's."""
    folders, room = set(), MOST_BYTES
    for count, (path, size, content) in enumerate(_checked(members), 1):
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if path.startswith("/") or "\\" in path or "\0" in path or ".." in parts or not parts:
            raise ModelError(f"expected the names of files in a folder, got {shown(path)!r}")
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        folders.add(tuple(parts[:-1]))
        if len(parts) > 2 or len(folders) > 1:
            raise ModelError(f"expected one model directory, got {shown(path)!r} besides others")
        room -= size
        if room < 0 or count > MOST_FILES:
            raise ModelError(f"expected at most {MOST_FILES} files of {MOST_BYTES >> 20} MiB together, got more")
        if (length := len(os.fsencode(parts[-1]))) > _NAME_BYTES:
            raise ModelError(f"expected names of at most {_NAME_BYTES} bytes, got one of {length}")
        if (target / parts[-1]).exists():
            raise ModelError(f"expected each file once, got {shown(path)!r} twice")
        with (target / parts[-1]).open("xb") as file:
            for chunk in _chunks(content, size):
                file.write(chunk)
    if not folders:
        raise ModelError("has no files in it")


def _chunks(content: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0:
        chunk = _guarded(content.read, min(size, _CHUNK))
        if not chunk:
            raise ModelError("ends in the middle of a file: it is cut short")
        size -= len(chunk)
        yield chunk
    _guarded(content.read, 1)  # a zip checks its sum at the end


def _checked(members: Iterator[Any]) -> Iterator[Any]:
    """The members; what an archive's library raises on a damaged one is ModelError."""
    while (member := _guarded(next, members, None)) is not None:
        yield member


def _guarded(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except (
        *(tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile, UnicodeError),
        *(NotImplementedError, RuntimeError, ValueError, OverflowError, MemoryError, KeyError, IndexError, TypeError),
        OSError,
    ) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"expected a tar, tar.gz or zip of a model directory: {reason}") from None


def _of_zip(file: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                raise ModelError(f"expected plain files, got {shown(info.filename)!r}, a link or a device")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
                raise ModelError(f"{shown(info.filename)!r} is encrypted, or compressed in a way that is not known")
            with archive.open(info) as content:
                yield info.filename, info.file_size, content


def _of_tar(file: IO[bytes], packed: bool) -> Iterator[tuple[str, int, IO[bytes]]]:
    with gzip.GzipFile(fileobj=file) if packed else file as plain, _tar(plain) as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isreg() or member.sparse is not None:
                raise ModelError(f"expected plain files, got {shown(member.name)!r}, a link or a device")
            content = archive.extractfile(member)
            assert content is not None
            yield member.name, member.size, content


def _tar(plain: Any) -> tarfile.TarFile:
    return tarfile.open(fileobj=_Bounded(plain), mode="r|")  # type: ignore[call-overload]  # any that reads will do


class _Bounded:
    """A file that ends with an error where it has given as much as a model can be: headers can be bombs as well."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = MOST_BYTES + (8 << 20)

    def read(self, size: int) -> bytes:
        """Up to so many bytes."""
        content = self._file.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise ModelError(f"expected at most {MOST_BYTES >> 20} MiB, got more")
        return content
