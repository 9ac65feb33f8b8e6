"""Sets of sequences with truth, as their authors distribute them: who moves, what is shown, and when.

A sequence's frames are read when asked for. What cannot be used is listed, as in the sets of pictures; a tree that is
another set's, or lacks a part, is an error that names the first path that is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from edgefer.errors import UsageError
from edgefer.measure.datasets.sequences.base import Event, FrameSequence, SequenceSet, landmarks, last_frames
from edgefer.measure.datasets.sequences.micro import load_casme2, load_casme_squared, load_samm, load_samm_long
from edgefer.measure.datasets.sequences.posed import load_ckplus, load_folders, load_oulu

__all__ = ["READERS", "Event", "FrameSequence", "SequenceSet", "landmarks", "last_frames", "load_sequences"]

#: Name of a layout to its reader.
READERS: dict[str, Callable[..., SequenceSet]] = {
    "ckplus": load_ckplus,
    "oulu-casia": load_oulu,
    "casme2": load_casme2,
    "samm": load_samm,
    "samm-long": load_samm_long,
    "casme-squared": load_casme_squared,
    "folders": load_folders,
}


def load_sequences(path: str | os.PathLike, layout: str, **options: object) -> SequenceSet:
    """Read a set of sequences.

    Args:
        layout: one of READERS.
        options: of its reader: camera, light and cropped of Oulu-CASIA, fps of folders.

    Raises:
        UsageError: an unknown layout, or the tree is not one of it.
    """
    if layout not in READERS:
        raise UsageError(f"unknown layout {layout!r}; available: {', '.join(READERS)}")
    return READERS[layout](Path(path), **options)
