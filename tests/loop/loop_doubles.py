"""Fakes of everything around the loop: sources, a tracker, a recognizer, sinks, and values for them."""

from __future__ import annotations

import threading
import time

import numpy as np

from edgefer.errors import SinkError
from edgefer.geometry import Box
from edgefer.loop.governor import LEVELS
from edgefer.loop.pipeline import Pipeline
from edgefer.loop.turns import Turns
from edgefer.recognize.base import Needs, Observation
from edgefer.values import Face, Frame, Heat, Quality

GREY = np.zeros((8, 8), np.uint8)


def frame_at(index: int, captured_ns: int | None = None) -> Frame:
    return Frame(index, GREY, index * 33_000_000, time.monotonic_ns() if captured_ns is None else captured_ns)


class FileSource:
    """Gives so many frames at once; an exception among them is raised in its turn."""

    live = still = False
    name = "file"

    def __init__(self, items) -> None:
        self._items = iter([frame_at(i) for i in range(items)] if isinstance(items, int) else items)
        self.closed = 0

    def read(self) -> Frame | None:
        item = next(self._items, None)
        if isinstance(item, Exception):
            raise item
        if item is not None:
            item.captured_ns = time.monotonic_ns()
        return item

    def close(self) -> None:
        self.closed += 1


class CameraSource(FileSource):
    """Gives a frame each `period_s`, and none that is older."""

    live = True
    name = "camera"

    def __init__(self, count: int, period_s: float) -> None:
        super().__init__(count)
        self._period_s = period_s

    def read(self) -> Frame | None:
        time.sleep(self._period_s)
        return super().read()


class SteppedCamera(FileSource):
    """Gives frames when a test says so; the first is there at once, as a source's first read is at its opening."""

    live = True
    name = "stepped"

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._step = threading.Condition()
        self._due, self._asked, self._ended, self._over = 1, 0, False, False

    def interrupt(self) -> None:
        with self._step:
            self._over = True
            self._step.notify_all()

    def read(self) -> Frame | None:
        with self._step:
            self._asked += 1
            self._step.notify_all()
            self._step.wait_for(lambda: self._due >= self._asked or self._over, timeout=30)
            frame = super().read()
            self._ended = frame is None
            self._step.notify_all()
        return frame

    def pass_frames(self, count: int) -> None:
        """Lets so many frames by; comes back when the reader has stored the last, or knows that there is none."""
        with self._step:
            self._due += count
            self._step.notify_all()
            self._step.wait_for(lambda: self._asked > self._due or self._ended, timeout=30)


class StubTracker:
    """Reports the faces it is given."""

    def __init__(self, *faces: Face) -> None:
        self.faces = list(faces)
        self.clock = {"detect": 0.25, "track": 0.5}
        self.asked = False
        self.detect_interval_ms = 400.0

    def update(self, frame: Frame) -> list[Face]:
        return list(self.faces)


class StubRecognizer:
    """Remembers which boxes it was asked for; the box's left edge chooses the label."""

    labels = ("neutral", "happiness", "surprise")
    needs = Needs()

    def __init__(self, seconds: float = 0.0, name: str = "stub") -> None:
        self.name = name
        self.boxes: list[Box] = []
        self.forgotten: set[int] = set()
        self._seconds = seconds

    def observe(self, frame: Frame, face: Face) -> Observation:
        begin = time.monotonic_ns()
        self.boxes.append(face.box)
        time.sleep(self._seconds)
        scores = np.full(3, 0.1, np.float32)
        scores[int(face.box.x0) % 3] = 0.8
        return Observation(scores, {"infer": time.monotonic_ns() - begin})

    def forget(self, tracks) -> None:
        self.forgotten |= set(tracks)


class StubSmoother:
    """Leaves scores as they are."""

    def __init__(self) -> None:
        self.forgotten: set[int] = set()

    def update(self, track: int, scores: np.ndarray, media_ns: int) -> np.ndarray:
        return scores

    def forget(self, tracks) -> None:
        self.forgotten |= set(tracks)


class ListSink:
    """Keeps what it is given; fails with `error` at the reading of that number."""

    def __init__(self, error: SinkError | None = None, at: int = 0) -> None:
        self.readings = []
        self.health = []
        self.closed = 0
        self._fails, self._at, self._error = error, at, None

    def write(self, reading, frame, stop=None) -> None:
        if self._fails is not None and len(self.readings) == self._at:
            self._error, self._fails = self._fails, None
            return
        self.readings.append(reading)

    def report(self, health) -> None:
        self.health.append(health)

    def take_error(self):
        error, self._error = self._error, None
        return error

    def close(self) -> None:
        self.closed += 1


def face(track: int, *reasons: str) -> Face:
    return Face(track, Box(track, 0, track + 5, 5), Quality(60.0, 100.0, 120.0, reasons))


def pipeline(*faces: Face, recognizer=None, turns=None, **options) -> Pipeline:
    """Where no turns are given every face is recognized in every frame."""
    options["turns"] = Turns(**turns) if turns else None
    return Pipeline(StubTracker(*faces), [recognizer or StubRecognizer()], StubSmoother, **options)


class FixedGovernor:
    """A governor that has made up its mind."""

    def __init__(self, level: int = 0, budget_p95_ms: float | None = None) -> None:
        self.level = level
        self.rates = LEVELS[level]
        self.heat = Heat(None, False)
        self.budget_p95_ms = budget_p95_ms

    def observe(self, total_ms: float) -> bool:
        return False
