"""What scenes are composed of: photographs with the faces in them, and pictures without any."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edgefer.train.detector.labels import SURE, Faces

#: One photograph in so many is kept from training.
KEPT = 12
#: Pictures smaller than a scene are left out.
LEAST = (120, 160)


class Sources(NamedTuple):
    """What scenes are composed of: photographs with their faces, and pictures without any.

    Attributes:
        levels: of each photograph its pixels at full, half and quarter size.
        faces: of each photograph its faces, float32 (n, 14), as in a Scene; the first is one for certain.
        backgrounds: uint8, each at least 160x120.
    """

    levels: list[list[np.ndarray]]
    faces: list[np.ndarray]
    backgrounds: list[np.ndarray]


def sources(labelled: Sequence[Faces], backgrounds: Sequence[np.ndarray], kept: bool) -> Sources:
    """Of photographs the part kept from training or the other, with at least one certain face each."""
    levels, tables = [], []
    for faces in labelled:
        for index, image in enumerate(faces.images):
            mine = faces.image == index
            if (index % KEPT == 0) != kept or not mine.any() or faces.score[mine].max() < SURE:
                continue
            flat = faces.points[mine].reshape(-1, 10)
            table = np.concatenate([faces.square[mine], flat, (faces.score[mine] >= SURE)[:, None]], axis=1)
            if table[0, 13] and table[0, 2] >= 16:
                half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
                quarter = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
                levels.append([image, half, quarter])
                tables.append(table.astype(np.float32))
    return Sources(levels, tables, list(backgrounds))


def backgrounds(folders: Sequence[Path], longest: int = 1000) -> dict[str, np.ndarray]:
    """Pictures under some folders by the path of each, grey, of moderate size; of one in many sizes the largest."""
    pictures: dict[str, np.ndarray] = {}
    by_name: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp") and path.is_file() and not path.is_symlink():
                if path.parent.name in ("screenshot", "images_dark"):
                    continue
                stem = re.sub(r"[_-]?[0-9]+x[0-9]+$", "", path.stem)
                key = str(path.parent / stem if stem else path.parent)
                if key not in by_name or path.stat().st_size > by_name[key].stat().st_size:
                    by_name[key] = path
    for key, path in by_name.items():
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if image is None or min(image.shape) < 100:
            continue
        scale = min(1.0, longest / max(image.shape))
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if image.shape[0] >= LEAST[0] and image.shape[1] >= LEAST[1]:
            pictures[key] = image
    return pictures
