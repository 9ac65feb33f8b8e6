"""How good a model is on a data set: accuracy, macro-F1, figures by class and the confusion matrix."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefer import datasets, recognize
from edgefer.datasets import Dataset
from edgefer.errors import EdgeferError, UsageError
from edgefer.labels import LABEL_SETS, label_set, translate
from edgefer.progress import track
from edgefer.recognize.frame import FrameRecognizer

#: Problems of a data set that the text report prints before it only counts the rest.
PROBLEMS_SHOWN = 20


@dataclass(frozen=True)
class Report:
    """A model's figures on a data set.

    Attributes:
        model: its name.
        data: the data set, without its images.
        labels: classes in the order of `confusion`.
        confusion: int64, shape (n, n), rows: truth, columns: prediction.
    """

    model: str
    data: Dataset
    labels: tuple[str, ...]
    confusion: np.ndarray

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
            "labels": list(self.labels),
            "classes": by_class,
            "confusion": self.confusion.tolist(),
            "problems": self.data.problems,
        }
        return json.dumps(content, ensure_ascii=False, indent=2)

    def image(self) -> np.ndarray:
        """The confusion matrix as a picture, cells with count and share of the row: uint8 (H, W, 3), BGR."""
        return _draw(self)

    def save_image(self, path: str | os.PathLike) -> None:
        """Write `image` as a PNG, whole or not at all.

        Raises:
            EdgeferError: the file cannot be written.
        """
        import cv2

        path = Path(path)
        # A device is written to, not replaced by a file.
        device = path.exists() and not path.is_file()
        scratch = path if device else path.with_name(f".{path.name}.part")
        try:
            scratch.write_bytes(cv2.imencode(".png", self.image())[1].tobytes())
            if not device:
                os.replace(scratch, path)
        except OSError as error:
            if not device:
                scratch.unlink(missing_ok=True)
            raise EdgeferError(f"cannot write {path}: {error.strerror}") from None


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
    confusion = np.zeros((len(names), len(names)), np.int64)
    for image, truth in track(zip(data.images, data.truth, strict=True), "judging images", len(data)):
        recognizer.prepare_crop(image)
        scores = recognizer.infer()
        if known != wanted:
            scores = translate(scores, known, wanted)
        confusion[truth, scores.argmax()] += 1
    return Report(recognizer.manifest.name, data, names, confusion)


def command(
    data: str | os.PathLike,
    model: str | os.PathLike = recognize.DEFAULT_MODEL,
    split: str | None = None,
    labels: str | None = None,
    threads: int = 1,
    confusion: str | os.PathLike | None = None,
    keep_duplicates: bool = False,
    as_json: bool = False,
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
    if confusion is not None:
        report.save_image(confusion)
    return report.json() if as_json else report.text()


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, 100 * part / np.maximum(whole, 1), 0.0)


def _draw(report: Report) -> np.ndarray:
    """Cells shaded by the share of their row, truth on the left, prediction below; sizes in pixels."""
    import cv2

    cell, left, top, below, right = 92, 150, 84, 84, 30
    count = len(report.labels)
    side = cell * count
    picture = np.full((top + side + below, left + side + right, 3), 255, np.uint8)
    ink, paper, deep = (40, 40, 40), np.array([250.0, 246.0, 240.0]), np.array([120.0, 72.0, 16.0])

    def write(text: str, x: float, y: float, size: float = 0.5, colour=ink, anchor: str = "middle") -> None:
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
        x -= {"start": 0, "middle": width / 2, "end": width}[anchor]
        at = (round(x), round(y + height / 2))
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)

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
            words = (255, 255, 255) if share > 0.45 else ink
            write(f"{100 * share:.0f} %", x + cell / 2, y + cell / 2 - 10, 0.6, words)
            write(str(report.confusion[row, column]), x + cell / 2, y + cell / 2 + 16, 0.42, words)
    write("prediction", left + side / 2, top + side + 56, 0.55)
    write("truth", left - 12, top - 16, 0.55, anchor="end")
    return picture
