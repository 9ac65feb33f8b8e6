"""Parsed TOML against the settings: every problem in words, with the key it belongs to."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import NODEFAULT, Struct, inspect

from edgefer.config.settings import BOUNDED, DetectorTable, Settings, Tables, limits, tables
from edgefer.detect.registry import DETECTORS
from edgefer.sinks.conflicts import output_conflicts
from edgefer.sinks.registry import OUTPUTS
from edgefer.support.registry import Registry
from edgefer.support.toml import Path as KeyPath
from edgefer.support.toml import tomllib, value_text
from edgefer.support.typed import bare, describe, fields_of, fits, length_range, show, suggestion


class Problem(NamedTuple):
    """One thing wrong with a profile.

    Attributes:
        path: the key it belongs to.
        message: what is wrong, and what to do.
        others: the other keys on which that depends.
    """

    path: KeyPath
    message: str
    others: tuple[KeyPath, ...] = ()


class OutputKind(Struct):
    """The key that every `[[output]]` table has."""

    kind: str


MAX_OUTPUTS = 16


def check(data: dict[str, Any]) -> Iterator[Problem]:
    """Unknown keys, wrong types and values out of range in a parsed profile, in the order of the file."""
    keys = {field.encode_name: field for field in fields_of(Tables)}
    for key, value in data.items():
        if key == "detector":
            yield from _check_choice(value, DETECTORS, fields_of(DetectorTable), (key,))
        elif key == "output":
            yield from _check_outputs(value)
        elif key in keys:
            yield from _check(value, keys[key].type, (key,))
        else:
            yield Problem((key,), _unknown_key(key, (), [*keys, "output"]))


def _check(value: Any, kind: inspect.Type, path: KeyPath, default: str | None = None) -> Iterator[Problem]:
    """Problems of a parsed value against the type it should have; `default` as _advice has it."""
    wanted, kind = kind, bare(kind)
    if isinstance(kind, inspect.StructType):
        yield from _check_table(value, kind.fields, path)
    elif isinstance(kind, inspect.ListType) and isinstance(value, list):
        low, high = length_range(kind)
        if not low <= len(value) <= high:
            what = f"expected {describe(kind)}, got {len(value)} of them: {show(value)}"
            yield Problem(path, what + _advice(default))
            return
        for index, item in enumerate(value):
            yield from _check(item, kind.item_type, (*path, index))
    elif not fits(value, kind):
        yield Problem(path, f"expected {describe(wanted)}, got {show(value)}{_advice(default, value, kind)}")


def _check_table(value: Any, fields: tuple[inspect.Field, ...], path: KeyPath) -> Iterator[Problem]:
    """Problems of a table that takes these keys."""
    if not isinstance(value, dict):
        yield Problem(path, f"expected a table, got {show(value)}; write [{key_name(path)}] and its keys under it")
        return
    known = {field.encode_name: field for field in fields}
    for key, item in value.items():
        if key in known:
            yield from _check(item, known[key].type, (*path, key), _default_of(known[key]))
        else:
            yield Problem((*path, key), _unknown_key(key, path, list(known)))
    for field in fields:
        if field.required and field.encode_name not in value:
            what = f"expected {describe(field.type)}, got none; add {field.encode_name} = …"
            yield Problem((*path, field.encode_name), what)


def _check_choice(value: Any, registry: Registry, own: tuple[inspect.Field, ...], path: KeyPath) -> Iterator[Problem]:
    """Problems of a table whose `kind` decides which keys it takes besides its own."""
    kind = value.get("kind", registry.default) if isinstance(value, dict) else registry.default
    if kind in registry:
        fields = (*own, *fields_of(registry.find(kind).options))
        for problem in _check_table(value, fields, path):
            key = problem.path[-1]
            others = [
                entry.name
                for entry in registry
                if len(problem.path) == len(path) + 1
                and key not in {field.encode_name for field in fields}
                and key in {field.encode_name for field in fields_of(entry.options)}
            ]
            what = f"unknown key with kind = {json.dumps(kind)}; it belongs to {' and '.join(others)}"
            yield Problem(problem.path, what) if others else problem
        return
    names = registry.names()
    known = ", ".join(json.dumps(name) for name in names)
    close = suggestion(kind, names).replace("'", '"') if isinstance(kind, str) else ""
    advice = close or f"; the default is {json.dumps(registry.default)}"
    yield Problem((*path, "kind"), f"expected one of {known}, got {show(kind)}{advice}")
    common = {field.encode_name: field for field in own if field.encode_name != "kind"}
    yield from _check_table({key: value[key] for key in value if key in common}, tuple(common.values()), path)


def _check_outputs(value: Any) -> Iterator[Problem]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        what = 'expected [[output]] tables, got {}; write [[output]] and kind = "jsonl" under it'
        yield Problem(("output",), what.format(show(value)))
        return
    if len(value) > MAX_OUTPUTS:
        yield Problem(("output",), f"expected at most {MAX_OUTPUTS} outputs, got {len(value)}")
    for index, table in enumerate(value):
        if "kind" not in table:
            known = ", ".join(json.dumps(name) for name in OUTPUTS.names())
            yield Problem(("output", index, "kind"), f"expected one of {known}, got none; add it")
            continue
        yield from _check_choice(table, OUTPUTS, fields_of(OutputKind), ("output", index))


def _unknown_key(key: str, path: KeyPath, names: list[str]) -> str:
    close = suggestion(key, names)
    if close:
        return f"unknown key{close}"
    homes = [name for name, table in tables() if key in table.__struct_fields__ and name != key_name(path)]
    if homes:
        return f"unknown key here; it belongs in [{homes[0]}]"
    return f"unknown key; expected one of {', '.join(names)}"


def _default_of(field: inspect.Field) -> str | None:
    """A field's default as TOML writes it; empty where that is to leave the key out, None where it must be given."""
    if field.required:
        return None
    value = field.default if field.default is not NODEFAULT else field.default_factory()
    return "" if value is None or isinstance(value, Struct) else value_text(value)


def _advice(default: str | None, value: Any = None, kind: inspect.Type | None = None) -> str:
    """What to do about a wrong value; `default` is the key's, None where it has none or a part of a list is meant."""
    if isinstance(value, str) and kind is not None:
        if isinstance(kind, inspect.LiteralType):
            if any(not isinstance(choice, str) and value.strip() == str(choice) for choice in kind.values):
                return f"; write {value.strip()} without quotes"
            close = suggestion(value, [str(choice) for choice in kind.values]).replace("'", '"')
            return close or f"; the default is {default}"
        if isinstance(kind, (inspect.IntType, inspect.FloatType, inspect.BoolType)) and 0 < len(value.strip()) < 40:
            try:
                bare = next(iter(tomllib.loads(f"x = {value.strip()}").values()))
            except tomllib.TOMLDecodeError:
                bare = None
            if bare is not None and fits(bare, kind):
                return f"; write {value.strip()} without quotes"
    if default is None:
        return ""
    return f"; the default is {default}" if default else "; leave the key out to go without it"


def without(data: Mapping[str, Any], wrong: Iterable[KeyPath]) -> tuple[dict[str, Any], list[KeyPath], list[int]]:
    """A parsed profile without its wrong keys, so that the rest can be looked at.

    Returns:
        The rest; the keys that were left out; and the number in the file of each output that is left.
    """
    rest = copy.deepcopy(dict(data))
    tables = dict(enumerate(rest["output"])) if isinstance(rest.get("output"), list) else {}
    dropped: list[KeyPath] = []
    for path in wrong:
        if path[0] == "output":
            table = tables.get(int(path[1])) if len(path) > 1 else None
            if len(path) == 2 or table is None or _needs(OUTPUTS, table, path[2]):
                tables = {number: each for number, each in tables.items() if path[1:2] not in ((), (number,))}
                dropped.append(path[:2])
            else:
                table.pop(path[2], None)
                dropped.append(path[:3])
        elif path[0] == "detector" and len(path) > 1 and _needs(DETECTORS, rest["detector"], path[1]):
            own = DetectorTable.__struct_fields__
            rest["detector"] = {key: item for key, item in rest["detector"].items() if key in own and key != "kind"}
            dropped.append(("detector", "kind"))
        else:
            dropped.append(_remove(rest, path))
    if "output" in rest and (tables or rest["output"] == []):
        rest["output"] = list(tables.values())
    else:
        rest.pop("output", None)
    return rest, dropped, list(tables)


def _needs(registry: Registry, table: Mapping[str, Any], key: str | int) -> bool:
    """Whether a choice cannot be made without a key of its table."""
    kind = table.get("kind", registry.default)
    if key == "kind" or kind not in registry:
        return True
    return any(field.encode_name == key and field.required for field in fields_of(registry.find(kind).options))


def _remove(data: dict[str, Any], path: KeyPath) -> KeyPath:
    """Removes the innermost key of a path, a list as a whole; gives the path of what was removed."""
    for depth, part in enumerate(path, 1):
        inner = data.get(part) if isinstance(part, str) else None
        if depth == len(path) or not isinstance(inner, dict):
            data.pop(str(part), None)
            return path[:depth]
        data = inner
    return path


def cross_check(settings: Settings) -> Iterator[Problem]:
    """Problems between keys that are each right by themselves."""
    compute, detector, quality = settings.compute, settings.detector, settings.quality
    if len(set(compute.pin)) != len(compute.pin):
        yield Problem(("compute", "pin"), f"expected each processor once, got {show(compute.pin)}; remove the repeats")
    if detector.min_face_px > min(settings.camera.size):
        yield Problem(
            ("detector", "min_face_px"),
            f"expected at most the shorter side of camera.size, {min(settings.camera.size)},"
            f" got {detector.min_face_px}; no face could be found",
            (("camera", "size"),),
        )
    for number, what in output_conflicts(settings.outputs, str(settings.camera.device)):
        yield Problem(("output", number), what)
    if quality.min_brightness >= quality.max_brightness:
        yield Problem(
            ("quality", "min_brightness"),
            f"expected less than max_brightness, {quality.max_brightness:g}, got {quality.min_brightness:g};"
            " every face would be uncertain",
            (("quality", "max_brightness"),),
        )
    total = limits(settings, "total")
    if (
        settings.governor.enabled
        and total.p95 is None
        and any(limits(settings, stage).p95 is not None for stage in BOUNDED)
    ):
        yield Problem(
            ("budget_ms", "total", "p95"),
            "expected a number, because other stages have a p95 and the governor keeps the total; add it",
            (("governor", "enabled"),),
        )
    for stage in BOUNDED:
        bounds = limits(settings, stage)
        given = [(name, getattr(bounds, name)) for name in ("p50", "p95", "p99") if getattr(bounds, name) is not None]
        for (low_name, low), (high_name, high) in zip(given, given[1:], strict=False):
            if low > high:
                yield Problem(
                    ("budget_ms", stage, high_name),
                    f"expected at least {low_name}, {low:g}, got {high:g}; it cannot be smaller",
                    (("budget_ms", stage, low_name),),
                )
        if stage != "total" and bounds.p50 and total.p50 and bounds.p50 > total.p50:
            yield Problem(
                ("budget_ms", stage, "p50"),
                f"expected at most the total's p50, {total.p50:g}, got {bounds.p50:g}; lower it",
                (("budget_ms", "total", "p50"),),
            )


def key_name(path: KeyPath) -> str:
    """camera.size[1]; keys that are not bare are quoted, and long ones cut."""
    name = ""
    for part in path:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            shown = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part)
            shown = shown if len(shown) <= 100 else f"{shown[:99]}…"
            name += f".{shown}" if name else shown
    return name
