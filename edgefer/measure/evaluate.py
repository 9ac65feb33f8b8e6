"""How good a model is on a data set: accuracy, macro-F1, figures by class, confusion, and calibration."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from edgefer import recognize
from edgefer.errors import UsageError
from edgefer.labels import LABEL_SETS, label_set, translate
from edgefer.measure import datasets, statistics
from edgefer.measure.datasets import Dataset
from edgefer.measure.statistics import Calibration, Comparison
from edgefer.models import store
from edgefer.recognize.frame import FrameRecognizer
from edgefer.support import drawing
from edgefer.support.progress import progress_bar

#: Problems of a data set that the text report prints before it only counts the rest.
PROBLEMS_SHOWN = 20


@dataclass(frozen=True)
class Report:
    """A model's figures on a data set.

    Attributes:
        model: its name.
        data: the data set, without its images.
        labels: classes in the order of `confusion`.
        scores: float32, shape (N, n), of every row, summing to 1.
        temperature: by which the model's logits were divided to give the scores.
        against: the other model and the test of the difference, where one was asked for.
    """

    model: str
    data: Dataset
    labels: tuple[str, ...]
    scores: np.ndarray
    temperature: float = 1.0
    against: tuple[Report, Comparison] | None = None

    @cached_property
    def confusion(self) -> np.ndarray:
        """int64, shape (n, n), rows: truth, columns: prediction."""
        confusion = np.zeros((len(self.labels), len(self.labels)), np.int64)
        np.add.at(confusion, (self.data.truth, self.scores.argmax(axis=1)), 1)
        return confusion

    @cached_property
    def calibration(self) -> Calibration:
        """Of the scores as the model gives them."""
        return statistics.calibration(self.scores, self.data.truth)

    @cached_property
    def calibration_before(self) -> Calibration:
        """Of the scores the logits give without the temperature."""
        return statistics.calibration(statistics.tempered(self.scores, 1 / self.temperature), self.data.truth)

    @property
    def right(self) -> np.ndarray:
        """bool, shape (N,): rows judged right."""
        return self.scores.argmax(axis=1) == self.data.truth

    @property
    def rows(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of rows judged right, percent."""
        return 100 * float(np.trace(self.confusion)) / self.rows

    @property
    def support(self) -> np.ndarray:
        """int64, shape (n,): rows of each class."""
        return self.confusion.sum(axis=1)

    @property
    def recall(self) -> np.ndarray:
        """float64, shape (n,): share of a class's rows that are found, percent; 0 without rows."""
        return _percent(np.diag(self.confusion), self.support)

    @property
    def precision(self) -> np.ndarray:
        """float64, shape (n,): share of a class's predictions that are right, percent; 0 without any."""
        return _percent(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def f1(self) -> np.ndarray:
        """float64, shape (n,): harmonic mean of precision and recall, percent."""
        return _percent(2 * np.diag(self.confusion), self.support + self.confusion.sum(axis=0))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that occur, as truth or as prediction, percent."""
        occurs = (self.support + self.confusion.sum(axis=0)) > 0
        return float(self.f1[occurs].mean())

    def text(self) -> str:
        """The report for a terminal; the accuracy is a line of its own."""
        lines = [
            f"model     {self.model}",
            f"data      {self.data.source}, split {self.data.split}",
            f"rule      {self.data.rule}",
            f"rows      {self.data.counts()}",
            "",
            f"accuracy {self.accuracy:.2f} % on {self.rows} rows",
            f"macro-F1 {self.macro_f1:.2f} %",
            f"ECE {self.calibration.ece:.2f} % in {statistics.BINS} bins "
            f"({self.calibration_before.ece:.2f} % before the temperature {self.temperature:g}), "
            f"NLL {self.calibration.nll:.3f}, Brier {self.calibration.brier:.3f}",
            *([_against_text(*self.against)] if self.against else []),
            "",
            f"{'class':<11}{'precision':>10}{'recall':>9}{'F1':>9}{'rows':>8}",
        ]
        for index, label in enumerate(self.labels):
            lines.append(
                f"{label:<11}{self.precision[index]:>10.2f}{self.recall[index]:>9.2f}{self.f1[index]:>9.2f}"
                f"{self.support[index]:>8}"
            )
        width = max(6, len(str(self.rows)) + 1)
        lines += ["", "confusion (rows: truth, columns: prediction)"]
        lines.append(" " * 11 + "".join(f"{label[:4]:>{width}}" for label in self.labels))
        for index, label in enumerate(self.labels):
            lines.append(f"{label:<11}" + "".join(f"{count:>{width}}" for count in self.confusion[index]))
        problems = self.data.problems
        if problems:
            lines += ["", *problems[:PROBLEMS_SHOWN]]
            if len(problems) > PROBLEMS_SHOWN:
                lines.append(f"… and {len(problems) - PROBLEMS_SHOWN} more; --json lists all")
        return "\n".join(lines)

    def json(self) -> str:
        """Everything, as one JSON object; percentages unrounded."""
        by_class = {
            label: {
                "precision": float(self.precision[index]),
                "recall": float(self.recall[index]),
                "f1": float(self.f1[index]),
                "rows": int(self.support[index]),
            }
            for index, label in enumerate(self.labels)
        }
        content = {
            "model": self.model,
            "data": self.data.source,
            "split": self.data.split,
            "rule": self.data.rule,
            "rows": self.rows,
            "dropped": self.data.dropped,
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "temperature": self.temperature,
            "calibration": _calibration_json(self.calibration),
            "calibration_before_temperature": _calibration_json(self.calibration_before),
            "labels": list(self.labels),
            "classes": by_class,
            "confusion": self.confusion.tolist(),
            "problems": self.data.problems,
        }
        if self.against:
            other, test = self.against
            content["against"] = {"model": other.model, "accuracy": other.accuracy, **test.json()}
        return json.dumps(content, ensure_ascii=False, indent=2)

    def compared(self, other: Report) -> Report:
        """The same report with McNemar's test against another model on the same rows."""
        return replace(self, against=(other, statistics.mcnemar(self.right, other.right)))

    def image(self) -> np.ndarray:
        """The confusion matrix as a picture, cells with count and share of the row: uint8 (H, W, 3), BGR."""
        return _draw(self)

    def reliability(self) -> np.ndarray:
        """Accuracy over confidence by bin as a picture: uint8 (H, W, 3), BGR."""
        return _draw_reliability(self)


def evaluate(recognizer: FrameRecognizer, data: Dataset) -> Report:
    """Judge every image of a data set, each taken whole as a face crop.

    A data set of fewer classes than the model has (the seven of FER-2013 against the eight of FER+) is judged
    on its own classes: the scores of the others are left out.

    Raises:
        UsageError: the data set has classes the model does not know.
    """
    known, wanted = recognizer.manifest.output.labels, data.labels
    names = label_set(wanted)
    if not set(names) <= set(label_set(known)):
        raise UsageError(f"{data.source} has the classes {', '.join(names)}; the model knows {known} only")
    scores = np.empty((len(data), len(names)), np.float32)
    for row, image in enumerate(progress_bar(data.images, "judging images", len(data))):
        recognizer.prepare_crop(image)
        given = recognizer.infer()
        scores[row] = given if known == wanted else translate(given, known, wanted)
    return Report(recognizer.manifest.name, data, names, scores, recognizer.manifest.output.temperature)


def command(
    data: str | os.PathLike,
    model: str | os.PathLike = store.DEFAULT_MODEL,
    split: str | None = None,
    labels: str | None = None,
    threads: int = 1,
    confusion: str | os.PathLike | None = None,
    keep_duplicates: bool = False,
    as_json: bool = False,
    reliability: str | os.PathLike | None = None,
    compare: str | os.PathLike | None = None,
    layout: str | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """`edgefer eval`: what it prints.

    Args:
        data: csv, npz or folder, see datasets.load.
        model: name or directory.
        split: train, val, test; None: val, or all of a folder.
        labels: label set to judge in, where the data set leaves a choice; None: the model's.
        threads: of the interpreter.
        confusion: where to write the confusion matrix as a PNG, or None.
        keep_duplicates: count rows of val and test that are byte-equal to a train row.
        as_json: the whole report as JSON instead of text.
        reliability: where to write the reliability diagram as a PNG, or None.
        compare: another model that is judged on the same rows, for McNemar's test of the difference.
        layout: what a folder holds, see datasets.load; None tells it by the names.
        where: only rows with these tags.

    Raises:
        UsageError, ModelError, EdgeferError: each with one line.
    """
    if labels is not None and labels not in LABEL_SETS:
        raise UsageError(f"unknown label set {labels!r}; available: {', '.join(LABEL_SETS)}")
    recognizer = recognize.open(model, threads)
    dataset = datasets.load(
        data,
        split,
        labels or recognizer.manifest.output.labels,
        keep_duplicates=keep_duplicates,
        layout=layout,
        where=where,
        margin=recognizer.manifest.input.crop_margin,
    )
    report = evaluate(recognizer, dataset)
    if compare is not None:
        report = report.compared(evaluate(recognize.open(compare, threads), dataset))
    if confusion is not None:
        drawing.save_picture(report.image(), confusion)
    if reliability is not None:
        drawing.save_picture(report.reliability(), reliability)
    return report.json() if as_json else report.text()


def _against_text(other: Report, test: Comparison) -> str:
    return (
        f"{test.difference:+.2f} points against {other.model} ({other.accuracy:.2f} %), 95 % interval "
        f"{test.low:+.2f} to {test.high:+.2f}, McNemar p = {test.p:.2g}"
    )


def _calibration_json(found: Calibration) -> dict:
    return {
        "ece": found.ece,
        "nll": found.nll,
        "brier": found.brier,
        "bins": [
            {"from": low, "to": high, "rows": rows, "confidence": confidence, "accuracy": accuracy}
            for low, high, rows, confidence, accuracy in zip(
                found.edges[:-1].tolist(),
                found.edges[1:].tolist(),
                found.rows.tolist(),
                # nan is no JSON
                np.where(found.rows > 0, found.confidence, 0).tolist(),
                np.where(found.rows > 0, found.accuracy, 0).tolist(),
                strict=True,
            )
        ],
    }


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, 100 * part / np.maximum(whole, 1), 0.0)


def _draw_reliability(report: Report) -> np.ndarray:
    """A bar a bin, as high as its accuracy, beside the diagonal; below it how many rows the bin has."""
    import cv2

    found, side, left, top, counts = report.calibration, 480, 80, 84, 90
    picture = np.full((top + side + counts + 76, left + side + 40, 3), 255, np.uint8)
    write = partial(drawing.write, picture)
    bottom, floor = top + side, top + side + counts + 16
    title = f"{report.model}: ECE {found.ece:.2f} % on {report.rows} rows"
    write(title, left, 28, 0.65, anchor="start")
    before = f"{report.calibration_before.ece:.2f} % before the temperature {report.temperature:g}"
    write(f"{before}, split {report.data.split}", left, 56, anchor="start")
    for index, rows in enumerate(found.rows):
        x0, x1 = (round(left + side * edge) for edge in found.edges[index : index + 2])
        if not rows:
            continue
        height = round(side * found.accuracy[index])
        cv2.rectangle(picture, (x0 + 1, bottom - height), (x1 - 2, bottom), (120, 72, 16), -1)
        share = round(counts * rows / found.rows.max())
        cv2.rectangle(picture, (x0 + 1, floor - share), (x1 - 2, floor), (190, 190, 190), -1)
        y = bottom - side * found.confidence[index]
        cv2.line(picture, (x0 + 1, round(y)), (x1 - 2, round(y)), (40, 40, 200), 2)
    cv2.rectangle(picture, (left, top), (left + side, bottom), drawing.INK, 1)
    cv2.line(picture, (left, bottom), (left + side, top), (120, 120, 120), 1, cv2.LINE_AA)
    cv2.line(picture, (left, floor), (left + side, floor), drawing.INK, 1)
    for tick in range(0, 101, 20):
        write(f"{tick} %", left - 10, bottom - side * tick / 100, 0.42, anchor="end")
        write(f"{tick} %", left + side * tick / 100, floor + 16, 0.42)
    write("confidence (red: its mean in the bin)", left + side / 2, floor + 42, 0.5)
    write("accuracy", left - 10, top - 14, 0.5)
    write("rows", left - 10, floor - counts / 2, 0.42, anchor="end")
    return picture


def _draw(report: Report) -> np.ndarray:
    """Cells shaded by the share of their row, truth on the left, prediction below; sizes in pixels."""
    import cv2

    cell, left, top, below, right = 92, 150, 84, 84, 30
    count = len(report.labels)
    side = cell * count
    picture = np.full((top + side + below, left + side + right, 3), 255, np.uint8)
    paper, deep = np.array([250.0, 246.0, 240.0]), np.array([120.0, 72.0, 16.0])
    write = partial(drawing.write, picture)
    title = f"{report.model}: accuracy {report.accuracy:.2f} % on {report.rows} rows"
    write(title, left, 28, 0.65, anchor="start")
    write(f"macro-F1 {report.macro_f1:.2f} %, split {report.data.split}", left, 56, 0.5, anchor="start")
    for row, label in enumerate(report.labels):
        middle = top + cell * (row + 0.5)
        write(label, left - 12, middle - 9, anchor="end")
        write(f"{report.support[row]} rows", left - 12, middle + 11, 0.4, (120, 120, 120), "end")
        write(label, left + cell * (row + 0.5), top + side + 20, 0.48)
        for column in range(count):
            share = report.confusion[row, column] / max(1, report.support[row])
            x, y = left + cell * column, top + cell * row
            colour = paper + (deep - paper) * share
            cv2.rectangle(picture, (x, y), (x + cell - 2, y + cell - 2), colour.tolist(), -1)
            words = (255, 255, 255) if share > 0.45 else drawing.INK
            write(f"{100 * share:.0f} %", x + cell / 2, y + cell / 2 - 10, 0.6, words)
            write(str(report.confusion[row, column]), x + cell / 2, y + cell / 2 + 16, 0.42, words)
    write("prediction", left + side / 2, top + side + 56, 0.55)
    write("truth", left - 12, top - 16, 0.55, anchor="end")
    return picture
