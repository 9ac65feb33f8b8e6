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

from edgefer.measure.statistics import CONFIDENCE, holm, paired_t, spread
from edgefer.train.architectures.edgefer import STEMS as SEARCHED
from edgefer.train.settings import TrainingSettings
from edgefer.train.tricks import BREUER, FOLDER, PLAIN, RTNN, TRICKS, run_of
from tools import RECORDS, ROOT, publish, robustness, shipped, table

PAGE = ROOT / "docs" / "tricks.md"
PICTURE = PAGE.with_suffix(".png")
#: What stems cost: `python bench/networks.py time DIRECTORY --record` of it.
STEMS = ROOT / "bench" / "results" / "stems.json"
NANO, PLAINS = "edgefer-nano", (PLAIN, RTNN, BREUER)
#: A stem may take so much longer than the one that ships.
BOUND = 0.05

HEAD = """# What each trick gave

Written by `python -m tools.tricks` from what `python -m edgefer.train.tricks` left: networks trained shortly, with
one setting changed at a time and the same seeds for all. Accuracies are of the float network on val, in percent, at
the best epoch. A gain is the mean of the differences from the plain run with the same seed, and p is of Student's
paired test over the seeds.

{together}

## A small network

{nano}

{tricks}

## Stems

The same network with other first layers, by what they cost in int8: LiteRT, one thread, the medians of the rounds'
ratios to edgefer-nano. On {stems_hardware}; `python bench/networks.py` times them.

{stems}

Of those that take no longer (within {bound:.0%}) {best} gains most.

## RTNN

What a whole run of it reaches beside what is published stands in [the papers' tables](reproduction.md). Which setting
keeps it down? {rtnn}

{rtnn_tricks}

## The 5x5 CNN of Breuer and Kimmel

The same question. {breuer}

{breuer_tricks}

![gains over the plain runs](tricks.png)

This is short training: what a trick gives a network that learns for ten times as long does not follow from it. What is
meant against learning rows by heart, as alterations, mixing and smoothing, has little to do here. The whole runs,
with their seeds, are in [the papers' tables compared with ours](reproduction.md).

## Mirror images

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
    """Of each trick the differences from its plain run, by the seeds of both."""
    runs, found = _figures(records), {}
    for name in TRICKS:
        first = _first(TRICKS[name].plain)
        plain = runs.get(first, {})
        if name in runs and name != first:
            both = sorted(set(runs[name]) & set(plain))
            accuracy = "val_accuracy_float32"
            found[name] = [runs[name][seed][accuracy] - plain[seed][accuracy] for seed in both]
    return found


def _first(plain: TrainingSettings) -> str:
    """The name of a plain run."""
    return next(name for name, trick in TRICKS.items() if trick.plain == plain and not trick.changed)


def _tricks(plain: TrainingSettings, records: Path) -> str:
    """The table of the tricks of a plain run."""
    runs, found, lines = _figures(records), gains(records), []
    for name in (name for name in TRICKS if name in runs and TRICKS[name].plain == plain):
        got = spread([done["val_accuracy_float32"] for done in runs[name].values()])
        deviation = f" ± {got.deviation:.2f}" if got.count > 2 else ""
        cells = [TRICKS[name].words, f"{got.average:.2f}{deviation}", f"{got.least:.2f}", f"{got.most:.2f}"]
        cells.append(str(got.count))
        both = found.get(name, [])
        if not both:
            lines.append([*cells, "", ""])
            continue
        p = f"{_p(both):.2g}" if len(both) > 1 else "one seed"
        lines.append([*cells, f"{sum(both) / len(both):+.2f}", p])
    missing = [name for name, trick in TRICKS.items() if trick.plain == plain and name not in runs]
    words = f"\n\nNot run yet: `python -m edgefer.train.tricks {' '.join(missing)}`." if missing else ""
    return table(["trick", "avg ± sd", "min", "max", "seeds", "gain", "p"], lines) + words


def _p(differences: list[float]) -> float:
    return paired_t(differences, [0.0] * len(differences)).p


def _together(found: dict[str, list[float]]) -> str:
    """Which differences are there for all that so many were looked at, in a sentence."""
    tested = {name: _p(both) for name, both in found.items() if len(both) > 1}
    held = [name for name, p in zip(tested, holm(list(tested.values())), strict=True) if p < 1 - CONFIDENCE]
    gained = [TRICKS[name].words for name in held if sum(found[name]) > 0]
    lost = [TRICKS[name].words for name in held if sum(found[name]) < 0]
    return (
        f"Of {len(tested)} such tests a few have a small p by chance alone. With all of them taken together (Holm's "
        f"correction, p below {1 - CONFIDENCE:.2g}) it is a gain to have: {'; '.join(gained) or 'none'}. A loss: "
        f"{'; '.join(lost) or 'none'}. Of the others these seeds do not tell."
    )


def _material(plain: TrainingSettings, records: Path) -> str:
    """What a plain run learnt, in a sentence."""
    done = next(iter(_figures(records).get(_first(plain), {}).values()), None)
    if done is None:
        return "Not run yet."
    rule = done["val_rule"].split(":")[0]
    return (
        f"{plain.architecture} on {done['train_rows']:,} rows of FER-2013's train, {plain.epochs} epochs at "
        f"{plain.size} pixels, judged on {done['val_rows']:,} rows of val ({rule})."
    )


def _stems(record: Path, found: dict[str, list[float]]) -> dict[str, object]:
    """Of the page: the table of stems, what timed them, and which gained most within BOUND."""
    known = json.loads(record.read_text())
    own = known["networks"][NANO]
    lines, gained = [], {}
    for name, row in known["networks"].items():
        if name != NANO and name not in SEARCHED:
            continue
        trick = next((key for key, trick in TRICKS.items() if trick.changed.get("architecture") == name), "")
        words = TRICKS[trick].words if trick else "as it ships"
        ratio = row["ratio"] / own["ratio"]
        if ratio <= 1 + BOUND and found.get(trick):
            gained[words] = sum(found[trick]) / len(found[trick])
        lines.append([words, f"{row['parameters']:,}", f"{row['macs'] / 1e6:.1f}", f"{row['ms']:.3f}", f"{ratio:.2f}"])
    best = max(gained, key=lambda words: gained[words], default="")
    return {
        "stems": table(["stem", "parameters", "MMACs", "ms", "of edgefer-nano"], lines),
        "stems_hardware": known["hardware"],
        "bound": BOUND,
        "best": best if best and gained[best] > 0 else "none",
    }


def page(records: Path = RECORDS, measured: Path = robustness.RECORD, stems: Path = STEMS) -> str:
    """The page."""
    runs = _figures(records)
    known, models = json.loads(measured.read_text()), shipped()
    alone = {name: curve[0] for name, curve in next(iter(known["curves"].values()))["accuracy"].items()}
    mirrored = [
        [f"{name}, int8", f"{alone[name]:.2f}", f"{both:.2f}", f"{both - alone[name]:+.2f}", str(known["rows"])]
        for name, both in known["mirrored"].items()
        if name in models
    ]
    every = [each for of in runs.values() for each in of.values()]
    return HEAD.format(
        together=_together(gains(records)),
        nano=_material(PLAIN, records),
        tricks=_tricks(PLAIN, records),
        **_stems(stems, gains(records)),
        rtnn=_material(RTNN, records),
        rtnn_tricks=_tricks(RTNN, records),
        breuer=_material(BREUER, records),
        breuer_tricks=_tricks(BREUER, records),
        mirrored=table(["model", "alone, %", "with its mirror image, %", "gain", "rows"], mirrored),
        hardware=" and ".join(dict.fromkeys(f"{each['hardware']}; {each['backend']}" for each in every)),
    )


def draw(path: Path = PICTURE, records: Path = RECORDS) -> None:
    """The picture: a line for each trick, a dot for each seed and a bar for their mean, the best at the top."""
    from matplotlib import pyplot

    found = sorted(gains(records).items(), key=lambda item: sum(item[1]) / len(item[1]))
    groups = [[item for item in found if TRICKS[item[0]].plain == plain] for plain in PLAINS]
    groups = [group for group in groups if group]
    heights = [len(group) + 1.5 for group in groups]
    figure, panels = pyplot.subplots(
        *(len(groups), 1), figsize=(10, 0.42 * sum(heights)), layout="constrained", height_ratios=heights, squeeze=False
    )
    for axes, group in zip(panels[:, 0], groups, strict=True):
        for place, (_, both) in enumerate(group):
            mean = sum(both) / len(both)
            axes.barh(place, mean, height=0.6, color="#2f6f9f" if mean > 0 else "#c0392b", alpha=0.35)
            axes.plot(both, [place] * len(both), "o", color="#333333", markersize=5)
        axes.set_yticks(range(len(group)), [TRICKS[name].words for name, _ in group], fontsize=9)
        axes.axvline(0, color="#8a8f98", linewidth=0.8)
        axes.set_title(TRICKS[group[0][0]].plain.architecture, fontsize=10, loc="left")
        axes.grid(axis="x", alpha=0.3)
    panels[-1, 0].set_xlabel("gain over the plain run, points of accuracy on val; a dot is a seed")
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return publish("tricks", __doc__, {PAGE: page()}, argv, draw)


if __name__ == "__main__":
    sys.exit(main())
