"""Which kind of source a text means: told by what is there, not by its suffix, and without a decoder."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from edgefer.errors import SourceError, UsageError
from edgefer.support.redact import without_password

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https", "udp")

#: First bytes of the still formats; an animated GIF goes the way of a video.
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")
_PNM = re.compile(rb"P[1-6]\s")


def kind_of(spec: str) -> str:
    """What a text given for a source means: "camera", "stream", "stills" or "film".

    Args:
        spec: camera index ("0"); device ("/dev/video0"); stream ("rtsp://host/path", also http, https, udp);
            path of a video, an image or a folder of images. A file called like an index or like a kind of
            source is reached as "./0".

    Raises:
        UsageError: it is empty or holds control characters.
        SourceError: it does not exist, may not be read, is empty, or is nothing of these.
    """
    if not spec or not spec.isprintable():
        raise UsageError(
            f"source {spec!r}: expected a path without control characters, a camera, rtsp://… or demo"
        )
    if spec.isascii() and spec.isdecimal() or spec.startswith("/dev/video"):
        return "camera"
    scheme, separator, _ = spec.partition("://")
    if separator:
        if scheme.lower() not in STREAM_SCHEMES:
            known = ", ".join(STREAM_SCHEMES)
            raise SourceError(
                f"{without_password(spec)}: unknown kind of stream {scheme!r}; available: {known}"
            )
        return "stream"
    return _kind_of_path(spec)


def _kind_of_path(spec: str) -> str:
    try:
        path = Path(spec)
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return "stills"
        if stat.S_ISCHR(mode):
            return "camera"
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
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceError(f"{spec}: {reason[0].lower()}{reason[1:]}; expected a readable file") from None
    if not head:
        raise SourceError(f"{spec}: the file is empty; expected a video or an image")
    return "stills" if is_image(head) else "film"


def is_image(head: bytes) -> bool:
    """Whether a file that begins with these (at least 12) bytes is a still image, whatever it is called."""
    return (
        head.startswith(_SIGNATURES)
        or bool(_PNM.match(head))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    )
