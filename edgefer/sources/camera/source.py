"""A V4L2 camera as a source of frames."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from edgefer.errors import SourceError, SourceStalled
from edgefer.sources.base import NS_PER_S, Source
from edgefer.sources.camera import controls, nodes
from edgefer.sources.camera.device import Picture
from edgefer.sources.camera.formats import ASKED, JPEG, RAW, Layout
from edgefer.sources.camera.offers import Mode, choose, described, meets
from edgefer.sources.registry import CameraOptions
from edgefer.values import Frame

log = logging.getLogger(__name__)

#: So long without a picture, or for so many of its periods, and a camera is taken for blocked.
SILENT_S, SILENT_PERIODS = 2.0, 2.5
#: For the first one a camera may take longer: it sets its exposure.
FIRST_S = 5.0
#: A driver's stamp is believed when it is not in the future and at most this old.
_OLDEST_STAMP_NS = 2 * NS_PER_S
#: A JPEG's last marker, which some cameras write zeros behind.
_EOI, _END_BYTES = b"\xff\xd9", 4096
#: Torn pictures in a row, as some cameras begin with; with more of them something is wrong.
_MOST_TORN = 30


class Camera(Source):
    """The newest picture of a V4L2 device. Luma lies where the driver wrote it, where the format allows that.

    Attributes:
        stamp_ns: the driver's own, of the last picture, whether it is believed or not; None where it has no such clock.
    """

    live = True

    def __init__(self, options: CameraOptions) -> None:
        """Opens it and waits for its first picture.

        Raises:
            SourceError, SourceStalled: as open_camera.
        """
        self.name = nodes.path_of(options.device)
        self._index = self._damaged = 0
        self._first_ns: int | None = None
        self._last_ns = 0
        self.stamp_ns: int | None = None
        self._clock_said = self._closed = self._marks_ends = False
        try:
            self._device = nodes.opened(self.name)
            try:
                self._layout = self._set_up(options)
                self._device.start()
                self._silent_s = max(SILENT_S, SILENT_PERIODS / self.fps) if self.fps else SILENT_S
                self._pending: Frame | None = self._frame(FIRST_S)
            except BaseException:
                self._device.close()
                raise
        except OSError as error:
            raise nodes.failure(self.name, error) from None
        self.size = self._layout.width, self._layout.height

    def _set_up(self, options: CameraOptions) -> Layout:
        """Chooses what comes closest to the options, and asks the driver for it."""
        size, wanted, device = (options.size[0], options.size[1]), ASKED[options.format], self._device
        offers = device.offers()
        mode = choose(offers, size, options.fps, wanted)
        if mode is None:
            expected = f"format {options.format}" if wanted else f"one of {', '.join([*RAW, *JPEG])}"
            raise SourceError(
                f"{self.name} ({device.name}): expected {expected}; it offers {described(offers, readable=False)}"
                + nodes.raw_advice(offers)
            )
        controls.apply(self.name, device, options.controls)
        layout = device.set_layout(mode.fourcc, mode.width, mode.height)
        self.fps = device.set_rate(options.fps) or mode.fps
        if layout.fourcc not in RAW and layout.fourcc not in JPEG:
            raise SourceError(f"{self.name} ({device.name}): asked for {mode.fourcc}, it gives {layout.fourcc}")
        given = Mode(layout.fourcc, layout.width, layout.height, self.fps)
        if not meets(given, size, options.fps):
            log.warning(
                "%s (%s): expected %dx%d at %g frames a second, got %s; it offers %s",
                self.name, device.name, *size, options.fps, given, described(offers),
            )  # fmt: skip
        else:
            log.info("%s (%s): %s", self.name, device.name, given)
        return layout

    def _frame(self, timeout_s: float) -> Frame | None:
        """The next picture that is whole; None once closed."""
        for _ in range(_MOST_TORN):
            try:
                picture = self._device.next(timeout_s)
            except OSError as error:
                raise nodes.failure(self.name, error) from None
            if picture is None:
                if self._closed:
                    return None
                raise SourceStalled(
                    f"{self.name}: no picture for {timeout_s:g} s; its stream is blocked or another program holds it"
                )
            self._damaged += picture.damaged
            self._index += picture.passed + picture.damaged
            captured_ns = self._captured_ns(picture)
            frame = self._decoded(self._index, picture.data, captured_ns)
            self._index += 1
            if frame is not None:
                return frame
            self._damaged += 1
        raise SourceStalled(f"{self.name}: {_MOST_TORN} torn pictures in a row; check its cable and its supply")

    def _captured_ns(self, picture: Picture) -> int:
        """The driver's time stamp where it is on the monotonic clock and plausible, else now; later than the last.

        Some drivers' stamps run back by a little now and then: such a picture lies half a period after the last one.
        """
        now = time.monotonic_ns()
        self.stamp_ns = stamp = picture.stamp_ns
        if stamp is None or not now - _OLDEST_STAMP_NS < stamp <= now:
            if not self._clock_said:
                what = "not of the monotonic clock" if stamp is None else "implausible"
                log.info("%s: its driver's stamps are %s; age counts from arrival", self.name, what)
                self._clock_said = True
            stamp = now
        if stamp <= self._last_ns:
            half_ns = round(NS_PER_S / self.fps / 2) if self.fps else 1
            stamp = max(self._last_ns + 1, min(self._last_ns + half_ns, now))
        self._last_ns = stamp
        return stamp

    def _decoded(self, index: int, data: np.ndarray, captured_ns: int) -> Frame | None:
        """The frame of a buffer; None for a torn one. The frame keeps the buffer for as long as it may be looked at."""
        layout = self._layout
        raw = RAW.get(layout.fourcc)
        colours: Callable[[], np.ndarray | None]
        if raw is not None:
            if data.size < raw.least_bytes(layout):
                return None
            grey = raw.grey(data, layout)
            colours = partial(raw.bgr, data, layout)
        else:
            import cv2

            from edgefer.support.stills import decode_image

            jpeg = self._with_end(data)
            decoded = None if jpeg is None else decode_image(jpeg, cv2.IMREAD_GRAYSCALE)
            if jpeg is None or decoded is None:
                return None
            grey, colours = decoded, _JpegColours(jpeg)
        if self._first_ns is None:
            self._first_ns = captured_ns
        return Frame(index, grey, captured_ns - self._first_ns, captured_ns, colours)

    def _with_end(self, data: np.ndarray) -> np.ndarray | None:
        """A JPEG with its last marker; None for a torn one, which has none though others of this camera have."""
        if _EOI in data[-_END_BYTES:].tobytes():
            self._marks_ends = True
            return data
        return None if self._marks_ends else np.append(data, np.frombuffer(_EOI, np.uint8))

    @property
    def damaged(self) -> int:
        return self._damaged

    def read(self) -> Frame | None:
        frame, self._pending = self._pending, None
        if frame is not None:
            return frame
        return None if self._closed else self._frame(self._silent_s)

    def interrupt(self) -> None:
        self._closed = True
        self._device.interrupt()

    def close(self) -> None:
        self._closed = True
        self._pending = None
        self._device.close()


class _JpegColours:
    """The colours of a JPEG, decoded when they are asked for. Attributes: jpeg: uint8, its bytes."""

    def __init__(self, jpeg: np.ndarray) -> None:
        self.jpeg = jpeg

    def __call__(self) -> np.ndarray | None:
        import cv2

        from edgefer.support.stills import decode_image

        return decode_image(self.jpeg, cv2.IMREAD_COLOR)
