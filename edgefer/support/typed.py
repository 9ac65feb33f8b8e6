"""Values against msgspec types, in words: what a key takes, whether a value fits, and a value from text."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import functools
import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from edgefer.support.locks import turn_lock
from edgefer.support.redact import scrub

Value = TypeVar("Value")

_converting = turn_lock()


def converted(value: Any, kind: type[Value]) -> Value:
    """msgspec.convert, by one thread at a time.

    msgspec works a struct's types out at its first use and shows what is half done to other threads: two that come to
    it at once end the process by SIGSEGV (0.22.0 and before).

    Raises:
        msgspec.ValidationError: the value is not of that type.
    """
    with _converting:
        return msgspec.convert(value, kind)


def bare(kind: inspect.Type) -> inspect.Type:
    """The type itself, without its metadata."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind


def meaning_of(kind: inspect.Type) -> str:
    """The description in a field's type."""
    while isinstance(kind, inspect.Metadata):
        if kind.extra_json_schema and "description" in kind.extra_json_schema:
            return str(kind.extra_json_schema["description"])
        kind = kind.type
    return ""


#: What a field's type may say of its value: the path of a model directory, of a file that is read, of one that nobody
#: else may see. A profile gives all of them relative to itself.
MODEL_PATH, READ_FILE, SECRET_FILE = "model path", "file", "secret file"


def is_marked(kind: inspect.Type, *marks: str) -> bool:
    """Whether a field's type has one of these marks."""
    while isinstance(kind, inspect.Metadata):
        if kind.extra and any(kind.extra.get(mark) for mark in marks):
            return True
        kind = kind.type
    return False


@functools.cache  # msgspec walks over all types again at each call
def fields_of(struct: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    """The fields of a struct, with their types, in order."""
    kind = inspect.type_info(struct)
    assert isinstance(kind, inspect.StructType)
    return kind.fields


def fits(value: Any, kind: inspect.Type) -> bool:
    """Whether a plain value (not a table or list) is of that type and in its range."""
    kind = bare(kind)
    if isinstance(kind, inspect.UnionType):
        return any(fits(value, member) for member in kind.types)
    if isinstance(kind, inspect.BoolType):
        return isinstance(value, bool)
    if isinstance(kind, inspect.IntType):
        return isinstance(value, int) and not isinstance(value, bool) and _in_range(value, kind)
    if isinstance(kind, inspect.FloatType):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and _in_range(value, kind) and not math.isnan(value)
    if isinstance(kind, inspect.StrType):
        low, high = length_range(kind)
        if not isinstance(value, str) or not low <= len(value) <= high or "\0" in value:
            return False
        return kind.pattern is None or re.search(kind.pattern, value) is not None
    if isinstance(kind, inspect.LiteralType):
        return any(type(value) is type(known) and value == known for known in kind.values)
    return False  # NoneType: TOML has no null


def length_range(kind: inspect.StrType | inspect.ListType) -> tuple[int, float]:
    """Least and greatest length."""
    return kind.min_length or 0, kind.max_length if kind.max_length is not None else math.inf


def _in_range(value: float, kind: inspect.IntType | inspect.FloatType) -> bool:
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.lt is None or value < kind.lt)
        and (kind.le is None or value <= kind.le)
    )


def _examples_of(kind: inspect.Type) -> list[str]:
    """The examples in a field's type."""
    while isinstance(kind, inspect.Metadata):
        if kind.extra_json_schema and "examples" in kind.extra_json_schema:
            return [str(example) for example in kind.extra_json_schema["examples"]]
        kind = kind.type
    return []


def describe(kind: inspect.Type) -> str:
    """What a key takes, in words."""
    if examples := _examples_of(kind):  # of a text that has to follow a pattern
        return f"a text such as {', '.join(examples)}"
    kind = bare(kind)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(describe(part) for part in kind.types if not isinstance(part, inspect.NoneType))
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    if isinstance(kind, (inspect.IntType, inspect.FloatType)):
        noun = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
        low = f" from {kind.ge:g}" if kind.ge is not None else f" above {kind.gt:g}" if kind.gt is not None else ""
        high = f" to {kind.le:g}" if kind.le is not None else f" below {kind.lt:g}" if kind.lt is not None else ""
        return noun + low + high
    if isinstance(kind, inspect.StrType):
        size = f" of at most {kind.max_length} characters" if kind.max_length else ""
        return ("a non-empty text" if kind.min_length else "a text") + size
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(json.dumps(value) for value in kind.values)
    if isinstance(kind, inspect.ListType):
        low_count, high_count = kind.min_length, kind.max_length
        exact = low_count and low_count == high_count
        count = f"{low_count} items" if exact else f"at most {high_count} items" if high_count else "items"
        return f"a list of {count}, each {describe(kind.item_type)}"
    return "a table"


def show(value: Any) -> str:
    """A value as TOML writes it, cut to one short line."""
    if isinstance(value, dict):
        return "a table"
    try:
        text = str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # a whole number too long to be printed
        return "a number of thousands of digits"
    text = scrub(text)  # before it is cut, while an address can be told
    return text if len(text) <= 60 else text[:57] + "…"


def suggestion(name: str, known: list[str]) -> str:
    """`; did you mean 'x'?` where a known name is close, else nothing."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def from_text(text: str, kind: inspect.Type) -> Any:
    """The value that a text on the command line stands for.

    Args:
        text: `yes` and `no` (or `true`, `false`) for booleans, numbers as Python writes them, all else as it
            is; a list's items stand between slashes, as in 640/480.
        kind: the type wanted.

    Raises:
        ValueError: the text is no such value.
    """
    wanted, kind = kind, bare(kind)
    if isinstance(kind, inspect.UnionType):
        for member in kind.types:
            with contextlib.suppress(ValueError):
                return from_text(text, member)
    elif isinstance(kind, inspect.ListType):
        low, high = length_range(kind)
        items = [from_text(item, kind.item_type) for item in text.split("/")]
        if low <= len(items) <= high:
            return items
    else:
        value: Any = text
        if isinstance(kind, inspect.BoolType):
            value = {"yes": True, "true": True, "no": False, "false": False}.get(text.lower())
        elif isinstance(kind, inspect.LiteralType):
            value = {str(known): known for known in kind.values}.get(text, text)
        elif isinstance(kind, (inspect.IntType, inspect.FloatType)):
            with contextlib.suppress(ValueError):
                value = int(text) if isinstance(kind, inspect.IntType) else float(text)
        if fits(value, kind):
            return value
    raise ValueError(f"expected {describe(wanted)}, got {show(text)}")


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A whole number from low to high."""

    def convert(text: str) -> int:
        digits = text.lstrip("0") or text[-1:]
        if digits.isascii() and digits.isdecimal() and len(digits) <= len(str(high)) and low <= int(digits) <= high:
            return int(digits)
        raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {text!r}")

    return convert


def numbers(text: str) -> list[int]:
    """`0,7,12-20` to its numbers, each once."""
    values: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part.strip(), re.ASCII)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise argparse.ArgumentTypeError(f"expected numbers and ranges, as in 0,7,12-20, got {text!r}")
        values += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(values))
