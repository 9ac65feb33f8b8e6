"""What `edgefer models` shows: the models that are installed, and whether each may be run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from edgefer import recognize
from edgefer.errors import ModelError
from edgefer.manifest import MODEL_NAME, Manifest, load


@dataclass(frozen=True)
class Entry:
    """A shipped model: its name, its manifest and the size of its network; or why it is refused."""

    name: str
    manifest: Manifest | None
    size_bytes: int
    refused: str = ""


@dataclass(frozen=True)
class Verdict:
    """Outcome of `verify` for one model; `reason` is the line of the refusal, empty when it is fit to run."""

    model: str
    reason: str

    @property
    def ok(self) -> bool:
        return not self.reason


def entries() -> list[Entry]:
    """The shipped models, by name; hashes are checked, networks are not run."""
    found = []
    for name in recognize.shipped():
        directory = recognize.MODELS / name
        try:
            manifest = load(directory)
        except ModelError as error:
            found.append(Entry(name, None, 0, str(error)))
        else:
            found.append(Entry(name, manifest, (directory / MODEL_NAME).stat().st_size))
    return found


def listing() -> str:
    """`edgefer models list`: a table with one line a model; the default is marked with a star."""
    rows = [("", "name", "kind", "input", "labels", "val accuracy", "size", "licence of the training data")]
    for entry in entries():
        mark = "*" if entry.name == recognize.DEFAULT_MODEL else ""
        if entry.manifest is None:
            rows.append((mark, entry.name, "refused", "", "", "", "", entry.refused))
            continue
        manifest = entry.manifest
        metrics, tensor = manifest.metrics, manifest.input
        rows.append(
            (
                mark,
                entry.name,
                manifest.kind,
                f"{tensor.width}x{tensor.height} {tensor.channels}",
                manifest.output.labels,
                f"{metrics.accuracy_int8:.2f} % of {metrics.rows}" if metrics.split == "val" else "",
                f"{entry.size_bytes / 1024:.0f} KiB",
                " ".join(manifest.licence.training_data.split()),
            )
        )
    if len(rows) == 1:
        return "no models are installed"
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )


def verify(models: Sequence[str | os.PathLike] = ()) -> list[Verdict]:
    """`edgefer models verify`: open each model as `edgefer run` would, self-test included.

    Args:
        models: names or directories; all shipped models when empty.

    Raises:
        UsageError: an unknown name.
    """
    directories = [(os.fspath(model), recognize.find(model)) for model in models or recognize.shipped()]
    verdicts = []
    for model, directory in directories:
        try:
            recognize.open(directory)
        except ModelError as error:
            verdicts.append(Verdict(model, str(error)))
        else:
            verdicts.append(Verdict(model, ""))
    return verdicts


def verdict_text(verdicts: Sequence[Verdict]) -> str:
    """One line a model: `ok NAME` or `refused NAME: why`; the caller exits with 4 if one is refused."""
    return "\n".join(
        f"ok       {verdict.model}" if verdict.ok else f"refused  {verdict.reason}" for verdict in verdicts
    )
