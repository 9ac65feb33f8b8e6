"""The readings of one source or of several, one after the other."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

from edgefer.assemble import Parts
from edgefer.errors import SourceError, UsageError
from edgefer.reader.choosing import choose_sources, opener_of
from edgefer.reader.options import StreamOptions
from edgefer.sources.registry import AWAITED, STILL, endless
from edgefer.support.locks import Guard
from edgefer.support.names import shown
from edgefer.support.redact import scrub
from edgefer.support.registry import Choice
from edgefer.values import Frame, Health, Reading

if TYPE_CHECKING:  # these load the loop, and with it OpenCV
    import numpy as np

    from edgefer.loop.pipeline import Pipeline
    from edgefer.loop.readings import Readings
    from edgefer.loop.summary import RunSummary

log = logging.getLogger(__name__)

_NAMES_IN_A_MESSAGE = 3


class Stream(Iterator[Reading]):
    """Readings, one by one, of a camera, a film, a network stream or photographs; `edgefer.stream` makes it.

    Use it in a `with` block, or call `close`: that stops its thread and releases the camera or the file. A
    stream that nothing refers to any more is closed, too.

    Of several sources each is read by itself: faces are numbered from 1 and `t_s` counts from 0 in each.
    Photographs that follow one another are numbered through.

    Attributes:
        name: what is read, as messages call it.
        fps: pictures a second of the source that is read; None where it has no rate of its own.
        size: width and height of its pictures, pixels.
        length: pictures it says it has; None where it does not know.
        live: whether its pictures come at their own time, so that a slow reader misses some.
        labels: names of the expressions, in score order; models: those of the models after the first, by name;
            units: names of the action units.
    """

    def __init__(
        self,
        parts: Parts,
        specs: Sequence[str | Choice],
        options: StreamOptions,
        *,
        outputs: Sequence[Choice] = (),
        stop: threading.Event | None = None,
        on_wait: Callable[[Stream], None] | None = None,
    ) -> None:
        """Opens the first source.

        Args:
            parts: models and detector.
            specs: the sources, as texts or chosen already.
            options: how they are read.
            outputs: where the readings will go, for what they need.
            stop: set from outside to end the wait for a source that is not there yet; the stream has ended then.
            on_wait: called again and again during that wait; name, labels and health of the stream are known.

        Raises:
            UsageError: sources or options that do not go together. SourceError: no source can be read.
            ModelError: a model is refused.
        """
        from edgefer.loop.summary import Tally

        self._parts, self._options, self._outputs = parts, options, outputs
        self._lock = Guard()
        self._stop, self._on_wait = stop, on_wait
        self._trouble = ""  # why the source that is waited for is not there
        self._made: tuple[bool, Pipeline] | None = None  # for it: whether it is live, and its pipeline
        patience_s = options.patience
        self._patience_s = parts.settings.capture.patience_s if patience_s is None else patience_s
        self._open = _Open()
        self._close = weakref.finalize(self, self._open.close)
        self._tally = Tally()
        self._failed: list[tuple[str, SourceError]] = []
        self._given = self._index = 0  # readings; and the number of the next photograph
        self._still = self._resting = False
        self._image: tuple[Frame, np.ndarray] | None = None
        self.frame: Frame | None = None
        self.ended = False
        self.name = ""
        self.live = False
        self.fps: float | None = None
        self.size = (0, 0)
        self.length: int | None = None
        self.labels: tuple[str, ...] = ()
        self.units: tuple[str, ...] = ()
        self.models: dict[str, tuple[str, ...]] = {}
        try:
            self._queue = deque(choose_sources(specs, options, parts.settings.camera))
            self._count = len(self._queue)
            self._single = self._count == 1
            self._next_source()
        except BaseException:
            self._close()
            raise

    # -- as an iterator

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Reading:
        """The next reading.

        Raises:
            SourceError: the source failed for good; of several, after all others were read, naming it.
        """
        while not self.ended:
            reading = self.step()
            if reading is not None:
                return reading
        self.close()  # waits for another thread that is closing it
        raise StopIteration

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the stream, from any thread; a second call does nothing."""
        self.ended = True
        with self._lock:
            self._close()

    # -- what it says

    @property
    def image(self) -> np.ndarray:
        """The picture of the last reading: uint8, shape (H, W, 3), BGR.

        Raises:
            ValueError: there was no reading yet.
        """
        frame = self.frame
        if frame is None:
            raise ValueError("stream: no picture before the first reading")
        if self._image is None or self._image[0] is not frame:
            self._image = frame, _colours(frame)
        return self._image[1]

    @property
    def summary(self) -> RunSummary:
        """What the stream amounted to so far: counts, times, and seconds by expression of each person."""
        readings = self._open.readings
        return readings.summary if readings is not None else self._tally.summary()

    @property
    def health(self) -> Health:
        """How the stream is doing."""
        readings = self._open.readings
        if readings is not None:
            return readings.health
        waits, frames = self._trouble, self._tally.frames
        return Health(frames, 0, 0, 0.0, 0.0, 0, 0, None, False, "stalled" if waits else "ended", trouble=waits)

    # -- the steps

    def step(self) -> Reading | None:
        """One turn, of about 0.1 s at most where no picture comes; None when it gave no reading.

        Raises:
            SourceError: as next() does.
        """
        with self._lock:
            if self.ended:
                return None
            if os.getpid() != self._open.pid:
                raise UsageError("this stream was opened before os.fork(); open it in the process that reads it")
            readings = self._open.readings
            if readings is None:
                self._next_source()
                return None
            try:
                reading = readings.step()
            except SourceError as error:
                self._open.end_source()
                self._source_failed(self.name, error)
                return None
            except BaseException:
                self.close()
                raise
            if reading is not None:
                self.frame = readings.frame
                self._given += 1
            if readings.ended:
                self._index = readings.next_index
                self._open.end_source()
                if self._given == self._options.frames:
                    self._queue.clear()
            return reading

    def rest(self, resting: bool) -> None:
        """While it rests no reading is made; the camera is released meanwhile, a film waits."""
        if resting == self._resting:
            return
        with self._lock:
            self._resting = resting
            if self._open.readings is not None:
                self._open.readings.rest(resting)

    def _next_source(self) -> None:
        """Opens the next source that can be; without any, the stream has ended."""
        while self._queue:
            spec, choice = self._queue.popleft()
            try:
                if isinstance(choice, SourceError):
                    raise choice
                self._begin(choice)
                return
            except SourceError as error:
                self._source_failed(spec, error)
        self.close()
        self._tell_failed()

    def _begin(self, choice: Choice) -> None:
        from edgefer.loop.readings import Readings
        from edgefer.sources import paced

        options = self._options
        opener = opener_of(choice, options, self._parts.settings.capture.frozen_s)
        if AWAITED in choice.entry.needs:
            from edgefer.loop.patience import open_patiently

            on_wait = partial(self._wait, self._on_wait, choice) if self._on_wait else None
            source = open_patiently(opener, self._patience_s, self._stop, on_wait=on_wait)
            self._trouble = ""
            if source is None:
                self._queue.clear()
                self.close()
                return
        else:
            source = opener()
        still = source.still or STILL in choice.entry.needs
        try:
            reopen = opener if source.live else None
            if options.realtime:
                source = paced(source)
            pipeline = self._pipeline(choice, source.live)
            self._made = None
            self._open.readings = Readings(
                source,
                pipeline,
                frames=None if options.frames is None else options.frames - self._given,
                start_s=getattr(choice.options, "start", options.start),
                seconds=options.seconds,
                every=options.every,
                region=options.region,
                first_index=self._index if still and self._still else 0,
                reopen=reopen,
                patience_s=self._patience_s,
                endless=endless(choice),
                tally=self._tally,
            )
        except BaseException:
            source.close()
            raise
        self._open.readings.rest(self._resting)
        self._still = still
        self.name, self.fps, self.size, self.length = source.name, source.fps, source.size, source.length
        self.live = source.live

    def _wait(self, on_wait: Callable[[Stream], None], choice: Choice, trouble: str) -> None:
        self._pipeline(choice, True)  # most of what is waited for is live
        self._trouble = trouble or f"{choice}: does not answer"
        self.name, _, _ = self._trouble.partition(": ")
        on_wait(self)

    def _pipeline(self, choice: Choice, live: bool) -> Pipeline:
        """For the source that is begun; with it, what will be read of it is known."""
        if self._made is None or self._made[0] != live:
            made = self._parts.pipeline(choice, live, self._outputs)
            self._made, self.labels, self.models, self.units = (
                (live, made),
                made.labels,
                made.further_labels,
                made.units,
            )
        return self._made[1]

    def _source_failed(self, spec: str, error: SourceError) -> None:
        """Remembers the failure of one of several; that of a single one is raised."""
        if self._single:
            self.close()
            raise error
        log.warning("%s; going on with the next source", error)
        self._failed.append((shown(scrub(spec)), error))
        self._index += 1  # a photograph that cannot be read leaves a gap in the numbers

    def _tell_failed(self) -> None:
        """Raises, once, one line for the sources that could not be read."""
        failed, self._failed = self._failed, []
        if not failed:
            return
        names = ", ".join(spec for spec, _ in failed[:_NAMES_IN_A_MESSAGE])
        more = ", …" if len(failed) > _NAMES_IN_A_MESSAGE else ""
        left = "the others were" if self._tally.frames else "nor any other"
        raise SourceError(f"{len(failed)} of {self._count} sources could not be read ({names}{more}); {left}")


class _Open:
    """What has to be closed when a stream ends, however it ends."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.readings: Readings | None = None

    def end_source(self) -> None:
        readings, self.readings = self.readings, None
        if readings is not None:
            readings.close()

    def close(self) -> None:
        if os.getpid() == self.pid:  # a camera that a child of this process closed would stop for its parent, too
            self.end_source()


def _colours(frame: Frame) -> np.ndarray:
    """uint8, shape (H, W, 3), BGR."""
    import numpy as np

    image = frame.bgr() if frame.bgr is not None else None
    return np.repeat(frame.grey[:, :, None], 3, axis=2) if image is None else image
