"""The Extended Cohn-Kanade set: films from a neutral face to the peak of an expression.

As distributed: `cohn-kanade-images/S005/001/S005_001_00000011.png`, and for each film that fits the prototype
of an emotion one file `Emotion/S005/001/S005_001_00000011_emotion.txt`, which holds its number and is named
after the peak, the last frame. 593 films of 123 people, 327 of them with an emotion. A film without the file
has none.

Lucey et al., The Extended Cohn-Kanade Dataset (CK+), CVPR Workshops 2010, and the text that comes with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgefer.errors import UsageError
from edgefer.measure.datasets.base import Dataset
from edgefer.measure.datasets.folders import hidden
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
    for file in sorted(images.rglob("*")):
        if not file.is_file() or hidden(file, images):
            continue
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
    for file in sorted(folder.rglob("*")):
        where = file.relative_to(folder).parts[:-1]
        if not file.is_file() or hidden(file, folder):
            continue
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
        label = _emotion(files[0])
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


def _emotion(file: Path) -> str | None:
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
