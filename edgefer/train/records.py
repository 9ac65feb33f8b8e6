"""What is kept of finished runs: their settings and results, as `NAME.json` in a folder of records."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from edgefer.errors import UsageError
from edgefer.train.recipes import OWNERS, repetition
from edgefer.train.settings import TrainingSettings

#: Where the project keeps them, seen from its root, as `runs/` is: commands are given there.
RECORDS = Path("docs/reproduction")


@dataclass(frozen=True)
class Record:
    """A finished run on record.

    Attributes:
        name: of its directory: that of its recipe, with -2, -3, … for further seeds.
        accuracy: of the float network on val, percent.
        rows: that count on val.
        rule: which rows count, and how many do not for which reason.
        seed: None where the record does not tell. fold: the division it was judged on, or empty.
        cost: hardware, backend and wall time, in words; and where it was not made by its recipe, the settings
            that differ.
    """

    name: str
    accuracy: float
    rows: int
    rule: str
    seed: int | None
    fold: str
    cost: str


def keep(run: Path, records: Path, **more: object) -> Path:
    """Keep a finished run's settings and results under its name, and what else is told of it.

    Raises:
        UsageError: the run is not finished.
    """
    try:
        content = {name: json.loads((run / f"{name}.json").read_text()) for name in ("settings", "done")}
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished run in {run}") from None
    records.mkdir(parents=True, exist_ok=True)
    path = records / f"{run.resolve().name}.json"
    path.write_text(json.dumps({**content, **more}, indent=2) + "\n")
    return path


def read_records(records: Path) -> dict[str, Record]:
    """Every run on record by its name."""
    runs = {}
    for path in sorted(records.glob("*.json")):
        content = json.loads(path.read_text())
        settings, done = TrainingSettings.of(content["settings"]), content["done"]
        cost = f"{done['hardware']}; {done['backend']}; {done['seconds'] / 60:.0f} min"
        runs[path.stem] = Record(
            path.stem,
            done["val_accuracy_float32"],
            done["val_rows"],
            f"{done['val_rule']}: {done['val_counts']}",
            settings.seed,
            settings.division,
            cost + unlike_recipe(path.stem, settings),
        )
    return runs


def unlike_recipe(name: str, settings: TrainingSettings) -> str:
    """How a run differs from the recipe of its name: its own options, those of the recipe in brackets."""
    if f"runs/{name}" not in OWNERS:
        return ""
    own, recipe = settings.words(), repetition(*OWNERS[f"runs/{name}"])[-1][1].words()
    others = [key for key in {**own, **recipe} if own.get(key) != recipe.get(key)]
    words = (f"{key} {own.get(key) or 'none'} ({recipe.get(key) or 'none'})" for key in others)
    return f"; unlike its recipe: {', '.join(words)}" if others else ""


def repetitions_of(runs: dict[str, Record], name: str) -> list[Record]:
    """The runs of a recipe among some, by their numbers: NAME, NAME-2, …"""
    own = [run for run in runs.values() if re.fullmatch(re.escape(name) + r"(-\d+)?", run.name)]
    return sorted(own, key=lambda run: int(run.name[len(name) + 1 :] or 1))
