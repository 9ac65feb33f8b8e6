"""A cross-validation as a folder: each fold that is done is a file, so that any process may go on where others ended.

`plan.json` says what decides the result, `NAME.json` what a fold gave. A process takes a fold by a lock on `NAME.lock`,
which the system releases when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec import Struct, structs

from edgefer.errors import EdgeferError, UsageError
from edgefer.support.atomic import replacing, write_bytes
from edgefer.train.data.splits import Split
from edgefer.train.protocols.faces import Clips
from edgefer.train.protocols.plan import Plan, divide

PLAN = "plan.json"
Kept = TypeVar("Kept")


class Fold(Struct, frozen=True, kw_only=True):
    """What a fold gave.

    Attributes:
        subjects: of the test. rows: sequences of the test, by their places among the clips.
        truth, predicted: classes of these rows; predicted after each epoch.
    """

    name: str
    subjects: list[str]
    rows: list[int]
    truth: list[int]
    predicted: list[list[int]]

    def right(self, epoch: int | None = None) -> int:
        """How many rows are right after an epoch; after the best one, as the paper has it, where it is None."""
        hits = (np.array(self.predicted) == np.array(self.truth)).sum(axis=1)
        return int(hits.max() if epoch is None else hits[epoch])


class Run:
    """The folds of a plan in a folder.

    Args:
        start: file of the weights to start from, where the plan has such. frames: run of its frame network, likewise.

    Raises:
        UsageError: the folder holds another plan, or a damaged one.
    """

    def __init__(self, folder: Path, plan: Plan, clips: Clips, start: Path | None = None, frames: Path | None = None):
        self.folder, self.plan, self.clips = folder, plan, clips
        self.divisions = divide(plan.protocol, clips.subjects)
        self._start, self._frames = start, frames
        self._learner: Any = None
        told = msgspec.json.format(msgspec.json.encode(plan))
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            before = decoded(folder / PLAN, Plan)
            if before != plan:
                raise UsageError(
                    f"{folder}: holds a run with another {_difference(before, plan)}; choose another folder"
                )
            return
        with replacing(folder / PLAN, alone=False) as scratch:
            scratch.write_bytes(told)

    def done(self) -> list[Fold]:
        """The folds that are finished, in their order."""
        found = (self._read(name) for name, _ in self.divisions)
        return [fold for fold in found if fold is not None]

    def work(self, after: Callable[[Fold], None] | None = None) -> None:
        """Do every fold that is neither finished nor in work in another process.

        Args:
            after: told of each fold, finished before or now, in their order; what it raises ends the work.
        """
        for name, split in self.divisions:
            fold = self._read(name)
            if fold is None:
                with _lock(self.folder / f"{name}.lock") as held:
                    fold = (self._read(name) or self._learn(name, split)) if held else None
            if fold is not None and after is not None:
                after(fold)
        self._learner = None  # it is as large as its network and its clips

    def _read(self, name: str) -> Fold | None:
        try:
            return decoded(self.folder / f"{name}.json", Fold)
        except FileNotFoundError:
            return None

    def _learn(self, name: str, split: Split) -> Fold:
        from edgefer.train.protocols.learning import Learner

        if self._learner is None:
            self._learner = Learner(self.plan, self.clips, self._start, self._frames)
        predicted = self._learner.fold(split)
        fold = Fold(
            name=name,
            subjects=np.unique(self.clips.subjects[split.test]).tolist(),
            rows=split.test.tolist(),
            truth=self.clips.truth[split.test].tolist(),
            predicted=predicted.tolist(),
        )
        write_bytes(self.folder / f"{name}.json", msgspec.json.encode(fold))
        return fold


def decoded(path: Path, kind: type[Kept]) -> Kept:
    """What a file of a run holds, Plan or Fold.

    Raises:
        FileNotFoundError: it is not there. UsageError: it is damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path}: damaged, {error}; take it away, and the same command makes it again") from None


def side_by_side(command: list[str], processes: int) -> None:
    """Run a command of Python in several processes, and wait for all of them.

    Raises:
        EdgeferError: one failed.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    running = [subprocess.Popen([sys.executable, *command], env=environment) for _ in range(processes)]
    try:
        codes = [process.wait() for process in running]
    finally:
        for process in running:
            process.terminate()
    if any(codes):
        raise EdgeferError(f"{sum(map(bool, codes))} of {processes} processes failed; what is done stays")


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Whether the lock of a file was free; it is held during the block."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _difference(before: Plan, now: Plan) -> str:
    own = structs.asdict(now)
    return ", ".join(f"{name} ({value})" for name, value in structs.asdict(before).items() if value != own[name])
