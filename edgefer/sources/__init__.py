"""Sources: where frames come from. `open_source` tells them apart by what they are, not by their suffix."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edgefer.errors import SourceError, SourceStalled, UsageError
from edgefer.sources.base import Source

__all__ = ["Source", "SourceError", "SourceStalled", "open_source", "paced"]


def open_source(
    spec: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    format: str | None = None,
) -> Source:
    """Opens a source and reads its first frame, so that what cannot work fails here.

    Args:
        spec: camera index ("0"); device ("/dev/video0"); stream ("rtsp://host/path", also http, https, udp);
            path of a video, an image or a folder of images; "demo" (10 s), "demo:SECONDS", "demo:forever".
            A file called like an index or "demo" is reached as "./0".
        size: (width, height) to ask a camera for; other sources keep their own.
        fps: rate to ask a camera for; other sources keep their own.
        format: pixel format to ask a camera for: YUYV, NV12, GREY, MJPG, …

    Raises:
        UsageError: spec or format is not one that can be meant.
        SourceError: it does not exist, may not be read, or is not what it should be; the message is one line.
        SourceStalled: a camera opened but gave no frame.
    """
    spec = os.fspath(spec)
    if not spec or not spec.isprintable():
        raise UsageError(
            f"source {spec!r}: expected a path without control characters, a camera, rtsp://… or demo"
        )
    if spec == "demo" or spec.startswith("demo:"):
        from edgefer.sources.demo import open_demo

        return open_demo(spec)
    if spec.isascii() and spec.isdecimal() or spec.startswith("/dev/video"):
        from edgefer.sources.camera import open_camera

        return open_camera(spec, size, fps, format)
    scheme, separator, _ = spec.partition("://")
    if separator:
        from edgefer.sources.camera import STREAM_SCHEMES, open_stream, without_password

        if scheme.lower() not in STREAM_SCHEMES:
            known = ", ".join(STREAM_SCHEMES)
            raise SourceError(
                f"{without_password(spec)}: unknown kind of stream {scheme!r}; available: {known}"
            )
        return open_stream(spec)
    return _open_path(spec, size, fps, format)


def _open_path(spec: str, size: tuple[int, int] | None, fps: float | None, format: str | None) -> Source:
    try:
        path = Path(spec)
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            from edgefer.sources.stills import open_folder

            return open_folder(path)
        if stat.S_ISCHR(mode):
            from edgefer.sources.camera import open_camera

            return open_camera(spec, size, fps, format)
        if not stat.S_ISREG(mode):
            raise SourceError(
                f"{spec}: expected a video, an image or a folder, got a pipe, socket or block device"
            )
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise SourceError(
            f"{spec}: no such file or folder; expected a path, a camera index, /dev/videoN, rtsp://… or demo"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{spec}: {reason[0].lower()}{reason[1:]}; expected a readable file") from None
    if not head:
        raise SourceError(f"{spec}: the file is empty; expected a video or an image")
    from edgefer.sources.stills import Images, is_image

    if is_image(head):
        return Images(spec, [path])
    from edgefer.sources.film import VideoFile

    return VideoFile(path)


def paced(source: Source) -> Source:
    """The source at its own rate, as from a camera; one that is live already comes back as it is."""
    if source.live:
        return source
    from edgefer.sources.film import Paced

    return Paced(source)
