"""Data sets with truth: fer2013.csv, FER+ csv, the packed npz, and image folders by class.

What a row needs to count is stated once, in `Dataset.rule`; every row that does not count is in `dropped`
under its reason, and every file that could not be used is named in `problems`. Nothing is left out silently.

Splits are train, val and test: FER-2013's Training, PublicTest and PrivateTest.

Rows of val and test whose pixels are byte-equal to a train row are dropped (FER-2013 has some hundreds):
a network has seen them. A csv is compared with the train rows it holds itself; the npz brings the mark.
"""

from __future__ import annotations

import csv
import hashlib
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import BASIC7, FERPLUS8, label_set
from edgefer.progress import track
from edgefer.stills import decode_image, read_image

SPLITS = ("train", "val", "test")
USAGES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
SIDE = 48
VOTE_COLUMNS = (*FERPLUS8, "unknown", "NF")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".tif", ".tiff")

MAJORITY_RULE = (
    "FER+ majority: single votes are taken off, the top class of the ten must hold over half of the votes "
    "that remain, and be an expression"
)
PLURALITY_RULE = (
    "FER+ distribution: single votes are taken off, the top class of the ten must be an expression, "
    "with or without a majority"
)
EMOTION_RULE = "FER-2013 emotion column, every row"
FOLDER_RULE = "one folder a class, every readable image, taken as a face crop"

_PIXELS = {str(level): level for level in range(256)}


@dataclass
class Dataset:
    """Images with the class each was given.

    Attributes:
        source: file or folder it was read from.
        split: train, val, test, or "all" for a folder without splits.
        labels: name of the label set that `truth` indexes.
        rule: which rows count, in words.
        images: uint8, shape (N, 48, 48); from a folder a sequence of (H, W) images, decoded when asked for.
        truth: int64, shape (N,), indices of labels.
        distributions: float32, shape (N, 8), votes over FERPLUS8 scaled to sum to one, single votes taken
            off; None where there are no votes.
        dropped: rows that do not count, by reason.
        problems: one line for each file or folder that could not be used.
    """

    source: str
    split: str
    labels: str
    rule: str
    images: Sequence[np.ndarray] | np.ndarray
    truth: np.ndarray
    distributions: np.ndarray | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.truth)

    def counts(self) -> str:
        """One line: rows that count, rows dropped by reason."""
        dropped = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items() if count)
        total = len(self) + sum(self.dropped.values())
        return f"{len(self)} of {total} rows count; dropped: {dropped or 'none'}"


def load(
    path: str | os.PathLike,
    split: str | None = None,
    labels: str = "ferplus8",
    rule: str = "majority",
    keep_duplicates: bool = False,
) -> Dataset:
    """Read a data set; its kind is told by its content.

    A csv with the ten vote columns is FER+. Its pixels come from a `pixels` column of its own or, row by row,
    from the file `fer2013.csv` beside it, as the FER+ authors pair the two. A csv with `emotion` and
    `pixels` is FER-2013. A folder holds one folder a class, named by label; or train, val and test folders
    that do.

    Args:
        path: csv file, npz file or folder.
        split: train, val or test; None means val, and for a folder without splits all of it.
        labels: label set of the model that is to be judged. The npz gives FER+ votes for ferplus8 and the
            emotion column for basic7; fer2013.csv always gives basic7; a folder's names are looked up in it.
        rule: for votes: "majority", or "plurality", which also keeps rows whose top class has no majority.
        keep_duplicates: keep rows of val and test that are byte-equal to a train row.

    Raises:
        UsageError: the path is missing, unreadable, of no known kind, damaged (with the line of a csv), or
            has no row that counts.
    """
    path = Path(path)
    if split is not None and split not in SPLITS:
        raise UsageError(f"unknown split {split!r}; available: {', '.join(SPLITS)}")
    if rule not in ("majority", "plurality"):
        raise UsageError(f"unknown rule {rule!r}; available: majority, plurality")
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    if path.is_dir():
        data = _load_folder(path, split, labels)
    elif path.suffix == ".npz":
        data = _load_npz(path, split or "val", labels, rule, keep_duplicates)
    elif path.suffix == ".csv":
        data = _load_csv(path, split or "val", labels, rule, keep_duplicates)
    else:
        raise UsageError(f"{path}: expected a .csv or .npz file or a folder of class folders")
    if not len(data) and not sum(data.dropped.values()):
        raise UsageError(f"{path}: holds no row of split {data.split}")
    if not len(data):
        raise UsageError(f"{path}: no row of split {data.split} counts: {data.counts()}")
    return data


def vote_classes(votes: np.ndarray, rule: str = "majority") -> tuple[np.ndarray, np.ndarray]:
    """Class of each row by the FER+ authors' rule.

    Args:
        votes: int, shape (N, 10), in the order of VOTE_COLUMNS.
        rule: "majority" or "plurality".

    Returns:
        classes, int64 (N,): index into FERPLUS8, or -1; reasons, str (N,): "" or why the row is dropped.

    Reference: Barsoum et al., Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
    Label Distribution, ICMI 2016, section 3 (majority voting), and its published label preparation, which
    takes off single votes first.
    """
    counted = np.where(votes <= 1, 0, votes)
    top, total = counted.argmax(axis=1), counted.sum(axis=1)
    reasons = np.full(len(votes), "", dtype="<U32")
    if rule == "majority":
        reasons[counted.max(axis=1) * 2 <= total] = "without a majority"
    reasons[top == VOTE_COLUMNS.index("unknown")] = "voted unknown"
    reasons[top == VOTE_COLUMNS.index("NF")] = "voted not a face"
    reasons[total == 0] = "without votes that count"
    return np.where(reasons == "", top, -1), reasons


def vote_distributions(votes: np.ndarray) -> np.ndarray:
    """Votes over the eight expressions, single votes taken off, scaled to sum to one.

    Args:
        votes: int, shape (N, 10).

    Returns:
        float32, shape (N, 8); a row without such votes is uniform.
    """
    counted = np.where(votes <= 1, 0, votes)[:, : len(FERPLUS8)].astype(np.float32)
    total = counted.sum(axis=1, keepdims=True)
    return np.where(total > 0, counted / np.maximum(total, 1), np.float32(1 / len(FERPLUS8)))


def _select(
    votes: np.ndarray, rule: str, labels: str, duplicate: np.ndarray, unknown: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Rows that count (indices), their classes in the label set, and the others by reason."""
    classes, reasons = vote_classes(votes, rule)
    names = label_set(labels)
    for index, name in enumerate(FERPLUS8):
        if name not in names:
            reasons[classes == index] = f"{name}, not in {labels}"
    if unknown is not None:
        reasons[unknown] = "with votes not known"
    reasons[duplicate] = "duplicates of train"
    kept = np.flatnonzero(reasons == "")
    order = np.array([names.index(name) if name in names else -1 for name in FERPLUS8])
    dropped = Counter(reason for reason in reasons.tolist() if reason)
    return kept, order[classes[kept]], dict(sorted(dropped.items()))


def _votes_rule(rule: str) -> str:
    return MAJORITY_RULE if rule == "majority" else PLURALITY_RULE


# npz ------------------------------------------------------------------------------------------------------


def _load_npz(path: Path, split: str, labels: str, rule: str, keep_duplicates: bool) -> Dataset:
    names = ("webp", "offset", "emotion", "split", "votes")
    marks = {
        "votes_known": True,
        "duplicate_of_train": False,
    }  # of every row where the file has no such array
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            if missing:
                raise UsageError(
                    f"{path}: expected the arrays {', '.join(names)}; {', '.join(missing)} missing"
                )
            arrays = {name: archive[name] for name in (*names, *marks) if name in archive}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path}: not a readable npz file: {_line(error)}") from None
    count = len(arrays["emotion"])
    arrays = {**{name: np.full(count, value) for name, value in marks.items()}, **arrays}
    lengths = [len(array) for name, array in arrays.items() if name not in ("webp", "offset")]
    if lengths != [count] * len(lengths) or len(arrays["offset"]) != count + 1:
        raise UsageError(f"{path}: its arrays have different lengths: the file is damaged")
    rows = np.flatnonzero(arrays["split"] == SPLITS.index(split))
    if not len(rows):
        present = [name for code, name in enumerate(SPLITS) if (arrays["split"] == code).any()]
        raise UsageError(f"{path}: holds no row of split {split}; available: {', '.join(present)}")

    duplicate = arrays["duplicate_of_train"][rows] & (split != "train") & (not keep_duplicates)
    votes = arrays["votes"][rows].astype(np.int64)
    if labels == "basic7":
        kept = np.flatnonzero(~duplicate)
        truth = arrays["emotion"][rows][kept].astype(np.int64)
        dropped = {"duplicates of train": int(duplicate.sum())}
        words, distributions = EMOTION_RULE, None
    else:
        kept, truth, dropped = _select(votes, rule, labels, duplicate, ~arrays["votes_known"][rows])
        words, distributions = _votes_rule(rule), vote_distributions(votes[kept])

    images = np.empty((len(kept), SIDE, SIDE), np.uint8)
    webp, offset, problems, readable = arrays["webp"], arrays["offset"], [], []
    for place, row in enumerate(track(rows[kept], "decoding images", len(kept))):
        image = decode_image(webp[offset[row] : offset[row + 1]], cv2.IMREAD_GRAYSCALE)
        if image is None or image.shape != (SIDE, SIDE):
            problems.append(f"row {row}: not a readable {SIDE}x{SIDE} image")
            continue
        images[place] = image
        readable.append(place)
    if problems:
        dropped["unreadable"] = len(problems)
        images, truth = images[readable], truth[readable]
        distributions = distributions[readable] if distributions is not None else None
    return Dataset(str(path), split, labels, words, images, truth, distributions, dropped, problems)


# csv ------------------------------------------------------------------------------------------------------


class _Table:
    """Rows of a csv file as (line number, fields), with the places of its columns by name."""

    def __init__(self, path: Path):
        self.path = path
        self._lines = self._read()
        _, header = next(self._lines, (0, []))
        self.columns = {name.strip(): index for index, name in enumerate(header)}
        self._width = len(header)

    def _read(self) -> Iterator[tuple[int, list[str]]]:
        try:
            # a byte that is not UTF-8 becomes a mark no number holds, and is then met with its line's number
            with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
                reader = csv.reader(file)
                try:
                    for fields in reader:
                        if fields:
                            yield reader.line_num, fields
                except csv.Error as error:
                    raise UsageError(f"{self.path}:{reader.line_num}: not csv: {_line(error)}") from None
        except OSError as error:
            raise UsageError(f"{self.path}: cannot read it: {error.strerror}") from None

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        for line, fields in self._lines:
            if len(fields) != self._width:
                raise UsageError(f"{self.path}:{line}: expected {self._width} fields, got {len(fields)}")
            yield line, fields

    def has(self, names: Iterable[str]) -> bool:
        return all(name in self.columns for name in names)

    def split(self, line: int, fields: list[str]) -> str:
        usage = fields[self.columns["Usage"]].strip()
        if usage not in USAGES:
            raise UsageError(f"{self.path}:{line}: Usage: expected one of {', '.join(USAGES)}, got {usage!r}")
        return USAGES[usage]

    def number(self, line: int, fields: list[str], column: str, most: int) -> int:
        text = fields[self.columns[column]].strip()
        if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= most):
            raise UsageError(
                f"{self.path}:{line}: {column}: expected a number from 0 to {most}, got {text[:40]!r}"
            )
        return int(text)

    def image(self, line: int, text: str) -> np.ndarray:
        try:
            levels = bytes(map(_PIXELS.__getitem__, text.split()))
        except KeyError as error:
            got = str(error.args[0])[:40]
            raise UsageError(
                f"{self.path}:{line}: pixels: expected numbers from 0 to 255, got {got!r}"
            ) from None
        if len(levels) != SIDE * SIDE:
            raise UsageError(f"{self.path}:{line}: pixels: expected {SIDE * SIDE} numbers, got {len(levels)}")
        return np.frombuffer(levels, np.uint8).reshape(SIDE, SIDE)


def _load_csv(path: Path, split: str, labels: str, rule: str, keep_duplicates: bool) -> Dataset:
    table = _Table(path)
    if table.has(("Usage", *VOTE_COLUMNS)):
        return _load_ferplus(table, split, labels, rule, keep_duplicates)
    if not table.has(("Usage", "emotion", "pixels")):
        raise UsageError(
            f"{path}:1: expected the columns emotion, pixels and Usage (FER-2013), or Usage, Image name and "
            f"{', '.join(VOTE_COLUMNS)} (FER+)"
        )
    emotions, images, prints, trained = [], [], [], set()
    for line, fields in track(table, f"reading {path.name}"):
        emotion = table.number(line, fields, "emotion", len(BASIC7) - 1)
        found, pixels = table.split(line, fields), fields[table.columns["pixels"]].strip()
        if found == split:
            emotions.append(emotion)
            images.append(table.image(line, pixels))
            prints.append(_fingerprint(pixels))
        elif found == "train" and not keep_duplicates:
            trained.add(_fingerprint(pixels))
    kept = [place for place, text in enumerate(prints) if text not in trained]
    return Dataset(
        str(path),
        split,
        "basic7",
        EMOTION_RULE,
        _stacked([images[place] for place in kept]),
        np.array([emotions[place] for place in kept], np.int64),
        dropped={"duplicates of train": len(images) - len(kept)},
    )


def _load_ferplus(table: _Table, split: str, labels: str, rule: str, keep_duplicates: bool) -> Dataset:
    """FER+ votes; pixels from the table itself or from fer2013.csv beside it, paired row by row."""
    pixels = table
    if not table.has(("pixels",)):
        beside = table.path.with_name("fer2013.csv")
        if not beside.is_file():
            raise UsageError(
                f"{table.path}: has no pixels, and {beside} is not there; put fer2013.csv beside it"
            )
        pixels = _Table(beside)
        if not pixels.has(("Usage", "pixels")):
            raise UsageError(f"{beside}:1: expected the columns emotion, pixels and Usage")
    column = pixels.columns["pixels"]
    votes, images, prints, trained = [], [], [], set()
    for (line, fields), (pixel_line, pixel_fields) in track(
        _pairs(table, pixels), f"reading {table.path.name}"
    ):
        usage = table.split(line, fields)
        if pixels is not table and pixels.split(pixel_line, pixel_fields) != usage:
            raise UsageError(
                f"{table.path}:{line}: Usage is not that of {pixels.path.name}:{pixel_line}; they do not pair"
            )
        counts = [table.number(line, fields, name, 99) for name in VOTE_COLUMNS]
        text = pixel_fields[column].strip()
        if usage == split:
            votes.append(counts)
            images.append(pixels.image(pixel_line, text))
            prints.append(_fingerprint(text))
        elif usage == "train" and not keep_duplicates:
            trained.add(_fingerprint(text))
    ballots = np.array(votes, np.int64).reshape(-1, len(VOTE_COLUMNS))
    duplicate = np.array([text in trained for text in prints], bool)
    kept, truth, dropped = _select(ballots, rule, labels, duplicate)
    return Dataset(
        str(table.path),
        split,
        labels,
        _votes_rule(rule),
        _stacked([images[place] for place in kept]),
        truth,
        vote_distributions(ballots[kept]),
        dropped,
    )


def _pairs(table: _Table, pixels: _Table) -> Iterator[tuple[tuple, tuple]]:
    if pixels is table:
        for row in table:
            yield row, row
        return
    others = iter(pixels)
    for row in table:
        other = next(others, None)
        if other is None:
            raise UsageError(f"{table.path}:{row[0]}: has no row to pair with; {pixels.path} has fewer rows")
        yield row, other
    other = next(others, None)
    if other is not None:
        raise UsageError(f"{pixels.path}:{other[0]}: has no row to pair with; {table.path} has fewer rows")


def _stacked(images: list[np.ndarray]) -> np.ndarray:
    return np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8)


def _fingerprint(pixels: str) -> bytes:
    """Stands for the text of an image: the texts of all train rows would take 240 MB."""
    return hashlib.blake2b(pixels.encode(), digest_size=16).digest()


# folders --------------------------------------------------------------------------------------------------


class FolderImages(Sequence):
    """Grey images of files, decoded when asked for, so that a folder of photographs needs no memory."""

    def __init__(self, paths: list[Path]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        """uint8, shape (H, W). Raises UsageError when the file changed since it was listed."""
        image = _face(self.paths[index])
        if image is None:
            raise UsageError(f"{self.paths[index]}: cannot be read any more")
        return image


def _load_folder(path: Path, split: str | None, labels: str) -> Dataset:
    divided = [name for name in SPLITS if (path / name).is_dir()]
    if divided and (split or "val") not in divided:
        raise UsageError(f"{path}: has no folder {split or 'val'}; available: {', '.join(divided)}")
    if split and not divided:
        raise UsageError(f"{path}: has no folder {split}; leave --split out to read all of it")
    root = path / (split or "val") if divided else path
    names = label_set(labels)
    files, found, problems, dropped = [], set(), [], Counter()
    for entry in _entries(root):
        name = entry.name.lower()
        if not entry.is_dir():
            problems.append(f"{entry}: not in a class folder")
            dropped["outside the class folders"] += 1
            continue
        inside = [file for file in sorted(entry.rglob("*")) if file.is_file() and not _hidden(file, entry)]
        if name not in names:
            problems.append(f"{entry}: not a class of {labels}; its {len(inside)} files do not count")
            dropped["outside the class folders"] += len(inside)
            continue
        found.add(name)
        files += [(file, names.index(name)) for file in inside]
        if not inside:
            problems.append(f"{entry}: empty")
    if not found:
        raise UsageError(f"{root}: expected class folders named {', '.join(names)}; found none")
    problems += [f"{root / name}: missing" for name in names if name not in found]

    paths, truth = [], []
    for file, label in track(files, "looking at images", len(files)):
        if file.suffix.lower() not in IMAGE_SUFFIXES:
            problems.append(f"{file}: not an image by its name")
            dropped["not images"] += 1
        elif _face(file) is None:
            problems.append(f"{file}: damaged or unreadable")
            dropped["damaged"] += 1
        else:
            paths.append(file)
            truth.append(label)
    return Dataset(
        str(path),
        split or ("val" if divided else "all"),
        labels,
        FOLDER_RULE,
        FolderImages(paths),
        np.array(truth, np.int64),
        dropped=dict(dropped),
        problems=problems,
    )


def _entries(root: Path) -> list[Path]:
    try:
        return sorted(entry for entry in root.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise UsageError(f"{root}: cannot read it: {error.strerror}") from None


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _face(path: Path) -> np.ndarray | None:
    """The grey image of a file, uint8 (H, W); None when it is unreadable, no image, or cut short."""
    try:
        found = read_image(path)
    except OSError:
        return None
    return None if found is None else found[0]


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
