"""The Extended Cohn-Kanade set: films from a neutral face to the peak of an expression; and action units.

As distributed: `cohn-kanade-images/S005/001/S005_001_00000011.png`, and for each film that fits the prototype
of an emotion one file `Emotion/S005/001/S005_001_00000011_emotion.txt`, which holds its number and is named
after the peak, the last frame. 593 films of 123 people, 327 of them with an emotion. A film without the file
has none. `FACS/S005/001/S005_001_00000011_facs.txt` has one line an action unit, its number and its intensity, both
as `9.0000000e+00`; intensity 0 means that none was given.

Lucey et al., The Extended Cohn-Kanade Dataset (CK+), CVPR Workshops 2010, and the text that comes with it.

Action units may come from a csv as well. Its first column is `image`, the path of a picture from the csv's
folder; it has one more for each action unit, `AU1`, `AU2`, …, that holds 0 or 1.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgefer.errors import UsageError
from edgefer.measure.datasets.base import Dataset, files_under
from edgefer.measure.datasets.photographs import Listing, Picture, assemble, judged_on

IMAGES = "cohn-kanade-images"
#: Number in an emotion file to expression.
EMOTIONS = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")

_FRAME = re.compile(r"(S\d{3})_(\d{3})_\d{8}\.png", re.IGNORECASE)
_FILES = {"Emotion": "emotion", "FACS": "facs"}


def part(root: Path, name: str) -> Path | None:
    """The folder of one archive of the set, in `root` or one level below, where some tools unpack it."""
    folders = [folder for pattern in (name, f"*/{name}") for folder in sorted(root.glob(pattern))]
    return next((folder for folder in folders if folder.is_dir()), None)


def films(root: Path, listing: Listing) -> dict[tuple[str, str], list[Path]]:
    """The frames of each film in order, by subject and number; files that are none are listed."""
    images = part(root, IMAGES)
    if images is None:
        raise UsageError(f"{root}: expected a folder {IMAGES}, as in CK+")
    by_film: dict[tuple[str, str], list[Path]] = {}
    for file in files_under(images):
        name = _FRAME.fullmatch(file.name)
        where = file.relative_to(images).parts[:-1]
        if name is None or tuple(part.upper() for part in where) != (name[1].upper(), name[2]):
            listing.drop(file, "not named as in CK+")
        else:
            by_film.setdefault((name[1].upper(), name[2]), []).append(file)
    return by_film


def label_files(root: Path, kind: str, listing: Listing) -> dict[tuple[str, str], list[Path]]:
    """The files of one kind of label by film: kind is "Emotion" or "FACS"; files that are none are listed."""
    folder = part(root, kind)
    if folder is None:
        raise UsageError(f"{root}: expected a folder {kind} next to {IMAGES}, as in CK+")
    files: dict[tuple[str, str], list[Path]] = {}
    # the text of the set itself gives a FACS file as S0005_…: a zero more than its folder
    pattern = re.compile(rf"S\d{{3,4}}_\d{{3}}_\d{{8}}_{_FILES[kind]}\.txt", re.IGNORECASE)
    for file in files_under(folder):
        where = file.relative_to(folder).parts[:-1]
        if pattern.fullmatch(file.name) is None or len(where) != 2:
            listing.drop(file, "not named as in CK+")
        else:
            files.setdefault((where[0].upper(), where[1]), []).append(file)
    return files


def frame_name(file: Path) -> str:
    """The frame a label file is named after, `00000011`."""
    return file.stem.split("_")[2]


def load_ckplus(
    root: Path, labels: str, margin: float, where: Mapping[str, Sequence[str]] | None = None, peaks: int = 1
) -> Dataset:
    """Peak frames with their emotion, and the first frame of the same films as neutral.

    Args:
        root: folder with the images and `Emotion`.
        labels: label set; contempt is dropped where it has none.
        margin: about the detector's box, in parts of its side.
        where: only rows with these tags: subject, film, or frame "first" or "peak".
        peaks: frames taken from the end of each film, the peak among them.

    Raises:
        UsageError: a folder is missing, or no film has an emotion.
    """
    listing = Listing()
    frames, emotions = films(root, listing), label_files(root, "Emotion", listing)
    for film in sorted(set(emotions) - set(frames)):
        for file in emotions[film]:
            listing.drop(file, "labels without a film", "labels a film that is not there")
    for film, paths in frames.items():
        files = emotions.get(film, [])
        if not files:
            listing.dropped["films without an emotion"] += 1
            continue
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            listing.drop(paths[0].parent, "films labelled twice", f"labelled by {names}")
            continue
        label = emotion_of(files[0])
        if label is None:
            listing.drop(files[0], "labels that cannot be read", "expected one number from 0 to 7")
            continue
        numbers = [path.stem.split("_")[2] for path in paths]
        if frame_name(files[0]) not in numbers:
            listing.drop(files[0], "films without their peak", "the frame it is named after is missing")
            continue
        last = numbers.index(frame_name(files[0]))
        if last != len(paths) - 1:
            listing.problems.append(
                f"{files[0]}: named after frame {numbers[last]}, not the last; the film is taken to end there"
            )
        taken = paths[max(0, last + 1 - peaks) : last + 1]
        tags = {"subject": film[0], "film": "_".join(film)}
        if len(taken) < peaks or taken[0] == paths[0]:
            words = f"has {last + 1} frames; expected more than {peaks}"
            listing.drop(paths[0].parent, "films that are too short", words)
            continue
        listing.pictures.append(Picture(paths[0], "neutral", {**tags, "frame": "first"}))
        listing.pictures += [Picture(path, label, {**tags, "frame": "peak"}) for path in taken]
    if not listing.pictures:
        raise UsageError(f"{root}: no film has an emotion")
    ends = "the last frame" if peaks == 1 else f"the last {peaks} frames"
    rule = f"CK+, {ends} of each film with an emotion, and its first frame as neutral"
    return assemble(root, listing, judged_on(labels, set(EMOTIONS)), rule, margin, where)


def emotion_of(file: Path) -> str | None:
    """The expression of an emotion file, which holds one number such as 3.0000000e+00."""
    numbers = numbers_of(file)
    if numbers is None or len(numbers) != 1 or len(numbers[0]) != 1:
        return None
    number = numbers[0][0]
    return EMOTIONS[int(number)] if number in range(len(EMOTIONS)) else None


def numbers_of(file: Path) -> list[list[float]] | None:
    """The lines of a label file as numbers, empty lines left out; None where something else stands there."""
    try:
        lines = [line.split() for line in file.read_text(encoding="ascii").splitlines()]
        return [[float(word) for word in line] for line in lines if line]
    except (OSError, ValueError):
        return None


_UNIT = re.compile(r"AU(\d{1,2})")


@dataclass
class ActionUnits:
    """Coded pictures.

    Attributes:
        paths: of the pictures, N of them.
        units: numbers of the action units, rising: the columns of `present`.
        present: bool, shape (N, len(units)).
        intensity: uint8, shape as `present`: 1 to 5 for A to E; 0 where none was given or the unit is absent.
        problems: one line for each file or line that could not be used.
    """

    paths: list[Path]
    units: list[int]
    present: np.ndarray
    intensity: np.ndarray
    problems: list[str] = field(default_factory=list)


def read_action_units(path: Path) -> ActionUnits:
    """Read the csv, or CK+ from the folder with `cohn-kanade-images` and `FACS`.

    Raises:
        UsageError: a part is missing, the csv is malformed (with its line), or no picture is coded.
    """
    coded, problems = _read_ckplus(path) if path.is_dir() else _read_csv(path)
    if not coded:
        raise UsageError(f"{path}: no picture is coded")
    units = sorted({unit for _, codes in coded for unit in codes})
    present = np.array([[unit in codes for unit in units] for _, codes in coded])
    intensity = np.array([[codes.get(unit, 0) for unit in units] for _, codes in coded], np.uint8)
    return ActionUnits([picture for picture, _ in coded], units, present, intensity, problems)


def _read_ckplus(root: Path) -> tuple[list[tuple[Path, dict[int, int]]], list[str]]:
    listing, coded = Listing(), []
    frames, files = films(root, listing), label_files(root, "FACS", listing)
    for film in sorted(set(frames) | set(files)):
        if film not in frames:
            listing.problems.append(f"{files[film][0]}: codes a film that is not there")
            continue
        if len(files.get(film, [])) != 1:
            words = "coded twice" if film in files else "not coded"
            listing.problems.append(f"{frames[film][0].parent}: {words}")
            continue
        file = files[film][0]
        codes = codes_of(file)
        peak = [frame for frame in frames[film] if frame.stem.endswith(f"_{frame_name(file)}")]
        if codes is None:
            listing.problems.append(f"{file}: expected lines of an action unit and an intensity from 0 to 5")
        elif not peak:
            listing.problems.append(f"{file}: the frame it is named after is missing")
        else:
            coded.append((peak[0], codes))
    return coded, listing.problems


def codes_of(file: Path) -> dict[int, int] | None:
    """The action units of a FACS file and their intensities; None where something else stands there."""
    lines = numbers_of(file)
    if lines is None or any(len(line) != 2 for line in lines):
        return None
    codes = {}
    for unit, intensity in lines:
        if unit not in range(1, 100) or intensity not in range(6) or unit in codes:
            return None
        codes[int(unit)] = int(intensity)
    return codes


def _read_csv(path: Path) -> tuple[list[tuple[Path, dict[int, int]]], list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: not a readable csv: {error}") from None
    header = [name.strip() for name in lines[0]] if lines else []
    units = [int(unit[1]) for unit in map(_UNIT.fullmatch, header[1:]) if unit]
    if header[:1] != ["image"] or not units or len(units) < len(header) - 1:
        raise UsageError(f"{path}:1: expected the columns image, AU1, AU2, …")
    coded, problems = [], []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        if len(line) != len(header) or any(mark.strip() not in ("0", "1") for mark in line[1:]):
            raise UsageError(f"{path}:{number}: expected a path and {len(units)} times 0 or 1")
        picture = path.parent / line[0].strip()
        if not picture.is_file():
            problems.append(f"{path}:{number}: {picture} is not there")
            continue
        shown = [unit for unit, mark in zip(units, line[1:], strict=True) if mark.strip() == "1"]
        coded.append((picture, dict.fromkeys(shown, 0)))
    return coded, problems
