"""Of the page of the papers' tables: why some of ours stand below what is published for the same network."""

from __future__ import annotations

import json
from pathlib import Path

from edgefer.train.runs import Record
from tools import table
from tools.duplicates import FOLDER, PUBLISHED

#: RTNN by its own authors on FER-2013, as they print it.
PRINTED, HALF = "66", "rtnn-grey-half"

HEAD = """## Why some stand below what is published

**RTNN.** Its authors print {printed} % for FER-2013. The weights they published, judged on val as ours are, say
what that is worth here:

{rtnn}

{note}So on the same rows ours knows as much as theirs. The printed figure is of other rows, and nothing says that rows
equal to one it learnt from were left out. Nor do our alterations keep it down: with half of the images altered it
learns its rows sooner and better, and knows no more of others. What short runs with other settings gave stands in
[what each trick gave](tricks.md).

**VGG13.** Without gradients ours stands above both papers' own. What it lacks is the gain that one of them prints
for Sobel's planes, see above.

**The 5x5 CNN of Breuer and Kimmel** is printed with 72.1 %, the mean of ten folds of FER-2013, which is no figure
of val. The paper does not say that rows equal to one it learns from were left out; of our first fold {fold}. That
does not explain all of it: of val's rows without duplicates ours is right on {breuer}. Its short runs
stand in [what each trick gave](tricks.md); `folds-breuer-grey` is not run yet."""


def section(records: Path, runs: dict[str, Record]) -> list[str]:
    """Nothing where a figure is not on record."""
    kept = {of["model"]: of for of in (json.loads(path.read_text()) for path in (records / FOLDER).glob("*.json"))}
    fold = records / "short" / "folds-breuer-grey.json"
    told = {PUBLISHED, "rtnn-grey"} <= kept.keys() and {"breuer-grey", "rtnn-grey"} <= runs.keys()
    if not told or not fold.exists():
        return []
    lines = []
    for name, words in ((PUBLISHED, "theirs, as published"), ("rtnn-grey", "ours"), (HALF, "ours, half altered")):
        if name in kept:
            of = kept[name]
            lines.append([words, f"{of['accuracy']:.2f}", str(of["rows"]), f"{of['accuracy_all']:.2f}"])
            every = of["rows"] + of["duplicates"]
    header = ["weights", "right on val, %", "rows", f"with duplicates, % ({every:,} rows)"]
    trained, again = runs["rtnn-grey"], kept["rtnn-grey"]
    tipped = round(abs(trained.accuracy - again["accuracy"]) * again["rows"] / 100)
    note = (
        f"Ours is judged again here, from its weights in float32. The tables above have {trained.accuracy:.2f} %, "
        f"which its training counted by other arithmetic ({trained.cost}): a difference of {tipped} of "
        f"{again['rows']:,} rows.\n\n"
    )
    fold_counts = json.loads(fold.read_text())["done"]["val_counts"]
    breuer = f"{runs['breuer-grey'].accuracy:.2f} %"
    return [
        HEAD.format(
            printed=PRINTED, rtnn=table(header, lines), note=note if tipped else "", fold=fold_counts, breuer=breuer
        )
    ]
