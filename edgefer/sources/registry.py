"""The sources that can be chosen.

A maker gets its options; it gives a Source (sources/base.py) whose first frame has been read. A row's `needs`
are words of this list:

    still     its frames are photographs, independent of each other
    endless   it does not end by itself, whatever its options; `endless` also knows where these decide
    awaited   it may not be there yet, and is waited for
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from edgefer.errors import EdgeferError, SourceError, UsageError
from edgefer.sources.network.schemes import SCHEMES
from edgefer.support.names import shown
from edgefer.support.redact import remember, url_name
from edgefer.support.registry import Choice, Entry, Options, Registry

#: As much of a file is looked at to tell one photograph from motion JPEG.
_MOST_JPEG_BYTES = 64 << 20
#: Where a path that leads nowhere is that of a camera which is not plugged in, as by a rule of udev's; not where disks,
#: terminals, memory and open files lie.
_DEVICE = re.compile(r"//?dev/(?!(fd|shm|disk|pts|mapper|mqueue)/|std|tty|nvme|sd[a-z]+\d*$)")

Side = Annotated[int, Meta(ge=16, le=8192)]
Index = Annotated[int, Meta(ge=0, le=255)]
Text = Annotated[str, Meta(min_length=1)]


class Mounted(Options, frozen=True):
    """What is asked of any camera, and how it is mounted."""

    size: Annotated[
        list[Side], Meta(min_length=2, max_length=2, description="width and height asked of the camera, pixels")
    ] = msgspec.field(default_factory=lambda: [640, 480])
    fps: Annotated[float, Meta(ge=1, le=240, description="frames a second asked of the camera")] = 30.0
    rotate: Annotated[
        Literal[0, 90, 180, 270], Meta(description="degrees clockwise by which its pictures are turned upright")
    ] = 0
    flip: Annotated[
        Literal["none", "horizontal", "vertical"],
        Meta(description="mirrors its pictures after that; horizontal exchanges left and right"),
    ] = "none"


class CameraOptions(Mounted, frozen=True):
    """The camera that `edgefer run` opens when neither --camera nor --source is given."""

    device: Annotated[
        Index | Text, Meta(description="index of the camera, or its path: one in /dev/v4l/by-id stays the same")
    ] = 0
    format: Annotated[
        Literal["auto", "grey", "yuyv", "uyvy", "nv12", "yu12", "mjpeg"],
        Meta(description="pixel format asked of the camera; grey, nv12 and yu12 give luma without a copy"),
    ] = "auto"
    controls: Annotated[
        list[Text], Meta(max_length=32, description="controls to set, each NAME=VALUE, in order: docs/cameras.md")
    ] = msgspec.field(default_factory=list)


class PicameraOptions(Mounted, frozen=True):
    """A CSI camera of a Raspberry Pi, by picamera2."""

    device: Annotated[Index, Meta(description="number of the camera, as rpicam-hello --list-cameras shows it")] = 0
    controls: Annotated[
        list[Text], Meta(max_length=32, description="controls of libcamera, each NAME=VALUE: docs/cameras.md")
    ] = msgspec.field(default_factory=list)


class GstreamerOptions(Mounted, frozen=True):
    """A camera that GStreamer reads, such as one on a Jetson's CSI socket."""

    element: Annotated[
        Text, Meta(description="GStreamer's element with its properties, as in `nvarguscamerasrc sensor-id=0`")
    ] = "nvarguscamerasrc"


class DemoOptions(Options, frozen=True):
    """The portrait before a simulated camera."""

    seconds: Annotated[Annotated[float, Meta(gt=0, le=1e6)] | Literal["forever"], Meta(description="length, s")] = 10.0

    @property
    def endless(self) -> bool:
        return self.seconds == "forever"


class PathOptions(Options, frozen=True):
    """A source that lies on a disk."""

    path: Annotated[str, Meta(min_length=1, description="file or folder")]


class StillsOptions(PathOptions, frozen=True):
    """Pictures that lie on a disk."""

    recursive: Annotated[bool, Meta(description="also the pictures in the folder's sub-folders")] = False


class FilmOptions(PathOptions, frozen=True):
    """A film: a video file, or an animated GIF."""

    start: Annotated[float, Meta(ge=0, le=1e6, description="media time at which reading begins, s")] = 0.0
    loop: Annotated[bool, Meta(description="begin again at its end; times and frame numbers go on rising")] = False
    threads: Annotated[
        int, Meta(ge=0, le=64, description="threads of the decoder; 0: as many as there are processors")
    ] = 0

    @property
    def endless(self) -> bool:
        return self.loop


class NetworkOptions(Options, frozen=True):
    """A source in the network: docs/streams.md."""

    url: Annotated[str, Meta(min_length=1, description=f"its address: {', '.join(SCHEMES)}")]
    live: Annotated[
        Literal["auto", "yes", "no"],
        Meta(description="yes: the newest frame, and its end is a failure; no: every frame; auto: by what comes"),
    ] = "auto"
    fps: Annotated[float, Meta(gt=0, le=60, description="snapshots asked for a second, where a camera gives these")] = (
        2.0
    )
    verify: Annotated[bool, Meta(description="whether the server's certificate must be trusted by this machine")] = True


class PipeOptions(Options, frozen=True):
    """Standard input, a FIFO, or an open file descriptor: docs/streams.md."""

    path: Annotated[str, Meta(min_length=1, description="`-` for standard input, or the path of a FIFO")] = "-"
    live: Annotated[bool, Meta(description="yes: a camera writes, its newest frame counts; no: every frame")] = False


#: What cameras do: end, go, block for ever, give one picture for ever, a black one, another size, or start over.
Fault = Literal["eof", "gone", "hang", "frozen", "black", "size", "reset"]
FAULTS: tuple[Fault, ...] = get_args(Fault)


class FaultOptions(Options, frozen=True):
    """Faults that are played into another source: docs/device.md."""

    source: Annotated[str, Meta(min_length=1, description="a camera, or another source that is live")] = "0"
    kinds: Annotated[list[Fault], Meta(min_length=1, description="which faults, in turn")] = msgspec.field(
        default_factory=lambda: list(FAULTS)
    )
    every: Annotated[float, Meta(gt=0, le=1e6, description="time of good pictures between two faults, s")] = 20.0
    lasting: Annotated[float, Meta(ge=0, le=1e6, description="time that each lasts, s")] = 5.0
    sticks: Annotated[bool, Meta(description="only opening it again ends a fault")] = False


STILL, ENDLESS, AWAITED = "still", "endless", "awaited"

SOURCES = Registry("source")
SOURCES.add(
    Entry(
        "camera",
        "camera of this machine",
        "edgefer.sources.camera:open_camera",
        CameraOptions,
        "device",
        frozenset({ENDLESS, AWAITED}),
    )
)
SOURCES.add(
    Entry(
        "picamera",
        "camera on a Raspberry Pi's CSI socket, by picamera2",
        "edgefer.sources.camera.picamera:open_picamera",
        PicameraOptions,
        "device",
        frozenset({ENDLESS, AWAITED}),
    )
)
SOURCES.add(
    Entry(
        "gstreamer",
        "camera on a Jetson's CSI socket, or what else GStreamer reads",
        "edgefer.sources.camera.gstreamer:open_gstreamer",
        GstreamerOptions,
        "element",
        frozenset({ENDLESS, AWAITED}),
    )
)
SOURCES.add(
    Entry("demo", "portrait before a simulated camera", "edgefer.sources.demo:open_demo", DemoOptions, "seconds")
)
SOURCES.add(Entry("film", "video file", "edgefer.sources.film:open_film", FilmOptions, "path"))
SOURCES.add(
    Entry(
        "stream",
        "network stream",
        "edgefer.sources.network.stream:open_stream",
        NetworkOptions,
        "url",
        frozenset({AWAITED}),
    )
)
SOURCES.add(
    Entry(
        "pipe", "standard input or a FIFO", "edgefer.sources.pipe:open_pipe", PipeOptions, "path", frozenset({AWAITED})
    )
)
SOURCES.add(
    Entry(
        "stills",
        "image, or folder of images",
        "edgefer.sources.stills:open_stills",
        StillsOptions,
        "path",
        frozenset({STILL}),
    )
)
SOURCES.add(
    Entry(
        "faults",
        "another source with faults, to rehearse recovery",
        "edgefer.sources.faults:open_faults",
        FaultOptions,
        "source",
        frozenset({ENDLESS, AWAITED}),
    )
)
SOURCES.add(Entry("animation", "animated WebP or PNG", "edgefer.sources.animation:open_animation", PathOptions, "path"))


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
    if names_a_kind(text):
        return SOURCES.parse(text)
    entry = SOURCES.find(kind_of(text))
    if camera is not None and isinstance(camera, entry.options):
        return Choice(entry, msgspec.structs.replace(camera, device=text))
    return SOURCES.choose(entry.name, **{entry.target: text})


def names_a_kind(text: str) -> bool:
    """Whether a text is a kind of source with what it stands for, and so no path: `film:clip.mp4,start=5`."""
    name = re.split(r"[^a-z0-9_]", text, maxsplit=1)[0]
    return name in SOURCES and text[len(name) :][:1] in ("", ":", ",")


def on_disk(spec: str) -> tuple[str, bool] | None:
    """Where a source lies that is a file or folder, and whether the folders in it are read as well; else None.

    Nothing is opened, and nothing refused: a path may lead nowhere.
    """
    path, recursive = spec, False
    if names_a_kind(spec):
        try:
            options = SOURCES.parse(spec).options
        except EdgeferError:
            return None
        if isinstance(options, FaultOptions):
            return on_disk(options.source)
        if not isinstance(options, PathOptions | PipeOptions):
            return None
        path, recursive = options.path, getattr(options, "recursive", False)
    return "/dev/stdin" if path == "-" else path, recursive


def endless(choice: Choice) -> bool:
    """Whether a source does not end by itself, by its kind or by its options."""
    return ENDLESS in choice.entry.needs or getattr(choice.options, "endless", False)


def kind_of(spec: str) -> str:
    """What a text given for a source means: "camera", "stream", "pipe", "stills", "animation" or "film".

    Args:
        spec: camera index ("0"); device, plugged in or not ("/dev/video0", "/dev/v4l/by-id/…", "/dev/mycam"); stream
            ("rtsp://host/path" and the like); "-" for standard input; path of a video, an image or a folder of images.
            A file called like an index or like a kind of source is reached as "./0".

    Raises:
        UsageError: it is empty, or a URL with control characters.
        SourceError: it does not exist, may not be read, is empty, a URL without a host, or nothing of these.
    """
    if not spec or "\0" in spec:
        raise UsageError(f"source {spec!r}: expected a path, a camera, rtsp://… or demo")
    if spec.isascii() and spec.isdecimal() or os.path.normpath(spec).startswith(("/dev/video", "/dev/v4l/")):
        return "camera"
    if "://" in spec:
        from edgefer.sources.network.address import stream_address  # not for cameras, which start sooner so

        stream_address(spec)
        return "stream"
    return "pipe" if _is_descriptor(spec) else _kind_of_path(spec)


def _is_descriptor(spec: str) -> bool:
    """Whether a path means something that is open already; files are opened by the path where they can be."""
    if spec == "-":
        return True
    if not re.fullmatch(r"/dev/stdin|/dev/fd/\d+|/proc/(self|\d+)/fd/\d+", spec):
        return False
    try:
        return not (stat.S_ISREG(os.stat(spec).st_mode) and os.access(spec, os.R_OK))
    except OSError:
        return False


def _kind_of_path(spec: str) -> str:
    from edgefer.support.formats import called_picture, identify_file, jpeg  # not for cameras, which start sooner so

    name = shown(url_name(spec))
    try:
        path = Path(spec)
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return "stills"
        if stat.S_ISCHR(mode):
            return "camera"
        if stat.S_ISFIFO(mode):
            return "pipe"
        if not stat.S_ISREG(mode):
            raise SourceError(f"{name}: expected a video, an image or a folder, got a socket or block device")
        with path.open("rb") as file:
            found = identify_file(file)
            empty = not file.tell()
            if found is not None and found.name == "JPEG":
                file.seek(0)
                if jpeg.examine(file.read(_MOST_JPEG_BYTES)).goes_on:
                    return "film"  # motion JPEG without a container
    except FileNotFoundError:
        if _DEVICE.match(os.path.normpath(spec)):
            return "camera"
        raise SourceError(
            f"{name}: no such file or folder; expected a path, a camera index, /dev/videoN, rtsp://… or demo"
        ) from None
    except UnicodeError:
        raise SourceError(f"{name}: no file can have this name") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise SourceError(f"{name}: {reason[0].lower()}{reason[1:]}; expected a readable file") from None
    if empty:
        raise SourceError(f"{name}: the file is empty; expected a video or an image")
    if found is None:
        return "stills" if called_picture(spec) else "film"
    return "stills" if found.use in ("still", "refused") else found.use
