"""Model updates killed at every system call, by strace, and at random moments: after each a whole model is there.

    python tests/fuzz/killed_updates.py                       every call of every kind of change, then 1000 random kills
    python tests/fuzz/killed_updates.py --every 20 --random 50
    python tests/fuzz/killed_updates.py --command             besides, every call of the command as it is typed

Each change begins in a state that is copied for it and runs in a child of this process, which has loaded everything:
the calls that are counted are the update's own and not those of Python's start. After the kill the model that the slot
names is opened as a run opens it, self-test included; it must be the old or the new one. Then the same change is made
once more and must succeed, with nothing left over.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import tiny_model
from msgspec.structs import replace

from edgefer import assemble
from edgefer.device.update import FirstMinute
from edgefer.errors import EdgeferError, ModelError, UsageError
from edgefer.models import directory, keys, minisign, place, slots, store
from edgefer.models.field import signing
from edgefer.models.field.install import How, install, roll_back
from edgefer.models.keys import Trust
from edgefer.models.release import Release

_PR_SET_PTRACER, _ANY = 0x59616D61, ctypes.c_ulong(-1)


class Change(NamedTuple):
    """Something that is done to the models of a device.

    Attributes:
        name: for people.
        begin: makes the state it begins in.
        make: does it; may be done again after it was done, or cut short.
        old, new: name of the model that the slot opens before and after.
    """

    name: str
    begin: Callable[[], None]
    make: Callable[[], None]
    old: str
    new: str


def forked_test(path: Path) -> None:
    """The self-test in a child, as the command makes it but without Python's start."""
    child = os.fork()
    if child == 0:
        try:
            assemble.verify_model(path)
        except BaseException:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise ModelError("its self-test failed")


def changes(folder: Path) -> list[Change]:
    """The changes, with the models they need."""
    for name in ("first", "second", "third"):
        tiny_model.make_directory(folder / name, name=name)
    shutil.make_archive(str(folder / "third"), "gztar", folder / "third")

    def put(name: str) -> None:
        install(folder / name, forked_test, How("x"))

    def installed(*names: str) -> Callable[[], None]:
        def begin() -> None:
            for name in names:
                put(name)

        return begin

    def back() -> None:
        with contextlib.suppress(UsageError):  # it was done already
            roll_back("x")

    def run() -> None:
        with FirstMinute(["x"], forked_test) as minute:
            minute.beat(1)

    def crashed() -> None:
        for name in ("first", "second"):
            put(name)
        slots.write("x", replace(slots.read("x"), trial="begun"))

    made = [
        Change("a first model", lambda: None, lambda: put("first"), "", "first"),
        Change("an update", installed("first"), lambda: put("second"), "first", "second"),
        Change(
            "an update from an archive", installed("first", "second"), lambda: put("third.tar.gz"), "second", "third"
        ),
        Change("a rollback", installed("first", "second"), back, "second", "first"),
        Change("a return after a crash", crashed, run, "second", "first"),
    ]
    with contextlib.suppress(ImportError, UsageError):
        made.append(_rotation(folder))
    return made


def _rotation(folder: Path) -> Change:
    """An update that brings another key."""
    old, new = minisign.new_key(), minisign.new_key()
    for version, name, brings in ((1, "signed", None), (2, "brings", new)):
        tiny_model.make_directory(folder / name, name=name)
        signing.sign(folder / name, Release(version=version, signed="2026-01-01"), old, brings)

    def begin() -> None:
        with place.locked():
            keys.write(Trust(keys=(old.public.text,)))
        install(folder / "signed", forked_test, How("x"))

    def make() -> None:
        install(folder / "brings", forked_test, How("x"))
        assert keys.read().keys == (new.public.text,)

    return Change("an update that changes the key", begin, make, "signed", "brings")


class Call(NamedTuple):
    """A system call: the n-th of its name, as strace counts them."""

    name: str
    number: int


def _calls(log: Path) -> list[Call]:
    """Those in a log of strace, in order."""
    names = re.findall(r"^(\w+)\(", log.read_text(errors="replace"), re.M)
    seen: Counter[str] = Counter()
    made = []
    for name in names:
        seen[name] += 1
        made.append(Call(name, seen[name]))
    return made


class Range:
    """A folder in which changes are killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state = folder / "state"
        self._theirs = self._state / "models" / "theirs" / "1"  # of somebody else, who has put it there
        self.failures: list[str] = []
        os.environ["EDGEFER_STATE"] = str(self._state)
        self.changes = changes(folder)
        for number, change in enumerate(self.changes):
            self._fresh()
            change.begin()
            self._theirs.mkdir(parents=True)
            shutil.move(self._state, folder / f"begin-{number}")

    def _fresh(self, change: Change | None = None) -> None:
        shutil.rmtree(self._state, ignore_errors=True)
        if change is not None:
            shutil.copytree(self._folder / f"begin-{self.changes.index(change)}", self._state)

    def start(self, change: Change) -> tuple[int, int]:
        """A child that waits for a byte, then makes the change; its number, and where the byte goes."""
        self._fresh(change)
        waits, goes = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(goes)
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)  # strace is no parent of it
            os.read(waits, 1)
            try:
                change.make()
            except BaseException:
                os._exit(1)
            os._exit(0)
        os.close(waits)
        return child, goes

    def calls(self, change: Change) -> list[Call]:
        """The system calls that a change makes."""
        log = self._folder / "calls"
        child, goes = self.start(change)
        tracer = self._traced(child, "-o", str(log))
        os.write(goes, b"x")
        os.close(goes)
        self.judge(change, "only watched", os.waitpid(child, 0)[1])
        tracer.communicate()
        return _calls(log)

    def killed_at(self, change: Change, call: Call) -> bool:
        """Kills a change as it makes a system call; false where it makes fewer of this name."""
        child, goes = self.start(change)
        tracer = self._traced(child, "-o", "/dev/null", "-e", f"inject={call.name}:signal=KILL:when={call.number}")
        with contextlib.suppress(BrokenPipeError):  # killed while it waits
            os.write(goes, b"x")
        os.close(goes)
        status = os.waitpid(child, 0)[1]
        tracer.communicate()
        self.judge(change, f"killed at {call.name} number {call.number}", status)
        return os.WIFSIGNALED(status)

    def _traced(self, child: int, *options: str) -> subprocess.Popen[str]:
        """strace on a child, once it watches it."""
        tracer = subprocess.Popen(["strace", "-p", str(child), *options], stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise SystemExit(f"strace cannot watch a process here: {said.strip()}")
        return tracer

    def command(self, change: Change, *options: str) -> int:
        """The whole of `edgefer models install`, Python's start and the self-test included, under strace."""
        self._fresh(change)
        program = "import sys; from edgefer.commands.console import main; sys.exit(main(sys.argv[1:]))"
        arguments = ["models", "install", str(self._folder / change.new), "--as", "x"]
        done = subprocess.run(["strace", *options, sys.executable, "-c", program, *arguments], capture_output=True)
        return done.returncode

    def calls_of_command(self, change: Change) -> list[Call]:
        """The system calls of the command, from the first that has to do with the state on."""
        log = self._folder / "calls"
        self.command(change, "-o", str(log))
        lines = log.read_bytes().splitlines()
        start = next(number for number, line in enumerate(lines) if os.fsencode(self._state) in line)
        return _calls(log)[start:]

    def command_killed_at(self, change: Change, call: Call) -> bool:
        """Kills the command as it makes a system call; false where it makes fewer of this name."""
        code = self.command(change, "-o", "/dev/null", "-e", f"inject={call.name}:signal=KILL:when={call.number}")
        killed = code in (-signal.SIGKILL, 128 + signal.SIGKILL)
        self.judge(
            change, f"command killed at {call.name} number {call.number}", signal.SIGKILL if killed else code << 8
        )
        return killed

    def killed_after(self, change: Change, seconds: float) -> None:
        """Kills a change some time after it began."""
        child, goes = self.start(change)
        os.write(goes, b"x")
        os.close(goes)
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        self.judge(change, f"killed after {1000 * seconds:.1f} ms", os.waitpid(child, 0)[1])

    def judge(self, change: Change, what: str, status: int) -> None:
        """Looks at what is there, then makes the change once more."""
        try:
            if os.WIFEXITED(status) and os.WEXITSTATUS(status):
                raise ModelError("the change failed by itself")
            expected = {change.old, change.new} if os.WIFSIGNALED(status) else {change.new}
            self._opened(expected)
            change.make()
            self._opened({change.new})
            record = slots.read("x")
            assert record is not None
            kept = {str(copy.number) for copy in (record.current, record.previous) if copy is not None}
            left = {each.name for each in (self._state / "models" / "x").iterdir()} - {slots.RECORD, ".trial"}
            if not self._theirs.is_dir():
                raise ModelError(f"{self._theirs}: is gone, and no command had made it")
            if left != kept and record.returns:  # what a rollback leaves goes with the next installation
                raise ModelError(f"expected the copies {sorted(kept)}, got {sorted(left)}")
        except (EdgeferError, AssertionError) as error:
            self.failures.append(f"{change.name}, {what}: {error}")

    def _opened(self, expected: set[str]) -> None:
        record = slots.read("x")
        if record is None or record.current is None:
            if "" not in expected:
                raise ModelError(f"expected {' or '.join(sorted(expected))}, got no model")
            return
        path = store.find("x")
        name = directory.load(path).name
        assemble.verify_model(path)
        if name not in expected:
            raise ModelError(f"expected {' or '.join(sorted(expected))}, got {name}")
        if record.previous is not None:
            directory.load(slots.folder_of("x", record.previous))


def run(every: int, kills: int, seed: int, commands: bool, tell: Callable[[str], None]) -> list[str]:
    """Kills changes; gives what was found wrong."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        at = Range(Path(folder))
        for change in at.changes:
            calls = at.calls(change)
            killed = sum(at.killed_at(change, call) for call in calls[chance.randrange(every) :: every])
            tell(f"{change.name}: {len(calls)} system calls, killed at {killed}")
        if commands:
            update = next(change for change in at.changes if change.name == "an update")
            calls = at.calls_of_command(update)
            killed = sum(at.command_killed_at(update, call) for call in calls[chance.randrange(every) :: every])
            tell(f"the command as it is typed: {len(calls)} system calls, killed at {killed}")
        lengths = []
        for change in at.changes:  # how long each takes
            child, goes = at.start(change)
            began = time.monotonic()
            os.write(goes, b"x")
            os.close(goes)
            os.waitpid(child, 0)
            lengths.append(time.monotonic() - began)
        for number in range(kills):
            which = number % len(at.changes)
            at.killed_after(at.changes[which], chance.uniform(0, 1.2 * lengths[which]))
        tell(f"{kills} kills at random moments")
        tell(f"{len(at.failures)} left something that is no whole model, or could not be done again")
        return at.failures


def main() -> int:
    """The command line; exit code 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="kill at every N-th system call (default: 1)")
    parser.add_argument("--random", type=int, default=1000, metavar="N", help="kills at random moments (default: 1000)")
    parser.add_argument("--command", action="store_true", help="also the command as it is typed, 2 s a call")
    parser.add_argument("--seed", type=int, default=0, help="of the chance (default: 0)")
    arguments = parser.parse_args()
    logging.getLogger("edgefer").setLevel(logging.ERROR)  # what it says of each rollback
    failures = run(
        arguments.every, arguments.random, arguments.seed, arguments.command, lambda line: print(line, flush=True)
    )
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
