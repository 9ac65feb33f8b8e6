"""A profile to begin with: every key with its meaning, what it takes and its default, from the registries."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import NODEFAULT, Struct, inspect, structs, to_builtins

from edgefer.config.settings import Budgets, Percentiles, Settings, Tables, tables
from edgefer.detect.registry import DETECTORS
from edgefer.sinks.registry import OUTPUTS
from edgefer.support.registry import Entry
from edgefer.support.toml import value_text
from edgefer.support.typed import describe, fields_of, meaning_of

_WIDTH = 100


def template(name: str, settings: Settings) -> str:
    """A shipped profile as a file to change; it reads back to the same settings.

    Args:
        name: of the profile.
        settings: what it says.
    """
    lines = [
        *_comment(f"A profile for {settings.board or 'any board'}, from the shipped one {name!r}."),
        *_comment("A line such as `#key = value` is a key that is not set: remove the mark to set it."),
        *_comment("`edgefer config check FILE` says whether a run would take it."),
    ]
    top = {field.name for field in structs.fields(Tables)} - {table for table, _ in tables()}
    lines += _keys(Tables, {key: getattr(settings, key) for key in top})
    for table, kind in tables():
        lines += ["", *_comment(kind.__doc__ or ""), f"[{table}]"]
        if kind is Budgets:
            lines += _budgets(settings)
        elif table == "detector":
            lines += _detector(settings)
        else:
            lines += _keys(kind, structs.asdict(getattr(settings, table)))
    lines += ["", *_comment("One [[output]] table for each place where readings go.")]
    for choice in settings.outputs:
        values = structs.asdict(choice.options)
        lines += ["", "[[output]]", f'kind = "{choice.name}"', *_keys(choice.entry.options, values)]
    chosen = {choice.name for choice in settings.outputs}
    for entry in OUTPUTS:
        if entry.name not in chosen:
            lines += _entry(entry, "[[output]]")
    return "\n".join(lines) + "\n"


def _detector(settings: Settings) -> Iterator[str]:
    choice = settings.detector_choice
    yield from _keys(type(settings.detector), structs.asdict(settings.detector))
    yield from _keys(choice.entry.options, structs.asdict(choice.options))
    for entry in DETECTORS:
        if entry.name != choice.name:
            yield from _entry(entry)


def _budgets(settings: Settings) -> Iterator[str]:
    yield from _comment(" ".join((Percentiles.__doc__ or "").split()))
    for field in fields_of(Budgets):
        bounds = {key: value for key, value in structs.asdict(getattr(settings.budget_ms, field.name)).items() if value}
        yield ""
        yield from _comment(f"{_capital(meaning_of(field.type))}.")
        example = {part.name: 100.0 for part in fields_of(Percentiles)}
        yield f"{'' if bounds else '#'}{field.name} = {value_text(bounds or example)}"


def _entry(entry: Entry, header: str = "") -> Iterator[str]:
    """A choice that was not made, as comments."""
    yield ""
    yield from _comment(f"{_capital(entry.summary)}:")
    if header:
        yield f"#{header}"
    yield f'#kind = "{entry.name}"'
    yield from _keys(entry.options, {})


def _keys(struct: type[Struct], values: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a table with what is known of each; those without a value are comments."""
    for field in fields_of(struct):
        if field.name in values or struct is not Tables:
            yield ""
            takes = f"{describe(field.type)}; {_default(field)}"
            yield from _comment(f"{_capital(meaning_of(field.type))}. {_capital(takes)}.")
            value = to_builtins(values.get(field.name))
            name = field.encode_name
            yield f"#{name} = {_example(field)}" if value is None else f"{name} = {value_text(value)}"


def _default(field: inspect.Field) -> str:
    if field.required:
        return "must be given"
    value = field.default if field.default is not NODEFAULT else field.default_factory()
    return "not set by default" if value is None else f"default {value_text(value)}"


def _example(field: inspect.Field) -> str:
    """A value for a key that is not set."""
    value = None if field.required else field.default if field.default is not NODEFAULT else field.default_factory()
    return "…" if value is None else value_text(to_builtins(value))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _comment(text: str) -> list[str]:
    mark = "# "
    return textwrap.wrap(text, _WIDTH, initial_indent=mark, subsequent_indent=mark, break_on_hyphens=False)
