"""When a file that grows is full, and which of the older ones stay."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

#: 2024 began then (UTC), before any edgefer: a device that tells an earlier time has not set its clock yet.
SET_S = 1_704_067_200.0
#: How often the older files are looked at while none becomes full, s.
LOOK_S = 60.0


class Retention(Struct, frozen=True):
    """What stays of a recording; None and 0 are no limit, but for `keep`.

    Attributes:
        size: bytes after which a file is full.
        period_s: after so long a file is full, counted from midnight: 3600 is each full hour.
        keep: how many full files stay.
        max_age_s: a full file goes when nothing was written to it for so long.
        total: bytes of all files together; the oldest full ones go.
    """

    size: int | None = None
    period_s: float = 0.0
    keep: int = 5
    max_age_s: float = 0.0
    total: int = 0

    @property
    def rotates(self) -> bool:
        """Whether a file is full at some time."""
        return self.size is not None or self.period_s > 0

    def is_full(self, state: os.stat_result, more: int, head: int) -> bool:
        """Whether a file can take no more bytes, or is of a time that is over; one with a head alone is not full."""
        if state.st_size <= head:
            return False
        if self.size is not None and state.st_size + more > self.size:
            return True
        now_s = time.time()
        if not self.period_s or state.st_mtime < SET_S <= now_s:  # begun before the clock was set, not in another time
            return False
        return self._period(now_s) > self._period(state.st_mtime)

    def _period(self, moment_s: float) -> int:
        """The number of the period that a moment falls into, by the clock on the wall."""
        offset_s = time.localtime(moment_s).tm_gmtoff
        return int((moment_s + offset_s) // self.period_s)

    def prune(self, files: Iterable[Path], used: int = 0) -> None:
        """Removes what is too old or too much.

        Args:
            files: the full ones, the newest first.
            used: bytes of what is not full yet.
        """
        if not (self.max_age_s or self.total):
            return
        now_s = time.time()
        for path in files:
            with contextlib.suppress(OSError):  # someone else has removed it, or may alone
                state = path.stat()
                used += state.st_size
                too_old = 0 < self.max_age_s < now_s - state.st_mtime
                if too_old and state.st_mtime < SET_S <= now_s:  # nobody knows how old it is: it ages from now on
                    os.utime(path)
                    too_old = False
                if too_old or 0 < self.total < used:
                    path.unlink()


def put_aside(base: str, keep: int) -> None:
    """FILE becomes FILE.1, that one FILE.2, and so on, up to FILE.keep, which goes, as do those behind it.

    Raises OSError.
    """
    number = 1
    while number < keep and os.path.lexists(f"{base}.{number}"):
        number += 1
    for older in range(number, 1, -1):
        os.replace(f"{base}.{older - 1}", f"{base}.{older}")
    os.replace(base, f"{base}.1")
    for path in older_files(base)[keep:]:  # of a time when more were kept
        with contextlib.suppress(OSError):
            path.unlink()


def older_files(base: str) -> list[Path]:
    """FILE.1, FILE.2 …, up to the first that is not there: the newest first. FILE.2023 is somebody else's."""
    paths = (Path(f"{base}.{number}") for number in itertools.count(1))
    return list(itertools.takewhile(os.path.lexists, paths))
