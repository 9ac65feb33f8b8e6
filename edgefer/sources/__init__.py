"""Sources: where frames come from. `open_source` tells them apart by what they are, not by their suffix."""

from __future__ import annotations

import os

from edgefer.errors import SourceError, SourceStalled
from edgefer.sources.base import Source
from edgefer.sources.pace import paced
from edgefer.sources.spec import kind_of

__all__ = ["Source", "SourceError", "SourceStalled", "kind_of", "open_source", "paced"]


def open_source(
    spec: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    format: str | None = None,
) -> Source:
    """Opens a source and reads its first frame, so that what cannot work fails here.

    Args:
        spec: as for kind_of, or a path.
        size: (width, height) to ask a camera for; other sources keep their own.
        fps: rate to ask a camera for; other sources keep their own.
        format: pixel format to ask a camera for: YUYV, NV12, GREY, MJPG, …

    Raises:
        UsageError: spec or format is not one that can be meant.
        SourceError: it does not exist, may not be read, or is not what it should be; the message is one line.
        SourceStalled: a camera opened but gave no frame.
    """
    target = os.fspath(spec)
    kind = kind_of(target)
    if kind == "demo":
        from edgefer.sources.demo import open_demo

        return open_demo(target)
    if kind == "camera":
        from edgefer.sources.camera import open_camera

        return open_camera(target, size=size, fps=fps, format=format)
    if kind == "stream":
        from edgefer.sources.stream import open_stream

        return open_stream(target)
    if kind == "stills":
        from edgefer.sources.stills import open_stills

        return open_stills(target)
    from edgefer.sources.film import open_film

    return open_film(target)
