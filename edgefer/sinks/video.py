"""The source as a film with the readings drawn into it, which can be played whatever ends the run."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Sequence

from edgefer.errors import SinkError, SinkStalled, UsageError
from edgefer.sinks.base import Sink
from edgefer.sinks.draw import annotate, colour_image, fitted
from edgefer.sinks.events import Recent
from edgefer.sinks.film import CONTAINERS, NS_PER_S, Film, FilmFile
from edgefer.sinks.registry import Video
from edgefer.values import Frame, Reading

log = logging.getLogger(__name__)

#: After a failure of the disk another film is begun at the earliest.
_RETRY_S = 10.0
#: A photograph is shown for so long.
_STILL_NS = NS_PER_S
#: A longer pause of the source is shown as one of this length; the containers' counters have an end.
_LONGEST_PAUSE_NS = 3600 * NS_PER_S


class AnnotatedVideo(Sink):
    """A film under its own name from the first frame on, in the source's time.

    It is written in pieces that can be played without what comes after, so that a run which is killed, or a
    disk that fills up, costs the last moments alone. A frame is shown until the next one, also where a live
    source dropped frames between. All frames get the size of the first, rounded down to even sides; others are
    fitted into it.

    Where the disk fails and can be written again, what was written stays, and a film of the next name begins: after
    `seen.mp4` comes `seen-2.mp4`.
    """

    def __init__(self, path: str, fps: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
            path: ends as one of CONTAINERS does; replaced at the first frame.
            fps: frames a second: how long a last frame is shown that does not say it, and the rate of an AVI; 30
                when None.
            clock: seconds; for tests.

        Raises:
            UsageError: another suffix, or PyAV is missing.
            SinkError: the file cannot be written.
        """
        self.name = path
        suffix = os.path.splitext(path)[1].lower()
        if suffix not in CONTAINERS:
            raise UsageError(f"video:{path}: unknown kind of video {suffix!r}; available: {', '.join(CONTAINERS)}")
        _require_pyav(path)
        self._container = CONTAINERS[suffix]
        self._fps = fps if fps and math.isfinite(fps) and 0 < fps <= 1000 else 30.0
        self._period_ns = round(NS_PER_S / self._fps)
        self._file = FilmFile(path)
        self._clock = clock
        self._failed: tuple[float, str] | None = None  # when the disk did, and what was said
        self._film: Film | None = None
        self._recent = Recent()
        self._last_ns: int | None = None  # time of the newest frame in its source
        self._source = ""  # which that is
        self._shown_ns = 0  # and in the film
        self._length_ns = 0  # how long the newest frame is shown if it is the last one

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        if frame is None:
            raise SinkError(f"{self.name}: a video needs the frames, got a reading alone")
        if self._failed is not None:
            self._begin_again(*self._failed)
        image = annotate(colour_image(frame), reading, self._recent.add(reading))
        try:
            if self._film is None:
                height, width = image.shape[:2]
                size = max(2, width - width % 2), max(2, height - height % 2)
                self._film = Film(self._file, self._container, size, self._fps)
            self._film.add(fitted(image, self._film.size), self._time_of(frame))
        except OSError as error:
            self._give_up()
            what = f"{self.name}: cannot be written: {error.strerror}; the video ends before frame {frame.index}"
            self._failed = self._clock(), what
            raise SinkStalled(what) from None

    def _begin_again(self, failed_s: float, what: str) -> None:
        """Opens the film after the one that could not be written. Raises SinkStalled: it is too early, or no use."""
        if self._clock() - failed_s < _RETRY_S:
            raise SinkStalled(what)
        stem, suffix = os.path.splitext(self.name)
        number = 2
        while os.path.lexists(path := f"{stem}-{number}{suffix}"):
            number += 1
        try:
            self._file = FilmFile(path)
        except SinkError:
            self._failed = self._clock(), what
            raise SinkStalled(what) from None
        log.warning("%s: goes on in %s", self.name, path)
        self._failed, self._last_ns, self._shown_ns = None, None, 0

    def _time_of(self, frame: Frame) -> int:
        """When the film shows the frame, ns: with the source's gaps, but never back, as where another one begins."""
        if self._last_ns is not None:
            step_ns = 0 if frame.still or frame.source != self._source else frame.media_ns - self._last_ns
            self._shown_ns += min(step_ns, _LONGEST_PAUSE_NS) if step_ns > 0 else self._length_ns
        self._last_ns, self._source = frame.media_ns, frame.source
        self._length_ns = _STILL_NS if frame.still else frame.duration_ns or self._period_ns
        return self._shown_ns

    def _give_up(self) -> None:
        film, self._film = self._film, None
        if film is not None:
            film.abandon()
        self._file.close()

    def close(self) -> None:
        film = self._film
        try:
            if film is not None:
                film.finish(self._shown_ns + self._length_ns)
        except OSError as error:
            self._give_up()
            raise SinkError(f"{self.name}: cannot be written: {error.strerror}; its end is missing") from None
        finally:
            self._film = None
            self._file.close()


def open_video(options: Video, *, labels: Sequence[str], title: str, fps: float | None) -> AnnotatedVideo:
    """The output `video`."""
    return AnnotatedVideo(options.path, fps)


def _require_pyav(path: str) -> None:
    try:
        import av  # noqa: F401
    except ImportError:
        what = "films are written through PyAV, which is not installed: pip install 'edgefer[film]'"
        raise UsageError(f"video:{path}: {what}") from None
