"""Animated WebP and PNG: short films, whose pictures belong together in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from edgefer.errors import SourceError
from edgefer.kernels import luma
from edgefer.sources.base import NS_PER_MS, Source
from edgefer.sources.registry import PathOptions
from edgefer.support.formats import png
from edgefer.support.names import shown
from edgefer.support.quiet import native_stderr
from edgefer.support.stills import check_size, decode_image
from edgefer.values import Frame

#: Pictures are decoded in lots of about so many bytes: a decoder begins each lot at the first picture.
_LOT_BYTES = 256 << 20
#: A picture that is to be shown for no time at all is shown for this long, ms, as browsers do.
_SHORTEST_MS, _UNSTATED_MS = 10, 100


class Animation(Source):
    """The pictures of an animation, each at its time, once through however often it repeats.

    One that ends before the number of pictures in its header is read as far as it goes; then one SourceError says so.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        """
        Raises:
            SourceError: it is damaged, or this OpenCV reads no animations.
        """
        self.name = shown(path)
        self._data = np.frombuffer(data, np.uint8).reshape(1, -1)
        if not hasattr(cv2, "imdecodeanimation"):
            raise SourceError(
                f"{self.name}: an animation needs OpenCV 4.11 or later, this is {cv2.__version__};"
                " upgrade opencv-python-headless"
            )
        first = decode_image(data, cv2.IMREAD_COLOR)
        if first is None:
            raise SourceError(f"{self.name}: damaged animation")
        height, width = first.shape[:2]
        check_size((width, height))
        self.size = width, height
        if data.startswith(png.SIGNATURE):  # WebP does not say how many it holds, and one that is cut is not decoded
            self.length = png.animation_length(data)
        self._lot = max(1, _LOT_BYTES // (width * height * 4))
        self._frames = self._read_all()
        self._pending = next(self._frames, None)
        if self._pending is None:
            raise SourceError(f"{self.name}: damaged animation")

    def _read_all(self) -> Iterator[Frame]:
        index = media_ms = 0
        while True:
            with native_stderr("image decoder"):
                try:
                    good, animation = cv2.imdecodeanimation(self._data, index, self._lot)
                except cv2.error:
                    good, animation = False, None
            if not good or animation is None or not len(animation.frames):
                break
            for image, shown_ms in zip(animation.frames, animation.durations, strict=False):
                bgr = _bgr(image)
                given: Callable[[], np.ndarray] = partial(np.asarray, bgr)
                lasts_ms = int(shown_ms) if shown_ms >= _SHORTEST_MS else _UNSTATED_MS
                frame = Frame(index, luma(bgr, "bgr"), media_ms * NS_PER_MS, time.monotonic_ns(), given, self.name)
                frame.duration_ns = lasts_ms * NS_PER_MS
                yield frame
                media_ms += lasts_ms
                index += 1
        if index and self.length is not None and index < self.length:
            raise SourceError(
                f"{self.name}: ends early at frame {index} of {self.length}; cut off or damaged there; what comes"
                " before was read"
            )

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        frame = frame or next(self._frames, None)
        if frame is not None:
            frame.captured_ns = time.monotonic_ns()
        return frame

    def close(self) -> None:
        self._frames = iter(())
        self._pending = None


def _bgr(image: np.ndarray) -> np.ndarray:
    """A decoder's picture as uint8, shape (H, W, 3): it may be grey, of 16 bits, or have a fourth channel."""
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(image[:, :, :3])


def open_animation(options: PathOptions) -> Animation:
    """An animated WebP or PNG.

    Raises:
        SourceError: it cannot be read.
    """
    path = Path(options.path)
    try:
        return Animation(path, path.read_bytes())
    except OSError as error:
        raise SourceError(f"{shown(path)}: {(error.strerror or 'cannot be read').lower()}") from None
