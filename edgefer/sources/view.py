"""A source seen turned or mirrored, as a camera that is mounted upside down or aside needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import cv2
import numpy as np
from msgspec import structs

from edgefer.sources.base import Source, Wrapper
from edgefer.values import Frame

Rotation = Literal[0, 90, 180, 270]
Flip = Literal["none", "horizontal", "vertical"]

_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_MIRRORS = {"horizontal": 1, "vertical": 0}


def turned(source: Source, rotate: Rotation = 0, flip: Flip = "none") -> Source:
    """The source as it is, or its View where there is something to turn."""
    return View(source, rotate, flip) if rotate or flip != "none" else source


class View(Wrapper):
    """Every picture of another source turned clockwise, then mirrored; all coordinates are those of the result."""

    def __init__(self, source: Source, rotate: Rotation = 0, flip: Flip = "none") -> None:
        """Args:
        source: closed with this one.
        rotate: degrees clockwise: 0, 90, 180 or 270.
        flip: "horizontal" exchanges left and right, "vertical" top and bottom, "none" nothing.
        """
        super().__init__(source)
        self._rotate, self._flip = rotate, flip
        width, height = source.size
        self.size = (height, width) if rotate in (90, 270) else (width, height)

    def _turn(self, image: np.ndarray) -> np.ndarray:
        if self._rotate:
            image = cv2.rotate(image, _TURNS[self._rotate])
        return cv2.flip(image, _MIRRORS[self._flip]) if self._flip != "none" else image

    def _seen(self, frame: Frame) -> Frame:
        grey = self._turn(frame.grey)
        return structs.replace(frame, grey=grey, bgr=None if frame.bgr is None else self._colours(frame.bgr))

    def _colours(self, colours: Callable[[], np.ndarray | None]) -> Callable[[], np.ndarray | None]:
        """Turned when they are asked for, which for most frames they never are."""

        def turned_colours() -> np.ndarray | None:
            image = colours()
            return None if image is None else self._turn(image)

        return turned_colours

    def read(self) -> Frame | None:
        frame = self._source.read()
        return None if frame is None else self._seen(frame)

    def unpaced(self) -> Iterator[Frame]:
        return (self._seen(frame) for frame in self._source.unpaced())
