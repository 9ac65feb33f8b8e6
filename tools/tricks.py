"""Writes docs/tricks.md and its picture: what each trick gives a small network in equal, short training.

    python -m tools.tricks           write the page and the picture
    python -m tools.tricks --check   write nothing; exit status 1 when the page is stale

The records lie in docs/reproduction/tricks; `python -m edgefer.train.tricks` makes them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from edgefer.measure.statistics import paired_t, spread
from edgefer.train.tricks import FOLDER, PLAIN, TRICKS, run_of
from tools import RECORDS, ROOT, publish, robustness, shipped, table

PAGE = ROOT / "docs" / "tricks.md"
PICTURE = PAGE.with_suffix(".png")
FIRST = next(iter(TRICKS))

HEAD = """# What each trick gave

Written by `python -m tools.tricks` from what `python -m edgefer.train.tricks` left: {architecture} on {rows} rows of
FER-2013's train, {epochs} epochs at {size} pixels, one setting changed at a time, the same seeds for all. Accuracies
are of the float network on {val_rows:,} rows of val ({rule}), in percent, at the best epoch. A gain is the mean of the
differences from the plain run with the same seed, and p is of Student's paired test over the seeds.

{tricks}

![gains over the plain run](tricks.png)

This is short training: what a trick gives a network that learns for ten times as long does not follow from it. What is
meant against learning rows by heart, as alterations, mixing and smoothing, has little to do here. The whole runs,
with their seeds, are in [the papers' tables compared with ours](reproduction.md).

Averaging the scores of a face and of its mirror image needs no training, and takes twice the time on a device. It is
not done there:

{mirrored}

Trained on: {hardware}.
"""


def _figures(records: Path) -> dict[str, dict[int, dict[str, Any]]]:
    """What is on record, by trick and seed; of runs that are made as they are told."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for path in sorted((records / FOLDER).glob("*.json")):
        content = json.loads(path.read_text())
        name, seed = path.stem.rpartition("-")[0], int(path.stem.rpartition("-")[2])
        if name in TRICKS and run_of(name, seed)[1].words() == run_of(name, seed)[1].of(content["settings"]).words():
            found.setdefault(name, {})[seed] = content["done"]
    return found


def gains(records: Path = RECORDS) -> dict[str, list[float]]:
    """Of each trick the differences from the plain run, by the seeds of both."""
    runs = _figures(records)
    plain = runs.get(FIRST, {})
    return {
        name: [
            runs[name][seed]["val_accuracy_float32"] - plain[seed]["val_accuracy_float32"]
            for seed in sorted(set(runs[name]) & set(plain))
        ]
        for name in TRICKS
        if name in runs and name != FIRST
    }


def page(records: Path = RECORDS, measured: Path = robustness.RECORD) -> str:
    """The page."""
    runs, found = _figures(records), gains(records)
    lines = []
    for name in (name for name in TRICKS if name in runs):
        got = spread([done["val_accuracy_float32"] for done in runs[name].values()])
        cells = [TRICKS[name].words, f"{got.average:.2f}", f"{got.least:.2f}", f"{got.most:.2f}", str(got.count)]
        if name == FIRST:
            lines.append([*cells, "", ""])
            continue
        both = found[name]
        p = f"{paired_t(both, [0.0] * len(both)).p:.2g}" if len(both) > 1 else "one seed"
        lines.append([*cells, f"{sum(both) / len(both):+.2f}", p])
    known, models = json.loads(measured.read_text()), shipped()
    alone = {name: curve[0] for name, curve in next(iter(known["curves"].values()))["accuracy"].items()}
    mirrored = [
        [f"{name}, int8", f"{alone[name]:.2f}", f"{both:.2f}", f"{both - alone[name]:+.2f}", str(known["rows"])]
        for name, both in known["mirrored"].items()
        if name in models
    ]
    done = next(iter(runs[FIRST].values()))
    every = [each for of in runs.values() for each in of.values()]
    return HEAD.format(
        architecture=PLAIN.architecture,
        rows=f"{done['train_rows']:,}",
        epochs=PLAIN.epochs,
        size=PLAIN.size,
        val_rows=done["val_rows"],
        rule=done["val_rule"].split(":")[0],
        tricks=table(["trick", "avg", "min", "max", "seeds", "gain", "p"], lines),
        mirrored=table(["model", "alone, %", "with its mirror image, %", "gain", "rows"], mirrored),
        hardware=" and ".join(dict.fromkeys(f"{each['hardware']}; {each['backend']}" for each in every)),
    )


def draw(path: Path = PICTURE, records: Path = RECORDS) -> None:
    """The picture: a line for each trick, a dot for each seed and a bar for their mean, the best at the top."""
    from matplotlib import pyplot

    found = sorted(gains(records).items(), key=lambda item: sum(item[1]) / len(item[1]))
    figure, axes = pyplot.subplots(figsize=(10, 0.45 * len(found) + 1), layout="constrained")
    for place, (_, both) in enumerate(found):
        mean = sum(both) / len(both)
        axes.barh(place, mean, height=0.6, color="#2f6f9f" if mean > 0 else "#c0392b", alpha=0.35)
        axes.plot(both, [place] * len(both), "o", color="#333333", markersize=5)
    axes.set_yticks(range(len(found)), [TRICKS[name].words for name, _ in found], fontsize=9)
    axes.axvline(0, color="#8a8f98", linewidth=0.8)
    axes.set_xlabel("gain over the plain run, points of accuracy on val; a dot is a seed")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return publish("tricks", __doc__, {PAGE: page()}, argv, draw)


if __name__ == "__main__":
    sys.exit(main())
