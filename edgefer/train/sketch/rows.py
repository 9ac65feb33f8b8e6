"""Rows of FER+ with their landmarks, and sketches of them: what all networks for sketches are trained and judged on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import COSTACHE4, FERPLUS8, class_of
from edgefer.measure import datasets
from edgefer.measure.evaluate import CONFIDENT, confidence, open_landmarker
from edgefer.preprocess.sketch import NoSketch, place, sketch
from edgefer.support.atomic import replacing
from edgefer.support.progress import progress_bar
from edgefer.train.settings import find_data

LABELS = "costache4"
#: From this score on a row's landmarks are taken as confident, where their file does not say it: that of the
#: teacher, for a face. Files of our network have the least of its confidences in face, eyes and mouth as score.
CONFIDENT_TEACHER = 0.9
#: What a row needs, besides a class.
RULE = "landmarks are confident (score {} or more) and have a sketch"


@dataclass(frozen=True)
class Faces:
    """Landmarks with the class each was given.

    Attributes:
        points: float32, shape (N, 68, 2), pixels of the image.
        truth: int64, shape (N,), indices of COSTACHE4.
        votes: float32, shape (N, 4), of the classes, rows sum to one.
        row: int64, shape (N,), in the data's file.
        rule, counts: which rows count; and how many do and do not, by reason.
    """

    points: np.ndarray
    truth: np.ndarray
    votes: np.ndarray
    row: np.ndarray
    rule: str
    counts: str

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: np.ndarray) -> Faces:
        """These rows alone; `counts` stays as it is."""
        return replace(
            self, points=self.points[rows], truth=self.truth[rows], votes=self.votes[rows], row=self.row[rows]
        )


def load_faces(split: str, data: str, landmarks: Path, rule: str = "majority") -> Faces:
    """The rows of a split that count and whose landmarks are confident.

    Args:
        data: the npz of FER-2013 with the votes of FER+.
        landmarks: npz with `points` and `score` of all rows, as `python -m edgefer.train.teachers` and `python -m
            edgefer.train.sketch landmarks` write it.
        rule: by which votes become a class, one of datasets.RULES.

    Raises:
        UsageError: a file is missing or is none of that kind.
    """
    loaded = datasets.load(find_data(data), split, labels=LABELS, rule=rule)
    try:
        with np.load(landmarks) as kept:
            points, score, least = kept["points"], kept["score"], _least(kept)
    except (OSError, KeyError, ValueError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UsageError(
            f"{landmarks}: expected the landmarks of FER-2013, as `python -m edgefer.train.teachers` writes them: {why}"
        ) from None
    row = loaded.tags["row"].astype(np.int64)
    if len(points) <= row.max():
        raise UsageError(f"{landmarks}: expected the landmarks of all rows of {data}, got {len(points)}")
    assert loaded.distributions is not None
    confident = score[row] >= least
    drawn = confident & np.array([has_sketch(each) for each in points[row]])
    dropped = {
        **loaded.dropped,
        "without confident landmarks": int((~confident).sum()),
        "without a sketch": int((confident & ~drawn).sum()),
    }
    total = len(loaded) + sum(loaded.dropped.values())
    words = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count)
    counts = f"{int(drawn.sum())} of {total} rows count; dropped: {words or 'none'}"
    kept_rows = np.flatnonzero(drawn)
    return Faces(
        points[row[kept_rows]].astype(np.float32),
        loaded.truth[kept_rows],
        grouped(loaded.distributions[kept_rows], loaded.truth[kept_rows]),
        row[kept_rows],
        f"{loaded.rule}; {RULE.format(f'{least:g}')}",
        counts,
    )


def same_rows(faces: Faces, landmarks: Path) -> Faces:
    """The same rows with the landmarks of another network; the first's stay where the other's are not confident."""
    with np.load(landmarks) as kept:
        points, score, least = kept["points"][faces.row], kept["score"][faces.row], _least(kept)
    sure = (score >= least) & np.array([has_sketch(each) for each in points])
    return replace(faces, points=np.where(sure[:, None, None], points, faces.points).astype(np.float32))


def _least(kept: Mapping[str, np.ndarray]) -> float:
    """The score from which the landmarks of a file are confident."""
    return float(kept["least"]) if "least" in kept else CONFIDENT_TEACHER


def has_sketch(points: np.ndarray) -> bool:
    try:
        place(points)
    except NoSketch:
        return False
    return True


def grouped(votes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Shares of FERPLUS8 as shares of the four classes; a row without any has all on its class."""
    result = np.zeros((len(votes), len(COSTACHE4)), np.float32)
    for index, label in enumerate(FERPLUS8):
        if (group := class_of(label, LABELS)) >= 0:
            result[:, group] += votes[:, index]
    total = result.sum(axis=1, keepdims=True)
    return np.where(total > 0, result / np.maximum(total, 1e-9), np.eye(len(COSTACHE4), dtype=np.float32)[truth])


def own_landmarks(data: str, out: Path, splits: Sequence[str] = ("train", "val")) -> str:
    """Landmarks of FER-2013 by our own network, found as in photographs, written as those of the teacher are.

    Returns:
        How many faces of each split were found, in words. The points of the others are 0, and so is their score.

    Raises:
        UsageError: the data is not there, or no landmark network.
    """
    find = open_landmarker("the data")
    path, found = find_data(data), []
    out.parent.mkdir(parents=True, exist_ok=True)
    with np.load(path) as archive:
        webp, offset, split = archive["webp"], archive["offset"], archive["split"]
    count = len(offset) - 1
    points, score = np.zeros((count, 68, 2), np.float32), np.zeros(count, np.float32)
    for name in splits:
        rows = np.flatnonzero(split == datasets.SPLITS.index(name))
        for row in progress_bar(rows, f"landmarks of {name}", len(rows)):
            image = cv2.imdecode(webp[offset[row] : offset[row + 1]], cv2.IMREAD_GRAYSCALE)
            marks = None if image is None else find(image)
            if marks is not None:
                points[row], score[row] = marks.points, confidence(marks)
        found.append(f"{int((score[rows] > 0).sum())} of {len(rows)} rows of {name}")
    with replacing(out) as scratch, scratch.open("wb") as file:
        np.savez(file, points=points, score=score, least=CONFIDENT)
    return ", ".join(found)


def drawn_evenly(faces: Faces, rows: int, seed: int) -> np.ndarray:
    """Row numbers, rising: as many of each class as of any other, up to one, drawn by the seed."""
    rng = np.random.default_rng(seed)
    classes = len(COSTACHE4)
    shares = [rows // classes + (index < rows % classes) for index in range(classes)]
    chosen = []
    for index, share in enumerate(shares):
        own = np.flatnonzero(faces.truth == index)
        if len(own) < share:
            raise UsageError(f"rows: expected {share} of class {COSTACHE4[index]}, there are {len(own)}")
        chosen.append(rng.choice(own, share, replace=False))
    return np.sort(np.concatenate(chosen))


def real_values(levels: np.ndarray) -> np.ndarray:
    """Levels 0 to 255 as networks see them: float32, (level - 128) / 128, with a last axis for the plane."""
    return ((levels.astype(np.float32) - 128) / 128)[..., np.newaxis]


def sketches(points: np.ndarray, side: int, upright: bool = False) -> np.ndarray:
    """float32, shape (N, side, side, 1), real values."""
    return real_values(np.stack([sketch(each, side, upright) for each in points]))
