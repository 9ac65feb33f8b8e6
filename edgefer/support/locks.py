"""Locks that a child of os.fork() finds free, as a server that loads its models before it forks needs them."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_turns: weakref.WeakSet[Any] = weakref.WeakSet()
_guards: weakref.WeakSet[Guard] = weakref.WeakSet()
_forking = threading.Lock()
_held: list[Any] = []


def turn_lock() -> Any:
    """A reentrant lock for short `with` blocks, in which no other lock is taken.

    os.fork() waits until no thread is in such a block, so that what it guards comes into the child in one piece.
    """
    lock = threading.RLock()
    with _forking:
        _turns.add(lock)
    return lock


class Guard:
    """A reentrant lock for `with` blocks that take long, or other locks; a child of os.fork() gets a new one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        with _forking:
            _guards.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def renew(self) -> None:
        """For a child, in which nobody else is left to open it."""
        self._lock = threading.RLock()


def _before_fork() -> None:
    _forking.acquire()
    for lock in list(_turns):
        lock.acquire()
        _held.append(lock)


def _after_fork() -> None:
    while _held:
        _held.pop().release()
    _forking.release()


def _in_child() -> None:
    _after_fork()
    for guard in list(_guards):
        guard.renew()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
