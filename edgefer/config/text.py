"""Settings as text: a profile that reads back to the same, and the page that documents every key."""

from __future__ import annotations

from typing import Any

from msgspec import NODEFAULT, Struct, inspect, structs, to_builtins

from edgefer.config.profiles import shipped_profiles
from edgefer.config.settings import Budgets, Percentiles, Settings, Tables, tables
from edgefer.detect.registry import DETECTORS
from edgefer.recognize.registry import KINDS
from edgefer.sinks.registry import OUTPUTS
from edgefer.sources.registry import SOURCES
from edgefer.support.registry import Registry
from edgefer.support.toml import value_text
from edgefer.support.typed import describe, fields_of, meaning_of


def to_toml(settings: Settings) -> str:
    """The settings as a profile that reads back to the same."""
    top = [f"{name} = {value_text(getattr(settings, name))}" for name in ("board", "match")]
    blocks = ["\n".join(top)]
    for name, _ in tables():
        values = structs.asdict(getattr(settings, name))
        if name == "detector":
            values |= structs.asdict(settings.detector_choice.options)
        blocks.append(_table_text(f"[{name}]", values))
    for choice in settings.outputs:
        blocks.append(_table_text("[[output]]", {"kind": choice.name, **structs.asdict(choice.options)}))
    return "\n\n".join(blocks) + "\n"


def _table_text(header: str, values: dict[str, Any]) -> str:
    shown = {key: value for key, value in values.items() if value is not None and value != Percentiles()}
    return "\n".join([header, *(f"{key} = {value_text(to_builtins(value))}" for key, value in shown.items())])


def documentation() -> str:
    """docs/configuration.md: every key with its type, range, default and meaning."""
    pages = [
        "# Configuration",
        "",
        "<!-- Written by `make docs` from the registries and edgefer/config/settings.py; change those. -->",
        "",
        "A profile is a TOML file. `edgefer run --profile pi4` takes a shipped one by name, and",
        "`--profile my.toml` a file; without one the board's name decides. The command line overrides",
        "the file, and the file overrides the defaults below. Unknown keys, wrong types and values out of",
        "range are errors that name file, line and key. `edgefer config init BOARD` writes a profile to begin with,",
        "every key with its meaning; `edgefer config check FILE` lists all that a run would refuse, models, processors",
        "and outputs included; `edgefer config show --profile NAME` prints the settings in effect.",
        "",
        f"Shipped profiles: {', '.join(f'`{name}`' for name in shipped_profiles())}.",
        "",
        "## Top level",
        "",
        *_doc_table(Tables, {name for name, _ in tables()}),
    ]
    for name, table in tables():
        pages += ["", f"## `[{name}]`", "", _own_doc(table), ""]
        if table is Budgets:
            pages += ["| stage | what is timed |", "|---|---|"]
            pages += [f"| `{field.name}` | {meaning_of(field.type)} |" for field in fields_of(table)]
            pages += ["", f"Each stage takes these keys. {_own_doc(Percentiles)}", "", *_doc_table(Percentiles, set())]
        else:
            pages += _doc_table(table, set())
        if name == "detector":
            pages += _registry(DETECTORS, "kind = ", "--detector")
    pages += [
        "",
        "## `[[output]]`",
        "",
        "Where readings go when no --output is given: one such table for each output, the live table where",
        "there is none.",
        *_registry(OUTPUTS, "kind = ", "--output"),
        "",
        "## Sources",
        "",
        "`--source` takes an index, a path, a URL, or a kind by its name. `[camera]` says what is asked of a",
        "camera given by its index or path alone.",
        *_registry(SOURCES, "", "--source"),
        "",
        "## Kinds of model",
        "",
        "A model's manifest says which kind it is; `--model NAME,option=value` sets an option of its kind.",
        *_registry(KINDS, "", ""),
    ]
    return "\n".join(pages) + "\n"


def _registry(registry: Registry, key: str, flag: str) -> list[str]:
    """The entries of a seam, each with its options."""
    lines = []
    for entry in registry:
        shown = f'`{key}"{entry.name}"`' if key else f"`{entry.name}`"
        command = f" On the command line: `{flag} {entry.shape}`." if flag else ""
        lines += ["", f"### {shown}", "", f"{entry.summary[0].upper()}{entry.summary[1:]}.{command}"]
        if fields_of(entry.options):
            lines += ["", *_doc_table(entry.options, set())]
    return lines


def _own_doc(table: type[Struct]) -> str:
    return " ".join((table.__doc__ or "").split())


def _doc_table(table: type[Struct], left_out: set[str]) -> list[str]:
    rows = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    for field in fields_of(table):
        if field.name not in left_out:
            meaning = meaning_of(field.type)
            rows.append(f"| `{field.name}` | {describe(field.type)} | {_default(field)} | {meaning} |")
    return rows


def _default(field: inspect.Field) -> str:
    if field.required:
        return "must be given"
    default = field.default if field.default is not NODEFAULT else field.default_factory()
    return "none" if default is None else f"`{value_text(default)}`"
