"""The live page while tests share the machine with whatever else it does: its server does not give way to that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

_MAIN = "from edgefer.sinks.network.page.server import main; main()"
_HURRIED = (
    "from edgefer.sinks.network.page import server; server._give_way = lambda: None; server._NICE = 0; server.main()"
)

#: For the begin of a program in a process of its own.
KEEPING = f"from edgefer.sinks.network import web; web._PROGRAM = web._PROGRAM.replace({_MAIN!r}, {_HURRIED!r})"


@contextlib.contextmanager
def keeping_its_priority() -> Iterator[None]:
    """Servers that are begun in this block keep the priority that they begin with."""
    from edgefer.sinks.network import web

    assert _MAIN in web._PROGRAM
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web, "_PROGRAM", web._PROGRAM.replace(_MAIN, _HURRIED))
        yield
