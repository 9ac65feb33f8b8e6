"""From parts to the one file that was asked for."""

from __future__ import annotations

import importlib.util
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from csv import reader
from pathlib import Path
from typing import Any, BinaryIO

from edgefer.annotate.job import Outcome, rows_of
from edgefer.errors import SinkError, SourceError, UsageError
from edgefer.support import packages
from edgefer.support.atomic import remove_abandoned, replacing
from edgefer.support.names import shown

SUFFIXES = (".csv", ".parquet")
_ROWS = 100_000  # in a row group of Parquet, at least
_BLOCK = 1 << 20
_TEXTS = ("film", "source", "image", "time", "expression", "reasons")
_COUNTS = ("frame", "track")


def check_output(output: str | os.PathLike[str]) -> None:
    """Refuses an output that could not be written at the end, before anything is read.

    Raises:
        UsageError: its suffix is of no format, there is no such folder, or a package is missing.
    """
    path = Path(output)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"output {shown(path)}: expected a file that ends in .csv or .parquet")
    if not path.parent.is_dir():
        raise UsageError(f"output {shown(path)}: there is no folder {shown(path.parent)}; make it, or choose another")
    if path.is_dir():
        raise UsageError(f"output {shown(path)}: it is a folder; give it a file's name")
    if path.suffix.lower() == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        (package,) = [each for each in packages.OPTIONAL if each.module == "pyarrow"]
        raise UsageError(f"output {shown(path)}: {package.title} is {packages.missing(package)}")


def join(outcomes: Iterable[Outcome], output: str | os.PathLike[str]) -> None:
    """Writes the rows of all films, by sorted path, into one file that is whole or not there.

    Args:
        outcomes: of the films, in any order; those that could not be read have no rows, and of several of one film,
            as where a task ran twice, the last one that has counts.
        output: FILE.csv or FILE.parquet.

    Raises:
        SourceError: no film could be read. SinkError: the file cannot be written.
    """
    path = Path(output)
    by_film = {outcome.film: Path(outcome.part) for outcome in outcomes if outcome.part}
    parts = [by_film[film] for film in sorted(by_film)]
    if not parts:
        raise SourceError(f"no film could be read; {shown(path)} is not written")
    try:
        remove_abandoned(path)
        with replacing(path, alone=False) as scratch:
            if path.suffix.lower() == ".parquet":
                with tempfile.TemporaryFile(dir=path.parent) as rows:
                    _write_rows(parts, rows)
                    rows.seek(0)
                    _write_parquet(rows, scratch)
            else:
                with scratch.open("wb") as rows:
                    _write_rows(parts, rows)
    except OSError as error:
        raise SinkError(f"{shown(path)}: cannot be written: {error.strerror or error}") from None
    _remove_left_over(parts)


def _write_rows(parts: Iterable[Path], file: BinaryIO) -> None:
    """The columns' names, which are the same in all parts of a job, and the rows of each."""
    begun = False
    for part in parts:
        begin, end = rows_of(part)
        with part.open("rb") as source:
            source.seek(begin if begun else 0)
            left = end - source.tell()
            while left and (block := source.read(min(left, _BLOCK))):
                file.write(block)
                left -= len(block)
        begun = True


def _write_parquet(rows: BinaryIO, path: Path) -> None:
    """The same rows; an empty cell is null."""
    import pyarrow
    from pyarrow import csv, parquet

    names = next(reader(io.TextIOWrapper(io.BytesIO(rows.readline()), "utf-8")))
    rows.seek(0)
    types = {name: pyarrow.float64() for name in names}
    types |= {name: pyarrow.string() for name in names if name in _TEXTS or name.endswith("_expression")}
    types |= {name: pyarrow.int64() for name in _COUNTS}
    batches = csv.open_csv(
        rows,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True),
    )
    with parquet.ParquetWriter(path, batches.schema, compression="zstd") as writer:
        waiting: list[Any] = []
        for batch in batches:
            waiting.append(batch)
            if sum(each.num_rows for each in waiting) >= _ROWS:
                writer.write_table(pyarrow.Table.from_batches(waiting))
                waiting.clear()
        if waiting:
            writer.write_table(pyarrow.Table.from_batches(waiting))


def _remove_left_over(parts: Sequence[Path]) -> None:
    """What processes that were killed in the midst of a film left behind."""
    names = {part.name for part in parts}
    for folder in {part.parent for part in parts}:
        for scratch in folder.glob(".part.*"):
            if ".".join(scratch.name.rsplit(".", 2)[1:]) in names:
                scratch.unlink(missing_ok=True)
