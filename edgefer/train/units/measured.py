"""A model directory of the kind `units`, measured on crops of people it did not learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgefer import recognize
from edgefer.errors import UsageError
from edgefer.measure.agreement import agreement, always_zero, pcc, table
from edgefer.recognize.units import UnitsRecognizer
from edgefer.train.units import filmed, fit, people
from edgefer.train.units.material import Rows, load


def readings(model: UnitsRecognizer, rows: Rows) -> np.ndarray:
    """Float32 (N, 2, units): intensities and probabilities."""
    return np.stack([model.judge(crop) for crop in fit.middle(rows.crops)])


def measured(name: str, folder: Path, part: str, data: Path, labels: Path | None = None) -> str:
    """Tables of made faces, of real ones against their teacher, and of films where the model tells a face at rest.

    Args:
        data, labels: that films are made of; without labels there are none.

    Raises:
        UsageError: the model reads no units. ModelError: it is refused.
    """
    model = recognize.open(name)
    if not isinstance(model, UnitsRecognizer):
        raise UsageError(f"model {name}: expected the kind units")
    made, real = load(folder, f"made_{part}"), load(folder, f"real_{part}")
    said = readings(model, made)
    rows = agreement(model.units, made.units, said[:, 1] >= 0.5, said[:, 0])
    count = len(set(made.names.tolist()))
    lines = [
        f"Synthetic: {len(made.crops)} pictures of {count} people of {part}; occurrence from intensity "
        f"{model.manifest.output.shown:g} on.",
        "",
        table(rows, always_zero(model.units, made.units)),
        "",
        f"Real: {len(real.crops)} photographs of {part}; correlation of the intensity with the teacher's.",
        "",
        "| unit | correlation |",
        "|---|---:|",
    ]
    intensity = readings(model, real)[:, 0]
    for column, unit in enumerate(model.units):
        known = np.isfinite(real.units[:, column])
        if known.any():
            lines.append(f"| {unit} | {pcc(real.units[known, column], intensity[known, column]):.3f} |")
    if model.manifest.rest is not None and labels is not None:
        found, others = filmed.read_all(model, data, labels, part)
        lines += [
            "",
            f"Synthetic, in films: {len(found.truth)} pictures of {found.people} people of {part}, each against the "
            "face at rest that the recognizer found by itself.",
            "",
            filmed.words(model.units, found, others),
        ]
    if model.manifest.rest is not None and part == "test" and (seen := people.told(model, data)) is not None:
        lines += ["", people.words(seen)]
    return "\n".join(lines) + "\n"
