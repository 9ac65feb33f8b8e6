"""From the sequences of a set to clips of faces, ten frames each (section 4.1 of Haddad et al.), kept in a file.

The last ten frames of each sequence; where it has fewer the last one again. The paper cuts the face out of each frame
by a detector. We take the median of a sequence's boxes for all its frames, so that a detector's jitter is no movement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgefer import detect
from edgefer.errors import UsageError
from edgefer.geometry import Box, squared
from edgefer.measure.datasets.base import cut
from edgefer.measure.datasets.sequences import FrameSequence, SequenceSet, last_frames, load_sequences
from edgefer.support.atomic import replacing
from edgefer.support.progress import progress_bar
from edgefer.train.clips.parameters import FRAMES, SIDE
from edgefer.train.data.synthetic.tree import MARK

#: About the detector's box, parts of its side: it reaches from the brows to the chin.
MARGIN = 0.1


@dataclass(frozen=True)
class Clips:
    """The labelled sequences of a set.

    Attributes:
        frames: uint8 (N, 10, 112, 112), faces in grey.
        truth: int64 (N,), places in `labels`. subjects, names: str (N,).
        digest: of the sequences; clips that were cut out of other files have another one.
        unseen: how many sequences had no face that the detector finds; they are cut out at the middle.
        synthetic: whether the faces were made by us.
    """

    frames: np.ndarray
    truth: np.ndarray
    subjects: np.ndarray
    names: np.ndarray
    labels: tuple[str, ...]
    digest: str
    unseen: int
    synthetic: bool

    def __len__(self) -> int:
        return len(self.truth)


def load(data: Path, layout: str, folder: Path, options: Mapping[str, object] | None = None) -> Clips:
    """The clips of a set; those in `folder` where they are of the same files.

    Args:
        options: of the reader, as light of Oulu-CASIA.

    Raises:
        UsageError: the tree is not of the layout, or none of its sequences has a label.
    """
    found = load_sequences(data, layout, **dict(options or {})).labelled()
    if not len(found):
        raise UsageError(f"{data}: none of its sequences has a label")
    digest = _digest(found)
    kept = folder / f"clips-{digest}.npz"
    if not kept.exists():
        frames, unseen = _cut_all(found)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(kept, alone=False) as scratch:
            np.savez(scratch, frames=frames, unseen=unseen)
    with np.load(kept) as stored:
        frames, unseen = stored["frames"], int(stored["unseen"])
    names = np.array([sequence.name for sequence in found.sequences])
    synthetic = (data / MARK).exists()
    return Clips(frames, found.truth, found.subjects, names, found.labels, digest, unseen, synthetic)


def clip(sequence: FrameSequence, detector: detect.Detector, side: int = SIDE) -> tuple[np.ndarray, bool]:
    """Uint8 (10, side, side), and whether a face was found in any of the frames."""
    taken = last_frames(len(sequence), FRAMES)
    images = {int(index): sequence.frames[int(index)] for index in np.unique(taken)}
    boxes = [max(seen, key=lambda face: face.box.area).box for seen in map(detector.detect, images.values()) if seen]
    if boxes:
        box = squared(Box(*np.median(boxes, axis=0).tolist()), MARGIN)
    else:
        height, width = images[int(taken[-1])].shape
        half = min(height, width) / 2
        box = Box(width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
    faces = {
        index: cv2.resize(cut(image, box), (side, side), interpolation=cv2.INTER_AREA)
        for index, image in images.items()
    }
    return np.stack([faces[int(index)] for index in taken]), bool(boxes)


def _cut_all(found: SequenceSet) -> tuple[np.ndarray, int]:
    detector = detect.open_detector()
    clips = [clip(sequence, detector) for sequence in progress_bar(found.sequences, "finding faces", len(found))]
    return np.stack([frames for frames, _ in clips]), sum(not seen for _, seen in clips)


def _digest(found: SequenceSet) -> str:
    hashed = hashlib.sha256(repr((found.labels, FRAMES, SIDE, MARGIN)).encode())
    for sequence in found.sequences:
        told = [(path.name, status.st_size, status.st_mtime_ns) for path in sequence.frames.paths
                if (status := path.stat())]  # fmt: skip
        hashed.update(repr((sequence.name, sequence.subject, sequence.label, told)).encode())
    return hashed.hexdigest()[:16]
