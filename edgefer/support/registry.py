"""One table for each seam: a name, what it stands for, how it is made, its options, and what it needs.

The choices of the command line, the keys of a profile and their checks, `--help` and the page of the
configuration all follow from these tables. On the command line a choice is written
`name[:target][,option=value…]`; the target fills the option that the entry names for it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct, field

from edgefer.errors import UsageError
from edgefer.support.redact import remember, scrub
from edgefer.support.typed import converted, describe, fields_of, from_text, meaning_of, suggestion


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of an entry: typed fields, each with its range and a description."""


class Entry(Struct, frozen=True):
    """One row of a registry.

    Attributes:
        name: as users write it.
        summary: one line for `--help` and the documentation.
        make: "package.module:callable", imported when it is first used; called with the options and with
            what its seam hands to every maker.
        options: their type; each field has a default unless it must be given.
        target: the option that the text after the colon fills; empty where there is none.
        needs: what the rest of a run has to provide for it, by words of its seam.
    """

    name: str
    summary: str
    make: str
    options: type[Options] = Options
    target: str = ""
    needs: frozenset[str] = field(default_factory=frozenset)

    @property
    def shape(self) -> str:
        """How it is written: `csv[:PATH]`, `video:PATH`."""
        if not self.target:
            return self.name
        required = any(f.encode_name == self.target and f.required for f in fields_of(self.options))
        text = f":{self.target.upper()}"
        return self.name + (text if required else f"[{text}]")

    def maker(self) -> Callable[..., Any]:
        """The callable itself."""
        return imported(self.make)


class Choice(Struct, frozen=True):
    """An entry that was chosen, with its options."""

    entry: Entry
    options: Options

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def target(self) -> str:
        """The value of the option after the colon, as text; empty where there is none."""
        return str(getattr(self.options, self.entry.target)) if self.entry.target else ""

    def make(self, **context: Any) -> Any:
        """The object itself; the seam says what it hands over."""
        return self.entry.maker()(self.options, **context)

    def __str__(self) -> str:
        return self.name + (f":{scrub(self.target)}" if self.target else "")


class Registry:
    """The entries of one seam, in the order in which they are shown; the first is the default.

    Attributes:
        noun: what an entry is, for messages: "detector".
    """

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._entries: dict[str, Entry] = {}

    def add(self, entry: Entry) -> None:
        """Adds a row; it replaces one of the same name."""
        self._entries[entry.name] = entry

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries  # a profile may hold anything

    @property
    def default(self) -> str:
        """The name that is used where none is given."""
        return next(iter(self._entries))

    def names(self) -> list[str]:
        """The names, in order."""
        return list(self._entries)

    def shapes(self) -> str:
        """How each is written, in one line."""
        return ", ".join(entry.shape for entry in self)

    def find(self, name: str) -> Entry:
        """The entry of a name.

        Raises:
            UsageError: there is none; the message lists those there are.
        """
        if name not in self._entries:
            close = suggestion(name, self.names())
            raise UsageError(f"unknown {self.noun} {name!r}{close or ''}; available: {self.shapes()}")
        return self._entries[name]

    def choose(self, name: str, **options: Any) -> Choice:
        """An entry with options given as values.

        Raises:
            UsageError: an unknown name, or options that are not as its type says.
        """
        entry = self.find(name)
        try:
            return Choice(entry, converted(options, entry.options))
        except msgspec.ValidationError as error:
            raise UsageError(f"{self.noun} {name}: {scrub(' '.join(str(error).split()))}") from None

    def parse(self, text: str, called: str = "") -> Choice:
        """A choice as it is written on the command line: `name[:target][,option=value…]`.

        Args:
            text: what is written. called: how messages call it, where somebody wrote it otherwise.

        Raises:
            UsageError: an unknown name or option, a value that does not fit, or a target that is missing or
                not taken.
        """
        head, *pairs = split_options(text)
        for part in (head, *pairs):  # each by itself: what follows an address is not a part of it
            remember(part)
        called = called or f"{self.noun} {scrub(text)!r}"
        name, colon, target = head.partition(":")
        entry = self.find(name)
        fields = {f.encode_name: f for f in fields_of(entry.options)}
        given: dict[str, str] = {}
        for pair in pairs:
            option, _, value = pair.partition("=")
            if option not in fields or option in given:
                what = "is given twice" if option in given else "is unknown"
                known = ", ".join(fields) or "it has none"
                close = suggestion(option, list(fields)) if option not in given else ""
                raise UsageError(f"{called}: option {option!r} {what}{close}; options: {known}")
            given[option] = value
        if colon:
            if not entry.target or not target or entry.target in given:
                raise UsageError(f"unknown {called}; available: {self.shapes()}")
            given[entry.target] = target
        values: dict[str, Any] = {}
        for option, value in given.items():
            try:
                values[option] = from_text(value, fields[option].type)
            except ValueError as error:
                raise UsageError(f"{called}: {option}: {error}") from None
        missing = [option for option, f in fields.items() if f.required and option not in values]
        if missing:
            what = f"{entry.shape}" if missing == [entry.target] else f"{entry.name},{missing[0]}=…"
            raise UsageError(f"{called}: {missing[0]} is missing; write {what}")
        return Choice(entry, entry.options(**values))

    def help(self) -> str:
        """The entries and their options, a line each, for `--help`."""
        lines = []
        for entry in self:
            lines.append(f"  {entry.shape:<18} {entry.summary}")
            lines += [
                f"    ,{f.encode_name}=… ".ljust(21) + f"{meaning_of(f.type)}: {describe(f.type)}"
                for f in fields_of(entry.options)
                if f.encode_name != entry.target
            ]
        return "\n".join(lines)


def split_options(text: str) -> list[str]:
    """What is written before the options, then each `option=value`."""
    return re.split(r",(?=[a-z_0-9]+=)", text)


def imported(path: str) -> Any:
    """What "package.module:name" stands for."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
