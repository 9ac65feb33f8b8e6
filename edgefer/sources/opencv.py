"""OpenCV's cameras, kept quiet: what it prints on stderr becomes one line of ours, or nothing."""

from __future__ import annotations

import os
import threading
import time

import numpy as np

from edgefer.errors import SourceStalled
from edgefer.kernels import luma
from edgefer.sources.base import Source
from edgefer.values import Frame

# Read by OpenCV at its first use; a value from outside wins, for those who look for a fault.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "5")  # seconds a camera may stay silent

import cv2  # noqa: E402  after its environment


def _silence() -> None:
    """Silences OpenCV's own log, also where another module has imported cv2 before this one."""
    if os.environ["OPENCV_LOG_LEVEL"] == "SILENT":
        if hasattr(cv2, "setLogLevel"):  # older releases
            cv2.setLogLevel(0)
        else:
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


_silence()


def open_capture(device: str) -> cv2.VideoCapture | None:
    """A cv2.VideoCapture of a V4L2 device, or None when it does not open."""
    try:
        capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    except (cv2.error, UnicodeEncodeError):
        return None
    if capture.isOpened():
        return capture
    capture.release()
    return None


def frame_from_bgr(index: int, image: np.ndarray, media_ns: int, captured_ns: int) -> Frame:
    """A frame of a decoded image, uint8 (H, W, 3) BGR or (H, W) grey."""
    if image.ndim == 2:
        return Frame(index, image, media_ns, captured_ns, lambda: cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    return Frame(index, luma(image, "bgr"), media_ns, captured_ns, lambda: image)


class LiveCapture(Source):
    """Frames of an open cv2.VideoCapture that come at their own time."""

    live = True

    def __init__(self, name: str, capture: cv2.VideoCapture) -> None:
        """Args:
            name: for messages.
            capture: opened; closed with this source, or at once where no first frame comes.

        Raises:
            SourceStalled: no frame came in time.
        """
        self.name = name
        self._capture: cv2.VideoCapture | None = capture
        self._in_use = threading.Lock()  # OpenCV must not release what another thread is reading
        self._index = 0
        self._first_ns: int | None = None
        self._last_ns = 0
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= 1000 else None
        try:
            first = self._grab()
        except SourceStalled:
            self.close()
            raise
        assert first is not None, "closed while it was opened"
        self._pending: Frame | None = first
        height, width = first.grey.shape
        self.size = (width, height)

    def _captured_ns(self, capture: cv2.VideoCapture) -> int:
        """Capture time of the buffer just read, on the monotonic clock."""
        return time.monotonic_ns()

    def _decode(self, index: int, image: np.ndarray, media_ns: int, captured_ns: int) -> Frame | None:
        """The frame of one buffer; None for a damaged one, in whose place the next is read."""
        return frame_from_bgr(index, image, media_ns, captured_ns)

    def _grab(self) -> Frame | None:
        for _ in range(10):  # some cameras begin with a few torn JPEGs
            with self._in_use:
                if self._capture is None:
                    return None
                try:
                    received, image = self._capture.read()
                except cv2.error:
                    break
                if not received or image is None:
                    break
                captured_ns = max(self._captured_ns(self._capture), self._last_ns)
            if self._first_ns is None:
                self._first_ns = captured_ns
            self._last_ns = captured_ns
            frame = self._decode(self._index, image, captured_ns - self._first_ns, captured_ns)
            self._index += 1
            if frame is not None:
                return frame
        raise SourceStalled(f"{self.name}: gave no frame; unplugged, switched off, or used by another program")

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        return frame if frame is not None else self._grab()

    def close(self) -> None:
        with self._in_use:
            if self._capture is not None:
                self._capture.release()
                self._capture = None
        self._pending = None
