"""`edgefer models`: the models that are installed, and whether each may be run."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edgefer.errors import ModelError
from edgefer.models import store


def list_models(args) -> int:
    """Prints the table of the shipped models."""
    print(listing())
    return 0


def verify_models(args) -> int:
    """Prints a verdict a model; ModelError's exit code when one is refused."""
    verdicts = store.verify(args.models)
    for verdict in verdicts:
        print(verdict_text([verdict]), file=sys.stdout if verdict.ok else sys.stderr)
    return 0 if all(verdict.ok for verdict in verdicts) else ModelError.exit_code


def listing() -> str:
    """A table with one line a model; the default is marked with a star."""
    rows = [("", "name", "kind", "input", "labels", "val accuracy", "size", "licence of the training data")]
    for entry in store.entries():
        mark = "*" if entry.name == store.DEFAULT_MODEL else ""
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


def verdict_text(verdicts: Sequence[store.Verdict]) -> str:
    """One line a model: `ok NAME` or `refused NAME: why`; the caller exits with 4 if one is refused."""
    return "\n".join(
        f"ok       {verdict.model}" if verdict.ok else f"refused  {verdict.reason}" for verdict in verdicts
    )
