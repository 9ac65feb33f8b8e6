"""FER-2013 and FER+: fer2013.csv, the csv of the votes, and the packed npz.

Rows of val and test whose pixels are byte-equal to a train row are dropped (FER-2013 has some hundreds):
a network has seen them. A csv is compared with the train rows it holds itself; the npz brings the mark.
"""

from __future__ import annotations

import csv
import hashlib
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import BASIC7, FERPLUS8, class_of
from edgefer.measure.datasets.base import SEEN, SPLITS, UNREADABLE, Dataset, judged_on, one_line
from edgefer.support.progress import progress_bar
from edgefer.support.stills import decode_image

USAGES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
SIDE = 48
VOTE_COLUMNS = (*FERPLUS8, "unknown", "NF")

MAJORITY_RULE = (
    "FER+ majority: single votes are taken off, the top class of the ten must hold over half of the votes "
    "that remain, and be an expression"
)
PLURALITY_RULE = (
    "FER+ distribution: single votes are taken off, the top class of the ten must be an expression, "
    "with or without a majority"
)
CROSSENTROPY_RULE = (
    "FER+ cross-entropy of its authors: single votes are taken off, the top classes of the ten are taken "
    "until they hold three quarters of the votes or are three, and must hold over half; their shares are the "
    "target"
)
#: Rules by which votes become a class, and their words.
RULES = {"majority": MAJORITY_RULE, "plurality": PLURALITY_RULE, "crossentropy": CROSSENTROPY_RULE}
EMOTION_RULE = "FER-2013 emotion column, every row"
#: What may say the class of a row of FER-2013: the ten voters of FER+, or its own emotion column.
TRUTHS = ("votes", "emotions")


def truth_of(rule: str) -> str:
    """Which of TRUTHS a rule goes by, in the words of a data set or of a manifest; "" for neither."""
    return "votes" if rule.startswith("FER+ ") else "emotions" if rule.startswith(EMOTION_RULE.split(",")[0]) else ""


_PIXELS = {str(level): level for level in range(256)}


def vote_classes(votes: np.ndarray, rule: str = "majority") -> tuple[np.ndarray, np.ndarray]:
    """Class of each row by the FER+ authors' rule.

    Args:
        votes: int, shape (N, 10), in the order of VOTE_COLUMNS.
        rule: one of RULES.

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
    elif rule == "crossentropy":
        reasons[crossentropy_targets(votes).sum(axis=1) == 0] = "with votes too far apart"
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


def crossentropy_targets(votes: np.ndarray) -> np.ndarray:
    """The distributions the FER+ authors train on: a row's leading expressions, the rest cut off.

    Classes are taken by falling votes, those with equal votes together, until three quarters of the votes
    are taken or three classes are. Unknown and not-a-face end the taking. A row counts if what was taken
    holds over half of all votes, is of at most three classes and is led by an expression.

    Args:
        votes: int, shape (N, 10).

    Returns:
        float32, shape (N, 8); rows sum to one, or are zero where the row does not count.

    Reference: `crossentropy` in the label preparation published with Barsoum et al., ICMI 2016.
    """
    targets = np.zeros((len(votes), len(FERPLUS8)), np.float32)
    for target, row in zip(targets, np.where(votes <= 1, 0, votes).tolist(), strict=True):
        taken: dict[int, int] = {}
        total, goes_on = sum(row), True
        while goes_on and 4 * sum(taken.values()) < 3 * total and len(taken) < 3:
            most = max(count for index, count in enumerate(row) if index not in taken)
            for index in [index for index, count in enumerate(row) if count == most and index not in taken]:
                goes_on = index < len(FERPLUS8)
                if goes_on or not taken:
                    taken[index] = most
                if not goes_on:
                    break
        held = sum(taken.values())
        if 2 * held > total and len(taken) <= 3 and max(taken) < len(FERPLUS8):
            for index, count in taken.items():
                target[index] = count / held
    return targets


def _select(
    votes: np.ndarray, rule: str, labels: str, duplicate: np.ndarray, unknown: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Rows that count (indices), their classes in the label set, and the others by reason."""
    classes, reasons = vote_classes(votes, rule)
    order = np.array([class_of(name, labels) for name in FERPLUS8])
    for index, name in enumerate(FERPLUS8):
        if order[index] < 0:
            reasons[classes == index] = f"{name}, not in {labels}"
    if unknown is not None:
        reasons[unknown] = "with votes not known"
    reasons[duplicate] = SEEN
    kept = np.flatnonzero(reasons == "")
    dropped = Counter(reason for reason in reasons.tolist() if reason)
    return kept, order[classes[kept]], dict(sorted(dropped.items()))


def _select_emotions(
    emotions: np.ndarray, labels: str, duplicate: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """As `_select`, by the emotion column."""
    order = np.array([class_of(name, labels) for name in BASIC7])
    classes = order[emotions]
    kept = np.flatnonzero(~duplicate & (classes >= 0))
    outside = Counter(f"{BASIC7[each]}, not in {labels}" for each in emotions[~duplicate & (classes < 0)])
    return kept, classes[kept], {SEEN: int(duplicate.sum()), **dict(sorted(outside.items()))}


def _targets(votes: np.ndarray, rule: str) -> np.ndarray:
    return crossentropy_targets(votes) if rule == "crossentropy" else vote_distributions(votes)


# npz ------------------------------------------------------------------------------------------------------


def load_npz(
    path: Path, split: str, labels: str, rule: str, keep_duplicates: bool, truth: str | None = None
) -> Dataset:
    names = ("webp", "offset", "emotion", "split", "votes")
    marks = {"votes_known": True, "duplicate_of_train": False}  # of every row where the file has no such array
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            if missing:
                raise UsageError(f"{path}: expected the arrays {', '.join(names)}; {', '.join(missing)} missing")
            arrays = {name: archive[name] for name in (*names, *marks) if name in archive}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path}: not a readable npz file: {one_line(error)}") from None
    for name, array in arrays.items():
        wanted = ("?", "b", "B") if name in marks else np.typecodes["AllInteger"]
        if array.ndim != 1 + (name == "votes") or array.dtype.char not in wanted:
            kind = "bool" if name in marks else "whole numbers"
            shape = "(N, 10)" if name == "votes" else "(N,)"
            raise UsageError(f"{path}: {name}: expected {kind} {shape}, got {array.dtype} {array.shape}")
    count = len(arrays["emotion"])
    arrays = {**{name: np.full(count, value) for name, value in marks.items()}, **arrays}
    arrays |= {name: arrays[name].astype(bool) for name in marks}
    lengths = [len(array) for name, array in arrays.items() if name not in ("webp", "offset")]
    if lengths != [count] * len(lengths) or len(arrays["offset"]) != count + 1:
        raise UsageError(f"{path}: its arrays have different lengths: the file is damaged")
    if arrays["votes"].shape[1] != len(VOTE_COLUMNS):
        raise UsageError(f"{path}: votes: expected the columns {', '.join(VOTE_COLUMNS)}, got {arrays['votes'].shape}")
    rows = np.flatnonzero(arrays["split"] == SPLITS.index(split))
    if not len(rows):
        present = [name for code, name in enumerate(SPLITS) if (arrays["split"] == code).any()]
        raise UsageError(f"{path}: holds no row of split {split}; available: {', '.join(present)}")

    duplicate = arrays["duplicate_of_train"][rows] & (split != "train") & (not keep_duplicates)
    votes = arrays["votes"][rows].astype(np.int64)
    if (truth or ("emotions" if labels == "basic7" else "votes")) == "emotions":
        emotions, labels = arrays["emotion"][rows].astype(np.int64), judged_on(labels, set(BASIC7))
        if len(wrong := np.flatnonzero(~duplicate & ((emotions < 0) | (emotions >= len(BASIC7))))):
            row, got = rows[wrong[0]], emotions[wrong[0]]
            raise UsageError(f"{path}: emotion of row {row}: expected 0 to {len(BASIC7) - 1}, got {got}")
        kept, classes, dropped = _select_emotions(np.where(duplicate, 0, emotions), labels, duplicate)
        words, distributions = EMOTION_RULE, None
        given = np.where(arrays["votes_known"][rows][kept, None], votes[kept], 0)
    else:
        kept, classes, dropped = _select(votes, rule, labels, duplicate, ~arrays["votes_known"][rows])
        words, distributions, given = RULES[rule], _targets(votes[kept], rule), None

    numbers = rows[kept]
    images = np.empty((len(kept), SIDE, SIDE), np.uint8)
    webp, offset, problems, readable = arrays["webp"], arrays["offset"], [], []
    for index, row in enumerate(progress_bar(rows[kept], "decoding images", len(kept))):
        image = decode_image(webp[offset[row] : offset[row + 1]], cv2.IMREAD_GRAYSCALE)
        if image is None or image.shape != (SIDE, SIDE):
            problems.append(f"row {row}: not a readable {SIDE}x{SIDE} image")
            continue
        images[index] = image
        readable.append(index)
    if problems:
        dropped[UNREADABLE] = len(problems)
        images, classes, numbers = images[readable], classes[readable], numbers[readable]
        distributions, given = (each[readable] if each is not None else None for each in (distributions, given))
    tags = {"row": numbers.astype(str)}
    return Dataset(str(path), split, labels, words, images, classes, distributions, dropped, problems, tags, given)


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
                    raise UsageError(f"{self.path}:{reader.line_num}: not csv: {one_line(error)}") from None
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
            raise UsageError(f"{self.path}:{line}: {column}: expected a number from 0 to {most}, got {text[:40]!r}")
        return int(text)

    def image(self, line: int, text: str) -> np.ndarray:
        try:
            levels = bytes(map(_PIXELS.__getitem__, text.split()))
        except KeyError as error:
            got = str(error.args[0])[:40]
            raise UsageError(f"{self.path}:{line}: pixels: expected numbers from 0 to 255, got {got!r}") from None
        if len(levels) != SIDE * SIDE:
            raise UsageError(f"{self.path}:{line}: pixels: expected {SIDE * SIDE} numbers, got {len(levels)}")
        return np.frombuffer(levels, np.uint8).reshape(SIDE, SIDE)


def load_csv(path: Path, split: str, labels: str, rule: str, keep_duplicates: bool) -> Dataset:
    table = _Table(path)
    if table.has(("Usage", *VOTE_COLUMNS)):
        return _load_ferplus(table, split, labels, rule, keep_duplicates)
    if not table.has(("Usage", "emotion", "pixels")):
        raise UsageError(
            f"{path}:1: expected the columns emotion, pixels and Usage (FER-2013), or Usage, Image name and "
            f"{', '.join(VOTE_COLUMNS)} (FER+)"
        )

    def emotion(line: int, fields: list[str]) -> int:
        return table.number(line, fields, "emotion", len(BASIC7) - 1)

    emotions, images, duplicate = _rows_of(table, table, split, keep_duplicates, emotion)
    labels = judged_on(labels, set(BASIC7))
    kept, truth, dropped = _select_emotions(np.array(emotions, np.int64), labels, duplicate)
    return Dataset(str(path), split, labels, EMOTION_RULE, images[kept], truth, dropped=dropped)


def _load_ferplus(table: _Table, split: str, labels: str, rule: str, keep_duplicates: bool) -> Dataset:
    """FER+ votes; pixels from the table itself or from fer2013.csv in its folder, paired row by row."""
    pixels = table
    if not table.has(("pixels",)):
        pixels_path = table.path.with_name("fer2013.csv")
        if not pixels_path.is_file():
            raise UsageError(f"{table.path}: has no pixels, and {pixels_path} is not there; put it there")
        pixels = _Table(pixels_path)
        if not pixels.has(("Usage", "pixels")):
            raise UsageError(f"{pixels_path}:1: expected the columns emotion, pixels and Usage")

    def ballot(line: int, fields: list[str]) -> list[int]:
        return [table.number(line, fields, name, 99) for name in VOTE_COLUMNS]

    votes, images, duplicate = _rows_of(table, pixels, split, keep_duplicates, ballot)
    ballots = np.array(votes, np.int64).reshape(-1, len(VOTE_COLUMNS))
    kept, truth, dropped = _select(ballots, rule, labels, duplicate)
    distributions = _targets(ballots[kept], rule)
    return Dataset(str(table.path), split, labels, RULES[rule], images[kept], truth, distributions, dropped)


def _rows_of(
    table: _Table, pixels: _Table, split: str, keep_duplicates: bool, figures: Callable[[int, list[str]], Any]
) -> tuple[list, np.ndarray, np.ndarray]:
    """Figures and images of a split's rows, and which of these are byte-equal to a train row."""
    column = pixels.columns["pixels"]
    found, images, prints, trained = [], [], [], set()
    for (line, fields), (pixel_line, pixel_fields) in progress_bar(_pairs(table, pixels), f"reading {table.path.name}"):
        read, usage, text = figures(line, fields), table.split(line, fields), pixel_fields[column].strip()
        if pixels is not table and pixels.split(pixel_line, pixel_fields) != usage:
            raise UsageError(
                f"{table.path}:{line}: Usage is not that of {pixels.path.name}:{pixel_line}; they do not pair"
            )
        if usage == split:
            found.append(read)
            images.append(pixels.image(pixel_line, text))
            prints.append(_fingerprint(text))
        elif usage == "train" and not keep_duplicates:
            trained.add(_fingerprint(text))
    stacked = np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8)
    return found, stacked, np.array([text in trained for text in prints], bool)


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


def _fingerprint(pixels: str) -> bytes:
    """Stands for the text of an image: the texts of all train rows would take 240 MB."""
    return hashlib.blake2b(pixels.encode(), digest_size=16).digest()
