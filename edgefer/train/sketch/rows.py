"""Rows of FER+ with their landmarks, and sketches of them: what all networks for sketches are trained and judged on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import COSTACHE4, FERPLUS8, class_of
from edgefer.measure import datasets
from edgefer.preprocess.sketch import NoSketch, place, sketch
from edgefer.train.settings import find_data

LABELS = "costache4"
#: From this score of the landmark teacher on, a row's landmarks are taken as confident.
CONFIDENT = 0.9
#: What a row needs, besides a class.
RULE = f"landmarks are confident (score of the teacher {CONFIDENT} or more) and have a sketch"


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
        landmarks: npz with `row`, `points` and `score`, as `python -m edgefer.train.teachers` writes it.
        rule: by which votes become a class, one of datasets.RULES.

    Raises:
        UsageError: a file is missing or is none of that kind.
    """
    loaded = datasets.load(find_data(data), split, labels=LABELS, rule=rule)
    try:
        with np.load(landmarks) as kept:
            points, score = kept["points"], kept["score"]
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(
            f"{landmarks}: expected the landmarks of FER-2013, as `python -m edgefer.train.teachers` "
            f"writes them: {' '.join(str(error).split())}"
        ) from None
    row = loaded.tags["row"].astype(np.int64)
    if len(points) <= row.max():
        raise UsageError(f"{landmarks}: expected the landmarks of all rows of {data}, got {len(points)}")
    assert loaded.distributions is not None
    confident = score[row] >= CONFIDENT
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
        f"{loaded.rule}; {RULE}",
        counts,
    )


def same_rows(faces: Faces, landmarks: Path) -> Faces:
    """The same rows with the landmarks of another network; those of the first stay where the other's have no sketch."""
    with np.load(landmarks) as kept:
        points = kept["points"][faces.row]
    drawn = np.array([has_sketch(each) for each in points])
    points = np.where(drawn[:, None, None], points, faces.points).astype(np.float32)
    return replace(faces, points=points)


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
