"""The output `timeline`: a picture of the expressions over media time, a lane for each track."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgefer.errors import SinkError, UsageError
from edgefer.labels import UNCERTAIN
from edgefer.sinks.base import Sink
from edgefer.sinks.registry import Timeline
from edgefer.sinks.timeline.lanes import Lanes
from edgefer.support.atomic import write_bytes
from edgefer.support.words import shown
from edgefer.values import Frame, Reading

log = logging.getLogger(__name__)

SUFFIXES = (".png", ".svg")
#: A run that never ends writes its picture so often; it always ends with one.
INTERVAL_S = 30.0


class TimelinePicture(Sink):
    """Keeps the expressions of a run and draws them at its end, and now and then before.

    The file is replaced whole, so that after a power cut the last picture is there.
    """

    def __init__(
        self,
        path: str,
        labels: Sequence[str] = (),
        title: str = "",
        most: int = 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
            path: ends in .png or .svg; replaced with the first picture.
            labels: of the model, in order.
            title: what the picture calls the source.
            most: how many tracks it shows, those seen longest.
            clock: seconds; for tests.

        Raises:
            UsageError: another suffix.
            SinkError: the folder does not exist or may not be written.
        """
        self.name = path
        self._path, self._title, self._most, self._clock = Path(path), shown(title), most, clock
        self._labels = list(labels)
        self._lanes = Lanes()
        self._due_s: float | None = None
        self._closed = self._failing = False
        suffix = self._path.suffix.lower()
        if suffix not in SUFFIXES:
            raise UsageError(f"timeline:{path}: unknown kind of picture {suffix!r}; available: {', '.join(SUFFIXES)}")
        self._svg = suffix == ".svg"
        if self._path.is_dir():
            raise SinkError(f"{path}: cannot be written: it is a folder; name a file")
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            reason = "Permission denied" if folder.is_dir() else "No such file or directory"
            raise SinkError(f"{path}: cannot be written: {reason}; choose another path")

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        self._lanes.add(reading)
        if self._lanes.stills == 1 and reading.image:
            log.warning("%s: photographs have no time and are left out", self.name)
        for face in reading.faces:
            if face.expression != UNCERTAIN and face.expression not in self._labels:
                self._labels.append(face.expression)  # only where the labels were not told
        now = self._clock()
        if self._due_s is None:
            self._due_s = now + INTERVAL_S
        elif now >= self._due_s:
            self._save()
            self._due_s = self._clock() + INTERVAL_S

    def _save(self) -> None:
        from edgefer.sinks.timeline.picture import draw

        if self._lanes.first_s is None:
            return
        canvas = draw(self._lanes, self._labels, self._title, self._most)
        try:
            write_bytes(self._path, canvas.svg() if self._svg else canvas.png())
        except OSError as error:
            if self._closed:
                raise SinkError(f"{self.name}: cannot be written: {error.strerror}; the picture is not there") from None
            if not self._failing:  # the lanes are kept, so that a later picture has it all
                log.error("%s: cannot be written: %s; it is tried again", self.name, error.strerror)
            self._failing = True
        else:
            if self._failing:
                log.warning("%s: can be written again", self.name)
            self._failing = False

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._lanes.finish()
        self._save()
        if self._lanes.stills and self._lanes.first_s is None:
            raise SinkError(f"{self.name}: photographs have no time, so there is no timeline of them; use csv or jsonl")


def open_timeline(options: Timeline, *, labels: Sequence[str], title: str, fps: float | None) -> TimelinePicture:
    """The output `timeline`."""
    return TimelinePicture(options.path, labels, title, options.tracks)
