"""The cells of an Excel workbook (.xlsx), by the standard library: a zip of XML (ECMA-376), of which we read little.

Values alone: text, and numbers as Excel keeps them. A formula counts as its last value; dates come as numbers.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from edgefer.errors import UsageError

Cell = str | float | None

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CELL = re.compile(r"([A-Z]{1,3})(\d+)")
#: What a damaged or encrypted zip, or other XML, gives when it is read.
_DAMAGED = (
    *(OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError),
    *(ElementTree.ParseError, KeyError, ValueError, IndexError),
)
#: Bytes that a part may have unpacked.
_MOST_BYTES = 64 << 20


def read_workbook(path: Path) -> list[list[list[Cell]]]:
    """The sheets of a workbook in the order of their tabs, each a list of rows, each a list of cells from column A on.

    Rows and cells that are empty are there as [] and None, so that numbers of rows are those that Excel shows.

    Raises:
        UsageError: the file is missing, or no workbook.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            strings = [_text(item) for item in _part(archive, "xl/sharedStrings.xml", missing="<sst/>")]
            targets = {part.get("Id"): part.get("Target", "") for part in _part(archive, "xl/_rels/workbook.xml.rels")}
            tabs = _part(archive, "xl/workbook.xml").iter(f"{_MAIN}sheet")
            names = [targets[tab.get(_RELATION)] for tab in tabs]
            # a target counts from the workbook's folder, or from the root
            places = [name[1:] if name.startswith("/") else f"xl/{name}" for name in names]
            return [_rows(_part(archive, place), strings) for place in places]
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except _DAMAGED as error:
        raise UsageError(f"{path}: not a readable Excel workbook: {' '.join(str(error).split())}") from None


def _part(archive: zipfile.ZipFile, name: str, missing: str | None = None) -> ElementTree.Element:
    if missing is not None and name not in archive.namelist():
        return ElementTree.fromstring(missing)
    if archive.getinfo(name).file_size > _MOST_BYTES:
        raise ValueError(f"{name} is too large")
    return ElementTree.fromstring(archive.read(name))


def _text(element: ElementTree.Element) -> str:
    """The text of a string, whose parts may be set in several ways; how it is spoken (phonetic runs) is left out."""
    direct = element.findall(f"{_MAIN}t") + element.findall(f"{_MAIN}r/{_MAIN}t")
    return "".join(part.text or "" for part in direct)


def _rows(sheet: ElementTree.Element, strings: list[str]) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for row in sheet.iter(f"{_MAIN}row"):
        number = int(row.get("r", len(rows) + 1))
        if not len(rows) < number <= 1 << 20:
            raise ValueError(f"row {number} is out of order")
        rows += [[] for _ in range(number - len(rows))]
        for column, value in _cells(row, strings):
            rows[-1] += [None] * (column + 1 - len(rows[-1]))
            rows[-1][column] = value
    return rows


def _cells(row: ElementTree.Element, strings: list[str]) -> Iterator[tuple[int, Cell]]:
    column = -1
    for cell in row.iter(f"{_MAIN}c"):
        place = _CELL.fullmatch(cell.get("r", ""))
        column = _column(place[1]) if place else column + 1
        kind, value = cell.get("t", "n"), cell.findtext(f"{_MAIN}v")
        inline = cell.find(f"{_MAIN}is")
        if kind == "inlineStr" and inline is not None:
            yield column, _text(inline)
        elif value and kind == "s":
            yield column, strings[int(value)]
        elif value:  # a formula that was never calculated has none
            yield column, value if kind in ("str", "e", "d") else float(value)


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
