"""What every data set is: images with the class each was given; and images that lie in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgefer.errors import PictureError, UsageError
from edgefer.geometry import Box
from edgefer.kernels import luma
from edgefer.labels import BASIC7, label_set
from edgefer.support.stills import PictureFile

SPLITS = ("train", "val", "test")


class Images(Protocol):
    """Grey images: an array of them, or what decodes each when it is asked for."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[np.ndarray]: ...

    def __getitem__(self, rows: Any, /) -> Any:
        """The image of an index; those of a slice or of an array of rows."""


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
        distributions: float32, shape (N, 8), votes over FERPLUS8 scaled to sum to one, as the rule says; None
            where there are no votes.
        votes: int64, shape (N, 10), what voters of FER+ said of rows that were classed without them, nothing where
            that is not known; None where `distributions` hold it, or nothing is known of any row.
        dropped: rows that do not count, by reason.
        problems: one line for each file or folder that could not be used.
        tags: what else is known of each row, by name: str arrays, shape (N,). Sets of people have "subject".
    """

    source: str
    split: str
    labels: str
    rule: str
    images: Images
    truth: np.ndarray
    distributions: np.ndarray | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    tags: dict[str, np.ndarray] = field(default_factory=dict)
    votes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def counts(self) -> str:
        """One line: rows that count, rows dropped by reason."""
        dropped = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items() if count)
        total = len(self) + sum(self.dropped.values())
        return f"{len(self)} of {total} rows count; dropped: {dropped or 'none'}"

    def take(self, rows: np.ndarray) -> Dataset:
        """The data set with only these rows (int, indices), in this order; `dropped` stays as it is."""
        return replace(
            self,
            images=self.images[rows],
            truth=self.truth[rows],
            distributions=None if self.distributions is None else self.distributions[rows],
            votes=None if self.votes is None else self.votes[rows],
            tags={name: values[rows] for name, values in self.tags.items()},
        )


def judged_on(labels: str, expressions: set[str]) -> str:
    """The label set for rows of these expressions: basic7 where it has them all and the model too."""
    return "basic7" if expressions <= set(BASIC7) <= set(label_set(labels)) else labels


def one_line(error: BaseException) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())


IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".pgm", ".tif", ".tiff")


#: Why a row does not count: a row of train is the same to the last byte; its picture is there with another class too;
#: its file cannot be read.
SEEN = "duplicates of train"
CONTRADICTED, UNREADABLE = "labelled in two ways", "unreadable"

#: What stands for an image: its shape, and a digest of its bytes, which are too many to keep.
Print = tuple[bytes, tuple[int, ...]]


def fingerprint(image: np.ndarray) -> Print:
    """What is the same for images that are equal to the last byte, and for no others."""
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest(), image.shape


class FolderImages:
    """Grey images of files, decoded when asked for, so that a folder of photographs needs no memory.

    Attributes:
        paths: of the files.
        boxes: what is cut out of each, whole pixels that may lie outside (the edge repeats); None for all of
            it.
    """

    def __init__(self, paths: Sequence[Path], boxes: Sequence[Box | None] | None = None):
        self.paths = list(paths)
        self.boxes = list(boxes) if boxes is not None else [None] * len(self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, index: Any, /) -> Any:
        """uint8, shape (H, W); the part of the images that a slice or an array of rows names.

        Raises:
            UsageError: the file changed since it was listed.
        """
        if not isinstance(index, int | np.integer):
            rows = range(len(self))[index] if isinstance(index, slice) else np.asarray(index).tolist()
            return FolderImages([self.paths[row] for row in rows], [self.boxes[row] for row in rows])
        try:
            image = grey_image(self.paths[index])
        except PictureError as error:
            raise UsageError(f"{self.paths[index]}: cannot be read any more: {error}") from None
        box = self.boxes[index]
        return image if box is None else cut(image, box)


def cut(image: np.ndarray, box: Box) -> np.ndarray:
    """The pixels of a box, to whole pixels; where it lies outside the image the edge repeats."""
    x0, y0, width, height = round(box.x0), round(box.y0), round(box.width), round(box.height)
    rows = np.clip(np.arange(y0, y0 + height), 0, image.shape[0] - 1)
    columns = np.clip(np.arange(x0, x0 + width), 0, image.shape[1] - 1)
    return image.take(rows, axis=0).take(columns, axis=1)


def files_under(root: Path) -> list[Path]:
    """In order; hidden ones, and those in hidden folders, are left out."""
    files = (file for file in sorted(root.rglob("*")) if file.is_file())
    return [file for file in files if not any(part.startswith(".") for part in file.relative_to(root).parts)]


def grey_image(path: Path) -> np.ndarray:
    """The grey image of a file, uint8 (H, W), of its first picture.

    Raises:
        PictureError: it is unreadable, no image, cut short, or of numbers that are not read; the message says which.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"cannot read it: {error.strerror}") from None
    return luma(PictureFile(data).read().bgr, "bgr")
