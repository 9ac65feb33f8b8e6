"""Cameras: V4L2 devices, in grey without a colour conversion, and network streams."""

from __future__ import annotations

import os
import re
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from edgefer.errors import SourceError, SourceStalled, UsageError
from edgefer.kernels import luma
from edgefer.sources.base import NS_PER_MS, NS_PER_S, Source
from edgefer.sources.film import frame_from_bgr
from edgefer.sources.opencv import cv2, open_capture
from edgefer.support.stills import decode_image
from edgefer.values import Frame

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "udp")
OPEN_TIMEOUT_MS = 8000
READ_TIMEOUT_MS = 5000
#: The same picture for so long, to the last grey level, is a camera that hangs: a sensor has noise.
FROZEN_AFTER_S = 10.0

# A driver's stamp is believed when it is not in the future and at most this old.
_OLDEST_STAMP_NS = 2 * NS_PER_S
# No buffering in the demuxer, whole frames over TCP rather than torn ones over UDP.
_STREAM_OPTIONS = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay|max_delay;500000"


def camera_devices() -> list[str]:
    """The video device nodes that exist, by number."""
    nodes = [str(node) for node in Path("/dev").glob("video*") if node.name[5:].isdecimal()]
    return sorted(nodes, key=lambda node: int(node[len("/dev/video") :]))


def _fourcc_name(code: float) -> str:
    return int(code).to_bytes(4, "little", signed=False).decode("ascii", "replace").strip("\0 ")


def _yuyv(raw: np.ndarray) -> np.ndarray:
    return luma(raw, "yuyv")


def _uyvy(raw: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(raw[:, :, 1])


def _planar(raw: np.ndarray) -> np.ndarray:
    return raw[: raw.shape[0] * 2 // 3]


def _grey(raw: np.ndarray) -> np.ndarray:
    return raw[:, :, 0] if raw.ndim == 3 else raw


# Driver format -> how to see its luma, and which conversion gives its colours.
_RAW: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "YUYV": (_yuyv, cv2.COLOR_YUV2BGR_YUY2),
    "UYVY": (_uyvy, cv2.COLOR_YUV2BGR_UYVY),
    "NV12": (_planar, cv2.COLOR_YUV2BGR_NV12),
    "NV21": (_planar, cv2.COLOR_YUV2BGR_NV21),
    "YU12": (_planar, cv2.COLOR_YUV2BGR_I420),
    "YV12": (_planar, cv2.COLOR_YUV2BGR_YV12),
    "GREY": (_grey, cv2.COLOR_GRAY2BGR),
}
_COMPRESSED = ("MJPG", "JPEG")
CAMERA_FORMATS = (*_RAW, "MJPG")


def _frame_from_raw(
    index: int, raw: np.ndarray, fourcc: str, media_ns: int, captured_ns: int
) -> Frame | None:
    """A frame of one V4L2 buffer; None for a damaged compressed one, as the first after a start may be."""
    if fourcc in _COMPRESSED:
        data = raw.tobytes()
        grey = decode_image(data, cv2.IMREAD_GRAYSCALE)
        if grey is None:
            return None
        return Frame(index, grey, media_ns, captured_ns, lambda: decode_image(data, cv2.IMREAD_COLOR))
    to_grey, conversion = _RAW[fourcc]
    grey = to_grey(raw)
    return Frame(index, grey, media_ns, captured_ns, lambda: cv2.cvtColor(raw, conversion))


class LiveCapture(Source):
    """Frames of an open cv2.VideoCapture that come at their own time."""

    live = True

    def __init__(self, name: str, capture: cv2.VideoCapture, fourcc: str | None, watch_frozen: bool) -> None:
        """Args:
            name: for messages.
            capture: opened; closed with this source, or at once where no first frame comes.
            fourcc: raw format of the buffers, or None when the capture gives BGR images.
            watch_frozen: take a picture that does not change at all for FROZEN_AFTER_S for a hanging camera.

        Raises:
            SourceStalled: no frame came in time.
        """
        self.name = name
        self._capture: cv2.VideoCapture | None = capture
        self._fourcc = fourcc
        self._watch_frozen = watch_frozen
        self._in_use = threading.Lock()  # OpenCV must not release what another thread is reading
        self._index = 0
        self._first_ns: int | None = None
        self._last_ns = 0
        self._sample: np.ndarray | None = None
        self._changed_ns = time.monotonic_ns()
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps <= 1000 else None
        try:
            self._pending = self._grab()
        except SourceStalled:
            self.close()
            raise
        height, width = self._pending.grey.shape
        self.size = (width, height)

    def _captured_ns(self) -> int:
        """The driver's time stamp where it is on the monotonic clock and plausible, else now."""
        now = time.monotonic_ns()
        if self._fourcc is None:
            return now
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) * NS_PER_MS
        return round(stamp) if now - _OLDEST_STAMP_NS < stamp <= now else now

    def _grab(self) -> Frame | None:
        frame = None
        for _ in range(10):  # some cameras begin with a few torn JPEGs
            with self._in_use:
                if self._capture is None:
                    return None
                try:
                    got, image = self._capture.read()
                except cv2.error:
                    got, image = False, None
                if not got or image is None:
                    break
                captured_ns = max(self._captured_ns(), self._last_ns)
            if self._first_ns is None:
                self._first_ns = captured_ns
            self._last_ns = captured_ns
            media_ns = captured_ns - self._first_ns
            index = self._index
            self._index += 1
            if self._fourcc is None:
                frame = frame_from_bgr(index, image, media_ns, captured_ns)
            else:
                frame = _frame_from_raw(index, image, self._fourcc, media_ns, captured_ns)
            if frame is not None:
                break
        if frame is None:
            raise SourceStalled(
                f"{self.name}: gave no frame; unplugged, switched off, or used by another program"
            )
        self._check_frozen(frame)
        return frame

    def _check_frozen(self, frame: Frame) -> None:
        if not self._watch_frozen:
            return
        sample = frame.grey[::16, ::16].copy()
        # A uniform picture is a covered lens, which may well be free of noise.
        still = self._sample is not None and np.array_equal(sample, self._sample) and np.ptp(sample) > 0
        if not still:
            self._sample, self._changed_ns = sample, frame.captured_ns
        elif frame.captured_ns - self._changed_ns > FROZEN_AFTER_S * NS_PER_S:
            raise SourceStalled(f"{self.name}: the picture has not changed at all for {FROZEN_AFTER_S:g} s")

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        return frame if frame is not None else self._grab()

    def close(self) -> None:
        with self._in_use:
            if self._capture is not None:
                self._capture.release()
                self._capture = None
        self._pending = None


def open_camera(
    spec: str, size: tuple[int, int] | None = None, fps: float | None = None, format: str | None = None
) -> LiveCapture:
    """A V4L2 camera.

    Args:
        spec: index ("0" is /dev/video0) or device path.
        size: (width, height) to ask for; the driver may give its nearest.
        fps: frames per second to ask for.
        format: one of CAMERA_FORMATS to ask for, or None for the driver's choice.

    Raises:
        UsageError: unknown format.
        SourceError: no such camera, no permission, or not a camera.
        SourceStalled: it opened but gave no frame.
    """
    path = f"/dev/video{int(spec)}" if spec.isdecimal() else spec
    _check_device(path)
    if format is not None and format.upper() not in CAMERA_FORMATS:
        raise UsageError(f"{path}: unknown format {format!r}; available: {', '.join(CAMERA_FORMATS)}")
    capture = open_capture(path, cv2.CAP_V4L2)
    if capture is None:
        raise SourceError(
            f"{path}: cannot be opened as a camera; used by another program, or no capture device"
        )
    if format is not None:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*format.upper()))
    if size is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if fps is not None:
        capture.set(cv2.CAP_PROP_FPS, fps)
    fourcc: str | None = _fourcc_name(capture.get(cv2.CAP_PROP_FOURCC))
    if fourcc in _RAW or fourcc in _COMPRESSED:
        raw = capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        fourcc = fourcc if raw else None
    else:
        fourcc = None
    return LiveCapture(path, capture, fourcc, watch_frozen=True)


def _check_device(path: str) -> None:
    """Raises SourceError, with the cameras that do exist, unless the path is a device this user may open."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        mode = None
    if mode is None or not stat.S_ISCHR(mode):
        what = "no such camera" if mode is None else "not a device"
        have = ", ".join(camera_devices())
        raise SourceError(
            f"{path}: {what}; " + (f"this machine has {have}" if have else "this machine has none")
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"{path}: no permission; add the user to the group 'video' and log in again")


def without_password(url: str) -> str:
    """The URL as it may be shown in a log: user and password left out."""
    return re.sub(r"//[^/]*@", "//", url)  # to the last @ of the host's part: a password may hold others


def open_stream(url: str) -> LiveCapture:
    """A network stream through FFmpeg, without buffering.

    Raises:
        SourceError: it cannot be opened within OPEN_TIMEOUT_MS.
        SourceStalled: it opened but gave no frame within READ_TIMEOUT_MS.
    """
    name = without_password(url)
    try:
        host = urlsplit(url).netloc
    except ValueError:  # a bracket that is not closed, as of an IPv6 address
        host = ""
    if not host:
        raise SourceError(f"{name}: expected a URL with a host, as rtsp://user:password@192.0.2.7:554/stream")
    params = (
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        OPEN_TIMEOUT_MS,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        READ_TIMEOUT_MS,
    )
    capture = open_capture(url, cv2.CAP_FFMPEG, params, _STREAM_OPTIONS)
    if capture is None:
        raise SourceError(
            f"{name}: no stream within {OPEN_TIMEOUT_MS / 1000:g} s; check address, password and camera"
        )
    return LiveCapture(name, capture, None, watch_frozen=False)
