"""OpenCV, kept quiet: what it would print on stderr becomes one line of ours, or nothing."""

from __future__ import annotations

import os

# Read by OpenCV at its first use; a value from outside wins, for those who look for a fault.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import cv2  # noqa: E402  after its environment


def _silence() -> None:
    """Silences OpenCV's own log, also where another module has imported cv2 before this one."""
    if os.environ["OPENCV_LOG_LEVEL"] == "SILENT":
        if hasattr(cv2, "setLogLevel"):  # older releases
            cv2.setLogLevel(0)
        else:
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


_silence()
