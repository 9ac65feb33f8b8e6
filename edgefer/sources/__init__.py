"""Sources: where frames come from. `open_source` tells them apart by what they are, not by their suffix."""

from __future__ import annotations

import os

from edgefer.errors import SourceError, SourceStalled
from edgefer.sources.base import Source, paced
from edgefer.sources.registry import SOURCES, parse_source
from edgefer.support.registry import Choice

__all__ = ["SOURCES", "Source", "SourceError", "SourceStalled", "open_source", "paced", "parse_source"]


def open_source(source: Choice | str | os.PathLike[str]) -> Source:
    """Opens a source and reads its first frame, so that what cannot work fails here.

    Args:
        source: of SOURCES, or as parse_source takes it.

    Raises:
        UsageError: it can mean nothing.
        SourceError: it does not exist, may not be read, or is not what it should be; the message is one line.
        SourceStalled: a camera opened but gave no frame.
    """
    return (source if isinstance(source, Choice) else parse_source(source)).make()
