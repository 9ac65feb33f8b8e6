"""Cameras of the Raspberry Pi's CSI sockets, through libcamera by picamera2, which Raspberry Pi OS brings."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgefer.errors import SourceError, SourceStalled, UsageError
from edgefer.sources.base import Source
from edgefer.sources.camera.controls import pairs_of
from edgefer.sources.registry import PicameraOptions
from edgefer.sources.view import turned
from edgefer.support.typed import suggestion
from edgefer.values import Frame

_SYSTEM = Path("/usr/lib/python3/dist-packages/picamera2")


def open_picamera(options: PicameraOptions) -> Source:
    """A camera that libcamera knows, by its number there.

    Raises:
        UsageError: a control is not of the form NAME=VALUE.
        SourceError: picamera2 is not installed, or the camera has no such control.
        SourceStalled: the camera is not there, in use, or gave no picture.
    """
    return turned(Picamera(_picamera2(), options), options.rotate, options.flip)


def _picamera2() -> Any:
    try:
        import picamera2
    except ImportError as error:
        if sys.prefix != sys.base_prefix and _SYSTEM.is_dir():
            raise SourceError(
                "picamera: picamera2 is installed for the system's Python, which this virtual environment does not see;"
                " make it again with: python3 -m venv --system-site-packages .venv"
            ) from None
        what = "picamera2 is not installed" if isinstance(error, ModuleNotFoundError) else f"picamera2: {error}"
        raise SourceError(
            f"picamera: {what}; to fix: sudo apt install python3-picamera2, and a virtual environment made with"
            " --system-site-packages"
        ) from None
    return picamera2


class Picamera(Source):
    """The pictures of one such camera, YUV 4:2:0, each copied once out of libcamera's buffer."""

    live = True

    def __init__(self, module: Any, options: PicameraOptions) -> None:
        """Args: module: picamera2. Raises as open_picamera."""
        self.name = f"picamera:{options.device}"
        found = [str(info.get("Model", "camera")) for info in module.Picamera2.global_camera_info()]
        if options.device >= len(found):
            listed = ", ".join(f"{index} ({model})" for index, model in enumerate(found)) or "none"
            raise SourceStalled(f"{self.name}: no such camera; libcamera knows {listed}; look at its cable and socket")
        self._index = 0
        self._first_ns: int | None = None
        self._closed = False
        try:
            self._camera = module.Picamera2(options.device)
        except (RuntimeError, IndexError) as error:
            raise SourceStalled(f"{self.name} ({found[options.device]}): {_line(error)}") from None
        try:
            self._start(options)
            self._pending: Frame | None = self._frame()
        except (RuntimeError, ValueError) as error:
            self.close()
            raise SourceStalled(f"{self.name} ({found[options.device]}): {_line(error)}") from None
        except BaseException:
            self.close()
            raise

    def _start(self, options: PicameraOptions) -> None:
        camera = self._camera
        wanted = {"FrameRate": options.fps, **self._controls(options.controls)}
        main = {"size": (options.size[0], options.size[1]), "format": "YUV420"}
        configuration = camera.create_video_configuration(main=main, controls=wanted)
        camera.align_configuration(configuration)
        camera.configure(configuration)
        width, height = camera.camera_configuration()["main"]["size"]
        self.size, self.fps = (int(width), int(height)), options.fps
        camera.start()

    def _controls(self, texts: list[str]) -> dict[str, float | bool]:
        """libcamera's controls, by its names."""
        known = self._camera.camera_controls
        values: dict[str, float | bool] = {}
        for name, text in pairs_of(texts):
            if name not in known:
                close = suggestion(name, list(known))
                raise SourceError(f"{self.name}: it has no control {name!r}{close}; it has {', '.join(sorted(known))}")
            low, high = known[name][:2]
            try:
                value = {"yes": True, "no": False}.get(text) if isinstance(low, bool) else type(low)(text)
                right = value is not None and (isinstance(low, bool) or low <= value <= high)
            except (TypeError, ValueError):
                right, value = False, None
            if not right or value is None:
                expected = "yes or no" if isinstance(low, bool) else f"a number from {low} to {high}"
                raise UsageError(f"{self.name}: control {name}: expected {expected}, got {text!r}")
            values[name] = value
        return values

    def _frame(self) -> Frame:
        request = self._camera.capture_request()
        try:
            image = request.make_array("main")
            stamp = request.get_metadata().get("SensorTimestamp")
        finally:
            request.release()
        captured_ns = time.monotonic_ns()
        if stamp is not None:  # of CLOCK_BOOTTIME, which counts while the machine sleeps, too
            since_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - stamp
            captured_ns -= max(0, since_ns)
        if self._first_ns is None:
            self._first_ns = captured_ns
        width, height = self.size
        frame = Frame(
            self._index,
            image[:height, :width],
            captured_ns - self._first_ns,
            captured_ns,
            partial(_colours, image, width, height),
        )
        self._index += 1
        return frame

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        if frame is not None or self._closed:
            return frame
        try:
            return self._frame()
        except RuntimeError as error:
            raise SourceStalled(f"{self.name}: {_line(error)}") from None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._camera.close()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _colours(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """BGR of YUV 4:2:0 whose rows may be longer than the picture is wide."""
    return cv2.cvtColor(image, cv2.COLOR_YUV2BGR_I420)[:height, :width]
