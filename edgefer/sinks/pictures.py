"""Pictures with the readings drawn into them: a photograph into a file, a folder into a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import structs

from edgefer.errors import SinkError, SinkStalled, UsageError
from edgefer.sinks.base import Sink
from edgefer.sinks.draw import annotate, colour_image
from edgefer.sinks.registry import PICTURE_SUFFIXES, Pictures, is_folder
from edgefer.sources.opencv import cv2
from edgefer.support.atomic import write_bytes
from edgefer.values import Frame, Reading

#: Photographs whose suffix is none of PICTURE_SUFFIXES: those that were compressed with loss are small as JPEG too.
_LOSSY = (".webp", ".heic", ".heif", ".avif", ".jp2", ".jfif", ".jpe")
_HOW = {"png": [cv2.IMWRITE_PNG_COMPRESSION, 3], "jpg": [cv2.IMWRITE_JPEG_QUALITY, 92]}
_NUMBER = re.compile(r"[0-9]{6,7}")  # 20260101 is a day
#: A smaller picture is enlarged by a whole number, so that the letters fit; its longer side not beyond _LARGE_PX.
_SMALL_PX, _LARGE_PX = 240, 1920


class AnnotatedPictures(Sink):
    """One picture into a file, at the end, or every picture into a folder, each file written whole or not at all.

    In a folder a photograph keeps its name, with the folders before it; frames of a film or camera are numbered,
    those of a camera behind the pictures that are there. Two pictures of one name get different ones.
    """

    def __init__(self, path: str, kind: str = "auto", source: str = "", live: bool = False) -> None:
        """Args:
            path: file ending in .png, .jpg or .jpeg, or a folder, which is made for the first picture.
            kind: "png", "jpg", or "auto": as the photograph, JPEG for the frames of a film.
            source: what the pictures come from, where that may be a path; it is never written to.
            live: whether that is live: it gives other pictures at each run, a film gives the same ones.

        Raises:
            UsageError: a file of one kind is to bear the suffix of the other. SinkError: it cannot be written.
        """
        suffix = os.path.splitext(path)[1].lower()
        if not is_folder(path) and kind not in ("auto", PICTURE_SUFFIXES[suffix]):
            raise UsageError(f"image:{path}: expected a name ending in .{kind}, got {suffix}; leave format out")
        self.name = path
        self._path = Path(path)
        self._folder = is_folder(path)
        self._kind = kind
        self._source = source
        self._used: set[str] = set()
        self._live = live
        self._number = -1
        self._only: tuple[Path, bytes] | None = None  # the one picture, written when it is known that none follows
        place = self._path if self._folder else self._path.parent
        while self._folder and not os.path.lexists(place):
            place = place.parent
        if not self._folder and self._path.is_dir():
            raise SinkError(f"{path}: cannot be written: it is a folder; write {path}/ for pictures in it")
        if not place.is_dir():
            raise SinkError(f"{path}: cannot be written: {place} is no folder; choose another path")
        if not os.access(place, os.W_OK | os.X_OK):
            raise SinkError(f"{path}: cannot be written: {place} permits no new file; choose another path")

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        if frame is None:
            raise SinkError(f"{self.name}: pictures need the frames, got a reading alone")
        if self._only is not None:
            self._only = None
            folder = self._path.with_suffix("")
            raise SinkError(f"{self.name}: takes one picture, and the source has more; write image:{folder}/")
        target, kind = self._target(reading)
        self._spare_source(target, reading)
        data = _encoded(_annotated(frame, reading), kind)
        if data is None:
            raise SinkError(f"{target}: too large a picture for {kind.upper()}; write image:…,format=png")
        if not self._folder:
            self._only = target, data
            return
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(target, data)
        except OSError as error:
            raise SinkStalled(f"{target}: cannot be written: {error.strerror}") from None

    def _target(self, reading: Reading) -> tuple[Path, str]:
        """The file for a picture, and its kind."""
        if not self._folder:
            return self._path, self._kind if self._kind != "auto" else PICTURE_SUFFIXES[self._path.suffix.lower()]
        parts = [part for part in reading.image.split("/") if part not in ("", ".")]
        if reading.image.startswith("/") or ".." in parts:
            parts = parts[-1:]  # a path of its own; it must not lead out of the folder
        if not parts:
            kind = "jpg" if self._kind == "auto" else self._kind
            return self._numbered(reading.frame, kind), kind
        name = "/".join(parts)
        suffix = os.path.splitext(name)[1].lower()
        own = PICTURE_SUFFIXES.get(suffix)
        kind = self._kind if self._kind != "auto" else own or ("jpg" if suffix in _LOSSY else "png")
        if own != kind:
            name = f"{name}.{kind}"
        return self._path / self._unused(name), kind

    def _numbered(self, frame: int, kind: str) -> Path:
        begins = self._number < 0
        number = max(self._number + 1, frame)  # another source may count from 0 again
        path = self._path / f"{number:06d}.{kind}"
        if self._live and (begins or path.exists()):  # of a run before this one, on a disk that was away, too
            number = max(number, self._highest() + 1)
            path = self._path / f"{number:06d}.{kind}"
        self._number = number
        return path

    def _highest(self) -> int:
        """The highest number of a picture in the folder; -1 where there is none."""
        try:
            names = [os.path.splitext(name) for name in os.listdir(self._path)]
        except FileNotFoundError:
            return -1
        except OSError as error:
            raise SinkStalled(f"{self.name}: cannot be read: {error.strerror}") from None
        return max(
            (int(stem) for stem, end in names if end in PICTURE_SUFFIXES and _NUMBER.fullmatch(stem)), default=-1
        )

    def _unused(self, name: str) -> str:
        stem, suffix = os.path.splitext(name)
        number = 1
        while name in self._used:
            number += 1
            name = f"{stem}-{number}{suffix}"
        self._used.add(name)
        return name

    def _spare_source(self, target: Path, reading: Reading) -> None:
        """Refuses to replace the photograph itself."""
        for base in {self._source, reading.source} - {""}:
            around = [os.path.join(folder, reading.image) for folder in (base, os.path.dirname(base), "")]
            for path in (base, *around):
                if os.path.isfile(path) and os.path.exists(target) and os.path.samefile(path, target):
                    raise SinkError(f"{target}: would replace the photograph it shows; choose another folder")

    def close(self) -> None:
        only, self._only = self._only, None
        if only is None:
            return
        try:
            write_bytes(*only)
        except OSError as error:
            raise SinkError(f"{only[0]}: cannot be written: {error.strerror}") from None


def _annotated(frame: Frame, reading: Reading) -> np.ndarray:
    image = colour_image(frame)
    short, long = sorted(image.shape[:2])
    factor = min(-(-_SMALL_PX // short), max(1, _LARGE_PX // long))
    if factor > 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        reading = structs.replace(reading, faces=[face.elsewhere(factor) for face in reading.faces])
    return annotate(image, reading)


def _encoded(image: np.ndarray, kind: str) -> bytes | None:
    """The file's bytes; None where the format cannot hold the picture."""
    try:
        done, data = cv2.imencode(f".{kind}", image, _HOW[kind])
    except cv2.error:
        return None
    return data.tobytes() if done else None


def open_pictures(
    options: Pictures, *, labels: Sequence[str], title: str, fps: float | None, live: bool = False
) -> AnnotatedPictures:
    """The output `image`."""
    return AnnotatedPictures(options.path, options.format, title, live)
