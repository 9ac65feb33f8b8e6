"""Parsed TOML against the settings: every problem in words, with the key it belongs to."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import Struct, inspect

from edgefer.config.settings import STAGES, Settings, tables
from edgefer.errors import UsageError
from edgefer.sinks import check_outputs
from edgefer.support.toml import Path as KeyPath
from edgefer.support.toml import tomllib, value_text


class Problem(NamedTuple):
    """One thing wrong with a profile."""

    path: KeyPath
    message: str


def check(data: dict[str, Any]) -> Iterator[Problem]:
    """Unknown keys, wrong types and values out of range in a parsed profile, in the order of the file."""
    return _check(data, inspect.type_info(Settings), ())


def _check(value: Any, kind: inspect.Type, path: KeyPath) -> Iterator[Problem]:
    """Problems of a parsed value against the type it should have."""
    kind = _bare(kind)
    if isinstance(kind, inspect.StructType):
        if not isinstance(value, dict):
            yield Problem(
                path, f"expected a table, got {show(value)}; write [{key_name(path)}] and its keys under it"
            )
            return
        fields = {field.encode_name: field.type for field in kind.fields}
        for key, item in value.items():
            if key in fields:
                yield from _check(item, fields[key], (*path, key))
            else:
                yield Problem((*path, key), _unknown_key(key, path, list(fields)))
    elif isinstance(kind, inspect.ListType) and isinstance(value, list):
        low, high = kind.min_length or 0, kind.max_length if kind.max_length is not None else math.inf
        if not low <= len(value) <= high:
            yield Problem(
                path, f"expected {describe(kind)}, got {len(value)} of them: {show(value)}{_advice(path)}"
            )
            return
        for index, item in enumerate(value):
            yield from _check(item, kind.item_type, (*path, index))
    elif not _fits(value, kind):
        yield Problem(path, f"expected {describe(kind)}, got {show(value)}{_advice(path, value, kind)}")


def _fits(value: Any, kind: inspect.Type) -> bool:
    kind = _bare(kind)
    if isinstance(kind, inspect.UnionType):
        return any(_fits(value, member) for member in kind.types)
    if isinstance(kind, inspect.BoolType):
        return isinstance(value, bool)
    if isinstance(kind, inspect.IntType):
        return isinstance(value, int) and not isinstance(value, bool) and _in_range(value, kind)
    if isinstance(kind, inspect.FloatType):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and _in_range(value, kind) and not math.isnan(value)
    if isinstance(kind, inspect.StrType):
        low, high = kind.min_length or 0, kind.max_length if kind.max_length is not None else math.inf
        return isinstance(value, str) and low <= len(value) <= high and "\0" not in value
    if isinstance(kind, inspect.LiteralType):
        return isinstance(value, str) and value in kind.values
    return False  # NoneType: TOML has no null


def _in_range(value: float, kind: inspect.IntType | inspect.FloatType) -> bool:
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
    )


def _bare(kind: inspect.Type) -> inspect.Type:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind


def meaning_of(kind: inspect.Type) -> str:
    """The description written beside a key's type."""
    while isinstance(kind, inspect.Metadata):
        if kind.extra_json_schema and "description" in kind.extra_json_schema:
            return kind.extra_json_schema["description"]
        kind = kind.type
    return ""


def describe(kind: inspect.Type) -> str:
    """What a key takes, in words."""
    kind = _bare(kind)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(describe(part) for part in kind.types if not isinstance(part, inspect.NoneType))
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    if isinstance(kind, (inspect.IntType, inspect.FloatType)):
        noun = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
        low = f" from {kind.ge:g}" if kind.ge is not None else f" above {kind.gt:g}"
        return noun + low + (f" to {kind.le:g}" if kind.le is not None else "")
    if isinstance(kind, inspect.StrType):
        size = f" of at most {kind.max_length} characters" if kind.max_length else ""
        return ("a non-empty text" if kind.min_length else "a text") + size
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(json.dumps(value) for value in kind.values)
    if isinstance(kind, inspect.ListType):
        low, high = kind.min_length, kind.max_length
        count = f"{low} items" if low and low == high else f"at most {high} items" if high else "items"
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
    return text if len(text) <= 60 else text[:57] + "…"


def _unknown_key(key: str, path: KeyPath, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"unknown key; did you mean {close[0]!r}?"
    homes = [name for name, table in tables() if key in table.__struct_fields__ and name != key_name(path)]
    if homes:
        return f"unknown key here; it belongs in [{homes[0]}]"
    return f"unknown key; expected one of {', '.join(known)}"


def _advice(path: KeyPath, value: Any = None, kind: inspect.Type | None = None) -> str:
    """What to do about a wrong value."""
    if isinstance(value, str) and kind is not None:
        if isinstance(kind, inspect.LiteralType):
            close = difflib.get_close_matches(value, kind.values, n=1)
            return (
                f"; did you mean {json.dumps(close[0])}?"
                if close
                else f"; the default is {default_text(path)}"
            )
        if isinstance(kind, (inspect.IntType, inspect.FloatType, inspect.BoolType)) and value.strip():
            try:
                bare = next(iter(tomllib.loads(f"x = {value.strip()}").values()))
            except tomllib.TOMLDecodeError:
                bare = None
            if bare is not None and _fits(bare, kind):
                return f"; write {value.strip()} without quotes"
    default = default_text(path)
    return f"; the default is {default}" if default else "; leave the key out to go without it"


def default_text(path: KeyPath) -> str:
    value: Any = Settings()
    for part in path:
        if isinstance(part, int):
            break
        value = getattr(value, part)
    return "" if value is None or isinstance(value, Struct) else value_text(value)


def cross_check(settings: Settings) -> Iterator[Problem]:
    """Problems between keys that are each right by themselves."""
    compute, detector, quality, budget = (
        settings.compute,
        settings.detector,
        settings.quality,
        settings.budget_ms,
    )
    if len(set(compute.pin)) != len(compute.pin):
        yield Problem(
            ("compute", "pin"), f"expected each processor once, got {show(compute.pin)}; remove the repeats"
        )
    if detector.kind != "haar" and not detector.model:
        yield Problem(
            ("detector", "model"),
            f'expected the file of the {detector.kind} network, got none; name it, or use kind = "haar"',
        )
    if detector.kind == "haar" and detector.model:
        yield Problem(
            ("detector", "model"),
            f'expected no file with kind = "haar", got {show(detector.model)}; remove it or set kind',
        )
    if detector.min_face_px > min(settings.camera.size):
        yield Problem(
            ("detector", "min_face_px"),
            f"expected at most the shorter side of camera.size, {min(settings.camera.size)},"
            f" got {detector.min_face_px}; no face could be found",
        )
    try:
        check_outputs(settings.output.sinks)
    except UsageError as error:
        yield Problem(("output", "sinks"), str(error))
    if quality.min_brightness >= quality.max_brightness:
        yield Problem(
            ("quality", "min_brightness"),
            f"expected less than max_brightness, {quality.max_brightness:g}, got {quality.min_brightness:g};"
            " every face would be uncertain",
        )
    if (
        settings.governor.enabled
        and budget.total.p95 is None
        and any(getattr(budget, stage).p95 is not None for stage in STAGES)
    ):
        yield Problem(
            ("budget_ms", "total", "p95"),
            "expected a number, because other stages have a p95 and the governor keeps the total; add it",
        )
    for stage in STAGES:
        limits = getattr(budget, stage)
        given = [
            (name, getattr(limits, name))
            for name in ("p50", "p95", "p99")
            if getattr(limits, name) is not None
        ]
        for (low_name, low), (high_name, high) in zip(given, given[1:], strict=False):
            if low > high:
                yield Problem(
                    ("budget_ms", stage, high_name),
                    f"expected at least {low_name}, {low:g}, got {high:g}; it cannot be smaller",
                )
        total_p50 = budget.total.p50
        if stage != "total" and limits.p50 and total_p50 and limits.p50 > total_p50:
            yield Problem(
                ("budget_ms", stage, "p50"),
                f"expected at most the total's p50, {total_p50:g}, got {limits.p50:g}; lower it",
            )


def key_name(path: KeyPath) -> str:
    """camera.size[1]; keys that are not bare are quoted."""
    name = ""
    for part in path:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            shown = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part)
            name += f".{shown}" if name else shown
    return name
