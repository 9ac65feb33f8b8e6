"""What every set of sequences is: frames in order, read when asked for, with who is seen and what is known of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import label_named
from edgefer.measure.datasets.base import IMAGE_SUFFIXES, FolderImages


@dataclass(frozen=True)
class Event:
    """One movement of a face, as its set codes it.

    Attributes:
        onset, apex, offset: frames of its sequence, counted from 0; apex is None where the set gives none.
        label: its expression, one of the set's labels, or "".
        units: action units, each with its intensity 1 to 5 for A to E; 0 where none was given.
        micro: whether it is a micro-expression.
    """

    onset: int
    apex: int | None
    offset: int
    label: str = ""
    units: Mapping[int, int] = field(default_factory=dict)
    micro: bool = False


@dataclass(frozen=True)
class FrameSequence:
    """A film as its frames.

    Attributes:
        name: in its set, "/" between its parts. subject: who is seen.
        label: the expression it shows, one of the set's labels; "" where it stands for none.
        frames: grey images, uint8 (H, W), decoded when asked for.
        fps: frames a second; None where they are not known.
        events: in the order of their onsets.
        points: a file of 68 landmarks for each frame, where the set has them: `landmarks` reads them.
        tags: what else is known of it.
    """

    name: str
    subject: str
    label: str
    frames: FolderImages
    fps: float | None = None
    events: tuple[Event, ...] = ()
    points: tuple[Path, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frames)


@dataclass
class SequenceSet:
    """What a reader gives.

    Attributes:
        source: the folder. labels: the expressions that may be told, in score order.
        dropped: sequences and events that do not count, by reason. problems: one line for each.
    """

    source: Path
    labels: tuple[str, ...]
    sequences: list[FrameSequence] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.sequences)

    def drop(self, what: object, reason: str, words: str = "") -> None:
        """Something that does not count: `reason` is counted, `words` (or the reason) are said of it."""
        self.problems.append(f"{what}: {words or reason}")
        self.dropped[reason] += 1

    def labelled(self) -> SequenceSet:
        """The sequences that have a label."""
        kept = [sequence for sequence in self.sequences if sequence.label]
        dropped = self.dropped + Counter({"sequences without a label": len(self) - len(kept)})
        return SequenceSet(self.source, self.labels, kept, self.problems, dropped)

    @property
    def truth(self) -> np.ndarray:
        """Int64 (N,), places in `labels`; -1 where there is none."""
        return np.array([self.labels.index(s.label) if s.label else -1 for s in self.sequences], np.int64)

    @property
    def subjects(self) -> np.ndarray:
        """Str (N,)."""
        return np.array([sequence.subject for sequence in self.sequences])


def folder_of(root: Path, names: Sequence[str], what: str) -> Path:
    """The first of some folders that is in `root` or one level below it, where some tools unpack an archive.

    Raises:
        UsageError: none is there; names the first of them.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder")
    for name in names:
        for found in (root / name, *sorted(root.glob(f"*/{name}"))):
            if found.is_dir():
                return found
    others = "".join(f" or {name}" for name in names[1:])
    raise UsageError(f"{root / names[0]}: no such folder; {what} has {names[0]}{others} there")


def file_of(root: Path, patterns: Sequence[str], what: str) -> Path:
    """The first file that fits one of some names with * in them, in `root` or one level below it.

    Raises:
        UsageError: none is there; names the first pattern.
    """
    for pattern in patterns:
        regex = re.compile(re.escape(pattern).replace(r"\*", ".*"), re.IGNORECASE)
        for folder in (root, *sorted(entry for entry in root.iterdir() if entry.is_dir())):
            found = sorted(file for file in folder.iterdir() if regex.fullmatch(file.name) and file.is_file())
            if found:
                return found[0]
    raise UsageError(f"{root / patterns[0]}: no such file; {what} has its codes there")


def numbered(folder: Path) -> dict[int, Path]:
    """The images of a folder by the number their names end with, in its order.

    Raises:
        UsageError: two of them have the same number.
    """
    frames: dict[int, Path] = {}
    for file in sorted(folder.iterdir()):
        number = re.search(r"([0-9]+)$", file.stem)
        if number and file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith("."):
            other = frames.setdefault(int(number[1]), file)
            if other is not file:
                raise UsageError(f"{folder}: {other.name} and {file.name} are both frame {int(number[1])}; keep one")
    return dict(sorted(frames.items()))


def label_of(word: str) -> str:
    """An expression as its set calls it, in our words where there is one: `Happiness`, `happy` are happiness."""
    return label_named(word.strip()) or word.strip().lower()


def units_of(text: object) -> dict[int, int]:
    """Action units from a code such as `4+L10+12C`: number to intensity, 0 where none is given."""
    if isinstance(text, float):
        text = f"{text:g}"
    found = re.findall(r"(?<!\d)(\d{1,2})(?!\d)([A-E](?![A-Za-z]))?", str(text or ""))
    return {int(number): " ABCDE".index(letter) if letter else 0 for number, letter in found}


def landmarks(path: Path) -> np.ndarray:
    """Float64 (68, 2) from a text file of 68 lines with x and y, as CK+ gives them.

    Raises:
        UsageError: the file holds something else.
    """
    try:
        points = np.array([line.split() for line in path.read_text("ascii").splitlines() if line.strip()], np.float64)
    except (OSError, ValueError):
        points = np.empty(0)
    if points.shape != (68, 2):
        raise UsageError(f"{path}: expected 68 lines of x and y")
    return points


def last_frames(count: int, taken: int = 10) -> np.ndarray:
    """Which of so many frames Haddad et al. take (section 4.1): the last ten; of shorter ones the last again."""
    first = max(0, count - taken)
    return np.minimum(np.arange(first, first + taken), count - 1)
