"""Tables I to V of Costache and Popescu, with ours: II to V from the records of runs, I timed on this machine.

The records are the done.json of runs, `NETWORK.json`, `NETWORK-transfer.json` and `NETWORK-digits.json`. Tables III to
V are of the one of a network's two runs on sketches that has the better accuracy on the rows to validate.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import BASIC7, COSTACHE4, FERPLUS8
from edgefer.preprocess.sketch import SketchTensor, draw, place
from edgefer.train.runs import RECORDS as RUN_RECORDS
from edgefer.train.sketch import OWN_SIDE, PAPER

RECORDS = RUN_RECORDS / "sketch"
#: Printed: mean of the seven rows of Table I, seconds; epochs, batch, accuracy and seconds of Table II; Table V.
PAPER_TIMES = (1.9577, 0.8600, 0.2972, 3.1252)
PAPER_TRAININGS = {
    "vgg11": (20, 64, 47.66, 634),
    "vgg11-transfer": (32, 128, 54.44, 1002),
    "resnet50": (100, 16, 55.56, 1304),
    "resnet50-transfer": (20, 32, 78.57, 3960),
    "capsnet": (8, 24, 61.22, 2726),
    "capsnet-transfer": (100, 32, 64.15, 12553),
}
PAPER_MACRO = {
    "vgg11": (0.8636, 0.7319, 0.7540, 0.7155),
    "resnet50": (0.8864, 0.8250, 0.7421, 0.7275),
    "capsnet": (0.9091, 0.8063, 0.8730, 0.8160),
}

Records = dict[str, dict[str, Any]]


def read_records(folder: Path) -> Records:
    """Every record by its name.

    Raises:
        UsageError: there are none.
    """
    found = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise UsageError(f"{folder}: expected records of runs, as vgg11.json; see docs/sketch.md")
    return found


def from_records(records: Records) -> str:
    """Tables II to V as Markdown."""
    chosen = best_runs(records)
    return "\n\n".join([table_ii(records), table_iii(chosen), table_iv(chosen), table_v(chosen)]) + "\n"


def best_runs(records: Records) -> Records:
    """For each network the run on sketches that is best on the rows to validate."""
    best: Records = {}
    for name in PAPER:
        runs = [records[run] for run in (name, f"{name}-transfer") if run in records]
        if runs:
            best[name] = max(runs, key=lambda run: run["val"]["accuracy"])
    return best


def table_i(data: str, threads: int = 1, rounds: int = 20) -> str:
    """Times of the stages on one picture of each of seven expressions, the median of some rounds.

    Detection is that of a face in the next frame of a film: a look of the landmark network, and the head's pose. The
    last column is the way of a device: detection, then the sketch drawn at its network's size.

    Raises:
        UsageError: the pictures are not there. ModelError: the landmark network is refused.
    """
    from edgefer.measure import datasets
    from edgefer.measure.evaluate import open_landmarker
    from edgefer.train.settings import find_data

    val = datasets.load(find_data(data), "val", labels="ferplus8")
    find, tensor = open_landmarker("table I", threads, film=True), SketchTensor(OWN_SIDE, upright=True)
    rows = []
    for number, label in enumerate(BASIC7, 1):
        own_images = (val.images[row] for row in np.flatnonzero(val.truth == FERPLUS8.index(label)))
        image = next((each for each in own_images if find(each) is not None), None)
        if image is None:
            raise UsageError(f"table I: no landmarks found in any picture of {label}")
        spent = []
        for _ in range(rounds):
            stages = [time.perf_counter()]
            marks = find(image)
            assert marks is not None
            stages.append(time.perf_counter())
            placed = place(marks.points)
            stages.append(time.perf_counter())
            draw(placed)
            stages.append(time.perf_counter())
            tensor(marks.points)
            stages.append(time.perf_counter())
            detection, processing, drawing, own = np.diff(stages)
            spent.append([detection, processing, drawing, detection + processing + drawing, detection + own])
        rows.append([f"{number} {label}", *(f"{value:.6f}" for value in np.median(spent, axis=0))])
    rows.append(["the paper's seven, mean", *(f"{value:.4f}" for value in PAPER_TIMES), "-"])
    head = ("Image", "FLs detection", "FLs processing", "Sketch drawing", "Total", "Face to the device's tensor")
    return _titled("Table I: emotion sketches computation times, seconds", head, rows)


def table_ii(records: Records) -> str:
    """Training configurations and results."""
    rows = []
    for name, title in PAPER.items():
        for run, case in (
            (name, "sketches, random weights"),
            (f"{name}-digits", "digits, random weights"),
            (f"{name}-transfer", "sketches, weights from digits"),
        ):
            if run not in records:
                continue
            record = records[run]
            training, val = record["training"], record.get("val")
            if training["weights"]:
                case = "sketches, weights of ImageNet"
            printed = PAPER_TRAININGS.get(run)
            rows.append(
                [
                    *(title, case, f"{record['rows']} at {training['side']} px", record["epochs"], training["batch"]),
                    *(f"{record['loss']:.4f}", f"{record['accuracy']:.2f}", f"{val['accuracy']:.2f}" if val else "-"),
                    f"{record['seconds']:.0f} ({record['processor_seconds']:.0f})",
                    "{} epochs of {}: {:.2f} %, {} s".format(*printed) if printed else "-",
                ]
            )
    head = ("Network", "Training case", "Rows", "Epochs", "Batch size", "Loss", "Acc (%)", "Val acc (%)")
    return _titled(
        "Table II: training configurations and results", (*head, "Training time (of one core), s", "Paper"), rows
    )


def table_iii(chosen: Records) -> str:
    """Scores on one query image of each class."""
    rows = []
    truth = next(iter(chosen.values()))["query"]["truth"]
    for index in [truth.index(label) for label in range(len(COSTACHE4)) if label in truth]:
        for name, record in chosen.items():
            scores = record["query"]["scores"][index]
            best = COSTACHE4[int(np.argmax(scores))]
            shown = (f"{score:.4f}" for score in scores)
            rows.append([index + 1, COSTACHE4[truth[index]], PAPER[name], *shown, best])
    head = ("Image", "Truth", "Network", *COSTACHE4, "Predicted")
    return _titled("Table III: prediction results, one query image of each class", head, rows)


def table_iv(chosen: Records) -> str:
    """What each network makes of each query image; confidence: the greatest score of a right answer."""
    rows = []
    truth = next(iter(chosen.values()))["query"]["truth"]
    for index, wanted in enumerate(truth):
        scores = [np.array(record["query"]["scores"][index]) for record in chosen.values()]
        right = [float(each.max()) for each in scores if int(each.argmax()) == wanted]
        said = [COSTACHE4[int(each.argmax())] for each in scores]
        rows.append([index + 1, *said, COSTACHE4[wanted], f"{100 * max(right):.2f}" if right else "-"])
    head = ("Image", *(PAPER[name] for name in chosen), "Ground truth", "Confidence (%)")
    return _titled("Table IV: prediction validation", head, rows)


def counts(truth: np.ndarray, said: np.ndarray, label: int) -> tuple[int, int, int, int]:
    """True positives, true negatives, false positives and false negatives of a class."""
    own, taken = truth == label, said == label
    return tuple(int(each.sum()) for each in (own & taken, ~own & ~taken, ~own & taken, own & ~taken))  # type: ignore[return-value]


def figures(tp: int, tn: int, fp: int, fn: int) -> tuple[float, float, float, float]:
    """Accuracy, precision, recall and F1 of a class; 0 where nothing is divided by nothing."""
    precision = tp / (tp + fp) if tp + fp else 0.0
    recall = tp / (tp + fn) if tp + fn else 0.0
    f1 = 2 * precision * recall / (precision + recall) if tp else 0.0
    return (tp + tn) / (tp + tn + fp + fn), precision, recall, f1


def table_v(chosen: Records) -> str:
    """Confusion and figures of each class by network, then the means over the classes."""
    rows = []
    for name, record in chosen.items():
        truth, said = (np.array(x) for x in (record["query"]["truth"], np.argmax(record["query"]["scores"], axis=1)))
        each = [counts(truth, said, label) for label in range(len(COSTACHE4))]
        shown = [figures(*of) for of in each]
        for label, of, values in zip(COSTACHE4, each, shown, strict=True):
            rows.append([PAPER[name], label, *of, *(f"{value:.2f}" for value in values)])
        means = np.mean(shown, axis=0)
        rows.append([PAPER[name], "mean", "", "", "", "", *(f"{value:.4f}" for value in means)])
        rows.append([PAPER[name], "mean in the paper", "", "", "", "", *(f"{v:.4f}" for v in PAPER_MACRO[name])])
    head = ("Model", "Expression", "TP", "TN", "FP", "FN", "Accuracy", "Precision", "Recall", "F1-Score")
    return _titled("Table V: confusion matrices", head, rows)


def _titled(title: str, head: tuple[str, ...], rows: list[list[Any]]) -> str:
    lines = [f"**{title}**", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])
