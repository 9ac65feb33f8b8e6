"""The sources that can be chosen.

A maker gets its options; it gives a Source (sources/base.py) whose first frame has been read. A row's `needs`
are words of this list:

    still     its frames are photographs, independent of each other
    endless   it does not end by itself
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgefer.errors import SourceError, UsageError
from edgefer.support.redact import remember, url_name
from edgefer.support.registry import Choice, Entry, Options, Registry

Side = Annotated[int, Meta(ge=16, le=8192)]
Index = Annotated[int, Meta(ge=0, le=255)]
Text = Annotated[str, Meta(min_length=1)]


class CameraOptions(Options, frozen=True):
    """The camera that `edgefer run` opens when neither --camera nor --source is given."""

    device: Annotated[Index | Text, Meta(description="index of the camera, or its path")] = 0
    size: Annotated[
        list[Side], Meta(min_length=2, max_length=2, description="width and height asked of the camera, pixels")
    ] = msgspec.field(default_factory=lambda: [640, 480])
    fps: Annotated[float, Meta(ge=1, le=240, description="frames a second asked of the camera")] = 30.0
    format: Annotated[
        Literal["auto", "grey", "yuyv", "nv12", "mjpeg"],
        Meta(description="pixel format asked of the camera; grey, yuyv and nv12 give luma without a conversion"),
    ] = "auto"
    rotate: Annotated[
        Literal[0, 90, 180, 270], Meta(description="degrees clockwise by which its pictures are turned upright")
    ] = 0
    flip: Annotated[
        Literal["none", "horizontal", "vertical"],
        Meta(description="mirrors its pictures after that; horizontal exchanges left and right"),
    ] = "none"


class DemoOptions(Options, frozen=True):
    """The portrait before a simulated camera."""

    seconds: Annotated[Annotated[float, Meta(gt=0, le=1e6)] | Literal["forever"], Meta(description="length, s")] = 10.0


class PathOptions(Options, frozen=True):
    """A source that lies on a disk."""

    path: Annotated[str, Meta(min_length=1, description="file or folder")]


class FilmOptions(PathOptions, frozen=True):
    """A film: a video file, or an animated GIF."""

    start: Annotated[float, Meta(ge=0, le=1e6, description="media time at which reading begins, s")] = 0.0
    loop: Annotated[bool, Meta(description="begin again at its end; times and frame numbers go on rising")] = False


class AddressOptions(Options, frozen=True):
    """A source in the network."""

    url: Annotated[str, Meta(min_length=1, description="rtsp, rtsps, http, https or udp")]


STILL, ENDLESS = "still", "endless"

SOURCES = Registry("source")
SOURCES.add(
    Entry(
        "camera",
        "camera of this machine",
        "edgefer.sources.camera:open_camera",
        CameraOptions,
        "device",
        frozenset({ENDLESS}),
    )
)
SOURCES.add(
    Entry("demo", "portrait before a simulated camera", "edgefer.sources.demo:open_demo", DemoOptions, "seconds")
)
SOURCES.add(Entry("film", "video file", "edgefer.sources.film:open_film", FilmOptions, "path"))
SOURCES.add(Entry("stream", "network stream", "edgefer.sources.stream:open_stream", AddressOptions, "url"))
SOURCES.add(
    Entry(
        "stills",
        "image, or folder of images",
        "edgefer.sources.stills:open_stills",
        PathOptions,
        "path",
        frozenset({STILL}),
    )
)


def parse_source(spec: str | os.PathLike[str], camera: CameraOptions | None = None) -> Choice:
    """The source that a text means: `kind:target[,option=value…]`, or what it is by itself.

    Args:
        spec: a kind's name with its options, or what kind_of takes.
        camera: what to ask of a camera that is given by its index or path alone.

    Raises:
        UsageError: it can mean nothing. SourceError: there is no such file.
    """
    text = os.fspath(spec)
    remember(text)
    name = re.split(r"[^a-z0-9_]", text, maxsplit=1)[0]
    if name in SOURCES and text[len(name) :][:1] in ("", ":", ","):
        return SOURCES.parse(text)
    entry = SOURCES.find(kind_of(text))
    if camera is not None and isinstance(camera, entry.options):
        return Choice(entry, msgspec.structs.replace(camera, device=text))
    return SOURCES.choose(entry.name, **{entry.target: text})


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
        name = url_name(spec)
        raise UsageError(f"source {name!r}: expected a path without control characters, a camera, rtsp://… or demo")
    if spec.isascii() and spec.isdecimal() or spec.startswith("/dev/video"):
        return "camera"
    scheme, separator, _ = spec.partition("://")
    if separator:
        if scheme.lower() not in STREAM_SCHEMES:
            known = ", ".join(STREAM_SCHEMES)
            raise SourceError(f"{url_name(spec)}: unknown kind of stream {scheme!r}; available: {known}")
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
            raise SourceError(f"{spec}: expected a video, an image or a folder, got a pipe, socket or block device")
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise SourceError(
            f"{url_name(spec)}: no such file or folder; expected a path, a camera index, /dev/videoN, rtsp://… or demo"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceError(f"{spec}: {reason[0].lower()}{reason[1:]}; expected a readable file") from None
    if not head:
        raise SourceError(f"{spec}: the file is empty; expected a video or an image")
    return "stills" if is_image(head) else "film"


def is_image(head: bytes) -> bool:
    """Whether a file that begins with these (at least 12) bytes is a still image, whatever it is called."""
    return head.startswith(_SIGNATURES) or bool(_PNM.match(head)) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
