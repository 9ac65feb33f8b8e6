"""How good a model is on a data set: accuracy, macro-F1, figures by class, confusion, and calibration."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from edgefer import defaults, recognize
from edgefer.errors import UsageError
from edgefer.geometry import Box
from edgefer.labels import label_set, translate
from edgefer.landmarks.base import LANDMARKERS, Landmarks
from edgefer.measure import statistics
from edgefer.measure.datasets import Dataset
from edgefer.measure.statistics import Calibration, Comparison
from edgefer.recognize.base import Observation, Recognizer, Refused
from edgefer.support.progress import progress_bar
from edgefer.values import Face, Frame, Quality

#: From this confidence on, in the face, its eyes and its mouth each, landmarks are taken as confident.
CONFIDENT = 0.8
#: A tag of more values than this names single pictures, not groups.
MOST_GROUPS = 12
#: Why a row does not count for a model that needs landmarks: there are none to rely on, or none that it can use.
NOT_MARKED, NOT_USED = "without confident landmarks", "with landmarks that cannot be used"


@dataclass(frozen=True)
class Group:
    """The rows of a data set whose tag has one value: how many, and how many of them are judged right.

    Attributes:
        interval: the 95 % interval of the accuracy, percent; of sets of people by people, whose rows are alike.
    """

    value: str
    rows: int
    right: int
    interval: tuple[float, float]

    @property
    def accuracy(self) -> float:
        """Percent."""
        return 100 * self.right / self.rows


@dataclass(frozen=True)
class Report:
    """A model's figures on a data set.

    Attributes:
        model: its name.
        data: the data set, without its images.
        labels: classes in the order of `confusion`.
        scores: float32, shape (N, n), of every row, summing to 1.
        plain: float32, shape (N, n): the scores without the model's temperature and offsets.
        temperature: by which the model's logits were divided to give the scores.
        offsets: that were added then, by label.
        against: the other model and the test of the difference, where one was asked for.
        over_people: the same difference with people as what is drawn, where the data set has several.
    """

    model: str
    data: Dataset
    labels: tuple[str, ...]
    scores: np.ndarray
    plain: np.ndarray
    temperature: float = 1.0
    offsets: Mapping[str, float] = field(default_factory=dict)
    against: tuple[Report, Comparison] | None = None
    over_people: Comparison | None = None

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
        """Of the scores the logits give without temperature and offsets."""
        return statistics.calibration(self.plain, self.data.truth)

    @property
    def before(self) -> str:
        """Before what: words for `calibration_before`."""
        return f"before the temperature {self.temperature:g}" + " and the offsets" * bool(self.offsets)

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

    @property
    def groups(self) -> dict[str, list[Group]]:
        """By the names of tags, as gender or angle, the groups they divide the rows into, where these are 2 to
        MOST_GROUPS."""
        found: dict[str, list[Group]] = {}
        for name, values in self.data.tags.items():
            known = sorted(set(values.tolist()))
            if 2 <= len(known) <= min(MOST_GROUPS, len(values) - 1):
                found[name] = [self._group(value, values == value) for value in known]
        return found

    def _group(self, value: str, rows: np.ndarray) -> Group:
        right, count = self.right[rows], int(self.right[rows].sum())
        if self.people is None:
            low, high = statistics.share_interval(count, len(right))
        else:
            low, high = statistics.people_interval(right, self.people[rows])
        return Group(value, len(right), count, (100 * low, 100 * high))

    @property
    def people(self) -> np.ndarray | None:
        """str, shape (N,): who is seen in a row; None where that is not known, or it is one person alone."""
        people = self.data.tags.get("subject")
        return None if people is None or len(np.unique(people)) < 2 else people

    def compared(self, other: Report) -> Report:
        """The same report with McNemar's test against another model on the same rows; with several people, who have
        rows that are alike, also Student's test of what share of each one's rows they judge right."""
        over_people = None
        if self.people is not None:
            _, person = np.unique(self.people, return_inverse=True)
            first, second = (100 * np.bincount(person, each.right) / np.bincount(person) for each in (self, other))
            if np.ptp(np.round(first - second, 9)) or np.array_equal(first, second):  # else nothing tells chance
                over_people = statistics.paired_t(first, second)
        return replace(self, against=(other, statistics.mcnemar(self.right, other.right)), over_people=over_people)


def open_recognizer(model: str | os.PathLike, threads: int = 1) -> Recognizer:
    """A recognizer of single faces, which is what the rows of a data set are.

    Raises:
        UsageError: unknown name, or a model that judges a window of time or gives no expression. ModelError: it is
            refused.
    """
    recognizer = recognize.open(model, threads)
    if not recognizer.labels:
        raise UsageError(f"{os.fspath(model)}: gives no expression, by which the rows of a data set are judged")
    if recognizer.needs.window_s > 0:
        raise UsageError(f"{os.fspath(model)}: does not judge single face crops, as data sets hold them")
    return recognizer


def evaluate(recognizer: Recognizer, data: Dataset, threads: int = 1) -> Report:
    """Judge every image of a data set, each taken whole as a face crop.

    A data set of fewer classes than the model has (the seven of FER-2013 against the eight of FER+) is judged
    on its own classes: the scores of the others are left out. A model that needs landmarks judges the images whose
    landmarks are confident (CONFIDENT) and that it can use; the others are dropped from the data, each by its reason.

    Raises:
        UsageError: the data set has classes the model does not know, no image can be judged, or nothing finds
            landmarks.
    """
    manifest = recognizer.manifest  # type: ignore[attr-defined]  # every kind that judges single faces has one
    known, wanted = manifest.output.labels, data.labels
    names = label_set(wanted)
    try:
        translate(np.ones(len(label_set(known))), known, wanted)
    except ValueError:
        raise UsageError(f"{data.source} has the classes {', '.join(names)}; the model knows {known} only") from None
    judge = _by_landmarks(recognizer, threads) if recognizer.needs.landmarks else _by_crop(recognizer)
    output, offsets = manifest.output, getattr(manifest.output, "offsets", ())
    said, judged = np.empty((len(data), len(label_set(known))), np.float32), np.zeros(len(data), bool)
    unjudged: Counter[str] = Counter()
    for row, image in enumerate(progress_bar(data.images, "judging images", len(data))):
        given = judge(image)
        if isinstance(given, str):
            unjudged[given] += 1
        else:
            said[row], judged[row] = given, True
    if unjudged:
        # another model may have left out rows for the same reason
        dropped = {**data.dropped, **{why: data.dropped.get(why, 0) + count for why, count in sorted(unjudged.items())}}
        data = replace(data.take(np.flatnonzero(judged)), dropped=dropped)
        if not judged.any():
            reasons = ", ".join(f"{count} {why}" for why, count in sorted(unjudged.items()))
            raise UsageError(f"{data.source}: {manifest.name} can judge no image: {reasons}")
    scores = said[judged]
    plain = statistics.uncalibrated(scores, output.temperature, offsets).astype(np.float32)
    if known != wanted:
        scores, plain = (translate(each, known, wanted) for each in (scores, plain))
    by_label = dict(zip(label_set(known), offsets, strict=True)) if offsets else {}
    return Report(manifest.name, data, names, scores, plain, output.temperature, by_label)


def _by_crop(recognizer: Any) -> Callable[[np.ndarray], np.ndarray | str]:
    """The scores of an image by a model that takes face crops."""

    def judge(image: np.ndarray) -> np.ndarray:
        recognizer.prepare_crop(image)
        return recognizer.infer()

    return judge


def _by_landmarks(recognizer: Recognizer, threads: int) -> Callable[[np.ndarray], np.ndarray | str]:
    """The scores of an image by a model that takes landmarks, or why it cannot judge it."""
    find = open_landmarker(f"model {recognizer.name}", threads)

    def judge(image: np.ndarray) -> np.ndarray | str:
        marks = find(image)
        if marks is None or confidence(marks) < CONFIDENT:
            return NOT_MARKED
        face = _face(image, None)
        face.landmarks, face.pose = marks.points, marks.pose
        observation = recognizer.observe(Frame(0, image, 0, 0, still=True), face)
        recognizer.forget({face.track})
        if isinstance(observation, Observation):
            return observation.scores
        failed = observation.reason if isinstance(observation, Refused) else "landmarks"
        return NOT_USED if failed == "landmarks" else f"the chain failed at: {failed}"

    return judge


def confidence(marks: Landmarks) -> float:
    """The least of those in the face, its eyes and its mouth; 1 where none is told."""
    if marks.seen is None:
        return 1.0
    return min(marks.seen[part] for part in ("face", "right_eye", "left_eye", "mouth"))


def open_landmarker(who: str, threads: int = 1, film: bool = False) -> Callable[..., Landmarks | None]:
    """What finds the landmarks of a grey image, of the face in a box or of one that fills it; None where it sees none.

    Args:
        film: as in the next frame of a film, where one look is enough; else as in photographs, where a face is
            looked at twice and in every direction unless it is surely upright.

    Raises:
        UsageError: no landmark network is installed, which `who` needs. ModelError: it is refused.
    """
    if not LANDMARKERS.names():
        raise UsageError(f"{who} needs landmarks, and no landmark network is installed")
    landmarker = LANDMARKERS.choose(LANDMARKERS.default).make(model=defaults.LANDMARK_MODEL, threads=threads)
    if film:
        numbers = count()
        return lambda image, box=None: landmarker.find(
            Frame(0, image, next(numbers) * 33_000_000, 0), _face(image, box)
        )
    return lambda image, box=None: landmarker.find(Frame(0, image, 0, 0, still=True), _face(image, box))


def _face(image: np.ndarray, box: Box | None) -> Face:
    """The face in a box of an image, or one that fills it."""
    if box is None:
        height, width = image.shape
        box = Box(0.0, 0.0, float(width), float(height))
    return Face(1, box, Quality(max(box.width, box.height), sharpness=1.0, brightness=128.0))


def _percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole > 0, 100 * part / np.maximum(whole, 1), 0.0)
