"""Whose faces move: photographs, divided so that no face is on two sides, and faces that are drawn."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np

from edgefer.errors import UsageError
from edgefer.train import teachers
from edgefer.train.command import read_table
from edgefer.train.data.synthetic.warp import Identity
from edgefer.train.landmarks.data import SURE

#: Every twentieth photograph is for choosing, as the landmark network's are; every twentieth between them for judging.
PARTS = ("train", "val", "test")
#: A face at rest as the points see it, in eye distances: widest distance of the lips, narrowest of the lids, how far
#: the nose's tip lies from the middle of the eyes; and the least eye distance, pixels.
LIPS, LIDS, ASIDE, SMALLEST_PX = 0.06, 0.06, 0.15, 45


def part_of(number: int) -> str:
    """The part of a photograph by its place in the order of names."""
    return {0: "val", 10: "test"}.get(number % 20, "train")


def photographs(data: Path, labels: Path, part: str) -> list[Identity]:
    """The faces of faces.zip that are tagged neutral, look at the camera, and have their mouth shut and eyes open.

    Args:
        data: directory with `faces/faces.zip`. labels: that with `faces.npz`, which `edgefer.train.teachers` writes.
        part: one of PARTS.

    Raises:
        UsageError: an unknown part, or a file is missing.
    """
    if part not in PARTS:
        raise UsageError(f"unknown part {part!r}; available: {', '.join(PARTS)}")
    for path in (data / "faces" / "faces.zip", labels / "faces.npz"):
        if not path.is_file():
            raise UsageError(f"{path}: no such file; it holds the faces that are to move")
    with zipfile.ZipFile(data / "faces" / "faces.zip") as archive:
        table = io.StringIO(archive.read("labels.csv").decode("utf-8"))
    neutral = {row["image"] for row in csv.DictReader(table) if row["emotion"] == "neutral"}
    written = "what python -m edgefer.train.teachers writes"
    known = read_table(labels / "faces.npz", written, "name", "points", "score")
    row_of = dict(zip(known["name"].tolist(), range(len(known["name"])), strict=True))
    points, score = known["points"], known["score"]
    found = []
    for number, (path_name, image) in enumerate(teachers.photographs(data)):
        name = Path(path_name).name
        row = row_of[name]
        if part_of(number) == part and name in neutral and score[row] >= SURE and at_rest(points[row]):
            found.append(Identity(name, image, points[row]))
    return found


def at_rest(points: np.ndarray) -> bool:
    """Whether 68 points are those of a face that looks at the camera, mouth shut, eyes open."""
    across = points[45] - points[36]
    size = float(np.hypot(*across))
    if size < SMALLEST_PX:
        return False
    lids = np.linalg.norm(points[[37, 38, 43, 44]] - points[[41, 40, 47, 46]], axis=1).mean() / size
    lips = np.linalg.norm(points[[61, 62, 63]] - points[[67, 66, 65]], axis=1).mean() / size
    aside = abs(float((points[30] - points[[36, 45]].mean(axis=0)) @ across)) / size**2
    return bool(lids > LIDS and lips < LIPS and aside < ASIDE)
