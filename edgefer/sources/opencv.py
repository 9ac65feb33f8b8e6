"""OpenCV's decoders, kept quiet: what they print on stderr is said again by us in one line, or not at all."""

from __future__ import annotations

import os

# Read by OpenCV and FFmpeg at their first use; a value from outside wins, for those who look for a fault.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET
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


def open_capture(
    target: str, backend: int, params: tuple[int, ...] = (), options: str | None = None
) -> cv2.VideoCapture | None:
    """A cv2.VideoCapture, or None when it does not open.

    Args:
        target: path of a file or device, or a URL.
        backend: cv2.CAP_FFMPEG or cv2.CAP_V4L2.
        params: property, value, property, value … handed over at opening.
        options: OPENCV_FFMPEG_CAPTURE_OPTIONS for this opening, where the environment does not set it.
    """
    name = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
    ours = options is not None and name not in os.environ
    if ours:
        os.environ[name] = options
    try:
        capture = cv2.VideoCapture(target, backend, params)
    except (cv2.error, UnicodeEncodeError):
        return None
    finally:
        if ours:
            del os.environ[name]
    if capture.isOpened():
        return capture
    capture.release()
    return None
