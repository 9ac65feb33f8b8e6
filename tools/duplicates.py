"""What the val rows that are byte-equal to a train row are worth to a figure.

    python -m tools.duplicates      judge, and keep it in docs/reproduction/duplicates

The papers' figures are of rows with them. Judged are the shipped models that learnt from FER-2013, in int8, and the
finished runs of recipes whose weights are under `runs/`, in float; and mini-Xception as its authors published it, where
`python bench/peers.py` has converted it. `python -m tools.reproduction` writes the page.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgefer.errors import EdgeferError
from edgefer.measure import datasets
from edgefer.measure.datasets.base import Dataset
from edgefer.measure.evaluate import evaluate, open_recognizer
from edgefer.train.recipes import OWNERS
from edgefer.train.settings import TrainingSettings, find_data
from tools import MODELS, RECORDS, shipped, table

import peers  # isort: skip

FOLDER, PUBLISHED = "duplicates", "mini-xception-published"


def judged(judge: Callable[[Dataset], np.ndarray], labels: str) -> dict[str, float | int | str]:
    """A network on the rows of val without those that a train row equals, on these alone, and on both.

    Args:
        judge: which rows of a data set it judges right, bool (N,).
        labels: of val.

    Raises:
        UsageError: the data is not there.
    """
    data = datasets.load(find_data(TrainingSettings.data), "val", labels=labels, keep_duplicates=True)
    own = datasets.load(find_data(TrainingSettings.data), "val", labels=labels)
    right, again = judge(data), ~np.isin(data.tags["row"], own.tags["row"])
    return {
        "labels": labels,
        "rows": int((~again).sum()),
        "accuracy": 100 * float(right[~again].mean()),
        "duplicates": int(again.sum()),
        "accuracy_duplicates": 100 * float(right[again].mean()),
        "accuracy_all": 100 * float(right.mean()),
    }


def judge_all(records: Path = RECORDS) -> list[str]:
    """Judges and keeps everything that is there; returns the names."""
    done = []
    for name, manifest in shipped(MODELS).items():
        if not manifest.training.data.startswith("FER-2013"):
            continue
        model = open_recognizer(name)
        result = judged(lambda data, model=model: evaluate(model, data).right, manifest.output.labels)
        done.append(_keep(records, name, "int8", result))
    for run in map(Path, OWNERS):
        if (run / "best.weights.h5").exists() and (run / "done.json").exists():
            result = judged(
                lambda data, run=run: _right(run, data), TrainingSettings.read(run / "settings.json").labels
            )
            done.append(_keep(records, run.name, "float32", result))
    if peers.CONVERTED.exists():
        result = judged(lambda data: peers.said_by(peers.MINI_XCEPTION, data) == data.truth, "basic7")
        done.append(_keep(records, PUBLISHED, "float32", result))
    return done


def _right(run: Path, data: Dataset) -> np.ndarray:
    from edgefer.train.data.batches import Inputs, input_spec
    from edgefer.train.runs import logits, network

    settings = TrainingSettings.read(run / "settings.json")
    said = logits(network(run, settings), Inputs(input_spec(settings.input, settings.size)), data.images)
    return said.argmax(axis=1) == data.truth


def _keep(records: Path, name: str, precision: str, result: dict) -> str:
    path = records / FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"model": name, "precision": precision, **result}, indent=2) + "\n")
    return name


HEAD = """## What rows of val that are train rows are worth

{count} of val's pictures are byte-equal to one of train, under a label of their own. No figure of ours counts them; the
papers do not say that theirs leave them out. With them the same networks would stand higher by this much (int8 by
the models that ship, float32 by the weights of runs, judged again, so that a row between two classes may fall otherwise
than in its training): `python -m tools.duplicates`."""


def section(records: Path) -> list[str]:
    """Of the page: nothing where nothing is on record."""
    kept = [json.loads(path.read_text()) for path in sorted((records / FOLDER).glob("*.json"))]
    if not kept:
        return []
    header = ["network", "labels", "without, %", "rows", "these alone, %", "rows", "with, %", "worth"]
    lines = [
        [
            f"{of['model']}, {of['precision']}",
            of["labels"],
            f"{of['accuracy']:.2f}",
            str(of["rows"]),
            f"{of['accuracy_duplicates']:.2f}",
            str(of["duplicates"]),
            f"{of['accuracy_all']:.2f}",
            f"{of['accuracy_all'] - of['accuracy']:+.2f}",
        ]
        for of in kept
    ]
    return [HEAD.format(count=max(of["duplicates"] for of in kept)), table(header, lines)]


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.duplicates", description=__doc__.split("\n")[0])
    parser.parse_args(argv)
    try:
        print("\n".join(judge_all()))
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
