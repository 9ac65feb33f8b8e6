"""Films by the thousand: one film is one task, whose result is a file that is whole or not there."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__all__ = ["Films", "Job", "Outcome", "find", "join", "work"]

if TYPE_CHECKING:
    from edgefer.annotate.films import Films, find
    from edgefer.annotate.job import Job, Outcome, work
    from edgefer.annotate.output import join

#: Where each name comes from: the processes that read are started before any of it is loaded.
_HOMES = {"Films": "films", "find": "films", "Job": "job", "Outcome": "job", "work": "job", "join": "output"}


def __getattr__(name: str):
    if name in _HOMES:
        return getattr(importlib.import_module(f"edgefer.annotate.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'edgefer.annotate' has no attribute {name!r}")
