"""Sets of photographs whose file names tell who is seen with which expression: KDEF, JAFFE, FEI and CAFE.

Folders inside a set carry no meaning; the names are as their authors distribute them:

* KDEF, `AF01ANFL.JPG`: session A or B, gender F or M, person 01 to 35, expression, angle. Lundqvist, Flykt
  and Öhman, 1998; the codes are in the text that comes with the set. 4900 pictures of 70 people.
* JAFFE, `KA.AN1.39.tiff`: initials, expression and take, running number. Lyons, Kamachi and Gyoba, 1998. 213
  pictures of 10 women.
* FEI, `1a.jpg` neutral, `1b.jpg` smiling: the frontal images, aligned by hand or cropped. Thomaz and Giraldi,
  2010. 400 pictures of 200 people. The original images, `1-01.jpg`, do not tell an expression.
* CAFE, `027_ht1.pgm`: person, expression and take. Dailey, Cottrell and Reilly, California Facial
  Expressions, 2001. `ht` is happy with teeth, `m` maudlin, which is taken for sadness.

The face in each picture is found and cut out, and no picture counts twice. The crop is the box of the runtime's
detector, made square and grown by the model's margin, as on a device. Where the detector finds no face, as in
full profile, the crop is where the other faces of the set are, and the file is named among the problems.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgefer import detect
from edgefer.detect.photograph import find_faces
from edgefer.errors import PictureError, UsageError
from edgefer.geometry import Box, squared
from edgefer.labels import class_of
from edgefer.measure.datasets.base import (
    CONTRADICTED,
    IMAGE_SUFFIXES,
    UNREADABLE,
    Dataset,
    FolderImages,
    files_under,
    fingerprint,
    grey_image,
    judged_on,
)
from edgefer.support.progress import progress_bar

#: Whose boxes are cut out: the detector of a run, unless it is told otherwise.
DETECTOR = "edgefer"
#: The smallest face that is looked for, in parts of a picture's shorter side: these sets are portraits.
LEAST_FACE = 0.2


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
    wanted = []
    for picture in listing.pictures:
        if class_of(picture.label, labels) >= 0:
            wanted.append(picture)
        else:
            dropped[f"{picture.label}, not in {labels}"] += 1

    detector, shapes, faces, prints = detect.open_detector(DETECTOR), {}, {}, defaultdict(list)
    for picture in progress_bar(wanted, "finding faces", len(wanted)):
        try:
            image = grey_image(picture.path)
        except PictureError as error:
            problems.append(f"{picture.path}: {error}")
            dropped[UNREADABLE] += 1
            continue
        prints[fingerprint(image)].append(picture)
        shapes[picture.path] = image.shape
        found = find_faces(detector, image, LEAST_FACE * min(image.shape), lying=False)
        faces[picture.path] = max((face.box for face in found), key=lambda box: box.area, default=None)

    counted = []
    for same in prints.values():
        kept = same[:1]
        if len({picture.label for picture in same}) > 1:
            kept = []
            given = ", ".join(f"{picture.label} in {picture.path.name}" for picture in same[1:])
            problems.append(f"{same[0].path}: labelled {same[0].label}, and the same picture {given}")
            dropped[CONTRADICTED] += len(same)
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
        f"{rule}; crop: the largest face {DETECTOR}-face finds, in {missed} pictures without one the "
        "median place of the others",
        FolderImages([picture.path for picture in counted], boxes),
        np.array([class_of(picture.label, labels) for picture in counted], np.int64),
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


@dataclass(frozen=True)
class Code:
    """How the file names of one set are read.

    Attributes:
        title: name of the set, for messages.
        pattern: of a whole file name; its groups are tags, but `code`, which is the expression.
        expressions: code to expression, a name of labels.FERPLUS8.
        values: of a tag, from its letters to words; a tag not listed is taken as it stands.
        subject: the tags that together name a person.
        missing: from the names that are there to what should be there as well, one line each.
    """

    title: str
    pattern: re.Pattern
    expressions: dict[str, str]
    values: dict[str, dict[str, str]]
    subject: tuple[str, ...]
    missing: Callable[[set[str]], Iterator[str]]

    def read(self, name: str) -> tuple[str, dict[str, str]] | None:
        """Expression and tags of a file name; None where it is not one of this set."""
        match = self.pattern.fullmatch(name)
        if match is None:
            return None
        parts = {key: self._word(key, value) for key, value in match.groupdict().items()}
        code = parts.pop("code")
        subject = "".join(parts[key] for key in self.subject)
        return self.expressions[code], {**parts, "subject": subject}

    def _word(self, key: str, value: str) -> str:
        value = value.lower() if key in ("code", "angle", "gender", "session") else value.upper()
        return self.values.get(key, {}).get(value, value)


KDEF_ANGLES = {"fl": "full-left", "hl": "half-left", "s": "straight", "hr": "half-right", "fr": "full-right"}
KDEF_EXPRESSIONS = {
    "af": "fear",
    "an": "anger",
    "di": "disgust",
    "ha": "happiness",
    "ne": "neutral",
    "sa": "sadness",
    "su": "surprise",
}


def _missing_kdef(names: set[str]) -> Iterator[str]:
    """Every person has each expression from each angle in each session; a session that is not there at all
    is one line."""
    stems = {name.rpartition(".")[0].upper() for name in names}
    for session, gender, person in itertools.product("AB", "FM", range(1, 36)):
        start = f"{session}{gender}{person:02d}"
        wanted = [f"{start}{code}{angle}".upper() for code, angle in itertools.product(KDEF_EXPRESSIONS, KDEF_ANGLES)]
        lost = [stem for stem in wanted if stem not in stems]
        if len(lost) == len(wanted):
            yield f"{start}: all {len(wanted)} pictures missing"
        else:
            yield from (f"{stem}.JPG: missing" for stem in lost)


def _missing_jaffe(names: set[str]) -> Iterator[str]:
    """The takes of an expression differ in number, so only the sum can be held against."""
    if len(names) < 213:
        yield f"{213 - len(names)} of the 213 pictures missing"


def _missing_fei(names: set[str]) -> Iterator[str]:
    stems = {name.rpartition(".")[0].lower() for name in names}
    for person in range(1, 201):
        lost = [f"{person}{letter}" for letter in "ab" if f"{person}{letter}" not in stems]
        if len(lost) == 1:
            yield f"{lost[0]}.jpg: missing"
        elif lost:
            yield f"person {person}: both pictures missing"


CODES: dict[str, Code] = {
    "kdef": Code(
        "KDEF",
        re.compile(
            r"(?P<session>[AB])(?P<gender>[FM])(?P<person>0[1-9]|[12]\d|3[0-5])"
            r"(?P<code>AF|AN|DI|HA|NE|SA|SU)(?P<angle>FL|HL|S|HR|FR)\.jpe?g",
            re.IGNORECASE,
        ),
        KDEF_EXPRESSIONS,
        {"angle": KDEF_ANGLES, "gender": {"f": "F", "m": "M"}, "session": {"a": "A", "b": "B"}},
        ("gender", "person"),
        _missing_kdef,
    ),
    "jaffe": Code(
        "JAFFE",
        re.compile(r"(?P<person>[A-Z]{2})\.(?P<code>AN|DI|FE|HA|NE|SA|SU)(?P<take>\d)\.\d{1,3}\.tiff?", re.IGNORECASE),
        {**{code: name for code, name in KDEF_EXPRESSIONS.items() if code != "af"}, "fe": "fear"},
        {},
        ("person",),
        _missing_jaffe,
    ),
    "fei": Code(
        "FEI",
        re.compile(r"(?P<person>[1-9]\d?|1\d\d|200)(?P<code>[ab])\.jpe?g", re.IGNORECASE),
        {"a": "neutral", "b": "happiness"},
        {},
        ("person",),
        _missing_fei,
    ),
    "cafe": Code(
        "CAFE",
        re.compile(r"(?P<person>\d{3})_(?P<code>ht|[adfhmns])(?P<take>\d)\.pgm", re.IGNORECASE),
        {
            "a": "anger",
            "d": "disgust",
            "f": "fear",
            "h": "happiness",
            "ht": "happiness",
            "m": "sadness",
            "n": "neutral",
            "s": "surprise",
        },
        {},
        ("person",),
        lambda names: iter(()),  # how many there should be is not stated with the set
    ),
}


def image_files(root: Path) -> tuple[list[Path], list[Path]]:
    """Files under a folder that are images by their names, and the others; hidden ones left out."""
    files = files_under(root)
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    return images, [file for file in files if file.suffix.lower() not in IMAGE_SUFFIXES]


def layout_of(root: Path) -> str | None:
    """The set whose names at least half of the images bear; None for none of them."""
    images, _ = image_files(root)
    counts = {kind: sum(code.read(file.name) is not None for file in images) for kind, code in CODES.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] and 2 * counts[best] >= len(images) else None


def load_coded(
    root: Path, kind: str, labels: str, margin: float, where: Mapping[str, Sequence[str]] | None = None
) -> Dataset:
    """Read a set of `CODES`; the arguments are those of datasets.load.

    Raises:
        UsageError: no file has a name of the set, or no row is as `where` asks.
    """
    code, listing = CODES[kind], Listing()
    seen: dict[str, Path] = {}
    images, others = image_files(root)
    for file in others:
        listing.drop(file, "not images", "not an image by its name")
    for file in images:
        read = code.read(file.name)
        if read is None:
            listing.drop(file, f"not named as in {code.title}")
        elif file.name.lower() in seen:
            listing.drop(file, "named twice", f"has the name of {seen[file.name.lower()]}, which is read")
        else:
            seen[file.name.lower()] = file
            listing.pictures.append(Picture(file, *read))
    if not seen:
        raise UsageError(f"{root}: no file is named as in {code.title}")
    listing.problems += [f"{root}: {words}" for words in code.missing({file.name for file in seen.values()})]
    labels = judged_on(labels, set(code.expressions.values()))
    rule = f"{code.title}, the expression that its file names tell"
    return assemble(root, listing, labels, rule, margin, where)
