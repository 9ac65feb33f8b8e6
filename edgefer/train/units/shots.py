"""Pairs to learn from: a face in a film, and the same face at rest earlier in it.

A film begins at rest; from its frames comes the face at rest, as a device finds it. Then units show, in other strengths
in each frame, drawn as those of single pictures are (material.shown). One film has one size, one light and one head
that sways, as a camera's has.
"""

from __future__ import annotations

import io
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgefer.errors import UsageError
from edgefer.landmarks.network import LandmarkNetwork, open_network
from edgefer.preprocess import pairs
from edgefer.preprocess.aligned import aligned
from edgefer.support.atomic import write_bytes
from edgefer.support.progress import progress_bar
from edgefer.train.data.synthetic import films, identities
from edgefer.train.data.synthetic.script import Camera, Event
from edgefer.train.data.synthetic.warp import Face
from edgefer.train.units.material import SIDES, looked, shown

#: Frames at rest that a film begins with, frames a second, and pictures of each film by part.
QUIET, RATE, PICTURES = 8, 3.0, {"train": 24, "turned": 24, "val": 20, "test": 30}
#: In training heads sway up to so many times as much, and the face at rest is the median of at least so many frames.
SWAY, FEWEST = 2.0, 3
#: Besides, so many of the people of train, every second one, turn their heads much more, and their faces stand out of
#: the plane as they do; each such pair counts twice.
TURNED, TURNING = (1.0, 3.0), 250


SEEDS = (*identities.PARTS, "turned")


@dataclass(frozen=True)
class Shots:
    """Pairs, and what they show.

    Attributes:
        planes: int8 (N, *pairs' planes). units: float32 (N, len(UNITS)), 0 to 5.
        names: of the faces, (N,). eyes_px: float32 (N,), distance of the outer corners of the eyes in the frames.
    """

    planes: np.ndarray
    units: np.ndarray
    names: np.ndarray
    eyes_px: np.ndarray


_FIELDS = tuple(each.name for each in fields(Shots))


def film(face: Face, rng: np.random.Generator, pictures: int, camera: Camera, between: int = 0) -> films.Film:
    """A film that begins at rest and then shows so many pictures, with so many frames at rest after each."""
    first, step = QUIET, 1 + between
    t = np.arange(first + pictures * step) / RATE
    events = [
        Event(t[at] - 0.02, t[at], t[at] + 0.04, shown(rng), hold_s=0.02)
        for at in range(first, first + pictures * step, step)
    ]
    side, seed = int(np.exp(rng.uniform(*np.log(SIDES)))), int(rng.integers(1 << 30))
    return films.film(face, events, len(t) / RATE, RATE, side, seed, camera)


def make(
    data: Path,
    labels: Path,
    out: Path,
    parts: Sequence[str] = ("val", "turned", "train"),
    sets: int = 1,
    processes: int = 1,
) -> None:
    """Pairs as files in a folder; those that are there stay.

    Args:
        labels: directory with `faces.npz`, which `edgefer.train.teachers` writes. parts: to make, in order.
        sets: of train, so many, each of other films of the same people. processes: that make them, with equal result.
    """
    for part in parts:
        for number in range(1, sets + 1 if part == "train" else 2):
            _make(data, labels, out, part, number, processes)


def _set(part: str, number: int) -> str:
    """The name of the files of a set."""
    return f"shots_{part}" + (f"_{number}" if number > 1 else "")


def _make(data: Path, labels: Path, out: Path, part: str, seed: int, processes: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    file = out / _set(part, seed)
    if file.with_suffix(".npz").exists():
        return
    people = identities.photographs(data, labels, "train" if part == "turned" else part)
    people = people[::2][:TURNING] if part == "turned" else people
    shape = (len(people) * PICTURES[part], pairs.ROWS, pairs.COLUMNS, pairs.PLANES)
    planes = np.lib.format.open_memmap(file.with_suffix(".npy"), "w+", np.int8, shape)
    truth: list[np.ndarray] = []
    names: list[str] = []
    eyes: list[float] = []
    with _elsewhere(processes) as spread:
        films_of = spread(partial(_person, part, seed), enumerate(people))
        for identity, rows in zip(progress_bar(people, f"films, {part}"), films_of, strict=True):
            for found, units, size in rows:
                planes[len(names)] = found
                truth.append(units)
                names.append(identity.name)
                eyes.append(size)
    planes.flush()
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, units=np.stack(truth), names=names, eyes_px=np.array(eyes, np.float32))
    write_bytes(file.with_suffix(".npz"), content.getvalue())


@contextmanager
def _elsewhere(processes: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """A map in order, by so many processes."""
    if processes == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(processes, cv2.setNumThreads, (1,)) as pool:
        yield pool.imap


@cache
def _network() -> LandmarkNetwork:
    return open_network()


def _person(
    part: str, seed: int, numbered: tuple[int, identities.Identity]
) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """All pairs of one person's film."""
    number, identity = numbered
    rng = np.random.default_rng((seed, 17, SEEDS.index(part), number))
    return list(_pairs(Face(identity, seed=number), part, _network(), rng))


def _pairs(
    face: Face, part: str, network: LandmarkNetwork, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    camera = Camera()
    if part == "train":
        camera = replace(camera, sway=float(rng.uniform(1, SWAY)))
    elif part == "turned":
        camera = replace(camera, sway=float(rng.uniform(*TURNED)), depth=1.0)
    taken = film(face, rng, PICTURES[part], camera)
    size = float(np.linalg.norm(taken.landmarks[0, 45] - taken.landmarks[0, 36]))
    crops = [
        aligned(grey, looked(grey, points, network, rng), pairs.LAYOUT)
        for grey, points in zip(taken.frames, taken.landmarks, strict=True)
    ]
    quiet = [crop for crop in crops[:QUIET] if crop is not None]
    if len(quiet) < FEWEST:
        return
    rest = pairs.at_rest(pairs.middle(quiet))
    for crop, units in zip(crops[QUIET:], taken.units[QUIET:], strict=True):
        if part in ("train", "turned"):  # a device does not always have that many
            some = rng.choice(len(quiet), rng.integers(FEWEST, len(quiet) + 1), replace=False)
            rest = pairs.at_rest(pairs.middle([quiet[number] for number in some]))
        if crop is not None:
            yield pairs.levels(pairs.against(rest, crop)), units, size


def load(folder: Path, part: str, sets: int = 1) -> Shots:
    """Pairs of a folder; with train, of which there may be several sets, those of heads that turn, twice.

    Raises:
        UsageError: they are not there.
    """
    if part != "train":
        return _load(folder / _set(part, 1))
    turned = _load(folder / _set("turned", 1))
    every = [*(_load(folder / _set(part, number)) for number in range(1, sets + 1)), turned, turned]
    return Shots(*(np.concatenate([getattr(each, name) for each in every]) for name in _FIELDS))


def _load(file: Path) -> Shots:
    try:
        with np.load(file.with_suffix(".npz")) as kept:
            known = {key: kept[key] for key in ("units", "names", "eyes_px")}
        return Shots(np.load(file.with_suffix(".npy"), mmap_mode="r")[: len(known["names"])], **known)
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; python -m edgefer.train.units make writes it") from None
