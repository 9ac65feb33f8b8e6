"""The source as a video with the readings drawn into it."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgefer.errors import SinkError, UsageError
from edgefer.labels import UNCERTAIN
from edgefer.sinks.base import Sink
from edgefer.sinks.registry import Video
from edgefer.sources.opencv import cv2, open_capture
from edgefer.values import FaceReading, Frame, Reading

_FOURCC = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
#: The video is finished while there is still room to finish it; OpenCV does not report a full disk.
_ROOM_BYTES = 4 << 20
_ROOM_CHECK_FRAMES = 30
#: A pause in a live source is filled by repeating the frame, up to this length.
_LONGEST_REPEAT_S = 5.0

_GREEN, _YELLOW, _WHITE, _BLACK = (90, 200, 60), (60, 200, 230), (255, 255, 255), (0, 0, 0)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def _shade(image: np.ndarray, x0: int, y0: int, x1: int, y1: int) -> None:
    """Darkens a rectangle, so that writing on it can be read."""
    region = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    region //= 3


def _write(image: np.ndarray, text: str, x: int, y: int, scale: float, colour: tuple[int, int, int]) -> None:
    cv2.putText(image, text, (x, y), _FONT, scale, colour, max(1, round(scale * 1.6)), cv2.LINE_AA)


def draw_face(image: np.ndarray, face: FaceReading) -> None:
    """Draws box, label and score bars of one face into a uint8 (H, W, 3) image."""
    height, width = image.shape[:2]
    scale = max(0.5, min(1.2, height / 800))
    line = round(32 * scale)
    uncertain = face.expression == UNCERTAIN
    colour = _YELLOW if uncertain else _GREEN
    x0, y0, x1, y1 = (round(edge) for edge in face.box)
    cv2.rectangle(image, (x0, y0), (x1 - 1, y1 - 1), colour, max(1, round(2 * scale)), cv2.LINE_AA)

    if uncertain:
        title = f"#{face.track} {UNCERTAIN}: {', '.join(face.quality.reasons) or 'no clear label'}"
    else:
        title = f"#{face.track} {face.expression} {100 * face.confidence:.0f}%"
    title_width = cv2.getTextSize(title, _FONT, scale, max(1, round(scale * 1.6)))[0][0] + 8
    left = max(0, min(x0, width - title_width))
    top = y0 - line if y0 >= line else max(0, y0)
    _shade(image, left, top, left + title_width, top + line)
    _write(image, title, left + 4, top + round(line * 0.75), scale, colour)

    if not face.scores:
        return
    small = max(0.42, 0.75 * scale)
    row = round(34 * small)
    name_width = max(cv2.getTextSize(label, _FONT, small, 1)[0][0] for label in face.scores) + 12
    bar_width = round(120 * scale)
    block_width, block_height = name_width + bar_width + 6, row * len(face.scores) + 4
    # Beside the face where there is room, right before left, else over its lower part.
    if x1 + block_width <= width:
        left = max(0, x1 + 2)
    elif x0 - block_width >= 0:
        left = x0 - block_width - 2
    else:
        left = max(0, min(x1, width) - block_width)
    top = max(0, min(y0, height - block_height))
    _shade(image, left, top, left + block_width, top + block_height)
    for index, (label, score) in enumerate(face.scores.items()):
        y = top + 2 + index * row
        shown = colour if label == face.expression else _WHITE
        _write(image, label, left + 4, y + round(row * 0.75), small, shown)
        end = left + name_width + round(bar_width * min(max(score, 0.0), 1.0))
        cv2.rectangle(image, (left + name_width, y + 3), (max(end, left + name_width + 1), y + row - 4), shown, -1)


def annotate(image: np.ndarray, reading: Reading) -> np.ndarray:
    """A copy of a uint8 (H, W, 3) image with the reading drawn into it."""
    image = image.copy()
    for face in reading.faces:
        draw_face(image, face)
    total = reading.latency_ms.get("total")
    scale = max(0.45, min(1.0, image.shape[0] / 1000))
    text = f"frame {reading.frame}" + (f"   {total:.1f} ms" if total is not None else "")
    for colour, thickness in ((_BLACK, 3), (_WHITE, 1)):
        cv2.putText(image, text, (8, image.shape[0] - 8), _FONT, scale, colour, thickness, cv2.LINE_AA)
    return image


class AnnotatedVideo(Sink):
    """A video file that appears under its name when it is complete.

    All frames get the size of the first, rounded down to even sides; others are fitted into it. A frame that
    a live source dropped is made up for by repeating the one after it, so that the video keeps its time.
    """

    def __init__(self, path: str, fps: float | None = None) -> None:
        """Args:
            path: ends in .mp4, .avi or .mkv; replaced when the video is complete.
            fps: frames per second; 30 when None.

        Raises:
            UsageError: another suffix.
            SinkError: the folder does not exist, may not be written, or has no room.
        """
        self.name = path
        self._path = Path(path)
        suffix = self._path.suffix.lower()
        if suffix not in _FOURCC:
            raise UsageError(f"video:{path}: unknown kind of video {suffix!r}; available: {', '.join(_FOURCC)}")
        self._fourcc = _FOURCC[suffix]
        self._fps = fps if fps and math.isfinite(fps) and 0 < fps <= 240 else 30.0
        self._part = self._path.with_name(f".{self._path.stem}.part{suffix}")
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._written = 0
        self._last_index: int | None = None
        if self._path.is_dir():
            raise SinkError(f"{path}: cannot be written: it is a folder; name a file")
        try:
            self._part.touch()
            self._part.unlink()
        except OSError as error:
            raise SinkError(f"{path}: cannot be written: {error.strerror}; choose another path") from None
        if self._free_bytes() < _ROOM_BYTES:
            raise SinkError(f"{path}: cannot be written: less than 4 MB free; make room or choose another path")

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._part.parent).free

    def _open(self, height: int, width: int) -> cv2.VideoWriter:
        self._size = (max(2, width - width % 2), max(2, height - height % 2))
        writer = cv2.VideoWriter(
            str(self._part.absolute()), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*self._fourcc), self._fps, self._size
        )
        if not writer.isOpened():
            self._part.unlink(missing_ok=True)
            width, height = self._size
            raise SinkError(f"{self.name}: no encoder for {self._fourcc} at {width}x{height}; try a name in .avi")
        return writer

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        if frame is None:
            raise SinkError(f"{self.name}: a video needs the frames, got a reading alone")
        image = frame.bgr() if frame.bgr is not None else None
        if image is None:
            image = cv2.cvtColor(frame.grey, cv2.COLOR_GRAY2BGR)
        image = annotate(image, reading)
        if self._writer is None:
            self._writer = self._open(*image.shape[:2])
        image = _fitted(image, self._size)
        gap = 1 if self._last_index is None else max(1, frame.index - self._last_index)
        self._last_index = frame.index
        for _ in range(min(gap, max(1, round(_LONGEST_REPEAT_S * self._fps)))):
            self._writer.write(image)
            self._written += 1
            if self._written % _ROOM_CHECK_FRAMES == 0 and self._free_bytes() < _ROOM_BYTES:
                self.close()
                raise SinkError(f"{self.name}: the disk is full; the video ends at frame {frame.index}")

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.release()
        # OpenCV reports no failed write, so the file is checked before it gets its name.
        found = open_capture(str(self._part.absolute()), cv2.CAP_FFMPEG, options="protocol_whitelist;file")
        frames = 0.0
        if found is not None:
            frames = found.get(cv2.CAP_PROP_FRAME_COUNT)
            found.release()
        if frames < self._written - 1:  # containers round their durations
            self._part.unlink(missing_ok=True)
            raise SinkError(f"{self.name}: cannot be written whole, the disk may be full; no video was kept")
        try:
            os.replace(self._part, self._path)
        except OSError as error:
            self._part.unlink(missing_ok=True)
            raise SinkError(f"{self.name}: cannot be written: {error.strerror}; no video was kept") from None


def open_video(options: Video, *, labels: Sequence[str], title: str, fps: float | None) -> AnnotatedVideo:
    """The output `video`."""
    return AnnotatedVideo(options.path, fps)


def _fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image in a (width, height) canvas: cropped by a pixel, or scaled to fit and centred."""
    width, height = size
    have_height, have_width = image.shape[:2]
    if width <= have_width <= width + 1 and height <= have_height <= height + 1:
        return np.ascontiguousarray(image[:height, :width])
    scale = min(width / have_width, height / have_height)
    inner = (max(1, min(width, round(have_width * scale))), max(1, min(height, round(have_height * scale))))
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_AREA)
    return canvas
