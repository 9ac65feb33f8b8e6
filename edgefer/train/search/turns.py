"""Who may decide about a study's trials, and who is still at work: locks that go when their holder ends, in any way.

One machine has locks of files beside the journal; many have advisory locks of their PostgreSQL server, which drops
those of a connection that is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

_LONGEST_LINE = 1 << 20  # of a journal, bytes
_KEEPALIVE = {"tcp_keepalives_idle": 60, "tcp_keepalives_interval": 20, "tcp_keepalives_count": 3}


class Turns(Protocol):
    """The locks of one process.

    Attributes:
        worker: name of this process, as others ask for it.
    """

    worker: str

    def turn(self) -> contextlib.AbstractContextManager[None]:
        """A block that only one process is in at a time."""

    def alive(self, worker: str) -> bool:
        """Whether a process is still at work."""

    def close(self) -> None:
        """This process is at work no more."""


class JournalLock:
    """Of one who writes the journal. Optuna's own lock, a file, outlives a process that is killed by half a minute."""

    def __init__(self, path: Path):
        self._path = path
        self._file: IO[bytes] | None = None

    def acquire(self) -> bool:
        self._file = self._path.open("ab+")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        _mend(self._file)
        return True

    def release(self) -> None:
        assert self._file is not None
        self._file.close()


def _mend(journal: IO[bytes]) -> None:
    """Drops a last line that was not written to its end, as where the power fails; the next one would continue it."""
    end = journal.seek(0, os.SEEK_END)
    begin = max(0, end - _LONGEST_LINE)
    journal.seek(begin)
    whole = journal.read().rpartition(b"\n")
    if whole[2]:
        journal.truncate(begin + len(whole[0]) + len(whole[1]))


class FileTurns:
    """Locks of files.

    Args:
        path: of the journal; the locks are `PATH.turn` and, in `PATH.workers`, one for each process.
    """

    def __init__(self, path: Path):
        self._turn = path.with_name(path.name + ".turn")
        self._workers = path.with_name(path.name + ".workers")
        self._workers.mkdir(parents=True, exist_ok=True)
        self.worker = f"{os.getpid()}-{secrets.token_hex(4)}"
        with self.turn():  # nobody takes it for a dead one before it is locked
            self._own = (self._workers / self.worker).open("w")
            fcntl.flock(self._own, fcntl.LOCK_EX)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        with self._turn.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def alive(self, worker: str) -> bool:
        if worker == self.worker:
            return True
        try:
            with (self._workers / worker).open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        (self._workers / worker).unlink(missing_ok=True)
        return False

    def close(self) -> None:
        (self._workers / self.worker).unlink(missing_ok=True)
        self._own.close()


class ServerTurns:
    """Advisory locks of a PostgreSQL server, on a connection of their own.

    Args:
        engine: of SQLAlchemy. study: its name; the processes that work on it take turns.
    """

    def __init__(self, engine: Any, study: str):
        self._engine = engine
        self._study = _key(f"edgefer.search {study}")
        self._connect()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        self._hold()
        self._call("pg_advisory_lock", self._study)
        try:
            yield
        finally:
            self._call("pg_advisory_unlock", self._study)

    def alive(self, worker: str) -> bool:
        if worker == self.worker:
            return True
        if not self._call("pg_try_advisory_lock", int(worker)):
            return True
        self._call("pg_advisory_unlock", int(worker))
        return False

    def close(self) -> None:
        self._connection.close()

    def _connect(self) -> None:
        from sqlalchemy import text

        self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        for name, value in _KEEPALIVE.items():  # so that the server soon misses a machine that is gone
            self._connection.execute(text(f"SET {name} = {value}"))
        self.worker = str(secrets.randbits(62))
        self._call("pg_advisory_lock", int(self.worker))

    def _hold(self) -> None:
        """Connects once more where the server ended the connection; its locks went with it."""
        from sqlalchemy.exc import DBAPIError

        try:
            self._call("pg_backend_pid")
        except DBAPIError:
            self._connection.close()
            self._connect()

    def _call(self, function: str, *key: int) -> Any:
        from sqlalchemy import text

        names = ", ".join(f":key{place}" for place in range(len(key)))
        values = {f"key{place}": value for place, value in enumerate(key)}
        return self._connection.execute(text(f"SELECT {function}({names})"), values).scalar()


@contextlib.contextmanager
def alone(engine: Any) -> Iterator[None]:
    """A block for one process at a time of all at a server: two that make Optuna's tables at once stumble."""
    from sqlalchemy import text

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({_key('edgefer.search tables')})"))
        try:
            yield
        finally:
            connection.execute(text(f"SELECT pg_advisory_unlock({_key('edgefer.search tables')})"))


def _key(words: str) -> int:
    """A number that PostgreSQL's locks are named by."""
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") >> 2
