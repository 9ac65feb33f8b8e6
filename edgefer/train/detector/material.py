"""What scenes are composed of: photographs with the faces in them, and pictures without any."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edgefer.errors import UsageError
from edgefer.train.detector.labels import SURE, Faces, load

#: One photograph in so many is kept from training.
KEPT = 12
#: Pictures smaller than a scene are left out.
LEAST = (120, 160)


#: How often heads turned aside are taken, beside others; from how far the nose is off the middle of the eyes, in eye
#: distances (a turn by 20 degrees).
ASIDE, ASIDE_FROM = 3.0, 0.2
#: Share of the faces that are taken from the first set of labelled photographs.
FIRST = 0.65


class Sources(NamedTuple):
    """What scenes are composed of: photographs with their faces, and pictures without any.

    Attributes:
        levels: of each photograph its pixels at full, half and quarter size.
        faces: of each photograph its faces, float32 (n, 14), as in a Scene; the first is one for certain.
        backgrounds: uint8, each at least 160x120.
        upto: float64 (n,), sum of the chances of the photographs up to each, so that some are taken more often.
    """

    levels: list[list[np.ndarray]]
    faces: list[np.ndarray]
    backgrounds: list[np.ndarray]
    upto: np.ndarray


def sources(labelled: Sequence[Faces], backgrounds: Sequence[np.ndarray]) -> Sources:
    """Of photographs those with at least one certain face each; heads turned aside are taken more often."""
    levels: list[list[np.ndarray]] = []
    tables: list[np.ndarray] = []
    chances: list[np.ndarray] = []
    for number, faces in enumerate(labelled):
        begun = len(tables)
        for index in np.unique(faces.image):
            mine = faces.image == index
            flat = faces.points[mine].reshape(-1, 10)
            table = np.concatenate([faces.square[mine], flat, (faces.score[mine] >= SURE)[:, None]], axis=1)
            if table[0, 13] and table[0, 2] >= 16:
                image = faces.images[index]
                half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
                quarter = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
                levels.append([image, half, quarter])
                tables.append(table.astype(np.float32))
        if len(tables) > begun:
            chance = np.where(np.abs(aside(np.stack([table[0] for table in tables[begun:]]))) > ASIDE_FROM, ASIDE, 1.0)
            share = 1.0 if len(labelled) == 1 else FIRST if number == 0 else (1 - FIRST) / (len(labelled) - 1)
            chances.append(share * chance / chance.sum())
    upto = np.cumsum(np.concatenate(chances)) if chances else np.zeros(0)
    return Sources(levels, tables, list(backgrounds), upto)


def aside(faces: np.ndarray) -> np.ndarray:
    """How far the noses of faces (n, 14) are off the middle of the eyes, along these, in eye distances."""
    five = faces[:, 3:13].reshape(-1, 5, 2)
    between = five[:, 1] - five[:, 0]
    return ((five[:, 2] - five[:, :2].mean(axis=1)) * between).sum(axis=1) / (between**2).sum(axis=1).clip(1e-6)


def part(faces: Faces, kept: bool) -> Faces:
    """The faces of the photographs that are kept from training, or of the others."""
    chosen = (faces.image % KEPT == 0) == kept
    return faces._replace(**{name: getattr(faces, name)[chosen] for name in faces._fields[1:]})


def read_sources(labels: Path, folders: Sequence[Path], kept: bool) -> Sources:
    """What scenes are composed of, for training or kept from it; of the pictures every fourth is kept, too.

    Raises:
        UsageError: the tables or the pictures are not there.
    """
    labelled = [part(load(labels, "photographs"), kept), load(labels, "fer-val" if kept else "fer-train")]
    chosen = [image for index, image in enumerate(backgrounds(folders).values()) if (index % 4 == 1) == kept]
    found = sources(labelled, chosen)
    if not found.levels:
        raise UsageError(f"{labels}: its tables hold no face that is sure")
    if not found.backgrounds:
        raise UsageError(
            f"--backgrounds {' '.join(map(str, folders))}: too few pictures of {LEAST[1]}x{LEAST[0]} pixels or more"
        )
    return found


def backgrounds(folders: Sequence[Path], longest: int = 1000) -> dict[str, np.ndarray]:
    """Pictures under some folders by the path of each, grey, of moderate size; of one in many sizes the largest."""
    pictures: dict[str, np.ndarray] = {}
    by_name: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"--backgrounds {folder}: no such folder")
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
