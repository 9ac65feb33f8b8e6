"""What decides the result of a cross-validation, and how a set's people are divided."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from edgefer.errors import UsageError
from edgefer.train.clips.parameters import AUGMENTATIONS, BATCH, EPOCHS, RATE, SIDE, Copies, Parameters
from edgefer.train.data.splits import Split, leave_one_subject_out, stepped_subject_folds


class Plan(Struct, frozen=True, kw_only=True):
    """One cross-validation.

    Attributes:
        clips: digest of the set's clips.
        protocol: "loso", one fold for each person; "10-fold" (or another number): see stepped_subject_folds.
        network: a name in networks.NETWORKS. parameters: of "haddad", as Parameters.words() gives them.
        augmentation: a name in AUGMENTATIONS, whose copies each class gets; "none".
        width: share of the paper's filters and hidden units. side: of the frames, pixels.
        epochs, batch, rate: of each fold.
        seed: of weights, order and copies.
        frames: digest of the frame network that the network stands on, "" for none.
        start: digest of the weights that all layers but the last start from, "" for none.
    """

    clips: str
    protocol: str
    parameters: dict[str, Any]
    network: str = "haddad"
    augmentation: str = "none"
    width: float = 1.0
    side: int = SIDE
    epochs: int = EPOCHS
    batch: int = BATCH
    rate: float = RATE
    seed: int = 0
    frames: str = ""
    start: str = ""

    @property
    def options(self) -> Parameters:
        return Parameters(**self.parameters)

    @property
    def digest(self) -> str:
        """Of all of it."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:16]

    def copies(self, label: str) -> Copies:
        """How many altered copies a clip of a class gets.

        Raises:
            UsageError: an unknown augmentation.
        """
        if self.augmentation == "none":
            return Copies(0, 0, 0)
        if self.augmentation not in AUGMENTATIONS:
            known = ", ".join(("none", *AUGMENTATIONS))
            raise UsageError(f"unknown augmentation {self.augmentation!r}; available: {known}")
        return AUGMENTATIONS[self.augmentation].get(label, Copies(0, 0, 0))


def divide(protocol: str, subjects: np.ndarray) -> list[tuple[str, Split]]:
    """The folds of a protocol by their names; nobody is on both sides of one, everybody is in one test.

    Raises:
        UsageError: an unknown protocol, or fewer people than folds.
    """
    folds = re.fullmatch(r"([1-9]\d*)-fold", protocol)
    people = len(np.unique(subjects))
    if protocol != "loso" and not folds:
        raise UsageError(f"unknown protocol {protocol!r}; available: loso, 10-fold (or another number of folds)")
    if people < 2:
        raise UsageError(f"{protocol}: expected sequences of two people or more, got {people}")
    if not folds:
        return list(leave_one_subject_out(subjects))
    try:
        return [
            (f"{number:02d}", split) for number, split in enumerate(stepped_subject_folds(subjects, int(folds[1])), 1)
        ]
    except ValueError as error:
        raise UsageError(f"{protocol}: {error}") from None


def frames_digest(run: Path) -> str:
    """Of a frame network's weights, for a plan.

    Raises:
        UsageError: the run is not finished.
    """
    try:
        return hashlib.sha256((run / "best.weights.h5").read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}; expected a finished run of edgefer-nano") from None
