"""Writes docs/reproduction.md: the tables of the papers beside ours, from records alone.

    python -m edgefer.train tables                       keep what finished runs left, then write the page
    python -m edgefer.train.report                       write the page
    python -m edgefer.train.report --check               write nothing; exit status 1 when the page is stale
    python -m edgefer.train.report --record runs/NAME …  keep what finished runs left, then write the page

The records lie in docs/reproduction: `NAME.json` for a run, its settings and its done.json, and
`cross/TRAINED-on-TESTED.json` for one judged on another set. The int8 figures come from the manifests of the
shipped models. The figures of the papers stand in papers.py. A row without a record is `owed`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefer.errors import EdgeferError, UsageError
from edgefer.labels import translate
from edgefer.measure import datasets
from edgefer.measure.statistics import paired_t, summary
from edgefer.models import directory as directories
from edgefer.models import manifest
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.papers import CROSS, CROSS_ITSELF, CROSS_RECIPES, CROSS_SETS, OWN, TABLES, Row, Table
from edgefer.train.recipes import OWNERS, RECIPES, repetition
from edgefer.train.settings import Settings, build, find_data

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reproduction.md"
RECORDS = ROOT / "docs" / "reproduction"
SHORT_RECORDS = RECORDS / "short"
MODELS = ROOT / "edgefer" / "models" / "shipped"
OWED = "owed"


@dataclass(frozen=True)
class Run:
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


def record(directory: Path, records: Path = RECORDS) -> Path:
    """Keep a finished run's settings and results under its name.

    Raises:
        UsageError: the run is not finished.
    """
    try:
        content = {
            name: json.loads((directory / f"{name}.json").read_text()) for name in ("settings", "done")
        }
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished run in {directory}") from None
    records.mkdir(parents=True, exist_ok=True)
    path = records / f"{directory.resolve().name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def runs_on_record(records: Path = RECORDS) -> dict[str, Run]:
    """Every run on record by its name."""
    found = {}
    for path in sorted(records.glob("*.json")):
        content = json.loads(path.read_text())
        settings, done = Settings.of(content["settings"]), content["done"]
        minutes = done["seconds"] / 60
        found[path.stem] = Run(
            path.stem,
            done["val_accuracy_float32"],
            done["val_rows"],
            f"{done['val_rule']}: {done['val_counts']}",
            settings.seed,
            settings.division,
            f"{done['hardware']}; {done['backend']}; {minutes:.0f} min" + _unlike(path.stem, settings),
        )
    return found


def _unlike(name: str, settings: Settings) -> str:
    """How a run differs from the recipe of its name: its own options, those of the recipe in brackets."""
    if f"runs/{name}" not in OWNERS:
        return ""
    own, recipe = settings.words(), repetition(*OWNERS[f"runs/{name}"])[-1][1].words()
    others = [key for key in {**own, **recipe} if own.get(key) != recipe.get(key)]
    words = (f"{key} {own.get(key) or 'none'} ({recipe.get(key) or 'none'})" for key in others)
    return f"; unlike its recipe: {', '.join(words)}" if others else ""


def shipped(models: Path = MODELS) -> dict[str, manifest.Manifest]:
    """The manifests of the shipped models by name."""
    return {path.parent.name: directories.load(path.parent) for path in sorted(models.glob("*/model.toml"))}


def page(records: Path = RECORDS, models: Path = MODELS) -> str:
    """The whole page."""
    found, manifests = runs_on_record(records), shipped(models)
    for name, content in manifests.items():
        # a model whose run left no record still has the figures its export measured
        metrics = content.metrics
        seed = content.training.seed
        made = Run(name, metrics.accuracy_float32, metrics.rows, metrics.rule, seed, "", "see its card")
        found.setdefault(name, made)
    rules = list(dict.fromkeys(run.rule for run in found.values()))
    parts = [HEAD]
    for entry in (*TABLES, OWN):
        parts += [f"## {entry.title}", *([f"Printed for: {entry.about}."] if entry.about else [])]
        parts += [_accuracies(entry, found, manifests), *_runs(entry, found, rules)]
    parts += [
        "## Breuer and Kimmel, Table 3: trained on one set, tested on another",
        _cross(records / "cross", found),
    ]
    parts += _short_runs(records / "short", rules)
    parts += ["## Rules", "\n".join(f"{number}. {rule}" for number, rule in enumerate(rules, start=1))]
    return "\n\n".join(part for part in parts if part) + "\n"


HEAD = """# The papers' tables beside ours

Written by `python -m edgefer.train.report` from the records in `docs/reproduction` and the manifests of the
shipped models. Ours are accuracies in percent on val, of the float network before quantisation, at the epoch
that was best on these rows, so they flatter a little; int8 is what ships. Gains are counted from the runs of
both rows with the same seeds, and p is of Student's paired test over these seeds. Rows without a record are
owed; `make train-all` trains what has a recipe."""


def members(found: dict[str, Run], name: str) -> list[Run]:
    """The runs of a recipe, by their numbers: NAME, NAME-2, …"""
    own = [run for run in found.values() if re.fullmatch(re.escape(name) + r"(-\d+)?", run.name)]
    return sorted(own, key=lambda run: int(run.name[len(name) + 1 :] or 1))


def _accuracies(entry: Table, found: dict[str, Run], manifests: dict[str, manifest.Manifest]) -> str:
    header = ["model", *entry.columns]
    int8 = {prefix: any(prefix + row.recipe in manifests for row in entry.rows) for prefix, _ in entry.ours}
    for prefix, data in entry.ours:
        header += [f"ours ({data}): avg", "min", "max", "runs"]
        header += ["gain over the first (paper's; p)"] if entry.base else []
        header += ["int8", "its ECE %"] if int8[prefix] else []
    lines = []
    for row in entry.rows:
        cells = [row.name, *row.printed]
        for prefix, _ in entry.ours:
            cells += _figures(found, prefix + row.recipe)
            if entry.base:
                cells.append(_gain(entry, row, prefix, found))
            if int8[prefix]:
                cells += _shipped_figures(manifests.get(prefix + row.recipe))
        lines.append(cells)
    return _markdown(header, lines)


def _shipped_figures(model: manifest.Manifest | None) -> list[str]:
    """Accuracy of what ships, and its expected calibration error; blanks for what does not ship."""
    if model is None:
        return ["", ""]
    error = model.metrics.ece
    return [f"{model.metrics.accuracy_int8:.2f}", "" if error is None else f"{error:.2f}"]


def _figures(found: dict[str, Run], recipe: str) -> list[str]:
    """Average with deviation, least, most and number of a recipe's runs; blanks for what has no recipe."""
    runs = members(found, recipe)
    if recipe not in RECIPES:
        return [""] * 4
    if not runs:
        return [_owed(recipe), "", "", "0"]
    got = summary([run.accuracy for run in runs])
    spread = f" ± {got.deviation:.2f}" if len(runs) > 1 else ""
    return [f"{got.average:.2f}{spread}", f"{got.least:.2f}", f"{got.most:.2f}", str(got.runs)]


def _owed(recipe: str) -> str:
    """That runs are owed, and which data they wait for where it is not what all others learn from."""
    data = RECIPES[recipe][-1][1].data
    return OWED if data == Settings.data else f"{OWED}; needs {data}"


def _gain(entry: Table, row: Row, prefix: str, found: dict[str, Run]) -> str:
    """Ours over the base row, the paper's beside it, and Student's p over the seeds that both have."""
    if not row.recipe or row.recipe == entry.base:
        return ""
    base = next(other for other in entry.rows if other.recipe == entry.base)
    printed = float(row.printed[0]) - float(base.printed[0])
    ours = {run.seed: run.accuracy for run in members(found, prefix + row.recipe)}
    theirs = {run.seed: run.accuracy for run in members(found, prefix + entry.base)}
    gain, p = _over(ours, theirs)
    return f"{gain} ({printed:+.2f}; {p})" if p else f"{gain} ({printed:+.2f})"


def _over(ours: dict[int | None, float], theirs: dict[int | None, float]) -> tuple[str, str]:
    """Average gain over the seeds that both have, and Student's p; accuracies by seed."""
    both = sorted(set(ours) & set(theirs) - {None})
    if not both:
        return OWED, ""
    first, second = [ours[seed] for seed in both], [theirs[seed] for seed in both]
    gain = summary(first).average - summary(second).average
    return f"{gain:+.2f}", f"{paired_t(first, second).p:.2g}" if len(both) > 1 else "one seed"


def _runs(entry: Table, found: dict[str, Run], rules: list[str]) -> list[str]:
    """The runs behind a table, one a line."""
    names = [prefix + row.recipe for prefix, _ in entry.ours for row in entry.rows if row.recipe]
    lines = [
        [
            run.name,
            f"{run.accuracy:.2f}",
            str(run.rows),
            str(rules.index(run.rule) + 1),
            ", ".join(filter(None, (str(run.seed), run.fold))),
            run.cost,
        ]
        for name in names
        for run in members(found, name)
    ]
    return (
        [_markdown(["run", "accuracy", "rows", "rule", "seed, fold", "trained on"], lines)] if lines else []
    )


def _cross(folder: Path, found: dict[str, Run]) -> str:
    """Printed / ours, with our rows; the diagonal is the average of the folds."""
    results = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*-on-*.json"))}
    lines = []
    for trained, printed in CROSS.items():
        cells = [CROSS_SETS[trained]]
        for tested in CROSS_SETS:
            got = results.get(f"{trained}-on-{tested}")
            itself = members(found, CROSS_ITSELF.get(trained, "")) if trained == tested else []
            if got:
                words = f"{got['accuracy']:.2f} on {got['rows']} rows"
            elif itself:
                mean, rows = (
                    summary([run.accuracy for run in itself]).average,
                    sum(run.rows for run in itself),
                )
                words = f"{mean:.2f} on {rows} rows, {len(itself)} folds"
            elif {trained, tested} <= CROSS_ITSELF.keys():
                words = max((_owed(CROSS_ITSELF[name]) for name in (trained, tested)), key=len)
            else:
                words = "not to be had"
            cells.append(f"{printed[tested]} / {words}")
        lines.append(cells)
    header = ["trained on \\ tested on: paper / ours", *CROSS_SETS.values()]
    notes = [
        f"`{name}`: {got['model']}, {got['data']}, split {got['split']}; {got['rule']}."
        for name, got in results.items()
    ]
    return "\n\n".join([_markdown(header, lines), *notes])


SHORT_HEAD = """## Short forms

Every recipe, by the same code, on part of the rows and for a few epochs: `make train-short`. They show that
it runs from its rows to an exported model, whether its network begins to learn (to know more than the
commonest class), and what inputs are worth in equal, short training. Their accuracies say nothing of what the
whole recipe reaches. Losses are of the first and the last epoch, averages over the seeds, as the accuracies
are; gains and p as above. An export that is refused lost more than its budget allows."""


def _short_runs(folder: Path, rules: list[str]) -> list[str]:
    """What the short forms gave, those of a table side by side; nothing where there are none."""
    found: dict[str, list[dict]] = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        found.setdefault(re.sub(r"-\d+$", "", path.stem), []).append(content)
    if not found:
        return []
    for made in found.values():
        made.sort(key=lambda run: run["settings"]["seed"])
    accuracies = {
        name: {run["settings"]["seed"]: run["done"]["val_accuracy_float32"] for run in made}
        for name, made in found.items()
    }
    base_of = {row.recipe: entry.base for entry in TABLES for row in entry.rows}
    lines, hardware = [], {}
    for name in (name for name in RECIPES if name in found):
        made = found[name]
        settings, done = Settings.of(made[0]["settings"]), made[0]["done"]
        rule = f"{done['val_rule']}: {done['val_counts']}"
        if rule not in rules:
            rules.append(rule)
        got = summary(list(accuracies[name].values()))
        first, last = (np.mean([run["losses"][i] for run in made]) for i in (0, -1))
        base = base_of.get(name, "")
        gain = ""
        if base not in ("", name):
            gain, p = _over(accuracies[name], accuracies.get(base, {}))
            gain += f" ({p})" if p else ""
        lines.append(
            [
                name,
                f"{done['train_rows']}, {settings.epochs} at {settings.size} px",
                f"{first:.2f} to {last:.2f}",
                f"{got.average:.2f}" + (f" ({got.least:.2f} to {got.most:.2f})" if got.runs > 1 else ""),
                str(got.runs),
                gain,
                f"{done['val_commonest']:.2f}",
                f"{done['val_rows']}, {rules.index(rule) + 1}",
                str(round(np.mean([run["done"]["seconds"] for run in made]))),
                re.sub(r"^export: ([^(;]*).*", r"refused: \1", made[0]["exported"]).rstrip(),
            ]
        )
        hardware[f"{done['hardware']}; {done['backend']}"] = None
    header = ["recipe", "rows, epochs", "loss", "accuracy %", "runs", "gain over the first (p)"]
    header += ["the commonest class %", "judged rows, rule", "seconds a run", "export"]
    table = _markdown(header, lines)
    return [SHORT_HEAD, table, f"Made on: {' and '.join(hardware)}."]


def judged_elsewhere(run: Path, data: datasets.Dataset) -> dict:
    """A finished run on a data set it does not come from, in float: what a record of `cross/` holds.

    A data set of fewer classes than the network has is judged on its own, as `edgefer eval` does.
    """
    settings = Settings.read(run / "settings.json")
    model = build(settings, size=settings.size)
    model.load_weights(run / "best.weights.h5")
    inputs, right = Inputs(input_spec(settings.input, settings.size)), 0
    for start in range(0, len(data), 256):
        logits = model.predict_on_batch(inputs.stack(data.images[start : start + 256]))
        scores = np.exp(logits - np.max(logits, axis=1, keepdims=True))
        if data.labels != settings.labels:
            scores = np.stack([translate(row, settings.labels, data.labels) for row in scores])
        right += int((scores.argmax(axis=1) == data.truth[start : start + 256]).sum())
    return {
        "model": run.name,
        "data": Path(data.source).name,
        "split": data.split,
        "rule": data.rule,
        "accuracy": 100 * right / len(data),
        "rows": len(data),
    }


def tables(records: Path = RECORDS, models: Path = MODELS, target: Path = PAGE) -> str:
    """Keep what finished runs of recipes left, judge them on the other sets, and write the page.

    A run that was not made by its recipe is kept by `--record` alone.

    Returns:
        The tables of the page, and below them what could not be kept or judged, and why.
    """
    missing = []
    for run in OWNERS:
        if not (Path(run) / "done.json").exists():
            continue
        unlike = _unlike(Path(run).name, Settings.read(Path(run) / "settings.json"))
        if unlike:
            missing.append(
                f"{run}: not kept{unlike}; `python -m edgefer.train.report --record {run}` keeps it"
            )
        else:
            record(Path(run), records)
    for trained, recipe in CROSS_RECIPES.items():
        run, settings = RECIPES[recipe][-1]
        for tested in CROSS_RECIPES.keys() - {trained}:
            name, data = f"{trained}-on-{tested}", RECIPES[CROSS_RECIPES[tested]][-1][1].data
            if not (Path(run) / "done.json").exists():
                missing.append(f"{name}: {run} is not there or not finished")
            elif not find_data(data).exists():
                missing.append(f"{name}: {data} is neither here nor under EDGEFER_DATA")
            else:
                found = judged_elsewhere(Path(run), datasets.load(find_data(data), labels=settings.labels))
                (records / "cross").mkdir(parents=True, exist_ok=True)
                (records / "cross" / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")
    content = page(records, models)
    target.write_text(content)
    return "\n".join([content[content.index("\n## ") + 1 :], *missing])


def _markdown(header: list[str], lines: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in [header, *lines]) for column in range(len(header))]
    padded = [
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in [header, ["-" * width for width in widths], *lines]
    ]
    return "\n".join(f"| {line} |" for line in padded)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.report", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 when it is stale")
    parser.add_argument(
        "--record", type=Path, nargs="+", default=[], metavar="RUN", help="finished runs to keep"
    )
    options = parser.parse_args(argv)
    try:
        for directory in options.record:
            print(record(directory))
        content = page()
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    if options.check:
        stale = not PAGE.exists() or PAGE.read_text() != content
        if stale:
            print(f"report: {PAGE} is stale; run `python -m edgefer.train.report`", file=sys.stderr)
        return int(stale)
    PAGE.write_text(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
