"""How good a model is on a data set: accuracy, macro-F1, figures by class, confusion, and calibration."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from edgefer import recognize
from edgefer.errors import UsageError
from edgefer.labels import label_set, translate
from edgefer.measure import statistics
from edgefer.measure.datasets import Dataset
from edgefer.measure.statistics import Calibration, Comparison
from edgefer.recognize.frame import FrameRecognizer
from edgefer.support.progress import progress_bar


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

    def compared(self, other: Report) -> Report:
        """The same report with McNemar's test against another model on the same rows."""
        return replace(self, against=(other, statistics.mcnemar(self.right, other.right)))


def open_recognizer(model: str | os.PathLike, threads: int = 1) -> FrameRecognizer:
    """A recognizer of single face crops, which is what the rows of a data set are.

    Raises:
        UsageError: unknown name, or a model that does not judge single crops. ModelError: it is refused.
    """
    recognizer = recognize.open(model, threads)
    if not isinstance(recognizer, FrameRecognizer):
        raise UsageError(f"{os.fspath(model)}: does not judge single face crops, as data sets hold them")
    return recognizer


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


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, 100 * part / np.maximum(whole, 1), 0.0)
