"""The rows of one film: those of the output csv, with the film before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from edgefer.sinks.lines import Csv, csv_text, readable


class _Text:
    """A text file that Csv can write to."""

    def __init__(self, file: TextIO) -> None:
        self.name = file.name
        self.head = ""
        self._file = file

    def write(self, text: str) -> None:
        self._file.write(text)

    def close(self) -> None:
        """The file is the caller's."""


class FilmRows(Csv):
    """The columns' names, and one row a face."""

    def __init__(
        self,
        film: str,
        file: TextIO,
        labels: Sequence[str],
        models: Mapping[str, Sequence[str]],
        empty: bool,
        units: Sequence[str] = (),
    ) -> None:
        """Args:
        film: its path.
        file: the caller's to close.
        labels, models, empty, units: see Csv.
        """
        super().__init__(_Text(file), labels, models, empty, units)
        self._film = readable(film)
        file.write(csv_text([self.columns()]))

    def columns(self) -> list[str]:
        return ["film", *super().columns()]

    def row(self, values: dict[str, Any], face: dict[str, Any]) -> list[Any]:
        """What tells of the machine and its clock stays empty: a film has the same rows whenever it is read."""
        return [self._film, *super().row({**values, "time": "", "age_ms": "", "latency_ms": {}}, face)]
