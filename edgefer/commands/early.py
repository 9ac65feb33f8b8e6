"""What begins before a command line is parsed, for parsing loads much: the processes of `edgefer annotate`."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefer.annotate.pool import Pool

_MOST = 4  # it is not known yet how many films there are
_pool: ContextVar[Pool | None] = ContextVar("pool", default=None)


def processors() -> int:
    """Those that this process may use."""
    from edgefer.support import cpu

    allowed = len(os.sched_getaffinity(0))
    limit = cpu.quota()
    return allowed if limit is None else max(1, min(allowed, math.ceil(limit)))


@contextmanager
def workers(arguments: Sequence[str]) -> Iterator[None]:
    """Processes that load what reading takes, for the length of a block, where the command line will need them."""
    if arguments[:1] != ["annotate"] or {"-h", "--help"} & set(arguments):
        yield
        return
    from edgefer.annotate.pool import Pool

    asked = re.search(r"(?:^|\n)--jobs[=\n]0*([1-9]\d{0,3})(?:\n|$)", "\n".join(arguments))
    with Pool(min(int(asked[1]) if asked else processors(), _MOST)) as pool:
        token = _pool.set(pool)
        try:
            yield
        finally:
            _pool.reset(token)


def begun() -> Pool:
    """The processes that were begun; without them a pool that begins its own."""
    from edgefer.annotate.pool import Pool

    return _pool.get() or Pool()
