"""Another source with faults played into it: a rehearsal of what a camera does that is bumped, unplugged or worn out.

The faults are those of the device, not of one opening of it: a source that is opened again while its camera is away
finds it away.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from msgspec import Struct, structs

from edgefer.errors import SourceStalled
from edgefer.sources.base import NS_PER_S, Source, Wrapper
from edgefer.sources.registry import FAULTS, FaultOptions, parse_source
from edgefer.values import Frame

log = logging.getLogger(__name__)

#: In these the camera cannot be opened until they are over.
_AWAY = ("eof", "gone", "hang")
#: Pictures a second of a frozen source that has no rate of its own.
_RATE = 30.0
_BLACK = 16


class Played(Struct):
    """A fault that was played; `over_s` is when the camera is itself again, by the clock of the device."""

    kind: str
    began_s: float
    over_s: float


class FaultyDevice:
    """The faults of one camera, through all openings: one after the other, each for a while.

    Attributes:
        played: so far. holds: while it is set no fault begins.
    """

    def __init__(
        self,
        make: Callable[[], Source],
        kinds: Sequence[str] = FAULTS,
        every_s: float = 20.0,
        lasting_s: float = 5.0,
        sticks: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        make: opens the camera.
        kinds: of FAULTS, in turn.
        every_s: good pictures between the end of a fault and the next one.
        lasting_s: of each fault.
        sticks: whether what was opened before or in a fault shows it for ever, so that only opening again helps.
        clock: seconds.
        """
        self.played: list[Played] = []
        self.holds = False
        self._make = make
        self._kinds = itertools.cycle(kinds)
        self._every_s, self._lasting_s, self._sticks = every_s, lasting_s, sticks
        self._clock = clock
        self._lock = threading.Lock()
        self._next_s: float | None = None  # when the next fault begins, once there are pictures

    def open(self) -> Faulty:
        """The camera, as it is now.

        Raises:
            SourceStalled: it is away. SourceError: as its own opening does.
        """
        fault = self.now()
        if fault is not None and fault.kind in _AWAY:
            raise SourceStalled(f"camera with faults: away, {fault.kind}")
        return Faulty(self._make(), self, self._clock())

    def now(self) -> Played | None:
        """The fault that is on."""
        with self._lock:
            last = self.played[-1] if self.played else None
            return last if last is not None and self._clock() < last.over_s else None

    def fault_of(self, opened_s: float) -> Played | None:
        """The fault that a source opened at that time shows in its next picture; begins one that is due."""
        now_s = self._clock()
        with self._lock:
            last = self.played[-1] if self.played else None
            if last is not None and now_s < last.over_s:
                return last
            if last is not None and self._sticks and opened_s < last.over_s:
                return last
            if self._next_s is None:
                self._next_s = now_s + self._every_s
            elif now_s >= self._next_s and not self.holds:
                self._next_s = None
                self.played.append(Played(next(self._kinds), now_s, now_s + self._lasting_s))
                log.info("the fault %s is played for %g s", self.played[-1].kind, self._lasting_s)
                return self.played[-1]
            return None


class Faulty(Wrapper):
    """One opening of a camera with faults."""

    def __init__(self, source: Source, device: FaultyDevice, opened_s: float) -> None:
        """Args: source: closed with this one. opened_s: by the device's clock."""
        super().__init__(source)
        self._device, self._opened_s = device, opened_s
        self._over = threading.Event()
        self._last: Frame | None = None

    def read(self) -> Frame | None:
        fault = self._device.fault_of(self._opened_s)
        if fault is None:
            self._last = self._source.read()
            return self._last
        return self._spoilt(fault)

    def _spoilt(self, fault: Played) -> Frame | None:
        if fault.kind == "eof":
            return None
        if fault.kind in ("gone", "reset"):
            number = errno.ENODEV if fault.kind == "gone" else errno.ECONNRESET
            raise OSError(number, os.strerror(number))
        if fault.kind == "hang":
            self._over.wait()
            return None
        if fault.kind == "frozen" and self._last is not None:
            return self._repeated(self._last)
        frame = self._source.read()
        if frame is None or fault.kind == "frozen":
            self._last = frame
            return frame
        grey = np.full_like(frame.grey, _BLACK) if fault.kind == "black" else frame.grey[::2, ::2]
        return structs.replace(frame, grey=grey, bgr=None)

    def _repeated(self, last: Frame) -> Frame | None:
        """The last picture once more, when the next one would be due; the camera's own are left where they are."""
        period_s = 1 / (self.fps or _RATE)
        if self._over.wait(period_s):
            return None
        step_ns = round(period_s * NS_PER_S)
        self._last = structs.replace(
            last, index=last.index + 1, media_ns=last.media_ns + step_ns, captured_ns=time.monotonic_ns()
        )
        return self._last

    def interrupt(self) -> None:
        self._over.set()
        super().interrupt()

    def close(self) -> None:
        self._over.set()
        super().close()


_devices: dict[bytes, FaultyDevice] = {}


def open_faults(options: FaultOptions) -> Faulty:
    """The device that these options describe, opened; it stays the same one for the length of the process.

    Raises:
        SourceStalled: it is away for now. UsageError, SourceError: there is no such source.
    """
    inner = parse_source(options.source)
    key = msgspec.json.encode(options)
    if key not in _devices:
        _devices[key] = FaultyDevice(inner.make, options.kinds, options.every, options.lasting, options.sticks)
    return _devices[key].open()
