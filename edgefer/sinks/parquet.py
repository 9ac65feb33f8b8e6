"""Readings as a folder of Parquet files, the columns of CSV: each is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer.errors import SinkError, SinkStalled
from edgefer.sinks.base import Sink
from edgefer.sinks.lines import Csv, reading_values
from edgefer.sinks.registry import ParquetFiles, bytes_of, seconds_of
from edgefer.sinks.retention import LOOK_S, Retention
from edgefer.support import packages
from edgefer.support.atomic import replacing
from edgefer.support.names import shown
from edgefer.values import FaceReading, Frame, Health, Reading

if TYPE_CHECKING:
    import pyarrow

#: Rows that are packed together; packed they take a tenth of the memory.
_BATCH = 500
#: After a disk that could not be written the next attempt waits so long, s.
_AGAIN_S = 5.0
#: What a process that was killed in the midst of a file has left behind goes after so long, s.
_LEFT_S = 3600.0
#: Names as they are given here; other files of the folder are somebody else's.
_OURS = re.compile(r"\d{8}T\d{6}[+-]\d{4,}-\d{4,}\.parquet")
TEXTS = ("film", "source", "image", "time", "expression", "reasons")
COUNTS = ("frame", "track")


class ParquetFolder(Sink):
    """Holds the rows of a file in memory until it is full: a power cut costs these, and no file."""

    def __init__(
        self,
        path: str,
        labels: Sequence[str] = (),
        models: Mapping[str, Sequence[str]] | None = None,
        units: Sequence[str] = (),
        *,
        rows: int = 50_000,
        period_s: float = 300.0,
        empty: bool = False,
        retention: Retention | None = None,
    ) -> None:
        """Args:
            path: of the folder; made when it is not there.
            labels, models, units: see Csv.
            rows: after so many a file is written.
            period_s: or after so long.
            empty: whether a frame without a face has a row.
            retention: which files stay.

        Raises:
            UsageError: PyArrow is missing. SinkError: there can be no such folder.
        """
        packages.require("pyarrow")
        self.name = path
        self._folder = Path(path)
        self._columns = _Columns(labels, models, empty, units)
        self._empty = empty
        self._most, self._period_s = rows, period_s
        self._retention = retention or Retention()
        self._rows: list[list[Any]] = []
        self._packed: list[pyarrow.RecordBatch] = []
        self._count = 0  # rows in both
        self._began_s = 0.0
        self._next_s = self._look_s = 0.0
        self._number = 0
        self._written: deque[Path] = deque(maxlen=retention.keep if retention and retention.keep else 1000)
        if self._folder.exists() and not self._folder.is_dir():
            raise SinkError(f"{shown(path)}: expected a folder, which Parquet files are written to, got a file")
        for scratch in self._folder.glob(".part.*.parquet"):
            with contextlib.suppress(OSError):
                if time.time() - scratch.stat().st_mtime > _LEFT_S:
                    scratch.unlink()

    def write(self, reading: Reading, frame: Frame | None = None) -> bool:
        values = reading_values(reading)
        self._columns.learn(reading.faces[0] if reading.faces else None)
        if not self._count:
            self._began_s = time.monotonic()
        for face in values["faces"] or ([{}] if self._empty else []):
            self._rows.append(self._columns.row(values, face))
            self._count += 1
        if len(self._rows) >= _BATCH:
            self._pack()
        try:
            return self._write_when_due()
        except SinkStalled as error:
            error.lost = self._count
            while self._count > 2 * self._most and len(self._packed) > 1:  # what nobody could store goes at last
                self._count -= self._packed.pop(0).num_rows
            error.lost -= self._count
            raise

    def report(self, health: Health) -> None:
        if not self._next_s:  # what could not be written is tried again by the next reading, which tells of it
            with contextlib.suppress(SinkStalled):
                self._write_when_due()
        if time.monotonic() >= self._look_s:
            self._look_s = time.monotonic() + LOOK_S
            self._prune()

    def _write_when_due(self) -> bool:
        """Whether a file was written."""
        now_s = time.monotonic()
        due = self._count >= self._most or (self._count and now_s - self._began_s >= self._period_s)
        if not due or now_s < self._next_s:
            return False
        self._write_file()
        return True

    def _pack(self) -> None:
        import pyarrow

        if not self._rows:
            return
        names = self._columns.columns()
        types = [_type_of(name) for name in names]
        arrays = [
            pyarrow.array([None if value == "" else value for value in column], type=kind)
            for column, kind in zip(zip(*self._rows, strict=True), types, strict=True)
        ]
        self._packed.append(pyarrow.RecordBatch.from_arrays(arrays, names))
        self._rows = []

    def _write_file(self) -> None:
        import pyarrow
        from pyarrow import parquet

        self._pack()
        if not self._packed:
            return
        table = pyarrow.Table.from_batches(self._packed)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._free_name()
            with replacing(path) as scratch:
                parquet.write_table(table, scratch, compression="zstd")
        except OSError as error:
            self._next_s = time.monotonic() + _AGAIN_S
            what = f"{shown(self.name)}: cannot be written: {_reason(error)}; the files before are complete"
            raise SinkStalled(what) from None
        self._packed, self._count, self._next_s = [], 0, 0.0
        self._written.append(path)
        self._prune()

    def _free_name(self) -> Path:
        """A name by the time, later than all before it."""
        moment = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S%z")
        while True:
            self._number += 1
            path = self._folder / f"{moment}-{self._number:04d}.parquet"
            if not path.exists():
                return path

    def _prune(self) -> None:
        files = [path for path in self._folder.glob("[0-9]*.parquet") if _OURS.fullmatch(path.name)]
        order = {path: number for number, path in enumerate(self._written)}  # whatever the clock said meanwhile
        with contextlib.suppress(OSError):
            files.sort(key=lambda path: (order.get(path, -1), path.stat().st_mtime_ns), reverse=True)
            for path in files[self._retention.keep :] if self._retention.keep else ():
                path.unlink(missing_ok=True)
            self._retention.prune(files[: self._retention.keep or None])

    def close(self) -> None:
        if self._count:
            try:
                self._write_file()
            finally:
                self._rows, self._packed, self._count = [], [], 0


class _Columns(Csv):
    """The columns of CSV, without its file."""

    def __init__(
        self, labels: Sequence[str], models: Mapping[str, Sequence[str]] | None, empty: bool, units: Sequence[str]
    ) -> None:
        super().__init__(_NoFile(), labels, models, empty, units)

    def learn(self, face: FaceReading | None) -> None:
        """Takes the labels of the first face, where nobody told them."""
        self._take_columns(face)


class _NoFile:
    name = head = ""

    def write(self, text: str) -> None:
        raise TypeError("rows go to Parquet")

    def close(self) -> None:
        """Nothing is open."""


def _reason(error: OSError) -> str:
    """Arrow has the number in its text."""
    found = re.search(r"\[errno (\d+)\]", str(error))
    return os.strerror(int(found[1])) if found else error.strerror or str(error)


def _type_of(name: str) -> pyarrow.DataType:
    import pyarrow

    if name in TEXTS or name.endswith("_expression"):
        return pyarrow.string()
    return pyarrow.int64() if name in COUNTS else pyarrow.float64()


def open_parquet(
    options: ParquetFiles,
    *,
    labels: Sequence[str],
    title: str,
    fps: float | None,
    models: Mapping[str, Sequence[str]] | None = None,
    units: Sequence[str] = (),
) -> ParquetFolder:
    """The output `parquet`."""
    retention = Retention(
        keep=options.keep,
        max_age_s=seconds_of(options.max_age) if options.max_age else 0.0,
        total=bytes_of(options.total) if options.total else 0,
    )
    empty = options.empty or options.on == "change"
    return ParquetFolder(
        options.path,
        labels,
        models,
        units,
        rows=options.rows,
        period_s=seconds_of(options.period),
        empty=empty,
        retention=retention,
    )
