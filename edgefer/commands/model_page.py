"""A model's manifest as a page for people."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from edgefer.models.manifest import Manifest, NetworkManifest

#: Keys that the page words by itself, or that only a program needs.
_APART = {"kind", "schema", "name", "paper", "architecture", "licence", "files", "self_test"}
_LEAST_WIDTH, _GREATEST_WIDTH = 60, 120


def facts(directory: Path, manifest: Manifest) -> dict[str, Any]:
    """Everything in the manifest, with the directory and the size of each file, as plain values."""
    values = {"directory": str(directory), "kind": manifest.kind, **msgspec.to_builtins(manifest)}
    values["files"] = {
        name: {"bytes": (directory / name).stat().st_size, "sha256": digest} for name, digest in manifest.files.items()
    }
    if isinstance(manifest, NetworkManifest):
        values["labels"] = list(manifest.labels)
    return values


def page(directory: Path, manifest: Manifest) -> str:
    """The manifest in lines no wider than the terminal, but for words that are longer."""
    rows = list(_rows(directory, manifest))
    head = max(len(name) for name, _ in rows) + 2
    width = min(max(shutil.get_terminal_size().columns, _LEAST_WIDTH), _GREATEST_WIDTH)
    lines = []
    for name, text in rows:
        first, after = f"{name:<{head}}", " " * head
        wrapped = textwrap.wrap(
            text, width, initial_indent=first, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
        )
        lines += wrapped or [first.rstrip()]
    return "\n".join(lines)


def _rows(directory: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Names with what belongs to each; a name is empty where it is that of the row before."""
    yield "model", manifest.name
    yield "kind", manifest.kind
    yield "directory", str(directory)
    yield "paper", manifest.paper
    yield "architecture", manifest.architecture
    values = msgspec.to_builtins(manifest)
    if isinstance(manifest, NetworkManifest):
        yield "labels", f"{', '.join(manifest.labels)} ({manifest.output.labels}, in score order)"
        metrics = manifest.metrics
        ece = "" if metrics.ece is None else f", ECE {metrics.ece:.2f} %"
        rows = f"{metrics.rows} rows of {metrics.split}"
        yield "figures", f"accuracy {metrics.accuracy_int8:.2f} % on {rows}{ece} as shipped, in int8"
        yield "", f"accuracy {metrics.accuracy_float32:.2f} % before quantisation, in float32"
        yield "", f"rule: {metrics.rule}"
        if metrics.ece_rule:
            yield "", f"rule of the ECE: {metrics.ece_rule}"
        del values["metrics"]
    for key, value in values.items():
        if key not in _APART and value is not None:
            yield from _described(key.replace("_", " "), value)
    if "self_test" in values:
        yield "self-test", f"{len(values['self_test'])} vectors, run at every start"
    yield "licence", f"of the weights: {manifest.licence.weights}"
    yield "", f"of the training data: {manifest.licence.training_data}"
    name = "files"
    for file, digest in manifest.files.items():
        yield name, f"{file}, {(directory / file).stat().st_size / 1024:.0f} KiB, sha256 {digest}"
        name = ""


def _described(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A value of the manifest: a table has its short entries on one line and each long one on a line of its own."""
    if not isinstance(value, Mapping):
        yield name, _text(value)
        return
    short = {key: _text(item) for key, item in value.items() if len(_text(item)) <= 30}
    if short:
        yield name, ", ".join(f"{key.replace('_', ' ')} {text}" for key, text in short.items())
        name = ""
    for key, item in value.items():
        if key not in short:
            yield name, f"{key.replace('_', ' ')}: {_text(item)}"
            name = ""


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return " to ".join(map(_text, value)) if len(value) == 2 else ", ".join(map(_text, value))
    return " ".join(str(value).split())
