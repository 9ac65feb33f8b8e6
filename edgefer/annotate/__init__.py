"""Films by the thousand: one film is one task, whose result is a file that is whole or not there."""

from __future__ import annotations

from edgefer.annotate.films import Films, find
from edgefer.annotate.job import Job, Outcome, work
from edgefer.annotate.output import join

__all__ = ["Films", "Job", "Outcome", "find", "join", "work"]
