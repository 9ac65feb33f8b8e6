"""Photographs: a file, a list of files, or a folder of them in natural order."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from edgefer.errors import PictureError, SourceError
from edgefer.kernels import luma
from edgefer.sources.base import Source
from edgefer.sources.folder import Folder, listed, number_of
from edgefer.sources.registry import StillsOptions
from edgefer.support.names import shown
from edgefer.support.stills import PictureFile
from edgefer.values import Frame

log = logging.getLogger(__name__)


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
                f"{self.name}: {len(bad)} of {len(self._files)} images are damaged or unreadable ({listed(bad)}); "
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
    found = Folder(path, options.recursive)
    if not found.pictures:
        raise SourceError(f"{shown(path)}: no image among its {number_of(found.files, 'file')}{found.hint()}")
    found.say_what_is_left_out()
    return Images(options.path, found.pictures, [os.path.relpath(each, path) for each in found.pictures])
