"""Writes the tables of README.md and docs/kernels.md from bench/results and the shipped models' manifests.

    python -m tools.readme [--check]

A table stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; nothing in between is typed by hand.
bench/results/kernels.png shows the table of the kernels. With --check nothing is written, and a stale page
makes the exit status 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tools import MODELS, ROOT, publish, shipped  # first: it makes the modules of bench known

import arm_cycles as forecast  # isort: skip
from common import RESULTS, instruction_table, kernel_table, table, whole_frame_table  # isort: skip


def whole_frame() -> str:
    """The README's first table: what one frame costs, compared with the usual pipelines."""
    result = json.loads((RESULTS / "whole_frame.json").read_text())
    box, process = result["machine"], result["process"]
    return (
        whole_frame_table(result)
        + f"\n\nOne thread each on {box['cores']} cores of {box['cpu']}, same frames in the same run,"
        f" decoding left out, warm. Start to first reading {process['first_reading_s']:.2f} s, peak resident"
        f" memory {process['peak_resident_mb']:.0f} MB. Commit {box['commit']};"
        " `python bench/whole_frame.py` prints it."
    )


def kernels() -> str:
    """The table of the kernels, and where it was measured."""
    result = json.loads((RESULTS / "kernels.json").read_text())
    box = result["machine"]
    return (
        kernel_table(result["rows"])
        + f"\n\nOne thread each on {box['cpu']}, through Python {box['python']}, warm, medians of rounds"
        f" taken in turn. Commit {box['commit']}; `make bench` prints it."
    )


def arm_cycles() -> str:
    """The forecast for ARM processors, and what computed it."""
    result = json.loads((RESULTS / "arm_cycles.json").read_text())
    return (
        forecast.table(result)
        + f"\n\nNo processor ran this: {result['llvm']} scheduled what {result['compiler']} made of the"
        f" kernels. Commit {result['commit']}; `make arm-cycles` prints it."
    )


def draw_kernels(path: Path = RESULTS / "kernels.png") -> None:
    """The same as a picture: how many times faster than the peer, the bars as ticks."""
    from matplotlib import pyplot

    rows = json.loads((RESULTS / "kernels.json").read_text())["rows"][::-1]
    figure, axes = pyplot.subplots(figsize=(9, 0.34 * len(rows) + 1.2), layout="constrained")
    for y, row in enumerate(rows):
        against_copy = row["peer"].startswith("copy")
        colour = "#8a8f98" if against_copy else "#2f6f9f"
        axes.barh(y, row["ratio"], height=0.62, color=colour)
        axes.plot([row["low"], row["high"]], [y, y], color="black", linewidth=1)
        if row["bar"] is not None:
            axes.plot([row["bar"]] * 2, [y - 0.42, y + 0.42], color="#c0392b", linewidth=2)
        label = (max(row["high"], row["bar"] or 0), y)
        axes.annotate(f"{row['ratio']:.2g}x", label, (5, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(rows)), [f"{row['kernel']}  {row['size']}  vs {row['peer']}" for row in rows])
    axes.margins(y=0.02)
    axes.axvline(1, color="black", linewidth=0.6)
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 3, 5, 10, 20], ["0.5", "1", "2", "3", "5", "10", "20"], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_xlim(0.3, max(max(row["high"], row["bar"] or 0) for row in rows) * 1.6)
    axes.set_xlabel("times as fast as the peer (line: quartiles of the rounds, red: the bar)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def models() -> str:
    """The README's second table: what each shipped model reached, from its manifest."""
    rows = []
    for model in shipped().values():
        metrics, shape = model.metrics, model.input
        name, size = f"`{model.name}`", (MODELS / model.name / "model.tflite").stat().st_size
        what = [f"{shape.height}x{shape.width} {shape.channels}", model.output.labels]
        reached = [f"{percent:.2f} %" for percent in (metrics.accuracy_int8, metrics.accuracy_float32)]
        rows.append([name, *what, *reached, f"{metrics.rows} ({metrics.split})", f"{size / 1e6:.2f} MB"])
    header = ["model", "input", "labels", "accuracy, int8", "accuracy, float32", "rows", "size"]
    return table(header, rows) + (
        "\n\nThe int8 figures are with offsets by class that were fitted on these rows, the float32 ones without; each"
        " model card says what int8 reaches without them, and which rows count."
    )


def instructions() -> str:
    """What callgrind counted."""
    result = json.loads((RESULTS / "instructions.json").read_text())
    return (
        instruction_table(result)
        + f"\n\nCommit {result['machine']['commit']}; `python bench/instructions.py` prints it."
    )


PAGES = {
    ROOT / "README.md": {"whole-frame": whole_frame, "models": models, "kernels": kernels},
    ROOT / "docs" / "kernels.md": {"instructions": instructions, "arm-cycles": arm_cycles},
}


def rewritten(page: Path) -> str:
    """The page's text with every generated section renewed."""
    text = page.read_text()
    for name, build in PAGES[page].items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin not in text or end not in text:
            raise SystemExit(f"readme: {page.name} has no section {begin} … {end}; put the two markers back")
        head, rest = text.split(begin, 1)
        text = head + begin + "\n" + build() + "\n" + end + rest.split(end, 1)[1]
    return text


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    return publish("readme", __doc__, {page: rewritten(page) for page in PAGES}, argv, draw_kernels)


if __name__ == "__main__":
    sys.exit(main())
