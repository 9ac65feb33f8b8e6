"""The failures a user can cause or meet; each carries one line and the exit code of the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

#: Exit code after Ctrl-C, which is no error: 128 + SIGINT, as shells have it.
INTERRUPTED = 130


class EdgeferError(Exception):
    """Base of the errors that are reported as one line: what, which, expected, got, what to do."""

    exit_code = 1


class UsageError(EdgeferError):
    """Bad usage or configuration."""

    exit_code = 2


class ExpressionError(UsageError):
    """Models none of which gives an expression."""


class SourceError(EdgeferError):
    """No camera, or a source that failed for good."""

    exit_code = 3


class PictureError(SourceError):
    """A picture that cannot be read; the message says why, and its caller which."""


class ModelError(EdgeferError):
    """A model that must not be run: damaged, incomplete, or not what its manifest says."""

    exit_code = 4


class Kept(Protocol):
    """What stays open between two openings of a source; its owner closes it, unless the next opening took it over."""

    def close(self) -> None: ...


class SourceStalled(SourceError):
    """A live source that is not there, or gives no frame, for the moment; opening it again may help.

    Attributes:
        heard: where its return can be heard of: has a method called when it may be back, for as long as the method's
            object lives; gives False where that cannot be heard of after all.
        kept: what has to stay open until the next attempt. Who tries again owns it, and closes it when giving up.
    """

    heard: Callable[[Callable[[], None]], bool] | None = None
    kept: Kept | None = None


class SourceRefused(SourceError):
    """A source that will not let this user in: it is not asked again, for cameras lock accounts."""


class SinkError(EdgeferError):
    """An output that could not be written; the readings before are kept, in whole lines."""


class SinkStalled(SinkError):
    """A file that cannot be written at the moment, as on a full disk; trying again later may help.

    Attributes:
        lost: how many readings that has cost; 0 where they wait for the next attempt.
    """

    lost: int = 1


class SinkClosed(SinkError):
    """The reader of a pipe went away, as `| head` does: the run ends cleanly."""

    exit_code = 0
