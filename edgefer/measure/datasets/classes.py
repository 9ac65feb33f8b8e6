"""A data set in folders of face crops, one folder a class, named by label as people and data sets name them.

FER-2013 as pictures has `angry disgust fear happy neutral sad surprise`, AffectNet and CK+ `anger contempt … happy`,
others `Happiness` or `3_happy`: labels.OTHER_NAMES has them all. A folder of another name is refused, for its rows
would be left out, and so are numbers alone: 1 is surprise in RAF-DB, happiness in AffectNet, disgust in FER-2013.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import numpy as np

from edgefer.errors import PictureError, UsageError
from edgefer.labels import OTHER_NAMES, class_of, label_named, label_set
from edgefer.measure.datasets.base import (
    CONTRADICTED,
    IMAGE_SUFFIXES,
    SEEN,
    SPLITS,
    UNREADABLE,
    Dataset,
    FolderImages,
    Print,
    files_under,
    fingerprint,
    grey_image,
)
from edgefer.support.progress import progress_bar

RULE = "one folder a class{}, every readable image, taken as a face crop"

#: What the folders of the splits are called, besides their own names; the last two are FER-2013's.
SPLIT_NAMES = {
    "train": ("training",),
    "val": ("valid", "validation", "dev", "publictest"),
    "test": ("testing", "privatetest"),
}
#: Left in folders by archives, disks and network storage.
_LEFTOVERS = {"__macosx", "@eadir", "lost+found", "$recycle.bin", "system volume information"}
_SHOWN = 5


def split_named(name: str) -> str | None:
    """The split that a folder's name stands for."""
    name = name.lower()
    return next((split for split in SPLITS if name == split or name in SPLIT_NAMES[split]), None)


def splits_in(root: Path) -> list[str]:
    """The splits that a folder has folders of.

    Raises:
        UsageError: it cannot be read.
    """
    return [split for entry in _entries(root) if entry.is_dir() and (split := split_named(entry.name))]


def load_folder(path: Path, split: str | None, labels: str, keep_duplicates: bool = False) -> Dataset:
    """The images of class folders, or of those in a split's folder.

    One that is there with two classes counts with neither: what it shows is not known. One that its class has twice
    counts twice, as rows of a csv do.

    Args:
        keep_duplicates: keep images of val and test that are equal to one of train.

    Raises:
        UsageError: there is no such split, a folder that is no class, or no class at all.
    """
    root, split, taught = _split_folder(path, split)
    names = label_set(labels)
    folders, problems = _class_folders(root, labels)
    files: list[tuple[Path, str]] = []
    dropped: Counter[str] = Counter()
    for entry in _entries(root):
        if not entry.is_dir():
            problems.append(f"{entry}: not in a class folder")
            dropped["outside the class folders"] += 1
    for label, folder in folders.items():
        inside = files_under(folder)
        if class_of(label, labels) >= 0:
            files += [(file, label) for file in inside]
        else:
            dropped[f"{label}, not in {labels}"] += len(inside)
        if not inside:
            problems.append(f"{folder}: empty")

    seen = _prints(taught) if taught is not None and not keep_duplicates else set()
    pictures: list[tuple[Path, str, Print]] = []
    for file, label in progress_bar(files, "looking at images", len(files)):
        if file.suffix.lower() not in IMAGE_SUFFIXES:
            problems.append(f"{file}: not an image by its name")
            dropped["not images"] += 1
            continue
        try:
            print_ = fingerprint(grey_image(file))
        except PictureError as error:
            problems.append(f"{file}: {error}")
            dropped[UNREADABLE] += 1
            continue
        if print_ in seen:
            dropped[SEEN] += 1
        else:
            pictures.append((file, label, print_))
    first: dict[Print, tuple[Path, str]] = {}
    contradicted = set()
    for file, label, print_ in pictures:
        other, given = first.setdefault(print_, (file, label))
        if given != label:
            problems.append(f"{other}: labelled {given}, and the same picture {label} in {file}")
            contradicted.add(print_)
    counted = [(file, class_of(label, labels)) for file, label, print_ in pictures if print_ not in contradicted]
    if contradicted:
        dropped[CONTRADICTED] += len(pictures) - len(counted)
    there = {class_of(label, labels) for label in folders}
    problems += [f"{root / name}: missing" for index, name in enumerate(names) if index not in there]
    renamed = ", ".join(f"{folder.name} is {label}" for label, folder in folders.items() if folder.name != label)
    rule = RULE.format(f" ({renamed})" if renamed else "")
    images, truth = FolderImages([file for file, _ in counted]), np.array([index for _, index in counted], np.int64)
    return Dataset(str(path), split or "all", labels, rule, images, truth, dropped=dict(dropped), problems=problems)


def _prints(root: Path) -> set[Print]:
    """Of every image under a folder that can be read, whatever its class."""
    files = [file for file in files_under(root) if file.suffix.lower() in IMAGE_SUFFIXES]
    found = set()
    for file in progress_bar(files, "looking at train", len(files)):
        with contextlib.suppress(PictureError):  # it is told where train is read
            found.add(fingerprint(grey_image(file)))
    return found


def _split_folder(path: Path, split: str | None) -> tuple[Path, str | None, Path | None]:
    """Where the class folders are, the split they are of, and where train is, unless they are of it; None where there
    are no splits, or no train."""
    divided: dict[str, Path] = {}
    for entry in _entries(path):
        name = split_named(entry.name) if entry.is_dir() else None
        if name in divided:
            raise UsageError(f"{path}: {divided[name].name} and {entry.name} are both {name}; keep one of them")
        if name is not None:
            divided[name] = entry
    if not divided and split:
        raise UsageError(f"{path}: has no folder {split}; leave --split out to read all of it")
    if not divided:
        return path, None, None
    chosen = split or "val"
    if chosen not in divided:
        available = ", ".join(name for name in SPLITS if name in divided)
        raise UsageError(f"{path}: has no folder {chosen}; available: {available}")
    return divided[chosen], chosen, divided.get("train") if chosen != "train" else None


def _class_folders(root: Path, labels: str) -> tuple[dict[str, Path], list[str]]:
    """The folders of a folder by label, and what is to be said of the others.

    Raises:
        UsageError: one is no class, two are the same, one lies in another, or there is none.
    """
    folders: dict[str, Path] = {}
    unknown, problems = [], []
    for entry in (entry for entry in _entries(root) if entry.is_dir()):
        label = label_named(entry.name)
        if entry.name.lower() in _LEFTOVERS:
            problems.append(f"{entry}: not a class; left by an archive or a disk")
        elif label is None:
            unknown.append(entry.name)
        elif label in folders:
            raise UsageError(f"{root}: {folders[label].name} and {entry.name} both mean {label}; put them into one")
        else:
            folders[label] = entry
    if unknown or not folders:
        raise _refused(root, unknown, not folders)
    for label, folder in folders.items():
        for inner in folder.rglob("*"):
            other = label_named(inner.name) or split_named(inner.name)
            if other not in (None, label) and inner.is_dir():
                raise UsageError(f"{inner}: a folder of {other} within one of {label}; put splits first, then classes")
    return folders, problems


def _refused(root: Path, unknown: list[str], alone: bool) -> UsageError:
    """What is said of folders that are no class; `alone` where no other is one."""
    shown = ", ".join(repr(name) for name in unknown[:_SHOWN])
    shown += f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    if unknown and all(name.strip().isdecimal() for name in unknown):
        return UsageError(
            f"{root}: numbers name other classes in each data set (1 is surprise in RAF-DB, happiness in AffectNet, "
            f"disgust in FER-2013), got {shown}; rename the folders, as 1_surprise or surprise"
        )
    accepted = ", ".join(f"{label} ({', '.join(names)})" for label, names in OTHER_NAMES.items())
    if alone:
        return UsageError(
            f"{root}: expected class folders named {accepted}; found {shown or 'none'}, and no files named as in KDEF, "
            "JAFFE, FEI, CAFE or CK+"
        )
    return UsageError(f"{root}: {shown}: no class, rows would be left out; take it away or rename it: {accepted}")


def _entries(root: Path) -> list[Path]:
    try:
        return sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise UsageError(f"{root}: cannot read it: {error.strerror}") from None
