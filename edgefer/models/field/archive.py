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
from edgefer.support.names import brief, shown

#: Of all files of an archive together, unpacked; of one, directory.FILE_MAX_BYTES counts when it is checked.
MOST_BYTES = 128 << 20
MOST_FILES = 64
#: Of a file's name; a manifest names none that is longer.
_NAME_BYTES = 100
#: Of all that a tar says of its files, and of a zip's directory: a library holds either whole, and many times its size.
_HEADER_BYTES = 1 << 20
_DIRECTORY_BYTES = 128 << 10
_CHUNK = 64 << 10


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
    folders, room, count = set(), MOST_BYTES, 0
    for path, size, content in _checked(members):
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if path.startswith("/") or "\\" in path or "\0" in path or ".." in parts or not parts:
            raise ModelError(f"expected the names of files in a folder, got {brief(path)!r}")
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
        room, count = room - size, count + (not hidden)
        if room < 0 or count > MOST_FILES:
            raise ModelError(f"expected at most {MOST_FILES} files of {MOST_BYTES >> 20} MiB together, got more")
        if hidden:
            continue
        folders.add(tuple(parts[:-1]))
        if len(parts) > 2 or len(folders) > 1:
            raise ModelError(f"expected one model directory, got {brief(path)!r} besides others")
        if (length := len(os.fsencode(parts[-1]))) > _NAME_BYTES:
            raise ModelError(f"expected names of at most {_NAME_BYTES} bytes, got one of {length}")
        if (target / parts[-1]).exists():
            raise ModelError(f"expected each file once, got {brief(path)!r} twice")
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
        reason = brief(" ".join(str(error).split()), 200)  # it may quote a name
        raise ModelError(f"expected a tar, tar.gz or zip of a model directory: {reason}") from None


def _of_zip(file: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes]]]:
    with zipfile.ZipFile(_Careful(file)) as archive:  # type: ignore[call-overload]  # what it asks of a file is there
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                continue
            if kind not in (0, stat.S_IFREG):
                raise ModelError(f"expected plain files, got {brief(info.filename)!r}, a link or a device")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
                raise ModelError(f"{brief(info.filename)!r} is encrypted, or compressed in a way that is not known")
            with archive.open(info) as content:
                yield info.filename, info.file_size, content


class _Careful:
    """A zip's file, of which no more is read at once than a directory may hold; a file's content comes in chunks."""

    def __init__(self, file: IO[bytes]) -> None:
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes, or the rest."""
        content = self._file.read(min(size, _DIRECTORY_BYTES + 1) if size >= 0 else _DIRECTORY_BYTES + 1)
        if len(content) > _DIRECTORY_BYTES:
            raise ModelError(f"expected at most {MOST_FILES} files, got a directory of more than 128 KiB")
        return content


def _of_tar(file: IO[bytes], packed: bool) -> Iterator[tuple[str, int, IO[bytes]]]:
    with gzip.GzipFile(fileobj=file) if packed else file as plain:
        bounded = _Bounded(plain)
        with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]  # any that reads
            for member in archive:
                if member.isdir():
                    continue
                if not member.isreg() or member.sparse is not None:
                    raise ModelError(f"expected plain files, got {brief(member.name)!r}, a link or a device")
                content = archive.extractfile(member)
                assert content is not None
                bounded.left += member.size
                yield member.name, member.size, content


class _Bounded:
    """A tar's file, which gives the content of its files and little more: headers can be bombs as well."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.left = _HEADER_BYTES

    def read(self, size: int) -> bytes:
        """Up to so many bytes."""
        content = self._file.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise ModelError(f"expected at most {_HEADER_BYTES >> 10} KiB of names and the like, got more")
        return content
