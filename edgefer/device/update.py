"""The first minute of a newly installed model: a run that does not live through it returns to the model before.

A run says in the slot's record that it has begun with the new model, and after a minute of readings that it is well.
Where the next run finds the first without the second, the one before crashed, was killed, or hung until the watchdog
ended it: the old model is taken again. A run that ends sooner, as it should, says nothing: the model stays on trial.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from msgspec.structs import replace

from edgefer.errors import EdgeferError, ExpressionError, ModelError
from edgefer.models import directory, place, slots
from edgefer.models.slots import Copy

log = logging.getLogger(__name__)

#: Readings for so long, from the first on, and a model is well.
MINUTE_S = 60.0
#: How long a run waits for an installation that is under way.
_WAIT_S = 2.0
#: After so long it is tried again to say that a model is well, where that could not be kept.
_AGAIN_S = 10.0


class FirstMinute:
    """What a run says of the installed models it uses, for the length of a block.

    Two runs with one model: the first has the trial, and the second says nothing.
    """

    def __init__(self, names: Iterable[str], self_test: Callable[[Path], None]) -> None:
        """Args:
        names: of the models that the run opens; those that are not installed count for nothing.
        self_test: opens the model of a directory in another process; raises ModelError.
        """
        self._names = sorted({slots.named(name) for name in names})
        self._self_test = self_test
        self._trials: dict[str, tuple[Copy, int]] = {}  # the copy, and the file whose lock says that this run lives
        self._unsaid: set[str] = set()  # slots of which is still to be said how the trial went
        self._due_s: float | None = None  # when that is to be said
        self._told: threading.Thread | None = None
        self._warned = False

    def __enter__(self) -> FirstMinute:
        for slot in self._names:
            try:
                record = slots.read(slot)
                if record is not None and record.trial:
                    self._begin(slot)
            except ModelError as error:
                log.debug("%s", error)  # who opens the model says so
            except EdgeferError as error:
                log.warning("slot %s: the new model is not watched: %s", slot, error)
        return self

    def _begin(self, slot: str) -> None:
        """Begins a trial, or ends one that an earlier run did not live through."""
        folder = place.models_folder() / slot
        with place.told(folder):
            file = os.open(folder / ".trial", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with place.locked(_WAIT_S), place.told(folder):
                place.hand_over(folder / ".trial")
                record = slots.read(slot)
                if record is None or record.current is None or not record.trial:
                    return
                if record.trial == "begun" and self._given_up(slot, "a run did not live through its first minute"):
                    return
                slots.write(slot, replace(record, trial="begun"))
                self._trials[slot] = record.current, file
                self._unsaid.add(slot)
                file = -1
        except BlockingIOError:
            log.debug("slot %s: another run has the trial", slot)
        finally:
            if file >= 0:
                os.close(file)

    def beat(self, written: int) -> None:
        """Call it often, with the readings so far."""
        if not self._unsaid or not written or (self._told is not None and self._told.is_alive()):
            return
        now = time.monotonic()
        self._due_s = now + MINUTE_S if self._due_s is None else self._due_s
        if now >= self._due_s:  # on a thread: a card may take a second to keep it, and frames come
            self._due_s = now + _AGAIN_S
            self._told = threading.Thread(target=self._tell, args=("", _WAIT_S), name="first minute", daemon=True)
            self._told.start()

    def _tell(self, trial: str, wait_s: float) -> None:
        """Says that the models are well, or are to be tried again; where that cannot be kept it stays unsaid."""
        end_s = time.monotonic() + wait_s
        for slot in sorted(self._unsaid):
            try:
                with place.locked(max(end_s - time.monotonic(), 0.0)), place.told(place.models_folder()):
                    record = slots.read(slot)
                    if record is not None and record.current == self._trials[slot][0] and record.trial == "begun":
                        slots.write(slot, replace(record, trial=trial))
                self._unsaid.discard(slot)
            except EdgeferError as error:
                level = logging.DEBUG if self._warned else logging.WARNING
                log.log(level, "slot %s: what was found of the new model is not kept yet: %s", slot, error)
                self._warned = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._told is not None:
            end_s = time.monotonic() + _WAIT_S
            self._told.join()
            self._tell("", max(end_s - time.monotonic(), 0.0))  # the last chance
        elif isinstance(error, (ModelError, ExpressionError)):
            self._blame()
        elif error is None or isinstance(error, (EdgeferError, KeyboardInterrupt)):
            self._tell("new", _WAIT_S)
        for _, file in self._trials.values():
            os.close(file)

    def _blame(self) -> None:
        """After a model was refused: returns to the one before, in the slots whose model it was."""
        for slot in self._names:
            try:
                path = slots.installed(slot)
                if path is None:
                    continue
                self._self_test(path)
                self._check_role(slot, path)
            except ModelError as error:
                with contextlib.suppress(EdgeferError), place.locked(_WAIT_S):
                    if self._given_up(slot, str(error)):
                        continue
        self._tell("new", _WAIT_S)

    def _check_role(self, slot: str, path: Path) -> None:
        """Refuses a model on trial that no run could use as it used the one before."""
        from edgefer.models.field.install import check_role

        record = slots.read(slot)
        if slot in self._trials and record is not None:
            check_role(slot, directory.load(path), record.previous)

    def _given_up(self, slot: str, why: str) -> bool:
        """Returns to the model before, where there is one; for a holder of the lock."""
        from edgefer.models.field.install import give_up

        record = slots.read(slot)
        if record is None or record.current is None or not record.returns:
            log.warning("slot %s: %s, and there is no model before it", slot, why)
            return False
        try:
            with place.told(place.models_folder()):
                after = give_up(slot, record, why)
        except EdgeferError as error:
            log.warning("slot %s: %s, and the model before it cannot be taken: %s", slot, why, error)
            return False
        before = after.current.title if after.current is not None else "the model that ships"
        log.warning("slot %s: %s is given up: %s; back to %s", slot, record.current.title, why, before)
        return True
