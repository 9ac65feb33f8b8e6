"""Which action units a face shows: from the FACS files of CK+, or from a csv.

CK+: `FACS/S005/001/S005_001_00000011_facs.txt`, one line an action unit, its number and its intensity, both
as `9.0000000e+00`; intensity 0 means that none was given. Lucey et al., CVPR Workshops 2010, and the text
that comes with the set.

A csv has a first column `image`, the path of a picture from the csv's folder, and one column for each action
unit, `AU1`, `AU2`, …, that holds 0 or 1.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgefer.errors import UsageError
from edgefer.measure.datasets.ckplus import films, frame_name, label_files, numbers_of
from edgefer.measure.datasets.photographs import Listing

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
        codes = _codes(file)
        peak = [frame for frame in frames[film] if frame.stem.endswith(f"_{frame_name(file)}")]
        if codes is None:
            listing.problems.append(f"{file}: expected lines of an action unit and an intensity from 0 to 5")
        elif not peak:
            listing.problems.append(f"{file}: the frame it is named after is missing")
        else:
            coded.append((peak[0], codes))
    return coded, listing.problems


def _codes(file: Path) -> dict[int, int] | None:
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
