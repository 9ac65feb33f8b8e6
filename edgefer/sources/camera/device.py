"""An open V4L2 device: what it is and offers, and its buffers. An error of the driver is an OSError."""

from __future__ import annotations

import errno
import importlib
import os
import threading
import time
from collections.abc import Iterator
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from edgefer.errors import SourceError
from edgefer.sources.camera.controls import Control
from edgefer.sources.camera.formats import PREFERENCE, Layout
from edgefer.sources.camera.offers import Offer, Rates, Sizes

#: Buffers asked for: one is filled, one waits to be, and frames that are looked at hold up to four.
BUFFERS = 6
#: So many stay with the driver; where fewer would, a frame is copied out of its buffer.
_LEAST_QUEUED = 2


@cache
def library() -> Any:
    """The functions of v4l2.h, and cffi's `ffi` for them.

    Raises:
        SourceError: this edgefer was built without them.
    """
    try:
        return importlib.import_module("edgefer.sources.camera._v4l2")
    except ImportError as error:
        raise SourceError(
            f"cameras: the module that reads them cannot be loaded ({error}); install edgefer again"
        ) from None


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def fourcc_name(code: int) -> str:
    """The four letters of a pixel format, as V4L2's own tools write it."""
    text = (code & 0x7FFFFFFF).to_bytes(4, "little").decode("ascii", "replace").rstrip("\0 ")
    return text + ("-BE" if code >> 31 else "")


def fourcc_code(name: str) -> int:
    """The number of a pixel format of four letters."""
    return int.from_bytes(name.ljust(4).encode(), "little")


class Picture(NamedTuple):
    """A frame as the driver gave it.

    Attributes:
        data: uint8, its bytes, in the driver's memory: the buffer goes back when nothing refers to them any more.
        stamp_ns: of CLOCK_MONOTONIC; None where the driver has another clock, or none.
        sequence: as the driver counts. passed: older frames, unread. damaged: frames that the driver said are torn.
    """

    data: np.ndarray
    stamp_ns: int | None
    sequence: int
    passed: int = 0
    damaged: int = 0


class Device:
    """A V4L2 capture device.

    Attributes:
        path: of its node. name, driver, bus: as its driver says.
        captures: whether it gives pictures; metadata nodes and codecs do not.
    """

    def __init__(self, path: str) -> None:
        """Raises OSError where it cannot be opened or is no V4L2 device; SourceError where edgefer lacks V4L2."""
        module = library()
        self._lib, self._ffi = module.lib, module.ffi
        self.path = path
        self._lock = threading.RLock()  # a frame that dies gives its buffer back, on whatever thread
        self._out: set[int] = set()
        self._count = 0
        self._mapped: list[Any] = []
        self._wake = -1
        self._descriptor = _checked(self._lib.camera_open(os.fsencode(path)))
        try:
            identity = self._ffi.new("struct camera_identity *")
            if self._lib.camera_identify(self._descriptor, identity) < 0:
                raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))  # whatever a driver of another kind says
            self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        except BaseException:
            self.close()
            raise
        text = [self._ffi.string(field).decode(errors="replace") for field in (identity.card, identity.driver)]
        self.name, self.driver = text
        self.bus = self._ffi.string(identity.bus).decode(errors="replace")
        self._type = identity.type
        self.captures = bool(identity.type)
        self._frame = self._ffi.new("struct camera_frame *")

    # -- what it offers

    def offers(self) -> list[Offer]:
        """The formats it has, with the sizes of those that are read."""
        listed = self._list("camera_format_at", "struct camera_format *", self._type)
        formats = {fourcc_name(item.fourcc): item.fourcc for item in listed}
        return [
            Offer(name, self._sizes(code) if name in PREFERENCE else [], partial(self._rates, code))
            for name, code in formats.items()
        ]

    def _sizes(self, code: int) -> list[Sizes]:
        return [
            Sizes((r.low_width, r.low_height), (r.high_width, r.high_height), (r.step_width, r.step_height))
            for r in self._list("camera_size_at", "struct camera_range *", code)
        ]

    def _rates(self, code: int, width: int, height: int) -> list[Rates]:
        """Frames a second that a size can have, where the driver tells."""
        rates = []
        for r in self._list("camera_rate_at", "struct camera_rate *", code, width, height):
            if r.shortest_over and r.longest_over:
                rates.append(Rates(r.longest_under / r.longest_over, r.shortest_under / r.shortest_over))
        return rates

    def _list(self, function: str, kind: str, *arguments: int) -> Iterator[Any]:
        """What a function of the driver lists, to its end."""
        item, index = self._ffi.new(kind), 0
        while index < 256 and getattr(self._lib, function)(self._descriptor, *arguments, index, item) == 0:
            yield item
            index += 1

    # -- what it is set to

    def set_layout(self, fourcc: str, width: int, height: int) -> Layout:
        """Asks for a format and a size; gives what the driver made of them."""
        layout = self._ffi.new("struct camera_layout *")
        layout.width, layout.height, layout.fourcc = width, height, fourcc_code(fourcc)
        _checked(self._lib.camera_set_layout(self._descriptor, self._type, layout))
        return Layout(
            fourcc_name(layout.fourcc), layout.width, layout.height, layout.row_bytes, layout.bytes, layout.planes
        )

    def set_rate(self, fps: float) -> float | None:
        """Asks for a rate; gives the driver's, None where it does not tell."""
        over, under = self._ffi.new("uint32_t *", round(fps * 1000)), self._ffi.new("uint32_t *", 1000)
        if self._lib.camera_set_rate(self._descriptor, self._type, over, under) < 0 or not under[0]:
            return None
        return over[0] / under[0] or None

    def controls(self) -> Iterator[Control]:
        """Its controls, one after the other."""
        item, last = self._ffi.new("struct camera_control *"), 0
        while self._lib.camera_control_after(self._descriptor, last, item) == 0 and item.id != last:
            last = item.id
            yield Control(
                item.id,
                self._ffi.string(item.name).decode(errors="replace"),
                item.kind,
                item.low,
                item.high,
                item.step,
                item.usual,
                item.value,
                bool(item.inactive),
                bool(item.read_only),
            )

    def menu(self, control: int, low: int, high: int) -> dict[int, tuple[str, int]]:
        """The entries of a control that is a menu: index -> name, and the number an entry stands for."""
        name, value = self._ffi.new("char[32]"), self._ffi.new("int64_t *")
        entries = {}
        for index in range(low, min(high, low + 255) + 1):
            if self._lib.camera_menu_at(self._descriptor, control, index, name, value) == 0:
                entries[index] = self._ffi.string(name).decode(errors="replace"), int(value[0])
        return entries

    def set_control(self, control: int, kind: int, value: int) -> None:
        """Sets a control. Raises OSError where the driver refuses."""
        _checked(self._lib.camera_set_control(self._descriptor, control, kind, value))

    # -- pictures

    def start(self) -> None:
        """Begins to stream. Raises OSError, EBUSY among them where another program does."""
        self._count = _checked(self._lib.camera_request(self._descriptor, self._type, BUFFERS))
        for index in range(self._count):
            buffer = self._ffi.new("struct camera_buffer *")
            _checked(self._lib.camera_map(self._descriptor, self._type, index, buffer))
            unmap = partial(_unmapped, self._lib.camera_unmap, buffer.length)
            self._mapped.append((self._ffi.gc(buffer.data, unmap, size=buffer.length), buffer.length))
            _checked(self._lib.camera_queue(self._descriptor, self._type, index))
        _checked(self._lib.camera_start(self._descriptor, self._type))

    def next(self, timeout_s: float) -> Picture | None:
        """The newest frame; waits for one. None where none came in time, or the wait was interrupted.

        Raises:
            OSError: ENODEV where the camera is gone, EPIPE where its stream was reset.
        """
        deadline, passed, damaged = time.monotonic() + timeout_s, 0, 0
        while True:
            left_ms = max(0, round(1000 * (deadline - time.monotonic())))
            result = self._lib.camera_next(self._descriptor, self._type, self._wake, left_ms, self._frame)
            passed, damaged = passed + self._frame.passed, damaged + self._frame.damaged
            if result == 1:
                if not self._ran_dry():
                    return self._taken(passed, damaged)
                passed += 1
                _checked(self._lib.camera_queue(self._descriptor, self._type, self._frame.index))
            if result in (0, -errno.ECANCELED):
                return None
            if result not in (1, -errno.EINTR, -errno.EAGAIN):
                _checked(result)
            if time.monotonic() >= deadline:
                return None

    def _ran_dry(self) -> bool:
        """Whether all of the driver's buffers were full: then even the newest frame may be old, and another comes."""
        queued = self._count - len(self._out)
        return queued > _LEAST_QUEUED and self._frame.passed + self._frame.damaged + 1 >= queued

    def _taken(self, passed: int, damaged: int) -> Picture:
        frame = self._frame
        index, filled = frame.index, frame.bytes
        base, length = self._mapped[index]
        self._out.add(index)
        lent = self._ffi.gc(self._ffi.cast("uint8_t *", base), partial(self._returned, index, base))
        data = np.frombuffer(self._ffi.buffer(lent, min(filled or length, length)), np.uint8)
        del lent
        if self._count - len(self._out) < _LEAST_QUEUED:
            data = data.copy()  # the buffer goes back now
        stamp = frame.stamp_ns if frame.clock and frame.stamp_ns > 0 else None
        return Picture(data, stamp, frame.sequence, passed, damaged)

    def _returned(self, index: int, base: Any, lent: Any) -> None:
        """A buffer that nothing refers to any more; `base` keeps its memory until then, whatever was closed."""
        with self._lock:
            self._out.discard(index)
            if self._descriptor >= 0:
                self._lib.camera_queue(self._descriptor, self._type, index)

    def interrupt(self) -> None:
        """Ends a wait, and all later ones; from any thread."""
        with self._lock:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Ends the stream; frames that are still looked at keep their memory."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
            wake, self._wake = self._wake, -1
        if descriptor >= 0:
            if self._mapped:
                self._lib.camera_stop(descriptor, self._type)
            with self._lock:
                for index in self._out:
                    self._lib.camera_detach(*self._mapped[index])
                self._mapped.clear()
            self._lib.camera_close(descriptor)
        if wake >= 0:
            os.close(wake)


def _unmapped(unmap: Any, length: int, data: Any) -> None:
    unmap(data, length)
