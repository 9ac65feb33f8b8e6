"""What every data set is: images with the class each was given, and an account of what was left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

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
            tags={name: values[rows] for name, values in self.tags.items()},
        )


def one_line(error: BaseException) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())
