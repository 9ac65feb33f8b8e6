"""A run's directory, read, with its network; and what is kept of it once it is finished, `NAME.json` among records."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import softmax, translate
from edgefer.measure.datasets import Dataset
from edgefer.measure.datasets.base import Images
from edgefer.measure.statistics import spread
from edgefer.support.atomic import write_bytes
from edgefer.train.checkpoint import epochs_of, load_weights
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.recipes import OWNERS, Runs, repetition
from edgefer.train.recovered import is_model
from edgefer.train.settings import TrainingSettings, build, read_json

BATCH = 256


def lineage(run: Path) -> Runs:
    """The run, after those it started from: directory and settings of each, first to last; a model has none."""
    settings = TrainingSettings.read(run / "settings.json")
    before = lineage(Path(settings.start)) if settings.start and not is_model(settings.start) else ()
    return (*before, (str(run), settings))


def read_finished(run: Path) -> tuple[Runs, dict[str, Any]]:
    """The lineage of a finished run, and its done.json.

    Raises:
        UsageError: it is not finished, or a file of it is damaged.
    """
    done = run / "done.json"
    if (run / "settings.json").exists() and not done.exists():
        raise UsageError(f"{done}: not there; the run is not finished, its own command makes it go on")
    return lineage(run), read_json(done)


def is_made(run: str | Path, settings: TrainingSettings, whole: bool = False) -> bool:
    """Whether a run has come to where its settings say that it ends.

    Args:
        whole: with what another run starts from, which a record or weights alone do not hold.
    """
    run = Path(run)
    if settings.stop:
        return epochs_of(run) >= settings.stop
    return (run / "done.json").exists() and (not whole or (run / "checkpoint.npz").exists())


def network(run: str | Path, settings: TrainingSettings) -> Any:
    """The keras.Model of a run with the weights of its best epoch.

    Raises:
        UsageError: they are not there, damaged, or of another network.
    """
    model = build(settings, size=settings.size)
    load_weights(model, Path(run) / "best.weights.h5")
    return model


def logits(model: Any, inputs: Inputs, images: Images) -> np.ndarray:
    """What a network says of unaltered face crops: float32, shape (N, classes)."""
    batches = (inputs.stack(images[start : start + BATCH]) for start in range(0, len(images), BATCH))
    return np.concatenate([np.asarray(model.predict_on_batch(x)) for x in batches])


def accuracy(model: Any, inputs: Inputs, data: Dataset) -> float:
    """Share of the unaltered images that a network judges right, percent."""
    return 100 * int((logits(model, inputs, data.images).argmax(axis=1) == data.truth).sum()) / len(data)


def judged_on(run: Path, data: Dataset) -> dict[str, Any]:
    """A finished run on a data set it does not come from, in float: what a record of `cross/` holds.

    A data set of fewer classes than the network has is judged on its own, as `edgefer eval` does.
    """
    settings = TrainingSettings.read(run / "settings.json")
    inputs = Inputs(input_spec(settings.input, settings.size))
    said = logits(network(run, settings), inputs, data.images)
    if data.labels != settings.labels:
        scores = softmax(said)
        said = np.stack([translate(row, settings.labels, data.labels) for row in scores])
    right = int((said.argmax(axis=1) == data.truth).sum())
    return {
        "model": run.name,
        "data": Path(data.source).name,
        "split": data.split,
        "rule": data.rule,
        "accuracy": 100 * right / len(data),
        "rows": len(data),
    }


#: Where the project keeps records, seen from its root, as `runs/` is: commands are given there.
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
        start: name of the run that it went on from, or empty. rounded: trained with rounding, as int8 has it.
    """

    name: str
    accuracy: float
    rows: int
    rule: str
    seed: int | None
    fold: str
    cost: str
    start: str = ""
    rounded: bool = False


def keep(run: Path, records: Path, **more: object) -> Path:
    """Keep a finished run's settings and results under its name, and what else is told of it.

    Raises:
        UsageError: the run is not finished, or a file of it is damaged.
    """
    if not (run / "done.json").exists():
        raise UsageError(f"{run / 'done.json'}: not there; expected a finished run in {run}")
    content = {name: read_json(run / f"{name}.json") for name in ("settings", "done")}
    records.mkdir(parents=True, exist_ok=True)
    path = records / f"{run.resolve().name}.json"
    write_bytes(path, (json.dumps({**content, **more}, indent=2) + "\n").encode())
    return path


def keep_short(run: Path, exported: str, records: Path) -> None:
    """Keep what a short form left: settings, results, losses of the first and the last epoch, export."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in (lines[0], lines[-1])]
    keep(run, records, losses=losses, exported=exported)


def read_records(records: Path) -> dict[str, Record]:
    """Every run on record by its name."""
    runs = {}
    for path in sorted(records.glob("*.json")):
        content = read_json(path)
        settings, done = TrainingSettings.of(content["settings"]), content["done"]
        accuracy, rule = done["val_accuracy_float32"], f"{done['val_rule']}: {done['val_counts']}"
        cost = f"{done['hardware']}; {done['backend']}; {done['seconds'] / 60:.0f} min"
        cost += unlike_recipe(path.stem, settings)
        of = settings.seed, settings.division, cost, Path(settings.start).name, settings.quantisation_aware
        runs[path.stem] = Record(path.stem, accuracy, done["val_rows"], rule, *of)
    return runs


def unlike_recipe(name: str, settings: TrainingSettings) -> str:
    """How a run differs from the recipe of its name: its own options, those of the recipe in brackets."""
    if f"runs/{name}" not in OWNERS:
        return ""
    own, recipe = settings.words(), repetition(*OWNERS[f"runs/{name}"])[-1][1].words()
    others = [key for key in {**own, **recipe} if own.get(key) != recipe.get(key)]
    words = (f"{key} {own.get(key) or 'none'} ({recipe.get(key) or 'none'})" for key in others)
    return f"; unlike its recipe: {', '.join(words)}" if others else ""


def chosen_among(runs: dict[str, Record], name: str) -> str:
    """Of a run that another went on from, in words: that it is the best of several seeds, and what they have.

    Returns:
        Empty where it is not on record, or the only one, or another seed is better.
    """
    seeds = repetitions_of(runs, re.sub(r"-\d+$", "", name))
    if name not in runs or len(seeds) < 2:
        return ""
    got = spread([run.accuracy for run in seeds])
    if runs[name].accuracy < got.most:
        return ""
    return f"the best of {got.count} seeds, whose mean is {got.average:.2f} ± {got.deviation:.2f} % in float"


def repetitions_of(runs: dict[str, Record], name: str) -> list[Record]:
    """The runs of a recipe among some, by their numbers: NAME, NAME-2, …"""
    own = [run for run in runs.values() if re.fullmatch(re.escape(name) + r"(-\d+)?", run.name)]
    return sorted(own, key=lambda run: int(run.name[len(name) + 1 :] or 1))
