"""Photographs of named people: the face in each is found and cut out, and no picture counts twice.

The crop is the box of the runtime's detector, made square and grown by the model's margin, as on a
device. Where the detector finds no face, as in full profile, the crop is where the other faces of the set
are, and the file is named among the problems.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgefer import detect
from edgefer.errors import UsageError
from edgefer.geometry import Box, squared
from edgefer.labels import BASIC7, label_set
from edgefer.measure.datasets.base import Dataset, FolderImages, grey_image
from edgefer.support.progress import progress_bar


@dataclass(frozen=True)
class Picture:
    """One file and what its set says of it.

    Attributes:
        label: its expression, a name of labels.FERPLUS8.
        tags: subject, and what else the set tells: session, angle, …
    """

    path: Path
    label: str
    tags: dict[str, str]


@dataclass
class Listing:
    """What the reader of a set found: pictures that may count, and everything else by name."""

    pictures: list[Picture] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)

    def drop(self, what: object, reason: str, words: str = "") -> None:
        """One file that does not count: `reason` is counted, `words` (or the reason) are said of it."""
        self.problems.append(f"{what}: {words or reason}")
        self.dropped[reason] += 1


def judged_on(labels: str, expressions: set[str]) -> str:
    """The label set for pictures of these expressions: basic7 where it has them all and the model too."""
    return "basic7" if expressions <= set(BASIC7) <= set(label_set(labels)) else labels


def assemble(
    source: Path,
    listing: Listing,
    labels: str,
    rule: str,
    margin: float = 0.0,
    where: Mapping[str, Sequence[str]] | None = None,
) -> Dataset:
    """The data set of the pictures that can be read, have a label of the set, and are there once.

    Args:
        labels: label set; a picture with another label is dropped.
        rule: the reader's words on which pictures count; how their faces were found is added.
        margin: about the detector's box, in parts of its side.
        where: only pictures whose tag has one of these values.

    Raises:
        UsageError: from `only`.
    """
    listing = only(source, listing, where or {})
    problems, dropped = list(listing.problems), Counter(listing.dropped)
    names, wanted = label_set(labels), []
    for picture in listing.pictures:
        if picture.label in names:
            wanted.append(picture)
        else:
            dropped[f"{picture.label}, not in {labels}"] += 1

    detector, shapes, faces, prints = detect.open_detector("haar"), {}, {}, defaultdict(list)
    for picture in progress_bar(wanted, "finding faces", len(wanted)):
        image = grey_image(picture.path)
        if image is None:
            problems.append(f"{picture.path}: damaged or unreadable")
            dropped["damaged"] += 1
            continue
        prints[hashlib.blake2b(image.tobytes(), digest_size=16).digest(), image.shape].append(picture)
        detected = detector.detect(image)
        shapes[picture.path] = image.shape
        faces[picture.path] = max((face.box for face in detected), key=lambda box: box.area, default=None)

    counted = []
    for same in prints.values():
        kept = same[:1]
        if len({picture.label for picture in same}) > 1:
            kept = []
            given = ", ".join(f"{picture.label} in {picture.path.name}" for picture in same[1:])
            problems.append(f"{same[0].path}: labelled {same[0].label}, and the same picture {given}")
            dropped["labelled in two ways"] += len(same)
        else:
            problems += [f"{other.path}: the same picture as {same[0].path}" for other in same[1:]]
            dropped["the same picture again"] += len(same) - 1
        counted += kept

    missed, boxes = 0, []
    for picture in counted:
        box = faces[picture.path]
        if box is None:
            missed += 1
            shape = shapes[picture.path]
            alike = [face for path, face in faces.items() if face and shapes[path] == shape]
            box = _usual_box(alike, shape)
            problems.append(f"{picture.path}: no face found; cut out where those of the other pictures are")
        boxes.append(squared(box, margin))
    keys = sorted({name for picture in counted for name in picture.tags})
    return Dataset(
        str(source),
        "all",
        labels,
        f"{rule}; crop: the largest face the Haar detector finds, in {missed} pictures without one the "
        "median place of the others",
        FolderImages([picture.path for picture in counted], boxes),
        np.array([names.index(picture.label) for picture in counted], np.int64),
        dropped={reason: count for reason, count in sorted(dropped.items()) if count},
        problems=problems,
        tags={key: np.array([picture.tags.get(key, "") for picture in counted]) for key in keys},
    )


def _usual_box(boxes: Sequence[Box], shape: tuple[int, int]) -> Box:
    """The median of boxes in pictures of one shape; the largest square in the middle where there are none."""
    if boxes:
        return Box(*np.median(boxes, axis=0).tolist())
    side, (height, width) = min(shape), shape
    return Box((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)


def only(source: Path, listing: Listing, where: Mapping[str, Sequence[str]]) -> Listing:
    """The pictures whose tags have one of the values asked for; the others are dropped.

    Raises:
        UsageError: the set has no such tag, or no picture such a value.
    """
    kept, dropped = listing.pictures, Counter(listing.dropped)
    for name, values in where.items():
        present = sorted({picture.tags[name] for picture in listing.pictures if name in picture.tags})
        if not present:
            known = sorted({tag for picture in listing.pictures for tag in picture.tags})
            raise UsageError(f"{source}: its rows have no {name!r}; available: {', '.join(known)}")
        for value in values:
            if value not in present:
                shown = ", ".join(present[:40]) + (", …" if len(present) > 40 else "")
                raise UsageError(f"{source}: no row has {name} {value!r}; available: {shown}")
        before, kept = len(kept), [picture for picture in kept if picture.tags.get(name) in values]
        dropped[f"outside {name} {' or '.join(values)}"] += before - len(kept)
    return Listing(kept, listing.problems, dropped)
