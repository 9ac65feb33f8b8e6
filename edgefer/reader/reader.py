"""A reader: models and a detector, loaded once, for photographs, streams and loops of one's own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

from edgefer.reader.options import Flip, Region, Rotation, SourceLike, StreamOptions, seconds, settings_of, specs_of
from edgefer.support.locks import Guard
from edgefer.values import FaceReading, Frame, Reading

if TYPE_CHECKING:  # numpy and the loop load with the first picture
    import numpy as np

    from edgefer.assemble import Parts
    from edgefer.config import Settings
    from edgefer.loop.pipeline import Pipeline
    from edgefer.reader.streaming import Stream
    from edgefer.support.registry import Choice

ModelLike: TypeAlias = "str | os.PathLike[str]"
ImageLike: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes] | np.ndarray"


class Reader:
    """Reads expressions with models and a detector that are loaded once.

    `read` judges a photograph by itself, `process` the next picture of a loop of your own, `stream` a camera, a
    film or whatever else edgefer can open. All three may be used side by side and from several threads; pictures
    given to `process` by several threads are one stream, in the order in which they come.

    A child of os.fork() may go on with it. It cannot be pickled: processes of a pool call edgefer.read, or make a
    reader each.
    """

    def __init__(
        self,
        model: ModelLike | Sequence[ModelLike] | None = None,
        *,
        detector: str | None = None,
        profile: str | os.PathLike[str] | None = None,
        landmarks: bool = False,
        min_face_px: int | None = None,
        lag_ms: float | None = None,
        rate_hz: float | None = None,
        threads: int | None = None,
    ) -> None:
        """Loads and checks the models.

        Args:
            model: an installed or a shipped model (`edgefer models list`) or a model directory; of several the first
                gives the expression. The profile's by default, which is "edgefer-s" unless it says otherwise.
            detector: how faces are found: "edgefer", "haar", "yunet:DIRECTORY", "blazeface:DIRECTORY". The profile's
                by default.
            profile: name of a shipped profile or a .toml file; by default the one that fits this board, as for
                `edgefer run`.
            landmarks: whether faces get 68 landmarks and a pose.
            min_face_px: smallest face that is searched for in a stream, pixels, 20 to 2000.
            lag_ms: mean delay that the average of scores adds to a change of expression, 0 to 5000; 0: none.
            rate_hz: recognitions a second that the faces in a film share, 0 to 240; 0: every face in every frame. Their
                scores are carried between, and `scores_age_ms` says for how long.
            threads: of the networks, 1 to 64.

        Raises:
            EdgeferError: an unknown model, detector or profile; a model that is damaged; landmarks without a
                landmark network. TypeError, ValueError: an argument is not what it must be.
        """
        settings = settings_of(
            model=model,
            detector=detector,
            profile=profile,
            min_face_px=min_face_px,
            lag_ms=lag_ms,
            rate_hz=rate_hz,
            threads=threads,
        )
        self._start(settings, bool(landmarks))
        self.labels: tuple[str, ...] = self._opened().pipeline(None, live=False).labels

    @classmethod
    def of_settings(cls, settings: Settings, landmarks: bool = False) -> Reader:
        """A reader for these settings; loading goes on in the background, and fails where it is first needed."""
        reader = cls.__new__(cls)
        reader._start(settings, landmarks)
        return reader

    def _start(self, settings: Settings, landmarks: bool) -> None:
        from edgefer.assemble import Parts

        self._lock = Guard()
        self._parts: Parts | None = Parts(settings, landmarks)
        self._begin_again()

    def _begin_again(self) -> None:
        self._pid = os.getpid()
        self._pipeline: Pipeline | None = None
        self._index = 0
        self._last_s: float | None = None
        self._clock_from: float | None = None  # where t_s is the clock's: when it was 0

    def _opened(self) -> Parts:
        """Models and detector."""
        if self._parts is None:
            raise ValueError("this Reader is closed")
        return self._parts

    # -- reading

    def read(self, image: ImageLike, *, rgb: bool = False) -> list[FaceReading]:
        """The faces in a photograph, judged by itself and with full effort; see edgefer.read."""
        from edgefer.reader.pictures import frame_of

        parts = self._opened()
        return parts.pipeline(None, live=False).process(frame_of(image, rgb)).faces

    def process(self, image: np.ndarray, t_s: float | None = None, *, rgb: bool = False) -> Reading:
        """The reading of the next picture of your own loop: faces are followed, scores are averaged over time.

        Args:
            image: uint8, shape (H, W, 3) in BGR or (H, W) in grey; any strides. Another size than before begins
                a new stream, with new identities.
            t_s: time of the picture, s, not before that of the last one. None takes the clock's time since the
                first picture, as for a camera. A loop does the one or the other.
            rgb: the channels are in the order R, G, B.

        Returns:
            The reading; boxes in pixels of the image, `frame` counted from 0.

        Raises:
            TypeError, ValueError: the image or the time is not as said; to start over, call `reset`.
        """
        from edgefer.support.images import picture

        parts = self._opened()
        grey, bgr = picture("process", image, rgb)
        now_ns = time.monotonic_ns()
        with self._lock:
            if self._pid != os.getpid():  # another thread may have been at work when this process was forked
                self._begin_again()
            media_s = self._time_of(t_s, now_ns)
            if self._pipeline is None:
                self._pipeline = parts.pipeline(None, live=False)
            frame = Frame(self._index, grey, round(media_s * 1e9), now_ns, bgr=lambda: bgr)
            reading = self._pipeline.process(frame)
            self._index += 1
            self._last_s = media_s
            return reading

    def _time_of(self, t_s: float | None, now_ns: int) -> float:
        by_clock = t_s is None
        if self._last_s is not None and by_clock != (self._clock_from is not None):
            raise ValueError("process: t_s must be given with every picture of a stream, or with none; see reset")
        if t_s is None:
            if self._clock_from is None:
                self._clock_from = now_ns / 1e9
            return max(now_ns / 1e9 - self._clock_from, self._last_s or 0.0)
        media_s = seconds("process: t_s", t_s)
        if self._last_s is not None and media_s < self._last_s:
            raise ValueError(
                f"process: t_s must not go back, got {media_s:g} after {self._last_s:g};"
                " call reset before the first picture of another film"
            )
        return media_s

    def reset(self) -> None:
        """The next picture given to `process` begins a new stream: faces are new, and so is the time."""
        with self._lock:
            self._begin_again()

    def stream(
        self,
        source: SourceLike | Iterable[SourceLike],
        *,
        start: float = 0.0,
        seconds: float | None = None,
        frames: int | None = None,
        every: int = 1,
        rotate: Rotation | None = None,
        flip: Flip | None = None,
        region: Region | None = None,
        loop: bool = False,
        realtime: bool = False,
        recursive: bool = False,
        patience: float | None = None,
    ) -> Stream:
        """The readings of a camera, a film, a network stream or photographs; see edgefer.stream."""
        options = StreamOptions(
            frames, start, seconds, every, rotate, flip, region, loop, realtime, recursive, patience
        )
        return self.open(specs_of(source), options)

    def open(
        self,
        specs: Sequence[str],
        options: StreamOptions,
        outputs: Sequence[Choice] = (),
        stop: threading.Event | None = None,
        on_wait: Callable[[Stream], None] | None = None,
    ) -> Stream:
        """As `stream`, with sources and options that were checked, for outputs that will get the readings.

        `stop` ends the wait for a source that is not there yet, and `on_wait` is called meanwhile.
        """
        from edgefer.reader.streaming import Stream

        return Stream(self._opened(), specs, options, outputs=outputs, stop=stop, on_wait=on_wait)

    # -- the end

    def close(self) -> None:
        """Drops the models; streams that are open go on. A second call does nothing."""
        self._parts = self._pipeline = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> str:
        raise TypeError("a Reader cannot be pickled; make one in each process, or call edgefer.read there")
