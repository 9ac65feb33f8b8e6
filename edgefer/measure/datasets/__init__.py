"""Data sets with truth: FER-2013 and FER+, folders of crops by class, KDEF, JAFFE, FEI, CAFE and CK+.

What a row needs to count is stated once, in `Dataset.rule`; every row that does not count is in `dropped`
under its reason, and every file that could not be used is named in `problems`. Nothing is left out silently.

Splits are train, val and test: FER-2013's Training, PublicTest and PrivateTest. The sets of photographs have
none; their rows carry the subject, by which edgefer.train.data.splits divides them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgefer.errors import UsageError
from edgefer.labels import label_named
from edgefer.measure.datasets.base import SPLITS, Dataset
from edgefer.measure.datasets.ckplus import IMAGES, load_ckplus, part
from edgefer.measure.datasets.classes import load_folder, split_named, splits_in
from edgefer.measure.datasets.fer2013 import (
    RULES,
    TRUTHS,
    VOTE_COLUMNS,
    load_csv,
    load_npz,
    truth_of,
    vote_classes,
    vote_distributions,
)
from edgefer.measure.datasets.photographs import CODES, layout_of, load_coded

__all__ = [
    "LAYOUTS",
    "RULES",
    "SPLITS",
    "TRUTHS",
    "VOTE_COLUMNS",
    "Dataset",
    "load",
    "splits_in",
    "truth_of",
    "vote_classes",
    "vote_distributions",
]

#: What a folder may hold: class folders of crops, or a set of photographs as its authors distribute it.
LAYOUTS = ("classes", *CODES, "ckplus")


def load(
    path: str | os.PathLike,
    split: str | None = None,
    labels: str = "ferplus8",
    rule: str = "majority",
    keep_duplicates: bool = False,
    layout: str | None = None,
    where: Mapping[str, Sequence[str]] | None = None,
    margin: float = 0.0,
    truth: str | None = None,
) -> Dataset:
    """Read a data set; its kind is told by its content.

    A csv with the ten vote columns is FER+. Its pixels come from a `pixels` column of its own or, row by row,
    from the file `fer2013.csv` in the same folder, as the FER+ authors pair the two. A csv with `emotion` and
    `pixels` is FER-2013. A folder holds one folder a class, named by label, or train, val and test folders
    that do; or KDEF, JAFFE, FEI, CAFE or CK+ as they are distributed, told by the names of the files.

    Args:
        path: csv file, npz file or folder.
        split: train, val or test; None means val, and for a folder without splits all of it.
        labels: label set of the model that is to be judged. fer2013.csv and sets of photographs, which have no
            contempt, give basic7 where that has it; rows of other labels do not count.
        rule: for votes, one of RULES; "plurality" also keeps rows whose top class has no majority,
            "crossentropy" cuts the distributions as the FER+ authors do.
        keep_duplicates: keep rows of val and test that are byte-equal to a train row.
        layout: of a folder, one of LAYOUTS; None tells it by the names.
        where: only rows whose tag has one of these values, as {"angle": ["straight"]}.
        margin: what is added around a face found in a photograph, in parts of the detector's box: the
            manifest's crop_margin.
        truth: where rows have both, one of TRUTHS says their class; None means the emotions for basic7, and the votes
            for all others.

    Raises:
        UsageError: the path is missing, unreadable, of no known kind, damaged (with the line of a csv), or
            has no row that counts.
    """
    path = Path(path)
    for what, value, known in (
        ("split", split, SPLITS),
        ("rule", rule, RULES),
        ("layout", layout, LAYOUTS),
        ("truth", truth, TRUTHS),
    ):
        if value is not None and value not in known:
            raise UsageError(f"unknown {what} {value!r}; available: {', '.join(known)}")
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    if path.is_dir() and layout is None:
        layout = _layout(path)
    if where and layout in (None, "classes"):
        raise UsageError(f"{path}: its rows have no tags to choose by; KDEF, JAFFE, FEI, CAFE and CK+ have")
    if path.is_dir() and layout is not None:
        data = _load_directory(path, layout, split, labels, keep_duplicates, margin, where)
    elif layout is not None:
        raise UsageError(f"{path}: a layout is that of a folder")
    elif path.suffix.lower() == ".npz":
        data = load_npz(path, split or "val", labels, rule, keep_duplicates, truth)
    elif path.suffix.lower() == ".csv":
        data = load_csv(path, split or "val", labels, rule, keep_duplicates)
    else:
        raise UsageError(f"{path}: expected a .csv or .npz file or a folder of class folders")
    if not len(data):
        dropped = sum(data.dropped.values()) > 0
        words = (
            f"no row of split {data.split} counts: {data.counts()}"
            if dropped
            else f"holds no row of split {data.split}"
        )
        raise UsageError("; ".join([f"{path}: {words}", *data.problems[:1]]))
    return data


def _layout(path: Path) -> str:
    """What a folder holds, by the names in it: class folders go first, then CK+, then the coded names."""
    try:
        folders = [entry.name for entry in path.iterdir() if entry.is_dir()]
    except OSError as error:
        raise UsageError(f"{path}: cannot read it: {error.strerror}") from None
    if any(label_named(name) or split_named(name) for name in folders):
        return "classes"
    if part(path, IMAGES) is not None:
        return "ckplus"
    return layout_of(path) or "classes"


def _load_directory(
    path: Path,
    layout: str,
    split: str | None,
    labels: str,
    keep_duplicates: bool,
    margin: float,
    where: Mapping[str, Sequence[str]] | None,
) -> Dataset:
    if layout == "classes":
        return load_folder(path, split, labels, keep_duplicates)
    if split is not None:
        raise UsageError(f"{path}: {layout} has no splits; leave --split out to read all of it")
    if layout == "ckplus":
        return load_ckplus(path, labels, margin, where)
    return load_coded(path, layout, labels, margin, where)
