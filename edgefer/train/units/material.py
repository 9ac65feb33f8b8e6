"""What the networks learn from: crops of made faces with their intensities, and of real ones with the teacher's.

Made once and kept as arrays that are read as they are needed. A crop is what a device would see: the landmark network
that ships has looked at the picture, and its points place the crop.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgefer.errors import UsageError
from edgefer.geometry import Box
from edgefer.landmarks.network import LandmarkNetwork, open_network
from edgefer.landmarks.squares import around_points
from edgefer.preprocess.aligned import Layout, aligned
from edgefer.support.atomic import write_bytes
from edgefer.support.progress import progress_bar
from edgefer.train import teachers
from edgefer.train.command import read_table
from edgefer.train.data.synthetic import films, identities, units
from edgefer.train.data.synthetic.script import Event
from edgefer.train.data.synthetic.units import FULL, UNITS
from edgefer.train.data.synthetic.warp import Face
from edgefer.train.landmarks.data import SURE
from edgefer.train.units.teacher import BlendshapeTeacher, intensities

#: What the network sees, and how much more is kept on each side, so that a crop can be shifted in training.
LAYOUT, ROOM = Layout(96, 80, 45.0, 29.0), 4
#: Sides of the frames that made faces are drawn in, pixels, and pictures of each face by part.
SIDES, PICTURES = (88, 200), {"train": 26, "val": 16, "test": 30}
#: Copies of each real face of train, each with other landmarks and another size.
COPIES = 2


@dataclass(frozen=True)
class Rows:
    """Crops and what they show.

    Attributes:
        crops: uint8 (N, H + 2 ROOM, W + 2 ROOM). units: float32 (N, len(UNITS)), 0 to 5; nan where nobody knows.
        names: of the faces, (N,).
        coefficients: float32 (N, 52), of the teacher; empty for made faces.
    """

    crops: np.ndarray
    units: np.ndarray
    names: np.ndarray
    coefficients: np.ndarray


def make(data: Path, labels: Path, out: Path, seed: int = 1) -> None:
    """All parts, made and real, as files in a folder; those that are there stay.

    Args:
        labels: directory with `faces.npz`, which `edgefer.train.teachers` writes.
    """
    out.mkdir(parents=True, exist_ok=True)
    network = open_network()
    for part in identities.PARTS:
        if not (out / f"made_{part}.npz").exists():
            _save(out / f"made_{part}", list(_made(data, labels, part, network, seed)))
        if not (out / f"real_{part}.npz").exists():
            _save(out / f"real_{part}", list(_real(data, labels, part, network, seed)))


def load(folder: Path, name: str) -> Rows:
    """Rows of a folder: `made_` or `real_` and a part.

    Raises:
        UsageError: they are not there.
    """
    try:
        with np.load(folder / f"{name}.npz") as kept:
            known = {key: kept[key] for key in ("units", "names", "coefficients")}
        return Rows(np.load(folder / f"{name}.npy", mmap_mode="r"), **known)
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; python -m edgefer.train.units make writes it") from None


_Row = tuple[np.ndarray, np.ndarray, str, np.ndarray]


def _save(path: Path, rows: list[_Row]) -> None:
    crops, truth, names, coefficients = zip(*rows, strict=True)
    np.save(path.with_suffix(".npy"), np.stack(crops))
    file = io.BytesIO()
    columns = {"units": np.stack(truth), "names": np.array(names), "coefficients": np.stack(coefficients)}
    np.savez(file, allow_pickle=False, **columns)
    write_bytes(path.with_suffix(".npz"), file.getvalue())


def shown(rng: np.random.Generator) -> dict[int, float]:
    """Intensities of one picture: rest, an expression, or some units, at any strength; eyes may be shut besides."""
    kind = rng.random()
    values: dict[int, float] = {}
    if kind < 0.45:
        expression = str(rng.choice([name for name in units.EXPRESSIONS if name != "neutral"]))
        full = FULL * float(rng.uniform(0.15, 1))
        values = {
            unit: full * share * float(rng.uniform(0.85, 1)) for unit, share in units.EXPRESSIONS[expression].items()
        }
    if kind < 0.10 or 0.45 <= kind < 0.90:
        chosen = rng.choice([unit for unit in UNITS if unit != 43], rng.integers(1, 5), replace=False)
        values |= {int(unit): FULL * float(rng.uniform(0.1, 1)) for unit in chosen}
        if 26 in values:
            values[25] = max(values.get(25, 0.0), values[26])
    if rng.random() < 0.15:
        values[43] = FULL * float(rng.uniform(0.1, 1))
    return values


def _made(data: Path, labels: Path, part: str, network: LandmarkNetwork, seed: int) -> Iterator[_Row]:
    people = identities.photographs(data, labels, part)
    nothing = np.empty(0, np.float32)
    for number, identity in enumerate(progress_bar(people, f"made faces, {part}")):
        rng = np.random.default_rng((seed, identities.PARTS.index(part), number))
        face = Face(identity, seed=number)
        for _ in range(PICTURES[part]):
            still = Event(-1.0, 0.0, 2.0, shown(rng), hold_s=1.0)  # at its apex in the one picture there is
            side, one = int(np.exp(rng.uniform(*np.log(SIDES)))), int(rng.integers(1 << 30))
            taken = films.film(face, [still], 1 / 30, 30, side, one)
            crop = _seen(taken.frames[0], taken.landmarks[0], network, rng)
            if crop is not None:
                yield crop, taken.units[0], identity.name, nothing


def _real(data: Path, labels: Path, part: str, network: LandmarkNetwork, seed: int) -> Iterator[_Row]:
    written = "what python -m edgefer.train.teachers writes"
    known = read_table(labels / "faces.npz", written, "name", "points", "score")
    row_of = dict(zip(known["name"].tolist(), range(len(known["name"])), strict=True))
    teacher = BlendshapeTeacher(data)
    rng = np.random.default_rng((seed, 9, identities.PARTS.index(part)))
    for number, (path, image) in enumerate(progress_bar(teachers.photographs(data), f"real faces, {part}")):
        if identities.part_of(number) != part:
            continue
        name = Path(path).name
        points = known["points"][row_of[name]]
        if known["score"][row_of[name]] < SURE:
            continue
        coefficients = teacher.coefficients(image, points)
        truth = intensities(coefficients[None], teacher.names, points[None])[0]
        for copy in range(COPIES if part == "train" else 1):
            picture, scale = (image, 1.0) if copy == 0 else _worse(image, rng)
            crop = _seen(picture, (points + 0.5) * scale - 0.5, network, rng)
            if crop is not None:
                yield crop, truth, name, coefficients


def _seen(
    grey: np.ndarray, points: np.ndarray, network: LandmarkNetwork, rng: np.random.Generator
) -> np.ndarray | None:
    """The crop that a device would take."""
    return aligned(grey, looked(grey, points, network, rng), LAYOUT.wider(ROOM))


def looked(grey: np.ndarray, points: np.ndarray, network: LandmarkNetwork, rng: np.random.Generator) -> np.ndarray:
    """The landmarks that a device would find: from a square that is a little off, two looks."""
    square = around_points(points)
    x, y = (np.array(square.centre) + rng.normal(0, 0.03, 2) * square.width).tolist()
    half = square.width / 2 * float(np.exp(rng.normal(0, 0.05)))
    box = Box(x - half, y - half, x + half, y + half)
    found = points
    for _ in range(2):
        found = network.locate(grey, box).points
        box = network.around_points(found)
    return found


def _worse(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A photograph smaller, noisier and compressed; and how much smaller."""
    scale = float(rng.uniform(0.5, 1))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    small += rng.normal(0, rng.uniform(0, 5), small.shape)
    _, coded = cv2.imencode(
        ".jpg", np.clip(np.rint(small), 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))]
    )
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)), small.shape[1] / image.shape[1]


def tags(data: Path) -> dict[str, str]:
    """The emotion that each photograph of faces.zip is tagged with, by its name."""
    with zipfile.ZipFile(data / "faces" / "faces.zip") as archive:
        table = io.StringIO(archive.read("labels.csv").decode("utf-8"))
    return {row["image"]: row["emotion"] for row in csv.DictReader(table)}


def teacher_names(data: Path) -> tuple[str, ...]:
    """The teacher's coefficients, by name."""
    return tuple(json.loads((data / "teachers" / "face_blendshapes_v2.json").read_text())["names"])
