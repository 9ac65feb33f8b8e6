"""Sequences of posed expressions: CK+, Oulu-CASIA, and folders of frames.

* CK+: `cohn-kanade-images/S005/001/S005_001_00000001.png`, from neutral to the peak; `Emotion`, `FACS` and `Landmarks`
  with the same folders (edgefer.measure.datasets.ckplus). 593 sequences of 123 people, 327 of them with an emotion.
* Oulu-CASIA: `OriginalImg/VL/Strong/P001/Anger/000.jpeg`, from neutral to the peak, at 25 frames a second: camera VL or
  NI, light Strong, Weak or Dark, person, expression. The faces cut out of them are in `PreProcess_Img/VL_Acropped/…`.
  Zhao, Huang, Taini, Li and Pietikäinen, 2011.
* Folders: each folder with images is a sequence, in the order of their numbers. Of the folders it lies in, the nearest
  with the name of an expression is its label, the outermost without one its subject.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from edgefer.errors import UsageError
from edgefer.labels import FERPLUS8, label_named
from edgefer.measure.datasets import ckplus
from edgefer.measure.datasets.base import FolderImages, files_under
from edgefer.measure.datasets.photographs import Listing
from edgefer.measure.datasets.sequences.base import Event, FrameSequence, SequenceSet, folder_of, numbered

CAMERAS, LIGHTS = ("VL", "NI"), ("Strong", "Weak", "Dark")
#: Classes of the two sets as Haddad et al. count them.
CKPLUS_LABELS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
OULU_LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def load_ckplus(root: Path) -> SequenceSet:
    """CK+: every film, with its emotion, action units and landmarks where they are there; `Emotion` must be.

    Raises:
        UsageError: a folder is missing.
    """
    folder_of(root, [ckplus.IMAGES], "CK+")
    folder_of(root, ["Emotion"], "CK+")
    listing, found = Listing(), SequenceSet(root, CKPLUS_LABELS)
    films, emotions = ckplus.films(root, listing), ckplus.label_files(root, "Emotion", listing)
    codes = ckplus.label_files(root, "FACS", listing) if ckplus.part(root, "FACS") else {}
    landmarks = ckplus.part(root, "Landmarks")
    found.problems, found.dropped = listing.problems, listing.dropped
    for (subject, film), paths in sorted(films.items()):
        name = f"{subject}/{film}"
        labelled = [(file, ckplus.emotion_of(file)) for file in emotions.get((subject, film), [])]
        label = labelled[0][1] if len(labelled) == 1 else ""
        if len(labelled) > 1 or label is None:
            found.drop(labelled[0][0], "labels that cannot be read", "expected one file with one number from 0 to 7")
        coded = [units for file in codes.get((subject, film), []) if (units := ckplus.codes_of(file)) is not None]
        label = "" if label in (None, "neutral") else label
        events: tuple[Event, ...] = ()
        if label or coded:
            events = (Event(0, len(paths) - 1, len(paths) - 1, label or "", coded[0] if coded else {}),)
        points: tuple[Path, ...] = ()
        if landmarks is not None:
            points = tuple(landmarks / subject / film / f"{path.stem}_landmarks.txt" for path in paths)
            missing = [path for path in points if not path.is_file()]
            if missing:
                found.problems.append(f"{missing[0]}: no such file; the landmarks of {name} are left out")
                points = ()
        # the rate of the recorder; the frames that were kept are all of them
        found.sequences.append(FrameSequence(name, subject, label or "", FolderImages(paths), 30.0, events, points))
    return _checked(found)


def load_oulu(root: Path, camera: str = "VL", light: str = "Strong", cropped: bool = False) -> SequenceSet:
    """Oulu-CASIA, of one camera and light.

    Raises:
        UsageError: a folder is missing, an unknown camera or light, or `cropped` is not a bool.
    """
    if not isinstance(cropped, bool):
        raise UsageError(f"cropped: expected true or false, got {cropped!r}")
    for what, value, known in (("camera", camera, CAMERAS), ("light", light, LIGHTS)):
        if value not in known:
            raise UsageError(f"unknown {what} {value!r}; available: {', '.join(known)}")
    if cropped:
        inside = f"{camera}_Acropped/{light}"
        folders = [f"PreProcess_Img/{inside}", f"PreProcessImg/{inside}", inside]
    else:
        folders = [f"OriginalImg/{camera}/{light}", f"B_OriginalImg/OriginalImg/{camera}/{light}", f"{camera}/{light}"]
    images, found = folder_of(root, folders, "Oulu-CASIA"), SequenceSet(root, OULU_LABELS)
    for person in _folders(images):
        if not re.fullmatch(r"P\d{3}", person.name, re.IGNORECASE):
            found.drop(person, "not named as in Oulu-CASIA", "expected P001 to P080")
            continue
        for expression in _folders(person):
            label, frames = label_named(expression.name), list(numbered(expression).values())
            if label not in OULU_LABELS or not frames:
                found.drop(expression, "not named as in Oulu-CASIA" if frames else "folders without images")
                continue
            event = Event(0, len(frames) - 1, len(frames) - 1, label)
            name, tags = f"{person.name}/{expression.name}", {"camera": camera, "light": light}
            found.sequences.append(
                FrameSequence(name, person.name.upper(), label, FolderImages(frames), 25.0, (event,), (), tags)
            )
    return _checked(found)


def load_folders(root: Path, fps: float | None = None) -> SequenceSet:
    """Folders of frames.

    Raises:
        UsageError: no folder holds images, or `fps` is no number above 0.
    """
    if fps is not None:
        try:
            fps = float(fps)
        except ValueError:
            fps = math.nan
        if not 0 < fps < math.inf:
            raise UsageError("fps: expected a number of frames a second, above 0")
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder")
    found = SequenceSet(root, FERPLUS8)
    for folder in sorted({file.parent for file in files_under(root)}):
        frames, inside = list(numbered(folder).values()), folder.relative_to(root).parts
        if not frames:
            found.drop(folder, "folders without images")
            continue
        labels = [label for part in reversed(inside) if (label := label_named(part))]
        people = [part for part in inside if not label_named(part)]
        name, subject = "/".join(inside) or root.name, people[0] if people else ""
        found.sequences.append(FrameSequence(name, subject, labels[0] if labels else "", FolderImages(frames), fps))
    return _checked(found)


def _folders(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _checked(found: SequenceSet) -> SequenceSet:
    if not found.sequences:
        raise UsageError(f"{found.source}: no folder of it holds frames")
    return found
