"""The last moments of each face at a fixed rate of media time, whatever the rate and the rhythm of the frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

import numpy as np

NS = 1_000_000_000


class Resampler:
    """Samples of one face at the multiples of a period of media time, interpolated between the frames on either side.

    The multiples are those of the source's own clock, so films of one scene at several frame rates are sampled at the
    same moments. After a gap, or a step back in time, it starts over.

    Args:
        rate_hz: samples a second.
        gap_ns: frames that lie farther apart do not belong together.
    """

    def __init__(self, rate_hz: float, gap_ns: int) -> None:
        self._rate_hz, self._gap_ns = rate_hz, gap_ns
        self._last: np.ndarray | None = None
        self._last_ns = 0

    def add(self, media_ns: int, sample: np.ndarray) -> tuple[bool, list[tuple[int, np.ndarray]]]:
        """Takes what was seen in a frame.

        Args:
            sample: of any shape, always the same; integers are rounded when they are interpolated. It is copied.

        Returns:
            Whether it follows what came before; and the media times, ns, with the samples that it completes.
        """
        before, before_ns = self._last, self._last_ns
        follows = before is not None and before_ns <= media_ns <= before_ns + self._gap_ns
        if follows and media_ns == before_ns:
            return True, []
        self._last, self._last_ns = sample.copy(), media_ns
        completed = []
        if before is None or not follows:
            number = self._reached(media_ns)
            if self._time(number) == media_ns:
                completed.append((media_ns, self._last))
            return False, completed
        for number in range(self._reached(before_ns) + 1, self._reached(media_ns) + 1):
            at = self._time(number)
            completed.append((at, _between(before, self._last, (at - before_ns) / (media_ns - before_ns))))
        return True, completed

    def _time(self, number: int) -> int:
        return round(number * NS / self._rate_hz)

    def _reached(self, media_ns: int) -> int:
        """The last multiple that lies at this time or before it."""
        number = round(media_ns * self._rate_hz / NS)
        return number if self._time(number) <= media_ns else number - 1


class Windows:
    """The last samples of each track at a fixed rate.

    What it holds is bounded: a window and a frame for each of so many tracks, those seen last.

    Args:
        length: samples in a window.
        rate_hz: samples a second.
        gap_s: frames farther apart do not belong together; the window starts over.
        tracks: that are kept at most.
    """

    def __init__(self, length: int, rate_hz: float, gap_s: float = 0.3, tracks: int = 32) -> None:
        self._length, self._rate_hz, self._gap_ns, self._most = length, rate_hz, round(gap_s * NS), tracks
        self._tracks: dict[int, tuple[Resampler, deque[tuple[int, np.ndarray]]]] = {}

    def add(self, track: int, media_ns: int, sample: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Takes what was seen of a face in a frame; returns the samples that it completes, with their times, ns."""
        held = self._tracks.pop(track, None)
        if held is None:
            held = Resampler(self._rate_hz, self._gap_ns), deque(maxlen=self._length)
        self._tracks[track] = held  # the last to have been seen
        if len(self._tracks) > self._most:
            del self._tracks[next(iter(self._tracks))]
        resampler, window = held
        follows, completed = resampler.add(media_ns, sample)
        if not follows:
            window.clear()
        window.extend(completed)
        return completed

    def full(self, track: int) -> bool:
        """Whether a track has a whole window."""
        return track in self._tracks and len(self._tracks[track][1]) == self._length

    def window(self, track: int) -> tuple[int, list[np.ndarray]] | None:
        """The time of a track's last sample, ns, and its samples, oldest first; None unless the window is whole."""
        if not self.full(track):
            return None
        samples = self._tracks[track][1]
        return samples[-1][0], [sample for _, sample in samples]

    def forget(self, tracks: Collection[int]) -> None:
        """Drops what is kept of some tracks."""
        for track in tracks:
            self._tracks.pop(track, None)


def _between(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """What lies between two samples, a share of the way to the second."""
    if share >= 1:
        return after
    mixed = before + (after.astype(np.float32) - before) * np.float32(share)
    return np.rint(mixed).astype(after.dtype) if np.issubdtype(after.dtype, np.integer) else mixed.astype(after.dtype)
