"""TOML: tables as text, and the line of each key of a text, so that a wrong value is reported with its line.

TOML parsers keep values and forget positions. `key_lines` does the opposite: it trusts that the text is
valid (a parser has read it before) and only walks over it, noting the line of every key and array element.
"""

from __future__ import annotations

import bisect
import contextlib
import json
import re
import sys
from collections.abc import Mapping
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

#: A path in the document: names of tables and keys, and indices into arrays.
Path = tuple[str | int, ...]

#: No table or list that anybody writes by hand lies deeper; parsers take a stack, and memory in the square of it.
DEEPEST = 32

_KEY_PART = rb"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*\.[ \t]*"""
#: A key or header that goes deeper than DEEPEST: the parser holds each of its beginnings. No two runs of blanks meet in
#: it, which would be tried in every division.
DEEP_KEY = re.compile(rb"(?:^[ \t]*(?:\[\[?[ \t]*)?|[{,][ \t]*)(?:%b){%d}" % (_KEY_PART, DEEPEST), re.MULTILINE)

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_FILLER = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\n#]*")
# Closing quotes may follow up to two quotes of content: """a"""" holds a".
_BASIC_MULTILINE = re.compile(r'"""(?:\\.|[^\\])*?"""(?!")"?"?', re.DOTALL)
_LITERAL_MULTILINE = re.compile(r"'''.*?'''(?!')", re.DOTALL)
_BASIC = re.compile(r'"(?:\\.|[^"\\\n])*"')
_LITERAL = re.compile(r"'[^'\n]*'")


def dumps(table: Mapping[str, Any], prefix: str = "") -> str:
    """TOML of a table of values, tables and lists of tables; what is None is left out.

    Args:
        table: names to values.
        prefix: of the headers of the tables within, such as "camera.".
    """
    plain, nested = [], []
    for key, value in table.items():
        name = key_text(key)
        if isinstance(value, Mapping):
            nested.append(f"\n[{prefix}{name}]\n{dumps(value, f'{prefix}{name}.')}")
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping):
            nested += [f"\n[[{prefix}{name}]]\n{dumps(item, f'{prefix}{name}.')}" for item in value]
        elif value is not None:
            plain.append(f"{name} = {value_text(value)}\n")
    return "".join(plain + nested)


def value_text(value: Any) -> str:
    """One value on one line: a scalar, a list, or a mapping as an inline table."""
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL, which TOML wants escaped too
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, Mapping):
        pairs = [f"{key_text(key)} = {value_text(item)}" for key, item in value.items() if item is not None]
        return f"{{ {', '.join(pairs)} }}"
    return repr(value)


def key_text(key: str) -> str:
    """A key, quoted where it is not bare."""
    return key if _BARE_KEY.fullmatch(key) else value_text(key)


def key_lines(text: str) -> tuple[dict[Path, int], list[tuple[Path, int, int]]]:
    """The line, from 1, of every table, key and array element of a TOML text.

    Args:
        text: a TOML document. One that a parser refuses gives what comes before the mistake.

    Returns:
        lines: path to the line where it is first written; a dotted key or header also places its prefixes. The first
            path of more than DEEPEST parts is the last one.
        duplicates: (path, first line, second line) of each key that is given a value twice.
    """
    walk = _Walk(text)
    # Where the text is not valid TOML the walk ends: the parser's own message says where.
    with contextlib.suppress(_Lost, IndexError, tomllib.TOMLDecodeError):
        walk.document()
    return walk.lines, walk.duplicates


class _Lost(Exception):
    """The text is not valid TOML from here on, or nested too deeply."""


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self._newlines = [match.start() for match in re.finditer("\n", self.text)]
        self.lines: dict[Path, int] = {(): 1}
        self.duplicates: list[tuple[Path, int, int]] = []
        self._valued: dict[Path, int] = {}
        self._lengths: dict[Path, int] = {}  # arrays of tables, and how many tables each has so far

    def document(self) -> None:
        table: Path = ()
        while self._skip(_FILLER) < len(self.text):
            line = self._line()
            if self.text.startswith("[[", self.at):
                self.at += 2
                table = self._resolve(self._key(), line)
                index = self._lengths.get(table, 0)
                self._lengths[table] = index + 1
                table = (*table, index)
                self._note(table, line)
                self.at += 2
            elif self.text[self.at] == "[":
                self.at += 1
                table = self._resolve(self._key(), line)
                table = self._newest(table)
                self._give_value(table, line)
                self.at += 1
            else:
                self._pair(table)

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for part in self._key():
            path = (*path, part)
            self._note(path, line)
        self._give_value(path, line)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        before, start = self.at, self.text[self.at]
        if start in "\"'":
            self._string()
        elif start == "[":
            self.at += 1
            index = 0
            while self.text[self._skip(_FILLER)] != "]":
                element = (*path, index)
                self._note(element, self._line())
                self._value(element)
                index += 1
                self._comma_or("]")
            self.at += 1
        elif start == "{":
            self.at += 1
            while self.text[self._skip(_FILLER)] != "}":
                self._pair(path)
                self._comma_or("}")
            self.at += 1
        elif self._skip(_SCALAR) == before:
            raise _Lost  # the value is missing: going on would never end

    def _comma_or(self, closing: str) -> None:
        """Step over a comma; anything else but the closing bracket is not TOML, and would be read forever."""
        if self.text[self._skip(_FILLER)] == ",":
            self.at += 1
        elif self.text[self.at] != closing:
            raise _Lost

    def _key(self) -> tuple[str, ...]:
        """Read a dotted key and the blanks about it."""
        parts = []
        while True:
            self._skip(_SPACE)
            begin = self.at
            if self.text[begin] in "\"'":
                self._string()
                parts.append(tomllib.loads(f"x = {self.text[begin : self.at]}")["x"])
            else:
                self._skip(_BARE_KEY)
                parts.append(self.text[begin : self.at])
            if self.text[self._skip(_SPACE)] != ".":
                return tuple(parts)
            self.at += 1

    def _string(self) -> None:
        for start, pattern in (('"""', _BASIC_MULTILINE), ("'''", _LITERAL_MULTILINE), ('"', _BASIC), ("'", _LITERAL)):
            if self.text.startswith(start, self.at):
                self._skip(pattern)
                return

    def _resolve(self, keys: tuple[str, ...], line: int) -> Path:
        """A header's path: a prefix that names an array of tables means its newest table."""
        path: Path = ()
        for key in keys:
            path = (*self._newest(path), key)
            self._note(path, line)
        return path

    def _newest(self, path: Path) -> Path:
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

    def _note(self, path: Path, line: int) -> None:
        self.lines.setdefault(path, line)
        if len(path) > DEEPEST:
            raise _Lost

    def _give_value(self, path: Path, line: int) -> None:
        if path in self._valued:
            self.duplicates.append((path, self._valued[path], line))
        else:
            self._valued[path] = line

    def _skip(self, pattern: re.Pattern) -> int:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _Lost
        self.at = match.end()
        return self.at

    def _line(self) -> int:
        return bisect.bisect_left(self._newlines, self.at) + 1
