"""Writes docs/robustness.md and its picture: what blur, size, light, noise and compression do to the networks.

    python -m tools.robustness           write the page and the picture
    python -m tools.robustness --check   write nothing; exit status 1 when the page is stale

`python bench/robustness.py` measures it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tools import ROOT, publish, table

RECORD = ROOT / "bench" / "results" / "robustness.json"
PAGE = ROOT / "docs" / "robustness.md"
PICTURE = PAGE.with_suffix(".png")

HEAD = """# When a face is hard to see

Written by `python -m tools.robustness` from what `python bench/robustness.py` measured: the shipped networks in int8 on
{rows} rows of FER-2013's val ({rule}), each altered on its own 48x48 pixels. *Uncertain* is the share of rows that the
quality gate of `edgefer run` would not have judged at all, at its defaults, from the same pixels; accuracies are of all
rows, those included.

![accuracy and uncertain rows over severity](robustness.png)

The dashed line is the share of uncertain rows. Below {least:g} pixels a face is `small` whatever it looks like.

{tables}

## Confidence

The most confident rows first: how many of them are right, and the confidence from which {precision:.0%} are. The
thresholds were found on these rows, so others are right a little less often.

{confidence}

For each class: the confidence from which {precision:.0%} of the answers of this class are right, the share of them
from it on, and, for what to expect on other rows, how many are right from a threshold on that was found on the other
half of the rows. None where no threshold with {least_rows} answers or more from it on reaches that. An application
that acts on one expression takes the threshold of that class.

{classes}
"""


def page(record: Path = RECORD) -> str:
    """The page."""
    from edgefer.defaults import MIN_SIDE_PX

    known = json.loads(record.read_text())
    parts = []
    for words, curve in known["curves"].items():
        header = [words, *(f"{severity:g}" for severity in curve["severity"])]
        rows = [[f"{name}, %", *(f"{value:.1f}" for value in values)] for name, values in curve["accuracy"].items()]
        parts.append(table(header, [*rows, ["uncertain, %", *(f"{value:.1f}" for value in curve["uncertain"])]]))
    names = known["confidence"]
    shares = [f"right of the first {share:.0f} %" for share, _ in next(iter(names.values()))["curve"]]
    header = ["model", "confidence", "rows from it on, %", *shares]
    lines = [
        [name, f"{of['threshold']:.2f}", f"{of['coverage']:.1f}", *(f"{right:.1f}" for _, right in of["curve"])]
        for name, of in names.items()
    ]
    of_classes = []
    for name, of in names.items():
        for label, found in of["classes"].items():
            none = found["threshold"] is None
            crossed = found["crossed"] is not None and f"{found['crossed']:.1f} % of {found['crossed_rows']}"
            cells = ["none", ""] if none else [f"{found['threshold']:.2f}", f"{found['coverage']:.1f}"]
            of_classes.append([name, label, str(found["rows"]), *cells, crossed or ""])
    class_header = ["model", "class", "answers", "confidence", "answers from it on, %", "right, crossed"]
    return HEAD.format(
        rows=f"{known['rows']:,}",
        rule=known["rule"].split(":")[0],
        least=MIN_SIDE_PX,
        tables="\n\n".join(parts),
        precision=0.95,
        confidence=table(header, lines),
        least_rows=known["least_rows"],
        classes=table(class_header, of_classes),
    )


def draw(path: Path = PICTURE, record: Path = RECORD) -> None:
    """The picture: a panel for each alteration, and one for accuracy over coverage."""
    from matplotlib import pyplot

    known = json.loads(record.read_text())
    figure, panels = pyplot.subplots(2, 3, figsize=(12, 7), layout="constrained")
    colours = dict(zip(known["confidence"], ("#c0392b", "#2f6f9f"), strict=True))
    for axes, (words, curve) in zip(panels.flat, known["curves"].items(), strict=False):
        places = range(len(curve["severity"]))
        for name, values in curve["accuracy"].items():
            axes.plot(places, values, "o-", color=colours[name], markersize=4, label=name)
        axes.plot(places, curve["uncertain"], "--", color="#8a8f98", label="uncertain")
        axes.set_xticks(places, [f"{severity:g}" for severity in curve["severity"]])
        _labelled(axes, words, "%")
    last: Any = panels.flat[len(known["curves"])]
    for name, of in known["confidence"].items():
        last.plot(*zip(*of["curve"], strict=True), "o-", color=colours[name], markersize=4, label=name)
    last.axhline(95, color="#8a8f98", linewidth=0.8)
    _labelled(last, "share of rows, the most confident first, %", "right, %", (80, 100.5))
    panels.flat[0].legend(fontsize=8)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)


def _labelled(axes: Any, x: str, y: str, limits: tuple[float, float] = (0, 103)) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_ylim(*limits)
    axes.grid(alpha=0.3)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return publish("robustness", __doc__, {PAGE: page()}, argv, draw)


if __name__ == "__main__":
    sys.exit(main())
