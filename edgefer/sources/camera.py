"""Cameras: V4L2 devices, in grey without a colour conversion."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgefer.errors import SourceError, SourceStalled
from edgefer.kernels import luma
from edgefer.sources.base import NS_PER_MS, NS_PER_S, Source
from edgefer.sources.opencv import LiveCapture, cv2, open_capture
from edgefer.sources.registry import CameraOptions
from edgefer.sources.view import turned
from edgefer.support.stills import decode_image
from edgefer.values import Frame

#: The same picture for so long, to the last grey level, is a camera that hangs: a sensor has noise.
FROZEN_AFTER_S = 10.0

# A driver's stamp is believed when it is not in the future and at most this old.
_OLDEST_STAMP_NS = 2 * NS_PER_S


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
#: What a format of the options is called by drivers.
_ASKED = {"auto": None, "grey": "GREY", "yuyv": "YUYV", "nv12": "NV12", "mjpeg": "MJPG"}


class Camera(LiveCapture):
    """A V4L2 device; a picture that does not change at all for FROZEN_AFTER_S is that of a hanging camera."""

    def __init__(self, name: str, capture: cv2.VideoCapture, fourcc: str | None) -> None:
        """Args:
            name, capture: as for LiveCapture.
            fourcc: format of the buffers, or None when the capture gives BGR images.

        Raises:
            SourceStalled: no frame came in time.
        """
        self._fourcc = fourcc
        self._sample: np.ndarray | None = None
        self._changed_ns = time.monotonic_ns()
        super().__init__(name, capture)

    def _captured_ns(self, capture: cv2.VideoCapture) -> int:
        """The driver's time stamp where it is on the monotonic clock and plausible, else now."""
        now = time.monotonic_ns()
        if self._fourcc is None:
            return now
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) * NS_PER_MS
        return round(stamp) if now - _OLDEST_STAMP_NS < stamp <= now else now

    def _decode(self, index: int, image: np.ndarray, media_ns: int, captured_ns: int) -> Frame | None:
        if self._fourcc is None:
            return super()._decode(index, image, media_ns, captured_ns)
        if self._fourcc in _COMPRESSED:
            data = image.tobytes()
            grey = decode_image(data, cv2.IMREAD_GRAYSCALE)
            if grey is None:  # as the first after a start may be
                return None
            return Frame(index, grey, media_ns, captured_ns, lambda: decode_image(data, cv2.IMREAD_COLOR))
        to_grey, conversion = _RAW[self._fourcc]
        return Frame(index, to_grey(image), media_ns, captured_ns, lambda: cv2.cvtColor(image, conversion))

    def _grab(self) -> Frame | None:
        frame = super()._grab()
        if frame is None:
            return None
        sample = frame.grey[::16, ::16].copy()
        # A uniform picture is a covered lens, which may well be free of noise.
        frozen = self._sample is not None and np.array_equal(sample, self._sample) and np.ptp(sample) > 0
        if not frozen:
            self._sample, self._changed_ns = sample, frame.captured_ns
        elif frame.captured_ns - self._changed_ns > FROZEN_AFTER_S * NS_PER_S:
            raise SourceStalled(f"{self.name}: the picture has not changed at all for {FROZEN_AFTER_S:g} s")
        return frame


def open_camera(options: CameraOptions) -> Source:
    """A V4L2 camera, turned as the options say; of size and rate the driver may give its nearest.

    Raises:
        SourceError: no permission, or not a camera.
        SourceStalled: it is not there, in use, or gave no frame: all of that may pass.
    """
    device = str(options.device)
    path = f"/dev/video{int(device)}" if device.isdecimal() else device
    _check_device(path)
    capture = open_capture(path)
    if capture is None:
        raise SourceStalled(f"{path}: cannot be opened as a camera; is another program using it?")
    fourcc_wanted = _ASKED[options.format]
    if fourcc_wanted is not None:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc_wanted))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.size[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, options.size[1])
    capture.set(cv2.CAP_PROP_FPS, options.fps)
    fourcc: str | None = _fourcc_name(capture.get(cv2.CAP_PROP_FOURCC))
    if fourcc in _RAW or fourcc in _COMPRESSED:
        raw = capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        fourcc = fourcc if raw else None
    else:
        fourcc = None
    return turned(Camera(path, capture, fourcc), options.rotate, options.flip)


def _check_device(path: str) -> None:
    """Says, with the cameras that do exist, what is wrong with the path of a camera.

    Raises:
        SourceError: it is no camera, or this user may not open it. SourceStalled: it is not there; it may be
        plugged in.
    """
    try:
        mode: int | None = os.stat(path).st_mode
    except OSError:
        mode = None
    devices = ", ".join(camera_devices()) or "none"
    if mode is None:
        raise SourceStalled(f"{path}: no such camera; this machine has {devices}")
    if not stat.S_ISCHR(mode):
        raise SourceError(f"{path}: not a device; this machine has {devices}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(f"{path}: no permission; add the user to the group 'video' and log in again")
    if not _captures(path):
        raise SourceError(f"{path}: it captures no pictures; this machine has {devices}")


# Of linux/videodev2.h: VIDIOC_QUERYCAP fills 16 + 32 + 32 bytes of names, then version, capabilities, device_caps.
_QUERYCAP, _CAPABILITY, _OF_THIS_NODE = 0x80685600, struct.Struct("=80x3I12x"), 0x80000000
_CAPTURE = 0x1 | 0x1000  # one plane, or several


def _captures(path: str) -> bool:
    """Whether a device is a camera; a camera brings nodes for metadata along, which are none."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:  # busy, or just gone: the driver will say so
        return True
    try:
        answer = fcntl.ioctl(descriptor, _QUERYCAP, bytes(_CAPABILITY.size))
    except OSError as error:
        return error.errno not in (errno.ENOTTY, errno.EINVAL)
    finally:
        os.close(descriptor)
    _, of_all, of_this = _CAPABILITY.unpack(answer)
    return bool((of_this if of_all & _OF_THIS_NODE else of_all) & _CAPTURE)
