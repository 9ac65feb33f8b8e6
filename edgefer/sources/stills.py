"""Photographs: a file, a list of files, or a folder of them in natural order."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from edgefer.errors import PictureError, SourceError
from edgefer.kernels import luma
from edgefer.sources.base import Source
from edgefer.sources.registry import StillsOptions
from edgefer.sources.several import natural_key
from edgefer.support.formats import called_picture, identify_file
from edgefer.support.names import shown
from edgefer.support.stills import PictureFile
from edgefer.values import Frame

log = logging.getLogger(__name__)

_NAMES_IN_A_MESSAGE = 3
#: What systems put beside pictures; with all hidden files it is passed over without a word.
_BY_THE_WAY = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir"}


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(shown(name) for name in names[:_NAMES_IN_A_MESSAGE])
    return listed if len(names) <= _NAMES_IN_A_MESSAGE else f"{listed}, …"


class Images(Source):
    """Photographs one after the other, each for itself: every media time is 0.

    A file with several pictures, as a scanned TIFF, gives all of them; the second is called "scan.tif#2". A
    file that cannot be read leaves a gap in the frame numbers and is named in the log; when all others have
    been delivered, one SourceError counts the unreadable ones.
    """

    still = True

    def __init__(self, name: str, paths: Sequence[str | os.PathLike], names: Sequence[str] | None = None) -> None:
        """
        Args:
            name: of the source, for messages.
            paths: at least one file.
            names: what each is called in its reading; the paths as they are given when None.

        Raises:
            SourceError: none of the files can be read.
        """
        self.name = shown(name)
        self.length = len(paths)
        self._files = list(zip(map(Path, paths), map(shown, paths if names is None else names), strict=True))
        self._unreadable: list[str] = []
        self._reason = ""
        self._frames = self._read_all()
        self._pending = next(self._frames, None)
        if self._pending is None:
            many = f"none of its {self.length} pictures can be read; the last: "
            raise SourceError(f"{self.name}: {many if len(self._files) > 1 else ''}{self._reason}")
        self.size = self._pending.grey.shape[::-1]

    def _read_all(self) -> Iterator[Frame]:
        index = 0
        for path, name in self._files:
            try:
                file = PictureFile(path.read_bytes())
            except (PictureError, OSError, MemoryError) as error:
                self._leave_out(name, error)
                index += 1
                continue
            if len(self._files) == 1:
                self.length = file.count
            for number in range(file.count):
                of_several = f"{name}#{number + 1}" if number else name
                frame = self._frame(index, of_several, file, number)
                index += 1
                if frame is not None:
                    yield frame

    def _frame(self, index: int, name: str, file: PictureFile, number: int) -> Frame | None:
        try:
            bgr, remark = file.read(number)
            grey = luma(bgr, "bgr")
        except (PictureError, MemoryError) as error:
            self._leave_out(name, error)
            return None
        if remark:
            log.warning("%s: %s", name, remark)
        colours: Callable[[], np.ndarray] = lambda: file.read(number).bgr  # noqa: E731  few ask, so it decodes again
        return Frame(index, grey, 0, time.monotonic_ns(), colours, self.name, True, name)

    def _leave_out(self, name: str, error: Exception) -> None:
        match error:
            case MemoryError():
                self._reason = "too large for the memory that is free; reduce it"
            case OSError():
                self._reason = (error.strerror or "cannot be read").lower()
            case _:
                self._reason = str(error)
        self._unreadable.append(name)
        if len(self._files) > 1 or self.length != 1:
            log.warning("%s: %s; left out", name, self._reason)

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        frame = frame or next(self._frames, None)
        if frame is None and self._unreadable:
            bad, self._unreadable = self._unreadable, []
            if len(self._files) == 1:
                raise SourceError(f"{bad[0]}: {self._reason}; the file's other pictures were read")
            raise SourceError(
                f"{self.name}: {len(bad)} of {len(self._files)} images are damaged or unreadable ({_names(bad)}); "
                "the others were read"
            )
        if frame is not None:
            frame.captured_ns = time.monotonic_ns()
        return frame

    def close(self) -> None:
        self._frames = iter(())
        self._pending = None
        self._unreadable = []


def open_stills(options: StillsOptions) -> Images:
    """A picture by its path, or the pictures of a folder.

    Of a folder these are the files whose content or whose name says that they are pictures, in natural order.
    What is left out is counted in the log: films, formats that are not read, and files that are no pictures.

    Raises:
        SourceError: the folder cannot be listed or holds no picture, or no picture can be read.
    """
    path = Path(options.path)
    if not path.is_dir():
        return Images(options.path, [path], [path.name])
    found = _Folder(path, options.recursive)
    if not found.pictures:
        raise SourceError(f"{shown(path)}: no image among its {_number(found.files, 'file')}{found.hint()}")
    found.say_what_is_left_out()
    return Images(options.path, found.pictures, [os.path.relpath(each, path) for each in found.pictures])


class _Folder:
    """The files of a folder, sorted out.

    Attributes:
        pictures: those to read, in natural order. files: how many were looked at.
    """

    def __init__(self, root: Path, recursive: bool) -> None:
        self.pictures: list[Path] = []
        self.files = 0
        self._root = root
        self._recursive = recursive
        self._films: list[str] = []
        self._refused: Counter[str] = Counter()
        self._foreign: list[str] = []
        self._folders = 0
        self._visited: set[tuple[int, int]] = set()
        try:
            self._walk(root)
        except OSError as error:
            raise SourceError(f"{shown(root)}: {error.strerror}; expected a readable folder of images") from None

    def _walk(self, folder: Path) -> None:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in self._visited:  # a link to a folder above, or to one seen already
            return
        self._visited.add((status.st_dev, status.st_ino))
        for entry in sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name)):
            if entry.name.startswith(".") or entry.name.casefold() in _BY_THE_WAY:
                continue
            if entry.is_dir():
                self._enter(entry)
            elif entry.is_file():
                self._sort_out(entry)
            elif entry.is_symlink():
                self._foreign.append(os.path.relpath(entry, self._root))  # its target is not there

    def _enter(self, folder: Path) -> None:
        if not self._recursive:
            self._folders += 1
            return
        try:
            self._walk(folder)
        except OSError:
            self.pictures.append(folder)  # named when it is its turn

    def _sort_out(self, path: Path) -> None:
        self.files += 1
        try:
            with path.open("rb") as file:
                found = identify_file(file)
        except OSError:
            self.pictures.append(path)  # named when it is its turn
            return
        name = os.path.relpath(path, self._root)
        if (found.use == "still") if found is not None else called_picture(name):
            self.pictures.append(path)
        elif found is None:
            self._foreign.append(name)
        elif found.use == "refused":
            self._refused[found.name] += 1
        else:
            self._films.append(name)

    def hint(self) -> str:
        """What there is instead of pictures."""
        if self._films:
            return f"; {_held(self._films, 'film')}: give them as sources"
        if self._folders:
            return f"; it holds {_number(self._folders, 'folder')}: stills:{shown(self._root)},recursive=yes reads them"
        if self._refused:
            return f"; not read: {_counted(self._refused)}"
        return "; expected JPEG, PNG, BMP, WebP, TIFF, HEIC or AVIF"

    def say_what_is_left_out(self) -> None:
        """One line a kind."""
        root = shown(self._root)
        if self._films:
            log.warning("%s: %s; give them as sources", root, _held(self._films, "film"))
        if self._refused:
            log.warning("%s: left out, for these formats are not read: %s", root, _counted(self._refused))
        if self._foreign:
            log.warning(
                "%s: %s left out, no images: %s", root, _number(len(self._foreign), "file"), _names(self._foreign)
            )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _held(names: Sequence[str], noun: str) -> str:
    return f"holds {_number(len(names), noun)} ({_names(names)})"


def _counted(names: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in names.items())
