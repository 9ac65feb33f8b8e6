"""The files of a folder, sorted out by what they hold."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgefer.errors import SourceError
from edgefer.sources.several import natural_key
from edgefer.support.formats import Format, called_picture, identify_file
from edgefer.support.names import shown

log = logging.getLogger(__name__)

_NAMES_IN_A_MESSAGE = 3
#: What systems put beside pictures; with all hidden files it is passed over without a word.
_BY_THE_WAY = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir"}


def listed(names: Sequence[str]) -> str:
    """The first few of them."""
    first = ", ".join(shown(name) for name in names[:_NAMES_IN_A_MESSAGE])
    return first if len(names) <= _NAMES_IN_A_MESSAGE else f"{first}, …"


class Folder:
    """The files of a folder, sorted out, each kind in natural order.

    Attributes:
        pictures: photographs, and what cannot be looked at. films: films and animations, by their content.
        others: files that are neither, by their content; links that lead nowhere.
        refused: how many there are of each format that is known and not read. files: how many were looked at.
    """

    def __init__(self, root: Path, recursive: bool) -> None:
        """Raises SourceError where the folder cannot be listed."""
        self.pictures: list[Path] = []
        self.films: list[Path] = []
        self.others: list[Path] = []
        self.refused: Counter[str] = Counter()
        self.files = 0
        self._root = root
        self._recursive = recursive
        self._folders = 0
        self._visited: set[tuple[int, int]] = set()
        try:
            self._walk(root)
        except OSError as error:
            raise SourceError(f"{shown(root)}: {error.strerror}; expected a readable folder of images") from None

    def _walk(self, folder: Path) -> None:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in self._visited:  # a link to a folder above, or to one seen already
            return
        self._visited.add((status.st_dev, status.st_ino))
        for entry in sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name)):
            if entry.name.startswith(".") or entry.name.casefold() in _BY_THE_WAY:
                continue
            if entry.is_dir():
                self._enter(entry)
            elif entry.is_file():
                self._sort_out(entry)
            elif entry.is_symlink():
                self.others.append(entry)  # its target is not there

    def _enter(self, folder: Path) -> None:
        if not self._recursive:
            self._folders += 1
            return
        try:
            self._walk(folder)
        except OSError:
            self.pictures.append(folder)  # named when it is its turn

    def _sort_out(self, path: Path) -> None:
        self.files += 1
        try:
            with path.open("rb") as file:
                found = identify_file(file)
        except OSError:
            self.pictures.append(path)  # named when it is its turn
            return
        if _is_picture(found, path.name):
            self.pictures.append(path)
        elif found is None:
            self.others.append(path)
        elif found.use == "refused":
            self.refused[found.name] += 1
        else:
            self.films.append(path)

    def hint(self) -> str:
        """What there is instead of pictures."""
        if self.films:
            return f"; {_held(self._inside(self.films), 'film')}: give them as sources"
        if self._folders:
            return (
                f"; it holds {number_of(self._folders, 'folder')}: stills:{shown(self._root)},recursive=yes reads them"
            )
        if self.refused:
            return f"; not read: {_counted(self.refused)}"
        return "; expected JPEG, PNG, BMP, WebP, TIFF, HEIC or AVIF"

    def say_what_is_left_out(self) -> None:
        """One line a kind."""
        root = shown(self._root)
        if self.films:
            log.warning("%s: %s; give them as sources", root, _held(self._inside(self.films), "film"))
        if self.refused:
            log.warning("%s: left out, for these formats are not read: %s", root, _counted(self.refused))
        if self.others:
            names = listed(self._inside(self.others))
            log.warning("%s: %s left out, no images: %s", root, number_of(len(self.others), "file"), names)

    def _inside(self, paths: Sequence[Path]) -> list[str]:
        return [os.path.relpath(path, self._root) for path in paths]


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a folder that holds this file as a source would have it read."""
    try:
        with open(path, "rb") as file:
            return _is_picture(identify_file(file), os.path.basename(path))
    except OSError:
        return False


def _is_picture(found: Format | None, name: str) -> bool:
    return found.use == "still" if found is not None else called_picture(name)


def number_of(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def _held(names: Sequence[str], noun: str) -> str:
    return f"holds {number_of(len(names), noun)} ({listed(names)})"


def _counted(names: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in names.items())
