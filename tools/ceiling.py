"""What the seven classes of FER-2013 can be told from: the picture, the ten votes of FER+, or both.

    python -m tools.ceiling      judge, and keep it in docs/reproduction/ceiling

A class of FER-2013 is the word by which a picture was searched for, looked over by people. Ten others judged the same
pictures for FER+. Whoever reads their votes knows what people see there: a measure of what the classes can be told from
at all. `python -m tools.reproduction` writes the page.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from edgefer.errors import EdgeferError
from edgefer.labels import softmax
from edgefer.measure import datasets
from edgefer.measure.evaluate import evaluate, open_recognizer
from edgefer.measure.statistics import share_interval
from edgefer.train.data.voted import regression, told_by
from edgefer.train.settings import TrainingSettings, find_data
from tools import RECORDS, table

MODEL, NAME, AIM = "fer2013-edgefer-s", "ceiling/fer2013.json", 71


def judged() -> dict[str, int | str]:
    """How many rows of val each is right on.

    The votes are read by a regression on train. One that puts its scores and the network's together is fitted on val,
    where the network has learnt no row: each tenth of the rows (every tenth one) is judged by that of the other nine.

    Raises:
        UsageError: the data is not there.
    """
    train, val = (datasets.load(find_data(TrainingSettings.data), split, labels="basic7") for split in ("train", "val"))
    report = evaluate(open_recognizer(MODEL), val)
    classes = len(report.labels)
    by_votes = softmax(told_by(val.votes) @ regression(told_by(train.votes), train.truth, classes))
    both = np.hstack([np.ones((len(val), 1)), *(np.log(np.maximum(said, 1e-6)) for said in (by_votes, report.scores))])
    by_both, tenth = np.empty_like(by_votes), np.arange(len(val)) % 10
    for judged_now in range(10):
        own, others = tenth == judged_now, tenth != judged_now
        by_both[own] = both[own] @ regression(both[others], val.truth[others], classes)

    def right(said: np.ndarray) -> int:
        return int((said.argmax(axis=1) == val.truth).sum())

    return {
        "model": MODEL,
        "rows": len(val),
        "network": right(report.scores),
        "votes": right(by_votes),
        "both": right(by_both),
    }


HEAD = """## What the seven classes of FER-2013 can be told from

Our aim of {aim} % of val's rows, for a network of 0.7 million weights, is not reached. How much is to be had? Ten
people judged the same pictures for FER+: a regression on train reads their votes. Another puts together what that
one says and the scores of {model} (each tenth of val's rows is judged by one of the other nine).
`python -m tools.ceiling`:"""
TAIL = """So this network and ten people together are {gap:.1f} points {side} that aim. What wide networks reach, alone
and together, stands in [training](training.md#lessons)."""


def section(records: Path) -> list[str]:
    """Of the page: nothing where nothing is on record."""
    if not (records / NAME).exists():
        return []
    kept = json.loads((records / NAME).read_text())
    rows = kept["rows"]
    names = {"votes": "the ten votes", "network": f"the picture, by {kept['model']} in int8", "both": "both"}
    lines = []
    for key, words in names.items():
        low, high = share_interval(kept[key], rows)
        lines.append([words, f"{100 * kept[key] / rows:.2f}", f"{100 * low:.1f} to {100 * high:.1f}", str(rows)])
    head, tail = HEAD.format(aim=AIM, model=kept["model"]), _beside(100 * kept["both"] / rows - AIM)
    return [head, table(["read from", "right, %", "95 % interval", "rows"], lines), tail]


def _beside(gap: float) -> str:
    return TAIL.format(gap=abs(gap), side="above" if gap > 0 else "below")


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.ceiling", description=__doc__.split("\n")[0])
    parser.parse_args(argv)
    try:
        kept = judged()
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    (RECORDS / NAME).parent.mkdir(parents=True, exist_ok=True)
    (RECORDS / NAME).write_text(json.dumps(kept, indent=2) + "\n")
    print(json.dumps(kept))
    return 0


if __name__ == "__main__":
    sys.exit(main())
