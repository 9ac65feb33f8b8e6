"""Writes docs/reproduction.md: the tables of the papers compared with ours, from records alone.

    python -m tools.reproduction           write the page
    python -m tools.reproduction --check   write nothing; exit status 1 when the page is stale

The records lie in docs/reproduction: `NAME.json` for a run, its settings and its done.json, and
`cross/TRAINED-on-TESTED.json` for one judged on another set; `python -m tools.collect` keeps them. The int8
figures come from the manifests of the shipped models, what the papers print from papers.py.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np

from edgefer.measure.statistics import spread
from edgefer.models import manifest
from edgefer.train.recipes import RECIPES
from edgefer.train.runs import Record, chosen_among, read_records, repetitions_of
from edgefer.train.settings import TrainingSettings
from tools import MODELS, RECORDS, ROOT, ceiling, duplicates, gains, publish, shipped, table, trailing
from tools.gains import NOT_RUN, gain_of, paired_gain
from tools.papers import CROSS, CROSS_ITSELF, CROSS_SETS, OWN, TABLES, Table

PAGE = ROOT / "docs" / "reproduction.md"


def page(records: Path = RECORDS, models: Path = MODELS) -> str:
    """The whole page."""
    runs, manifests = read_records(records), shipped(models)
    for name, content in manifests.items():
        # a model whose run left no record still has the figures its export measured
        metrics, seed = content.metrics, content.training.seed
        exported = Record(name, metrics.accuracy_float32, metrics.rows, metrics.rule, seed, "", "see its card")
        runs.setdefault(name, exported)
    rules = list(dict.fromkeys(run.rule for run in runs.values()))
    parts = [HEAD, _made(runs, manifests)]
    for entry in (*TABLES, OWN):
        parts += [f"## {entry.title}", *([f"Printed for: {entry.about}."] if entry.about else [])]
        parts += [_accuracies(entry, runs, manifests), *_runs(entry, runs, rules)]
    parts += ["## Breuer and Kimmel, Table 3: trained on one set, tested on another", _cross(records / "cross", runs)]
    parts += [*gains.section(runs), *trailing.section(records, runs)]
    parts += [*duplicates.section(records), *ceiling.section(records)]
    parts += _short_runs(records / "short", rules)
    parts += ["## Rules", "\n".join(f"{number}. {rule}" for number, rule in enumerate(rules, start=1))]
    return "\n\n".join(part for part in parts if part) + "\n"


HEAD = """# The papers' tables compared with ours

Written by `python -m tools.reproduction` from the records in `docs/reproduction` and the manifests of the
shipped models. Ours are accuracies in percent on val, in float, at the epoch that was best on these rows, so they
flatter a little; int8 is what ships, with offsets by class that were fitted on these rows too
([training](training.md#export)). Gains are counted from the runs of both rows with the same seeds, and p is of
Student's paired test over these seeds.
`make train-all` trains what has a recipe and is not run yet."""


def _made(runs: dict[str, Record], manifests: dict[str, manifest.FrameManifest]) -> str:
    """Which runs are of networks that are rounded, and which models went on from one that was chosen among several."""
    rounded = [f"`{run.name}`" for run in runs.values() if run.rounded]
    words = []
    if rounded:
        words.append(
            f"{' and '.join(rounded)} learnt on with weights and activations rounded as they are in int8, and are "
            "judged with that rounding; all others are as they were before any."
        )
    for run in (runs[name] for name in manifests):
        if chosen := chosen_among(runs, run.start):
            words.append(f"`{run.name}` went on from `{run.start}`, on these rows {chosen}.")
    return "\n".join(words)


def _accuracies(entry: Table, runs: dict[str, Record], manifests: dict[str, manifest.FrameManifest]) -> str:
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
            cells += _figures(runs, prefix + row.recipe)
            if entry.base:
                cells.append(gain_of(entry, row, prefix, runs))
            if int8[prefix]:
                cells += _shipped_figures(manifests.get(prefix + row.recipe))
        lines.append(cells)
    return table(header, lines)


def _shipped_figures(model: manifest.FrameManifest | None) -> list[str]:
    """Accuracy of what ships, and its expected calibration error; blanks for what does not ship."""
    if model is None:
        return ["", ""]
    error = model.metrics.ece
    return [f"{model.metrics.accuracy_int8:.2f}", "" if error is None else f"{error:.2f}"]


def _figures(runs: dict[str, Record], recipe: str) -> list[str]:
    """Average with deviation, least, most and number of a recipe's runs; blanks for what has no recipe."""
    own = repetitions_of(runs, recipe)
    if recipe not in RECIPES:
        return [""] * 4
    if not own:
        return [_not_run(recipe), "", "", "0"]
    got = spread([run.accuracy for run in own])
    deviation = f" ± {got.deviation:.2f}" if got.count > 1 else ""
    return [f"{got.average:.2f}{deviation}", f"{got.least:.2f}", f"{got.most:.2f}", str(got.count)]


def _not_run(recipe: str) -> str:
    """That there are no runs, and which data they wait for where it is not what all others learn from."""
    data = RECIPES[recipe][-1][1].data
    return NOT_RUN if data == TrainingSettings.data else f"{NOT_RUN}; needs {data}"


def _runs(entry: Table, runs: dict[str, Record], rules: list[str]) -> list[str]:
    """The runs behind a table, one a line."""
    names = [prefix + row.recipe for prefix, _ in entry.ours for row in entry.rows if row.recipe]
    lines = []
    for run in (run for name in names for run in repetitions_of(runs, name)):
        rule, seed = str(rules.index(run.rule) + 1), ", ".join(filter(None, (str(run.seed), run.fold)))
        lines.append([run.name, f"{run.accuracy:.2f}", str(run.rows), rule, seed, run.cost])
    return [table(["run", "accuracy", "rows", "rule", "seed, fold", "trained on"], lines)] if lines else []


def _cross(folder: Path, runs: dict[str, Record]) -> str:
    """Printed / ours, with our rows; the diagonal is the average of the folds."""
    results = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*-on-*.json"))}
    lines = []
    for trained, printed in CROSS.items():
        cells = [CROSS_SETS[trained]]
        for tested in CROSS_SETS:
            got = results.get(f"{trained}-on-{tested}")
            itself = repetitions_of(runs, CROSS_ITSELF.get(trained, "")) if trained == tested else []
            if got:
                words = f"{got['accuracy']:.2f} on {got['rows']} rows"
            elif itself:
                mean = spread([run.accuracy for run in itself]).average
                rows = sum(run.rows for run in itself)
                words = f"{mean:.2f} on {rows} rows, {len(itself)} folds"
            elif {trained, tested} <= CROSS_ITSELF.keys():
                words = max((_not_run(CROSS_ITSELF[name]) for name in (trained, tested)), key=len)
            else:
                words = "not available"
            cells.append(f"{printed[tested]} / {words}")
        lines.append(cells)
    header = ["trained on \\ tested on: paper / ours", *CROSS_SETS.values()]
    notes = [
        f"`{name}`: {got['model']}, {got['data']}, split {got['split']}; {got['rule']}."
        for name, got in results.items()
    ]
    return "\n\n".join([table(header, lines), *notes])


SHORT_HEAD = """## Short forms

Every recipe, by the same code, on part of the rows and for a few epochs: `make train-short`. They show that
it runs from its rows to an exported model, whether its network begins to learn (to know more than the
commonest class), and what inputs are worth in equal, short training. Their accuracies say nothing of what the
whole recipe reaches. Losses are of the first and the last epoch, averages over the seeds, as the accuracies
are; gains and p as above. An export that is refused lost more than its budget allows."""


def _short_runs(folder: Path, rules: list[str]) -> list[str]:
    """What the short forms gave, those of a table side by side; nothing where there are none."""
    forms: dict[str, list[dict]] = {}
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        forms.setdefault(re.sub(r"-\d+$", "", path.stem), []).append(content)
    if not forms:
        return []
    for seeds in forms.values():
        seeds.sort(key=lambda run: run["settings"]["seed"])
    accuracies = {
        name: {run["settings"]["seed"]: run["done"]["val_accuracy_float32"] for run in seeds}
        for name, seeds in forms.items()
    }
    base_of = {row.recipe: entry.base for entry in TABLES for row in entry.rows}
    lines: list[list[str]] = []
    hardware: dict[str, None] = {}
    for name in (name for name in RECIPES if name in forms):
        seeds = forms[name]
        settings, done = TrainingSettings.of(seeds[0]["settings"]), seeds[0]["done"]
        rule = f"{done['val_rule']}: {done['val_counts']}"
        if rule not in rules:
            rules.append(rule)
        got = spread(list(accuracies[name].values()))
        first, last = (np.mean([run["losses"][i] for run in seeds]) for i in (0, -1))
        base = base_of.get(name, "")
        gain = ""
        if base not in ("", name):
            gain, p = paired_gain(accuracies[name], accuracies.get(base, {}))
            gain += f" ({p})" if p else ""
        learnt = [f"{done['train_rows']}, {settings.epochs} at {settings.size} px", f"{first:.2f} to {last:.2f}"]
        reached = f"{got.average:.2f}" + (f" ({got.least:.2f} to {got.most:.2f})" if got.count > 1 else "")
        judged = [f"{done['val_commonest']:.2f}", f"{done['val_rows']}, {rules.index(rule) + 1}"]
        seconds = str(round(np.mean([run["done"]["seconds"] for run in seeds])))
        exported = re.sub(r"^export: ([^(;]*).*", r"refused: \1", seeds[0]["exported"]).rstrip()
        lines.append([name, *learnt, reached, str(got.count), gain, *judged, seconds, exported])
        hardware[f"{done['hardware']}; {done['backend']}"] = None
    header = ["recipe", "rows, epochs", "loss", "accuracy %", "runs", "gain over the first (p)"]
    header += ["the commonest class %", "judged rows, rule", "seconds a run", "export"]
    return [SHORT_HEAD, table(header, lines), f"Made on: {' and '.join(hardware)}."]


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return publish("reproduction", __doc__, {PAGE: page()}, argv)


if __name__ == "__main__":
    sys.exit(main())
