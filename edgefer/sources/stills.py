"""Images: one, or a folder of them in natural order."""

from __future__ import annotations

import logging
import os
import re
import time
from functools import partial
from pathlib import Path

from edgefer.errors import SourceError
from edgefer.sources.base import NS_PER_S, Source
from edgefer.sources.opencv import cv2
from edgefer.sources.registry import PathOptions, is_image
from edgefer.support.stills import decode_image, read_image
from edgefer.values import Frame

log = logging.getLogger(__name__)

#: Media time between two images of a folder: they are taken for separate photographs, not for a film.
IMAGE_INTERVAL_S = 1.0
_NAMES_IN_A_MESSAGE = 3


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key in which img2 comes before img10."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts if part]


def _names(paths: list[Path]) -> str:
    shown = ", ".join(path.name for path in paths[:_NAMES_IN_A_MESSAGE])
    return shown if len(paths) <= _NAMES_IN_A_MESSAGE else f"{shown}, …"


class Images(Source):
    """Image files one after the other, a media time of IMAGE_INTERVAL_S apart.

    An image that cannot be decoded leaves a gap in the frame numbers; when all others have been delivered,
    one SourceError names the unreadable ones.
    """

    def __init__(self, name: str, paths: list[Path]) -> None:
        """Args: name: for messages; paths: at least one file.

        Raises:
            SourceError: none of the files can be read.
        """
        self.name = name
        self.length = len(paths)
        self._paths = paths
        self._next = 0
        self._unreadable: list[Path] = []
        first = self._advance()
        if first is None:
            what = "image" if len(paths) == 1 else "images"
            raise SourceError(
                f"{name}: damaged {what}, or of a kind that cannot be decoded; open it elsewhere to check"
            )
        self._pending: Frame | None = first
        height, width = first.grey.shape
        self.size = (width, height)

    def _advance(self) -> Frame | None:
        while self._next < len(self._paths):
            path, index = self._paths[self._next], self._next
            self._next += 1
            try:
                decoded = read_image(path)
            except OSError as error:
                log.warning("%s: %s, left out", path, (error.strerror or "cannot be read").lower())
                decoded = None
            if decoded is None:
                self._unreadable.append(path)
                continue
            grey, data = decoded
            return Frame(
                index=index,
                grey=grey,
                media_ns=round(index * IMAGE_INTERVAL_S * NS_PER_S),
                captured_ns=time.monotonic_ns(),
                bgr=partial(decode_image, data, cv2.IMREAD_COLOR),
            )
        return None

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        frame = frame or self._advance()
        if frame is None and self._unreadable:
            bad, self._unreadable = self._unreadable, []
            raise SourceError(
                f"{self.name}: {len(bad)} of {self.length} images are damaged or unreadable ({_names(bad)}); "
                "the others were read"
            )
        if frame is not None:
            frame.captured_ns = time.monotonic_ns()
        return frame

    def close(self) -> None:
        self._next = len(self._paths)
        self._pending = None
        self._unreadable = []


def open_stills(options: PathOptions) -> Images:
    """An image by its path, or the images of a folder.

    Of a folder these are the files whose content is an image, in natural order; sub-folders are not entered.

    Raises:
        SourceError: the folder cannot be listed or holds no image, or no image can be read.
    """
    path = Path(options.path)
    if not path.is_dir():
        return Images(options.path, [path])
    try:
        entries = sorted((Path(entry.path) for entry in os.scandir(path) if entry.is_file()), key=natural_key)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}; expected a readable folder of images") from None
    images: list[Path] = []
    foreign: list[Path] = []
    for entry in entries:
        try:
            with entry.open("rb") as file:
                (images if is_image(file.read(16)) else foreign).append(entry)
        except OSError:
            images.append(entry)  # named again when it is its turn
    if not images:
        raise SourceError(f"{path}: no image among its {len(entries)} files; expected JPEG, PNG, BMP, WebP or TIFF")
    if foreign:
        log.warning("%s: %d files are not images and are left out: %s", path, len(foreign), _names(foreign))
    return Images(options.path, images)
