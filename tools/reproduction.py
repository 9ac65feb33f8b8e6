"""Writes docs/reproduction.md: the tables of the papers compared with ours, from records alone.

    python -m tools.reproduction           write the page
    python -m tools.reproduction --check   write nothing; exit status 1 when the page is stale

The records lie in docs/reproduction: `NAME.json` for a run, its settings and its done.json, and
`cross/TRAINED-on-TESTED.json` for one judged on another set; `python -m tools.collect` keeps them. The int8
figures come from the manifests of the shipped models. What the papers print about still images is typed here
alone; rows of others, which the papers quote, name no recipe.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefer.measure.statistics import paired_t, spread
from edgefer.models import manifest
from edgefer.train.recipes import RECIPES
from edgefer.train.runs import Record, read_records, repetitions_of
from edgefer.train.settings import TrainingSettings
from tools import MODELS, RECORDS, ROOT, ceiling, duplicates, publish, shipped, table, trailing

PAGE = ROOT / "docs" / "reproduction.md"
NOT_RUN = "not run yet"


@dataclass(frozen=True)
class Row:
    """One line of a table: the name and the figures as printed, and the recipe that repeats it."""

    name: str
    printed: tuple[str, ...]
    recipe: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Attributes:
        title: paper, number and content.
        about: the data and the protocol the figures are for, in the paper's words where it gives any.
        columns: heads of the printed figures.
        ours: what our figures are for, by the words before the recipe in the names of runs: ("", data) for
            runs of the recipe itself.
        base: recipe of the row that the gains of the others are counted from; "" for none.
    """

    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    ours: tuple[tuple[str, str], ...]
    base: str = ""


FERPLUS = (("", "FER+, val"),)
FER2013 = (("", "FER-2013, 7 classes, val"),)

TABLES = (
    Table(
        "Pandey et al., Table I: RTNN with streams of gradients",
        "KDEF, 7 classes; the division is not stated",
        ("paper: accuracy %",),
        (
            Row("Original RTNN by Arriaga et al.", ("83.16",), "rtnn-grey"),
            Row("STL + RTNN", ("84.08",), "rtnn-stl"),
            Row("RTNN + Laplacian RTNN", ("84.39",), "rtnn-laplacian"),
            Row("STL with RTNN + Gradient RTNN", ("85.10",), "rtnn-stl-sobel"),
            Row("STL with RTNN + Laplacian RTNN", ("85.51",), "rtnn-stl-laplacian"),
            Row("STL with Original, Gradient and Laplacian RTNN", ("88.16",), "rtnn-stl-all"),
        ),
        (("kdef-", "KDEF, 90:10"), ("kdef-subjects-", "KDEF, 90:10 by person"), *FER2013),
        "rtnn-grey",
    ),
    Table(
        "Pandey et al., Table II: VGG13",
        "FER+, 8 classes, majority voting, test; four runs each",
        ("paper: avg", "min", "max", "million parameters"),
        (
            Row("VGG13 (their implementation)", ("83.56", "82.99", "84.08", "8.75"), "vgg13-grey"),
            Row("VGG13 + Laplacian (concatenated)", ("86.22", "85.94", "86.56", "8.75"), "vgg13-laplacian"),
            Row("VGG13 + Sobel (concatenated)", ("86.42", "86.08", "86.55", "8.75"), "vgg13-sobel"),
            Row("VGG13 (reported by Barsoum et al.)", ("83.85", "83.15", "84.89", "8.75")),
        ),
        FERPLUS,
        "vgg13-grey",
    ),
    Table(
        "Pandey et al., Table IV: the base network",
        "FER+, 8 classes, majority voting, test; four runs each",
        ("paper: avg", "min", "max", "million parameters"),
        (
            Row("base model", ("80.37", "79.99", "80.61", "0.65"), "ferplus-grey"),
            Row("base + Laplacian (concatenated)", ("82.83", "82.38", "83.33", "0.65"), "ferplus-laplacian"),
            Row("base + Sobel (concatenated)", ("83.3", "82.71", "83.99", "0.65"), "ferplus-sobel"),
            Row("base + Laplacian (parallel)", ("82.71", "81.96", "83.15", "0.65"), "ferplus-laplacian-parallel"),
            Row("base + Sobel (parallel)", ("82.57", "82.34", "82.89", "0.65"), "ferplus-sobel-parallel"),
        ),
        FERPLUS,
        "ferplus-grey",
    ),
    Table(
        "Breuer and Kimmel, Table 1: CK+",
        "CK+, 10-fold cross-validation",
        ("paper: accuracy %",),
        (
            Row("Gabor+SVM", ("89.8",)),
            Row("LBPSVM", ("95.1",)),
            Row("AUDN", ("93.70",)),
            Row("BDBN", ("96.7",)),
            Row("5x5 CNN", ("98.62 ± 0.11",), "breuer-grey"),
        ),
        (("ckplus-", "CK+, ten folds"),),
    ),
    Table(
        "Breuer and Kimmel, Table 2: FER-2013",
        "FER-2013, 10-fold cross-validation",
        ("paper: accuracy %",),
        (
            Row("Human accuracy", ("68 ± 5",)),
            Row("RBM", ("71.162",)),
            Row("VGG CNN", ("72.7",)),
            Row("ResNet CNN", ("72.4",)),
            Row("5x5 CNN", ("72.1 ± 0.5",), "breuer-grey"),
        ),
        (("folds-", "FER-2013 train, ten folds"), *FER2013),
    ),
)

#: Our own, which no paper prints, with what they are to reach in int8.
OWN = Table(
    "Our own networks",
    "",
    ("aim: FER+, int8", "aim: FER-2013, int8"),
    (
        Row("edgefer-s, as it ships", ("88.6", "71"), "edgefer-s"),
        Row("edgefer-s, by lessons: of five, of three for FER-2013", ("", ""), "edgefer-s-lessons"),
        Row("edgefer-s, on a CPU", ("87", ""), "edgefer-s-quick"),
        Row("edgefer-nano, as it ships", ("86.8", ""), "edgefer-nano"),
        Row("edgefer-nano, by lessons of three", ("", ""), "edgefer-nano-lessons"),
        Row("edgefer-nano, on a CPU", ("84", ""), "edgefer-nano-quick"),
        Row("edgefer-l: a wide teacher", ("", ""), "edgefer-l"),
    ),
    (*FERPLUS, ("fer2013-", "FER-2013, 7 classes, val")),
)

#: Breuer and Kimmel, Table 3: accuracy % by trained on, then tested on; NovaEmotions is not available.
CROSS_SETS = {"ckplus": "CK+", "fer2013": "FER2013", "novaemotions": "NovaEmotions"}
#: The recipe that learns from a set; where it is divided, all folds of it are the set tested on itself.
CROSS_RECIPES = {"ckplus": "ckplus-breuer-grey", "fer2013": "breuer-grey"}
CROSS_ITSELF = {"ckplus": "ckplus-breuer-grey", "fer2013": "folds-breuer-grey"}
CROSS = {
    "ckplus": {"ckplus": "98.62", "fer2013": "69.3", "novaemotions": "67.2"},
    "fer2013": {"ckplus": "92.0", "fer2013": "72.1", "novaemotions": "78.0"},
    "novaemotions": {"ckplus": "93.75", "fer2013": "71.8", "novaemotions": "81.3"},
}


def page(records: Path = RECORDS, models: Path = MODELS) -> str:
    """The whole page."""
    runs, manifests = read_records(records), shipped(models)
    for name, content in manifests.items():
        # a model whose run left no record still has the figures its export measured
        metrics, seed = content.metrics, content.training.seed
        exported = Record(name, metrics.accuracy_float32, metrics.rows, metrics.rule, seed, "", "see its card")
        runs.setdefault(name, exported)
    rules = list(dict.fromkeys(run.rule for run in runs.values()))
    parts = [HEAD]
    for entry in (*TABLES, OWN):
        parts += [f"## {entry.title}", *([f"Printed for: {entry.about}."] if entry.about else [])]
        parts += [_accuracies(entry, runs, manifests), *_runs(entry, runs, rules)]
    parts += ["## Breuer and Kimmel, Table 3: trained on one set, tested on another", _cross(records / "cross", runs)]
    parts += [*_reading(runs), *trailing.section(records, runs)]
    parts += [*duplicates.section(records), *ceiling.section(records)]
    parts += _short_runs(records / "short", rules)
    parts += ["## Rules", "\n".join(f"{number}. {rule}" for number, rule in enumerate(rules, start=1))]
    return "\n\n".join(part for part in parts if part) + "\n"


HEAD = """# The papers' tables compared with ours

Written by `python -m tools.reproduction` from the records in `docs/reproduction` and the manifests of the
shipped models. Ours are accuracies in percent on val, of the float network before quantisation, at the epoch
that was best on these rows, so they flatter a little; int8 is what ships, with its offsets by class
([training](training.md#export)). Gains are counted from the runs of both rows with the same seeds, and p is of
Student's paired test over these seeds.
`make train-all` trains what has a recipe and is not run yet."""


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
                cells.append(_gain(entry, row, prefix, runs))
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


def _gain(entry: Table, row: Row, prefix: str, runs: dict[str, Record]) -> str:
    """Ours over the base row, the paper's own, and Student's p over the seeds that both have."""
    if not row.recipe or row.recipe == entry.base:
        return ""
    base = next(other for other in entry.rows if other.recipe == entry.base)
    printed = float(row.printed[0]) - float(base.printed[0])
    ours = {run.seed: run.accuracy for run in repetitions_of(runs, prefix + row.recipe)}
    theirs = {run.seed: run.accuracy for run in repetitions_of(runs, prefix + entry.base)}
    gain, p = _paired_gain(ours, theirs)
    return f"{gain} ({printed:+.2f}; {p})" if p else f"{gain} ({printed:+.2f})"


def _paired_gain(ours: dict[int | None, float], theirs: dict[int | None, float]) -> tuple[str, str]:
    """Average gain over the seeds that both have, and Student's p; accuracies by seed."""
    both = sorted(seed for seed in set(ours) & set(theirs) if seed is not None)
    if not both:
        return NOT_RUN, ""
    first, second = [ours[seed] for seed in both], [theirs[seed] for seed in both]
    gain = spread(first).average - spread(second).average
    return f"{gain:+.2f}", f"{paired_t(first, second).p:.2g}" if len(both) > 1 else "one seed"


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


READING = """## What the gains say so far

With equal training of both rows, what the paper adds is worth a part of what it prints, or nothing:

{gains}

Accuracies of one network differ by up to {deviation:.2f} (standard deviation; {name}, {seeds} seeds), so one run of
each row cannot tell such a gain from none. The last column is how many runs of each row would: for p below 0.05, four
times in five, if the gain is as found here. The paper has four of each and no p. `python -m edgefer.train all NAME`
makes four."""

#: Normal quantiles: a two-sided p of 0.05, and a chance of 0.8 to reach it.
_DECIDED = 1.96 + 0.84


def _reading(runs: dict[str, Record]) -> list[str]:
    """Of the page: the gains of rows that add gradients, and how many seeds would decide whether there are any."""
    repeated = {name: [run.accuracy for run in repetitions_of(runs, name)] for name in RECIPES}
    spreads = {name: spread(own) for name, own in repeated.items() if len(own) >= 3}
    if not spreads:
        return []
    name = max(spreads, key=lambda each: spreads[each].deviation)
    deviation, lines = spreads[name].deviation, []
    for entry in (entry for entry in TABLES if entry.base):
        base = {run.seed: run.accuracy for run in repetitions_of(runs, entry.base)}
        for row in (row for row in entry.rows if row.recipe not in ("", entry.base)):
            own = {run.seed: run.accuracy for run in repetitions_of(runs, row.recipe)}
            both = [seed for seed in set(own) & set(base) if seed is not None]
            if not both:
                continue
            gain = float(np.mean([own[seed] - base[seed] for seed in both]))
            needed = max(2, int(np.ceil((_DECIDED * np.sqrt(2) * deviation / gain) ** 2))) if gain else 0
            printed = _gain(entry, row, "", runs).partition("(")[2].partition(";")[0]
            lines.append([row.name, printed, f"{gain:+.2f}", str(len(both)), f"{needed:,}" if gain else "no number"])
    header = ["row", "paper's gain", "here", "seeds of both", "seeds that would decide"]
    words = READING.format(gains=table(header, lines), deviation=deviation, name=name, seeds=spreads[name].count)
    return [words] if lines else []


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
            gain, p = _paired_gain(accuracies[name], accuracies.get(base, {}))
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
