"""The loop: newest frame -> faces -> readings, with a clock for every stage."""

from __future__ import annotations

import contextlib
import datetime
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgefer.errors import SinkClosed, SinkError
from edgefer.labels import UNCERTAIN
from edgefer.loop.capture import Capture
from edgefer.loop.clock import Identities, Spread, StageClock, Window
from edgefer.loop.governor import Governor
from edgefer.values import Face, FaceReading, Frame, Reading

log = logging.getLogger(__name__)

#: In order of execution. `capture` ends where `total` begins; the others are parts of `total`.
STAGES = ("capture", "detect", "track", "preprocess", "infer", "smooth", "total")
#: Longest time in which a stop is not noticed while no frame comes.
_POLL_S = 0.1
#: Frames over which a summary's percentiles are taken: the last so many.
_SUMMARY_FRAMES = 20_000


class Pipeline:
    """Everything between a frame and its reading.

    Args:
        tracker: `update(frame)` gives the faces, `clock` its times; `detect_interval_ms` can be set.
        recognizer: `prepare(grey, box)`, `infer()` and `labels`.
        smoother: `update(track, scores, media_ns)` and `forget(alive_tracks)`.
        governor: lowers the rates when the budget is missed; None: all work on every frame, as for files.
        max_faces: faces recognised in one frame, None for all; those that waited longest come first.
    """

    def __init__(
        self, tracker, recognizer, smoother, governor: Governor | None = None, max_faces: int | None = None
    ) -> None:
        self.governor = governor
        self._tracker = tracker
        self._recognizer = recognizer
        self._smoother = smoother
        self._max_faces = max_faces
        self._detect_interval_ms = tracker.detect_interval_ms
        self._frames = 0
        self._recognized: dict[int, int] = {}  # track -> number of the frame in which it last had its turn
        self._scores: dict[int, np.ndarray] = {}  # track -> smoothed scores

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the scores, in order."""
        return tuple(self._recognizer.labels)

    def process(self, frame: Frame) -> Reading:
        """Reads the expressions in the next frame of the source."""
        start_ns = time.monotonic_ns()
        faces = self._tracker.update(frame)
        self._forget(faces)
        spent_ns = dict.fromkeys(("preprocess", "infer", "smooth"), 0)
        for face in self._turns(faces):
            if not self._recognize(frame, face, spent_ns, start_ns):
                break
        readings = [self._reading(face) for face in faces]
        self._frames += 1

        now_ns = time.monotonic_ns()
        total_ms = (now_ns - start_ns) / 1e6
        latency_ms = {
            "capture": max(0.0, (start_ns - frame.captured_ns) / 1e6),
            **{stage: float(self._tracker.clock[stage]) for stage in ("detect", "track")},
            **{stage: nanoseconds / 1e6 for stage, nanoseconds in spent_ns.items()},
            "total": total_ms,
        }
        if self.governor is not None and self.governor.observe(total_ms):
            factor = self.governor.rates.detect_interval_factor
            self._tracker.detect_interval_ms = self._detect_interval_ms * factor
        age_ms = max(0.0, (now_ns - frame.captured_ns) / 1e6)
        return Reading(frame.index, _wall_clock(age_ms), age_ms, readings, latency_ms)

    def _turns(self, faces: list[Face]) -> list[Face]:
        """The faces to recognise in this frame, those that waited longest first.

        A face the gate holds back is not recognised: its scores would spoil the average.
        """
        every = self.governor.rates.recognize_every if self.governor else 1
        never = -every  # a new face is due at once, and before all others
        fit = [face for face in faces if not face.quality.reasons]
        due = [face for face in fit if self._frames - self._recognized.get(face.track, never) >= every]
        due.sort(key=lambda face: self._recognized.get(face.track, never))
        return due[: self._max_faces]

    def _recognize(self, frame: Frame, face: Face, spent_ns: dict[str, int], start_ns: int) -> bool:
        """Updates the scores of one face; False, without having done so, when the budget leaves no time."""
        begin = time.monotonic_ns()
        done = sum(1 for turn in self._recognized.values() if turn == self._frames)
        budget_ms = self.governor.budget_p95_ms if self.governor else None
        if done and budget_ms is not None:
            one_face_ns = sum(spent_ns.values()) / done
            if begin - start_ns + one_face_ns > budget_ms * 1e6:
                return False
        self._recognizer.prepare(frame.grey, face.box)
        prepared = time.monotonic_ns()
        scores = self._recognizer.infer()
        inferred = time.monotonic_ns()
        self._scores[face.track] = self._smoother.update(face.track, scores, frame.media_ns)
        self._recognized[face.track] = self._frames
        spent_ns["preprocess"] += prepared - begin
        spent_ns["infer"] += inferred - prepared
        spent_ns["smooth"] += time.monotonic_ns() - inferred
        return True

    def _reading(self, face: Face) -> FaceReading:
        labels = self._recognizer.labels
        scores = self._scores.get(face.track)
        known = scores is not None
        if not known:  # not had its turn yet: nothing is known, which is what equal scores say
            scores = np.full(len(labels), 1 / len(labels), np.float32)
        best = int(np.argmax(scores))
        expression = labels[best] if known and not face.quality.reasons else UNCERTAIN
        by_label = dict(zip(labels, scores.tolist(), strict=True))
        return FaceReading(face.track, face.box, expression, float(scores[best]), by_label, face.quality)

    def _forget(self, faces: list[Face]) -> None:
        """Drops what is kept of tracks that are gone; a track may return for a while, so wait a little."""
        if self._frames % 256:
            return
        alive = {face.track for face in faces}
        gone = {track for track, turn in self._recognized.items() if self._frames - turn >= 256} - alive
        for track in gone:
            del self._recognized[track], self._scores[track]
        self._smoother.forget(self._recognized.keys() | alive)


def _wall_clock(age_ms: float) -> str:
    """The time of capture, ISO 8601 with milliseconds and offset from UTC."""
    captured = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(milliseconds=age_ms)
    return captured.astimezone().isoformat(timespec="milliseconds")


@dataclass
class Summary:
    """What a run amounted to.

    Attributes:
        sink_errors: of the sinks that failed while others went on.
        frames: frames read into readings. dropped: frames the newest-frame rule passed over.
        frames_with_face, tracks: frames with at least one face, and how many identities were seen.
        seconds: from the first frame to the last reading. fps: frames / seconds.
        first_reading_ns: time.monotonic_ns() at the first reading, None without one.
        age_ms: spread over the run; max_age_ms: the greatest.
        latency_ms: spread by stage.
    """

    frames: int = 0
    dropped: int = 0
    reconnects: int = 0
    frames_with_face: int = 0
    tracks: int = 0
    seconds: float = 0.0
    first_reading_ns: int | None = None
    age_ms: Spread = Spread(0.0, 0.0, 0.0)
    max_age_ms: float = 0.0
    latency_ms: dict[str, Spread] = field(default_factory=dict)
    sink_errors: list[SinkError] = field(default_factory=list)

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.seconds > 0 else 0.0


class _Tally:
    """Gathers a Summary while the loop runs."""

    def __init__(self) -> None:
        self.summary = Summary()
        self._stages = StageClock(_SUMMARY_FRAMES)
        self._ages = Window(_SUMMARY_FRAMES)
        self._identities = Identities()
        self._began_ns: int | None = None

    def begin(self) -> None:
        if self._began_ns is None:
            self._began_ns = time.monotonic_ns()

    def add(self, reading: Reading) -> None:
        summary, now_ns = self.summary, time.monotonic_ns()
        if summary.first_reading_ns is None:
            summary.first_reading_ns = now_ns
        summary.seconds = (now_ns - self._began_ns) / 1e9
        summary.frames += 1
        summary.frames_with_face += bool(reading.faces)
        self._identities.add(face.track for face in reading.faces)
        summary.tracks = self._identities.count
        summary.max_age_ms = max(summary.max_age_ms, reading.age_ms)
        self._ages.add(reading.age_ms)
        self._stages.add(reading.latency_ms)

    def elapsed_s(self) -> float:
        """Since the first frame; 0 before it."""
        return 0.0 if self._began_ns is None else (time.monotonic_ns() - self._began_ns) / 1e9

    def finish(self) -> Summary:
        self.summary.age_ms = self._ages.spread()
        self.summary.latency_ms = self._stages.spread()
        return self.summary


class _Outlets:
    """The sinks of a run. One that fails is reported once and left out; without any left, the run is over."""

    def __init__(self, sinks: Sequence, stop: threading.Event) -> None:
        self.errors: list[SinkError] = []
        self._sinks = list(sinks)
        self._had_any = bool(sinks)
        self._stop = stop

    def write(self, reading: Reading, frame: Frame) -> None:
        for sink in self._sinks:
            sink.write(reading, frame, self._stop)
        self._drop_failed()

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()
        self._drop_failed()

    def _drop_failed(self) -> None:
        for sink in list(self._sinks):
            error = sink.take_error()
            if error is not None:
                self._sinks.remove(sink)
                self.errors.append(error)
                if self._sinks and not isinstance(error, SinkClosed):
                    log.error("%s; going on without it", error)
        if self._had_any and not self._sinks:
            self._had_any = False
            raise next((error for error in self.errors if not isinstance(error, SinkClosed)), self.errors[0])


def run(
    source,
    pipeline: Pipeline,
    sinks: Sequence = (),
    realtime: bool = False,
    stop: threading.Event | None = None,
    *,
    frames: int | None = None,
    seconds: float | None = None,
    reopen: Callable[[], object] | None = None,
    patience_s: float = 30.0,
    on_beat: Callable[[Summary], None] | None = None,
) -> Summary:
    """Reads a source to its end, or until told to stop; closes source and sinks whatever happens.

    A live source, and any with `realtime`, follows the newest-frame rule (see capture.py). Any other is read
    whole: every frame, in order, as fast as it goes.

    Args:
        source: with `read()`, `close()` and `live`; wrap a file in sources.paced for its own rate.
        pipeline: from frames to readings.
        sinks: each a sinks.SinkThread, or what has its `write`, `take_error` and `close`.
        stop: set from outside (another thread, a signal) to end after the current frame.
        frames, seconds: end after so many readings, or so long after the first frame.
        reopen: opens a stalled source again, see Capture.
        patience_s: how long that is tried.
        on_beat: called on this thread with the counts so far, after each frame and while none comes.

    Raises:
        SourceError: the source failed for good. SinkError: no sink is left; a pipe whose reader has gone
        (SinkClosed) is a clean end instead.
    """
    stop = stop or threading.Event()
    tally = _Tally()
    outlets = _Outlets(sinks, stop)
    capture = Capture(source, reopen, patience_s) if realtime or source.live else None
    try:
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(outlets.close)
            cleanup.callback(capture.close if capture else source.close)
            while not stop.is_set():
                frame = capture.take(_POLL_S) if capture else source.read()
                if frame is not None:
                    tally.begin()
                    reading = pipeline.process(frame)
                    tally.add(reading)
                    outlets.write(reading, frame)
                elif capture is None or capture.ended:
                    break
                if on_beat is not None:
                    on_beat(tally.summary)
                if frames is not None and tally.summary.frames >= frames:
                    break
                if seconds is not None and tally.elapsed_s() >= seconds:
                    break
    except SinkClosed:
        pass  # whoever read our output has had enough
    summary = tally.finish()
    summary.sink_errors = [error for error in outlets.errors if not isinstance(error, SinkClosed)]
    if capture is not None:
        summary.dropped, summary.reconnects = capture.dropped, capture.reconnects
    return summary
