"""Rows of a set of people, as KDEF, with their eighteen points, divided 90:10 as the paper does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgefer.errors import UsageError
from edgefer.geometry import Box
from edgefer.labels import BASIC7
from edgefer.landmarks.base import Landmarks
from edgefer.measure import datasets
from edgefer.measure.evaluate import open_landmarker
from edgefer.preprocess.points import chain, features
from edgefer.recognize.geometry import NOSE_TIP
from edgefer.support.progress import progress_bar
from edgefer.train.data.splits import divide
from edgefer.train.geometry.rows import Rows

Finder = Callable[[np.ndarray], "Landmarks | None"]


def load_people(folder: Path, source: str, division: str = "holdout", find: Finder | None = None) -> tuple[Rows, Rows]:
    """Train and test rows of a folder that datasets.load can read, as KDEF (`AF01ANS.JPG`).

    Args:
        source: of the points, "classic" or "landmarks"; both need landmarks.
        division: of edgefer.train.data.splits.divide; "holdout" is 90:10, every person on both sides.
        find: finds the landmarks of a crop; the shipped network by default.

    Raises:
        UsageError: the folder is none of these, there is no landmark network, or no face has its points.
    """
    find = find or open_landmarker("a set of people")
    data = datasets.load(folder, labels="basic7")
    if data.labels != "basic7":
        raise UsageError(f"{folder}: expected the seven expressions {', '.join(BASIC7)}, got the set {data.labels}")
    points, kept = [], []
    dropped = Counter(data.dropped)
    for row, image in enumerate(progress_bar(data.images, "finding points", len(data))):
        marks = find(image)
        if marks is None:
            dropped["without landmarks"] += 1
            continue
        found = features.from_landmarks(marks.points)
        if source == "classic":
            box = Box(0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
            through = chain.find(image, box, marks.points[NOSE_TIP], marks.points)
            if through.points is None:
                dropped[f"the chain failed at: {through.failed}"] += 1
                continue
            found = through.points
        points.append(found)
        kept.append(row)
    if not kept:
        raise UsageError(f"{folder}: no face has all its points")
    rows = np.array(kept)
    whole = data.take(rows)
    at = {int(row): index for index, row in enumerate(rows)}
    words = ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count)
    counts = f"{len(kept)} of {len(data) + sum(data.dropped.values())} rows count; dropped: {words or 'none'}"
    whole.tags["row"] = rows.astype(str)
    parts = []
    for part in divide(whole, division):
        chosen = np.array([at[int(row)] for row in part.tags["row"]])
        parts.append(
            Rows(
                np.array(points, np.float32)[chosen],
                part.truth,
                np.full(len(part.truth), -1),
                rows[chosen],
                f"{counts}; {division}: {len(chosen)}",
            )
        )
    return parts[0], parts[1]
