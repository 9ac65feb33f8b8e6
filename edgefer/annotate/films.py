"""Which films are meant: files, folders with all below them, and lists of both."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

from msgspec import Struct, field

from edgefer.errors import SourceError
from edgefer.sources.folder import Folder, number_of
from edgefer.sources.several import expanded
from edgefer.support.formats import called_film, called_picture, identify_file
from edgefer.support.names import shown

_HEAD_BYTES = 4096


class Films(Struct):
    """What was found.

    Attributes:
        names: paths of films and photographs, each once however its folder is written, sorted; links to a film are
            films of their own.
        problems: a line for each input that leads to none.
        others: how many files of folders are neither, and were passed over.
        lists: the files that name them.
    """

    names: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    others: int = 0
    lists: list[str] = field(default_factory=list)


def find(inputs: Iterable[str | os.PathLike[str]]) -> Films:
    """The films that inputs stand for.

    Args:
        inputs: files; folders, which are entered with all folders below; text files with a path of a file or folder
            on each line, relative to the current folder as `find` and `ls` print them; `-` for such a list on
            standard input, where a NUL may stand for the line's end; quoted patterns, as a shell has them.

    Raises:
        SourceError: nothing matches a pattern, or standard input cannot be read.
    """
    found = _Found()
    for text in expanded([os.fspath(each) for each in inputs]):
        if text == "-":
            found.add_list("standard input", _standard_input())
        elif _is_list(text):
            found.lists.append(text)
            found.add_list(text, Path(text).read_bytes())
        else:
            found.add(text)
    return Films(sorted(found.names), found.problems, found.others, found.lists)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise SourceError("standard input: it is closed; expected a list of films")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise SourceError(f"standard input: {error.strerror}; expected a list of films") from None


class _Found:
    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._folders: dict[Path, str] = {}
        self.problems: list[str] = []
        self.others = 0
        self.lists: list[str] = []

    def add(self, text: str, where: str = "") -> None:
        """A file or a folder; `where` is where it is written."""
        if os.path.isdir(text):
            self._add_folder(Path(text), where)
        elif os.path.lexists(text):
            self._add_film(Path(text))
        else:
            self.problems.append(f"{where}{shown(text)}: no such file or folder; expected a film, a folder or a list")

    @property
    def names(self) -> Collection[str]:
        return self._names.values()

    def _add_film(self, path: Path) -> None:
        """As it was written first."""
        if path.parent not in self._folders:
            self._folders[path.parent] = os.path.realpath(path.parent)
        self._names.setdefault((self._folders[path.parent], path.name), str(path))

    def _add_folder(self, path: Path, where: str) -> None:
        try:
            folder = Folder(path, recursive=True)
        except SourceError as error:
            self.problems.append(f"{where}{error}")
            return
        damaged = [each for each in folder.others if called_film(each.name)]  # each gets its line when it is its turn
        films = [*folder.films, *folder.pictures, *damaged]
        self.others += len(folder.others) - len(damaged) + folder.refused.total()
        if not films:
            self.problems.append(
                f"{where}{shown(path)}: no film or photograph among its {number_of(folder.files, 'file')}"
            )
        for film in films:
            self._add_film(film)

    def add_list(self, name: str, content: bytes) -> None:
        """The lines of a text."""
        end = b"\0" if b"\0" in content else b"\n"
        for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).split(end), start=1):
            text = os.fsdecode(line.rstrip(b"\r") if end == b"\n" else line)
            if text.strip():
                self.add(text, f"{shown(name)}, line {number}: ")


def _is_list(path: str) -> bool:
    """Whether a file holds lines of text, and neither is nor is called a film or photograph."""
    if called_film(path) or called_picture(path) or not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            known = identify_file(file) is not None
            file.seek(0)
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False  # said when it is its turn
    return not known and bool(head) and all(byte >= 32 or byte in b"\t\r\n" for byte in head)
