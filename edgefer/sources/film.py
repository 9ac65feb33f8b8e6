"""Video files through FFmpeg, whatever their suffix says."""

from __future__ import annotations

import math
import os
import struct
import threading
import time
from pathlib import Path

from edgefer.errors import SourceError
from edgefer.sources.base import NS_PER_S, Source, Timeline
from edgefer.sources.opencv import cv2, frame_from_bgr, open_capture
from edgefer.sources.registry import PathOptions
from edgefer.values import Frame

# Containers round their lengths: a file is called incomplete only beyond these.
_SLACK_FRAMES = 2
_SLACK_S = 0.25
_SLACK_PART = 0.02


def movie_seconds(path: Path) -> float | None:
    """Playing time in the header of an MP4 or MOV; None for other files, or where it is not given.

    ISO/IEC 14496-12: a file is a sequence of boxes (size, type), and moov begins with mvhd, whose duration
    takes edits into account.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        offset = 0
        while offset + 16 <= end:
            file.seek(offset)
            head = file.read(16)
            size, kind = struct.unpack(">I4s", head[:8])
            if size == 1:
                size = struct.unpack(">Q", head[8:])[0]
            if kind == b"moov":
                file.seek(offset + 8)
                box = file.read(40)
                if len(box) < 40 or box[4:8] != b"mvhd":
                    return None
                scale, duration = struct.unpack(">IQ", box[28:40]) if box[8] else struct.unpack(">II", box[20:28])
                return duration / scale if scale and duration else None
            if size < 8 or not kind.isalnum():
                return None
            offset += size
    return None


def _positive(value: float) -> float | None:
    return value if math.isfinite(value) and value > 0 else None


class VideoFile(Source):
    """Every frame of a video file, upright, with its own time stamps.

    A file that ends before the length in its header is read as far as it goes; then one SourceError says at
    which frame it ended.
    """

    def __init__(self, path: Path) -> None:
        """Args: path: a regular file.

        Raises:
            SourceError: it is not a video, or no frame of it can be decoded.
        """
        self.name = str(path)
        # An absolute path cannot be taken for a URL; only local files may be read, also by playlists.
        self._capture = open_capture(str(path.resolve()), cv2.CAP_FFMPEG, options="protocol_whitelist;file")
        if self._capture is None:
            raise SourceError(f"{path}: not a video or image that can be decoded{_looks_like(path)}")
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        self.fps = _positive(self._capture.get(cv2.CAP_PROP_FPS))
        count = _positive(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.length = round(count) if count and count < 1e9 else None  # FFmpeg's "unknown" overflows to 1e18
        self._in_use = threading.Lock()  # OpenCV must not release what another thread is reading
        self._timeline = Timeline(self.fps)
        self._movie_s = movie_seconds(path)
        self._read = 0
        self._last_ns = 0
        self._pending = self._decode()
        if self._pending is None:
            self.close()
            raise SourceError(f"{path}: no frame of it can be decoded{_looks_like(path)}")
        height, width = self._pending.grey.shape
        self.size = (width, height)

    def _decode(self) -> Frame | None:
        with self._in_use:
            if self._capture is None:
                return None
            try:
                decoded, image = self._capture.read()
            except cv2.error:
                decoded, image = False, None
            if not decoded or image is None:
                return None
            stamp_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        self._last_ns = self._timeline.next(stamp_ms)
        frame = frame_from_bgr(self._read, image, self._last_ns, time.monotonic_ns())
        self._read += 1
        return frame

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        if frame is not None:
            frame.captured_ns = time.monotonic_ns()
            return frame
        frame = self._decode()
        if frame is None and self._capture is not None:
            early = self._ends_early()
            self.close()
            if early:
                raise SourceError(
                    f"{self.name}: ends early at frame {self._read} of {self.length}; cut off or "
                    "damaged there; what comes before was read"
                )
        return frame

    def _ends_early(self) -> bool:
        """Whether frames and time both fall short of what the header says.

        Either alone may be right: Matroska's frame count is an estimate, and a phone trims a film by
        shortening its time, the frames staying where they are.
        """
        if self.length is None:
            return False
        period_s = self._timeline.period_ns / NS_PER_S
        duration_s = self._movie_s or self.length * period_s
        reached_s = self._last_ns / NS_PER_S + period_s
        return self._read < self.length - max(_SLACK_FRAMES, _SLACK_PART * self.length) and (
            reached_s < duration_s - max(_SLACK_S, _SLACK_PART * duration_s)
        )

    def close(self) -> None:
        with self._in_use:
            if self._capture is not None:
                self._capture.release()
                self._capture = None
        self._pending = None


def _looks_like(path: Path) -> str:
    """What a file that is no video seems to be, to add to a message."""
    with path.open("rb") as file:
        head = file.read(512)
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "; it holds text"
    if head[4:8] == b"ftyp":
        return "; an MP4 without its index, probably cut off while it was recorded or copied"
    return "; damaged, or of an unknown kind"


def open_film(options: PathOptions) -> VideoFile:
    """A video file by its path; raises SourceError as VideoFile does."""
    return VideoFile(Path(options.path))
