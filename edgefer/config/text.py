"""Settings as text: a profile that reads back to the same, and the page that documents every key."""

from __future__ import annotations

from msgspec import Struct, inspect, to_builtins

from edgefer.config.check import describe, meaning_of
from edgefer.config.profiles import shipped_profiles
from edgefer.config.settings import Budgets, Percentiles, Settings, tables
from edgefer.support.toml import value_text


def to_toml(settings: Settings) -> str:
    """The settings as a profile that reads back to the same."""
    top = [f"{name} = {value_text(getattr(settings, name))}" for name in ("board", "match")]
    blocks = ["\n".join(top)]
    for name, _ in tables():
        table = getattr(settings, name)
        rows = [f"[{name}]"]
        for key in table.__struct_fields__:
            value = getattr(table, key)
            if value != Percentiles():
                rows.append(f"{key} = {value_text(to_builtins(value))}")
        blocks.append("\n".join(rows))
    return "\n\n".join(blocks) + "\n"


def documentation() -> str:
    """docs/configuration.md: every key with its type, range, default and meaning."""
    pages = [
        "# Configuration",
        "",
        "<!-- Written by `make docs` from edgefer/config/settings.py; change that file. -->",
        "",
        "A profile is a TOML file. `edgefer run --profile pi4` takes a shipped one by name, and",
        "`--profile my.toml` a file; without one the board's name decides. The command line overrides",
        "the file, and the file overrides the defaults below. Unknown keys, wrong types and values out of",
        "range are errors that name file, line and key: `edgefer config check FILE` lists them all, and",
        "`edgefer config show --profile NAME` prints the settings in effect.",
        "",
        f"Shipped profiles: {', '.join(f'`{name}`' for name in shipped_profiles())}.",
        "",
        "## Top level",
        "",
        *_doc_table(Settings, {name for name, _ in tables()}),
    ]
    for name, table in tables():
        pages += ["", f"## `[{name}]`", "", _own_doc(table), ""]
        if table is Budgets:
            pages += ["| stage | what is timed |", "|---|---|"]
            pages += [
                f"| `{field.name}` | {meaning_of(field.type)} |" for field in inspect.type_info(table).fields
            ]
            pages += [
                "",
                f"Each stage takes these keys. {_own_doc(Percentiles)}",
                "",
                *_doc_table(Percentiles, set()),
            ]
        else:
            pages += _doc_table(table, set())
    return "\n".join(pages) + "\n"


def _own_doc(table: type[Struct]) -> str:
    return " ".join((table.__doc__ or "").split())


def _doc_table(table: type[Struct], left_out: set[str]) -> list[str]:
    rows = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    defaults = table()
    for field in inspect.type_info(table).fields:
        if field.name in left_out:
            continue
        meaning = meaning_of(field.type)
        default = getattr(defaults, field.name)
        shown = "none" if default is None else f"`{value_text(default)}`"
        rows.append(f"| `{field.name}` | {describe(field.type)} | {shown} | {meaning} |")
    return rows
