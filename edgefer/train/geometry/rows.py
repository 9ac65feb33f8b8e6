"""Rows with their eighteen points: of FER-2013, and of a set of photographs, by landmarks or by the classic chain."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgefer.errors import UsageError
from edgefer.geometry import Box
from edgefer.labels import BASIC7, label_set
from edgefer.measure import datasets
from edgefer.preprocess.points import chain, features
from edgefer.recognize.geometry import NOSE_TIP
from edgefer.support.atomic import replacing
from edgefer.support.progress import progress_bar
from edgefer.support.stills import decode_image
from edgefer.train.command import read_table
from edgefer.train.settings import find_data

#: From this score of the landmark teacher on, a row's landmarks are taken as confident; files of other networks say.
CONFIDENT = 0.9
TEACHER, SHIPPED = "a teacher, not of the network that ships", "the network that ships, found as in photographs"
#: What a file of points is, for who looks for it.
POINTS = "what python -m edgefer.train.geometry points writes"
SOURCES = ("classic", "landmarks")
#: Says which rows count.
RULE = (
    "FER+ majority: single votes are taken off, the top class of the ten must hold over half of the votes that remain, "
    "and be one of the seven of the paper; rows byte-equal to a train row are left out; all eighteen points were found"
)


class Rows(NamedTuple):
    """Points with the class each face was given.

    Attributes:
        points: float32, shape (N, 18, 2), pixels of the image.
        truth: int64, shape (N,), indices of BASIC7.
        emotion: int64, shape (N,), FER-2013's own label of the same rows, -1 where there is none.
        row: int64, shape (N,), in the data's file.
        counts: which rows count and which do not, in words.
    """

    points: np.ndarray
    truth: np.ndarray
    emotion: np.ndarray
    row: np.ndarray
    counts: str

    def take(self, rows: np.ndarray) -> Rows:
        """These rows alone; `counts` stays as it is."""
        return Rows(self.points[rows], self.truth[rows], self.emotion[rows], self.row[rows], self.counts)


class Marks(NamedTuple):
    """68 landmarks (N, 68, 2) of every image, how sure their network is of each, (N,), from where on it counts, and
    which network it is, in words."""

    points: np.ndarray
    score: np.ndarray
    least: float = CONFIDENT
    network: str = TEACHER


def read_marks(path: Path) -> Marks:
    """The landmarks of the teacher, by `python -m edgefer.train.teachers`, or of FER-2013 those of the network that
    ships, by `python -m edgefer.train.sketch landmarks`.

    Raises:
        UsageError: the file is missing or is not of that kind.
    """
    try:
        with np.load(path) as kept:
            of = (float(kept["least"]), SHIPPED) if "least" in kept else (CONFIDENT, TEACHER)
            return Marks(kept["points"].astype(np.float64), kept["score"], *of)
    except (OSError, KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path}: expected landmarks, by python -m edgefer.train.teachers: {reason}") from None


def find_points(data: str, marks: Marks, split: int, limit: int | None, out: Path) -> None:
    """Runs the classic chain on the rows of a split of FER-2013, and writes what it found to a file, which it adds to.

    Args:
        split: 0 train, 1 val.
        limit: most rows, drawn at random; None for all.
        out: npz with `points` (N, 18, 2), nan where a stage failed, `failed` and `done`, over all rows of the data.

    Raises:
        UsageError: the data is not there, or the file is damaged, or of other data.
    """

    def keep() -> None:
        with replacing(out) as scratch, scratch.open("wb") as file:
            np.savez(file, points=points, failed=failed, done=done)

    names = ("webp", "offset", "split")
    webp, offset, splits = read_table(find_data(data), "FER-2013, here or under EDGEFER_DATA", *names).values()
    count = len(splits)
    points, failed = np.full((count, features.COUNT, 2), np.nan, np.float32), np.full(count, "", "<U10")
    done = np.zeros(count, bool)
    if out.exists():
        points, failed, done = read_table(out, POINTS, "points", "failed", "done").values()
        if len(done) != count:
            raise UsageError(f"{out}: holds points of {len(done)} rows, got data of {count}; choose another --out")
    rows = np.random.default_rng(0).permutation(np.flatnonzero(splits == split))[:limit]
    for number, row in enumerate(progress_bar(rows[~done[rows]], "finding points", int((~done[rows]).sum()))):
        image = decode_image(webp[offset[row] : offset[row + 1]], 0)
        if image is None:
            continue
        box = Box(0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
        found = chain.find(image, box, marks.points[row, NOSE_TIP], marks.points[row])
        failed[row], done[row] = found.failed, True
        if found.points is not None:
            points[row] = found.points
        if number % 500 == 499:
            keep()
    keep()


def load_rows(data: str, split: str, marks: Marks, classic: Path | None = None) -> Rows:
    """The rows of FER-2013 that count, with their points.

    Args:
        split: train or val.
        classic: what `find_points` wrote, for points of the classic chain; None takes those of the landmarks.

    Raises:
        UsageError: the data or the points are not there.
    """
    loaded = datasets.load(find_data(data), split, labels="ferplus8")
    names = label_set("ferplus8")
    row = loaded.tags["row"].astype(np.int64)
    with np.load(find_data(data)) as archive:
        emotion = archive["emotion"].astype(np.int64)
    truth = np.array([BASIC7.index(name) if name in BASIC7 else -1 for name in names])[loaded.truth]
    dropped: Counter[str] = Counter(loaded.dropped)
    keep = truth >= 0
    dropped["contempt, not in basic7"] += int((~keep).sum())
    if classic is None:
        points = np.array([features.from_landmarks(each) for each in marks.points[row]])
        confident = (marks.score[row] >= marks.least) & np.isfinite(points).all(axis=(1, 2))
        dropped["without confident landmarks"] += int((keep & ~confident).sum())
        keep &= confident
    else:
        known = read_table(classic, POINTS, "points", "done", "failed")
        points, done, failed = (each[row] for each in known.values())
        dropped["not looked at"] += int((keep & ~done).sum())
        for stage in chain.STAGES:
            dropped[f"the chain failed at: {stage}"] += int((keep & done & (failed == stage)).sum())
        keep &= done & np.isfinite(points).all(axis=(1, 2))
    kept_rows = np.flatnonzero(keep)
    words = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count)
    total = len(loaded) + sum(loaded.dropped.values())
    counts = f"{len(kept_rows)} of {total} rows count; dropped: {words or 'none'}"
    return Rows(points[kept_rows].astype(np.float32), truth[kept_rows], emotion[row[kept_rows]], row[kept_rows], counts)


class Photographs(NamedTuple):
    """A zip of photographs, one face each.

    Attributes:
        images: uint8 (H, W) each. names: of the files. emotions: as labels.csv has them.
    """

    images: list[np.ndarray]
    names: list[str]
    emotions: list[str]


def read_photographs(path: Path) -> Photographs:
    """The photographs of a zip with a `labels.csv` of the columns image and emotion.

    Raises:
        UsageError: it is not such a file.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open("labels.csv") as table:
            rows = list(csv.DictReader(io.TextIOWrapper(table, "utf-8")))
            images = [decode_image(np.frombuffer(archive.read(row["image"]), np.uint8), 0) for row in rows]
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: expected a zip with labels.csv and its images: {error}") from None
    readable = [image for image in images if image is not None]
    if len(readable) < len(images):
        raise UsageError(f"{path}: holds an image that cannot be read")
    return Photographs(readable, [row["image"] for row in rows], [row["emotion"] for row in rows])
