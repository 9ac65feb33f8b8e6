"""Writes docs/frontier.md: accuracy and latency of the networks, from bench/results and the records.

    python -m tools.frontier           write the page and the picture
    python -m tools.frontier --check   write nothing; exit status 1 when the page is stale

`python bench/networks.py` times the networks. Accuracies on FER+ are those of reproduction.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from edgefer.measure.statistics import spread
from edgefer.train.runs import read_records, repetitions_of
from tools import RECORDS, ROOT, publish, shipped, table

from networks import BASE, TRAINED  # isort: skip

RECORD = ROOT / "bench" / "results" / "frontier.json"
PAGE = ROOT / "docs" / "frontier.md"
PICTURE = PAGE.with_suffix(".png")


def accuracies(networks: dict[str, dict]) -> dict[str, dict[str, tuple[float, bool]]]:
    """What is known of networks, by what they were judged on: percent, and whether it is of the int8 form.

    The int8 form of a shipped model goes before the float network, and one trained for the seven classes
    before one of eight that is judged on them. Of repeated runs it is the average.
    """
    runs, models = read_records(RECORDS), shipped()
    known: dict[str, dict[str, tuple[float, bool]]] = {}
    for judged, recipes in TRAINED.items():
        known[judged] = {}
        for name, recipe in recipes.items():
            own = repetitions_of(runs, recipe)
            if recipe in models:
                known[judged][name] = models[recipe].metrics.accuracy_int8, True
            elif own:
                known[judged][name] = spread([run.accuracy for run in own]).average, False
    for name, row in networks.items():
        for judged, key in (("FER+", "ferplus"), ("FER-2013", "fer2013")):
            if key in row:
                known[judged].setdefault(name, (row[key]["accuracy"], row[key]["int8"]))
    return known


def networks_table(networks: dict[str, dict]) -> str:
    """Markdown, in the order given."""
    known = accuracies(networks)
    lines = []
    for name, row in networks.items():
        counts = [f"{row['parameters']:,}", f"{row['macs'] / 1e6:.1f}"] if "macs" in row else ["", ""]
        cells = [name, str(row["size"]), *counts, f"{row['bytes'] / 1024:.0f}", f"{row['ms']:.3f}"]
        cells.append(f"{row['ratio']:.3f}")
        for by_name in known.values():
            percent, int8 = by_name.get(name, (None, False))
            cells.append("" if percent is None else f"{percent:.2f}" + ("" if int8 else " (float)"))
        lines.append(cells)
    header = ["network", "input", "parameters", "MMACs", "KiB", "ms", "of the base"]
    return table([*header, *(f"{judged} %" for judged in known)], lines)


HEAD = """# What the networks cost, and what they are worth

Written by `python -m tools.frontier`. Untrained networks in int8, LiteRT, one thread, on {hardware};
medians, all networks in the same rounds. *Of the base* is the time compared with that of `{base}`, the median
of the rounds' ratios. Parameters are those of the exported file: batch normalisation is folded into biases.
Accuracies are on val: on FER+ by the majority rule, 8 classes, and on FER-2013, 7 classes; where it says
float, of the network before quantisation. The two sets label the same images, and often not alike. A
network trained for FER+ is judged on FER-2013 by its seven classes. Peers are networks of others, trained for
FER-2013, in float as they are published, timed in rounds of their own with the base network; on FER+ they
are wrong where contempt is right.

![accuracy over time](frontier.png)

{missing}

{table}
"""


def page(record: Path = RECORD) -> str:
    """The page: every network that was timed, and which accuracies are missing."""
    known = json.loads(record.read_text())
    have = accuracies(known["networks"])
    missing = "; ".join(
        f"{judged}: {', '.join(names)}"
        for judged, recipes in TRAINED.items()
        if (names := [name for name in recipes if name not in have[judged]])
    )
    if missing:
        missing = f"Not in the picture, since no figures are on record: {missing}. `make train-all` trains them."
    networks = known["networks"]
    return HEAD.format(hardware=known["hardware"], base=BASE, missing=missing, table=networks_table(networks))


def draw(path: Path = PICTURE, record: Path = RECORD) -> None:
    """The picture: accuracy over time, a panel for each data set; the line is the frontier."""
    from matplotlib import pyplot

    networks = json.loads(record.read_text())["networks"]
    have = accuracies(networks)
    figure, panels = pyplot.subplots(1, len(have), figsize=(11, 4.4), layout="constrained")
    for axes, (judged, points) in zip(panels, have.items(), strict=True):
        named: list[tuple[float, float]] = []
        for name, (percent, int8) in points.items():
            x = networks[name]["ratio"]
            # below the point where the name of one close by stands above
            crowded = any(abs(np.log(x / other)) < 0.5 and abs(percent - y) < 1 for other, y in named)
            named.append((x, percent))
            colour = "#c0392b" if name.startswith("edgefer") else "#8a8f98" if "peer" in name else "#2f6f9f"
            axes.plot(x, percent, "o", color=colour, fillstyle="full" if int8 else "none")
            offset = (6, -11) if crowded else (6, 4)
            axes.annotate(name, (x, percent), offset, textcoords="offset points", fontsize=8)
        best = frontier([(networks[name]["ratio"], percent) for name, (percent, _) in points.items()])
        if best:
            axes.step(*zip(*best, strict=True), where="post", color="black", linewidth=0.7, zorder=0)
        axes.set_xscale("log")
        axes.set_xlim(0.045, 14)
        axes.set_xticks([0.05, 0.1, 0.2, 0.5, 1, 2, 5], ["0.05", "0.1", "0.2", "0.5", "1", "2", "5"])
        axes.set_xticks([], minor=True)
        axes.margins(y=0.2)
        axes.set_xlabel("time of the network, of the base network's")
        axes.set_ylabel(f"accuracy on val of {judged}, %")
        axes.grid(alpha=0.3)
    figure.suptitle("filled: int8, hollow: float; red: ours, blue: the papers', grey: peers", fontsize=9)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def frontier(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, by rising time, that no faster one reaches in accuracy."""
    best: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or y > best[-1][1]:
            best.append((x, y))
    return best


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return publish("frontier", __doc__, {PAGE: page()}, argv, draw)


if __name__ == "__main__":
    sys.exit(main())
