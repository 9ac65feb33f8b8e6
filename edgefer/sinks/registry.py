"""The outputs that can be chosen.

A maker gets its options and, by name, `labels` (of the first model), `title` (what the source is called) and
`fps` (rate of the source, or None); it gives a Sink (sinks/base.py). A row's `needs` are words of this list:

    frames      write() looks at the frames
    models      the maker also gets `models`: the labels of each further model, by its name; and `units`: the names of
                the action units that are read
    live        the maker also gets `live`: whether the source is
    landmarks   the readings hold landmarks and pose
    folder      its path may be a folder, which it fills with files named as those of the source
    stdout      it writes to standard output where it has no path
    terminal    it draws on the terminal, and says at the end what the run amounted to
    network     it speaks to other machines: it loses readings rather than hold up a run, also one that reads a file
    process     it has a process of its own, which lowers its own priority
"""

from __future__ import annotations

import os
import re
from typing import Annotated, Literal

from msgspec import Meta

from edgefer.sinks.network.options import Metrics, Mqtt, Web
from edgefer.support.registry import Entry, Options, Registry

FRAMES, LANDMARKS, LIVE, MODELS = "frames", "landmarks", "live", "models"
FOLDER, STDOUT, TERMINAL, NETWORK, PROCESS = "folder", "stdout", "terminal", "network", "process"

#: Paths that stand for what the process was started with; a socket there, as systemd gives, could not be opened.
STANDARD = {"-": 1, "/dev/stdout": 1, "/dev/fd/1": 1, "/dev/stderr": 2, "/dev/fd/2": 2}

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_SIZE = r"^0*([1-9][0-9]{0,14}) ?(|[kKmMgG][iI]?)[bB]?$"
Bytes = Annotated[str, Meta(pattern=_SIZE, examples=["10MB", "512k", "1GiB"])]


def bytes_of(size: str) -> int:
    """What an option of the type Bytes amounts to: "10MB" is 10,000,000, "1KiB" 1,024.

    Raises:
        ValueError: it is no such size.
    """
    match = re.match(_SIZE, size)
    if match is None:
        raise ValueError(f"expected a size such as 10MB, 512k or 1GiB, got {size!r}")
    return int(match[1]) * _UNITS[match[2].lower()]


Every = Annotated[int, Meta(ge=1, description="each N-th reading is written from the first on, and each with an event")]


_PERIODS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PERIOD = r"^0*([1-9][0-9]{0,5}) ?([smhdw])$"
Period = Annotated[str, Meta(pattern=_PERIOD, examples=["30m", "1h", "7d"])]


def seconds_of(period: str) -> float:
    """What an option of the type Period amounts to: "30m" is 1800.

    Raises:
        ValueError: it is no such period.
    """
    match = re.match(_PERIOD, period)
    if match is None:
        raise ValueError(f"expected a period such as 30m, 1h or 7d, got {period!r}")
    return float(int(match[1]) * _PERIODS[match[2]])


MaxAge = Annotated[Period | None, Meta(description="a full file goes when it is so old; none: whatever its age")]
Total = Annotated[Bytes | None, Meta(description="all files together take no more; the oldest full ones go")]


class Lines(Options, frozen=True):
    """Where text goes."""

    path: Annotated[str, Meta(description="file, named pipe or device; standard output where none, and for -")] = ""
    append: Annotated[
        bool, Meta(description="a file that exists goes on; no: it is replaced, at the first reading and not before")
    ] = True
    size: Annotated[
        Bytes | None,
        Meta(description="a file that would grow beyond it becomes FILE.1, that one FILE.2, and a new one begins"),
    ] = None
    period: Annotated[
        Period | None,
        Meta(description="a file is full as well when a period is over, counted from midnight: 1h is each full hour"),
    ] = None
    keep: Annotated[int, Meta(ge=0, le=999, description="how many full files stay, where there are any")] = 5
    max_age: MaxAge = None
    total: Total = None


class Readings(Lines, frozen=True):
    """The options of an output that is text."""

    every: Every = 1
    on: Annotated[
        Literal["frame", "change"],
        Meta(
            description="change: a reading is written when who is there or an expression (uncertain is one) has"
            " changed, and the first, the last, and each with an event; every=N adds each N-th"
        ),
    ] = "frame"


class Rows(Readings, frozen=True):
    """The options of CSV."""

    empty: Annotated[
        bool,
        Meta(description="a row for a frame without a face, track and scores empty; on=change has them in any case"),
    ] = False


class ParquetFiles(Options, frozen=True):
    """The options of Parquet."""

    path: Annotated[str, Meta(min_length=1, description="folder, which gets a file for each period, named by its time")]
    period: Annotated[
        Period, Meta(description="how often a file is written; a power cut costs what came since the last")
    ] = "5m"
    rows: Annotated[int, Meta(ge=100, le=1_000_000, description="rows after which a file is written in any case")] = (
        50_000
    )
    keep: Annotated[int, Meta(ge=0, le=99_999, description="how many files stay; 0: all")] = 0
    max_age: MaxAge = None
    total: Total = None
    empty: Annotated[bool, Meta(description="a row for a frame without a face, track and scores empty")] = False
    every: Every = 1
    on: Annotated[
        Literal["frame", "change"], Meta(description="change: as for CSV; every=N adds each N-th reading")
    ] = "frame"


class Video(Options, frozen=True):
    """The options of the annotated video."""

    path: Annotated[
        str,
        Meta(
            min_length=1,
            pattern=r"(?i)[^/]\.(mp4|m4v|mov|mkv|webm|avi)$",
            examples=["seen.mp4", "seen.m4v", "seen.mov", "seen.mkv", "seen.webm", "seen.avi"],
            description="file, by whose suffix the container is chosen; replaced at the first frame",
        ),
    ]
    every: Every = 1


#: Files of pictures by their suffix; every other path stands for a folder.
PICTURE_SUFFIXES = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg"}


class Pictures(Options, frozen=True):
    """The options of annotated pictures."""

    path: Annotated[
        str,
        Meta(
            min_length=1,
            description="file ending in .png, .jpg or .jpeg for one picture, else a folder, in which photographs keep"
            " their names and frames of a film are numbered",
        ),
    ]
    format: Annotated[
        Literal["auto", "png", "jpg"],
        Meta(description="auto: that of the file or of the photograph, JPEG for the frames of a film"),
    ] = "auto"
    every: Every = 1


def is_folder(path: str) -> bool:
    """Whether a path given for pictures stands for a folder of them."""
    return path.endswith("/") or os.path.splitext(path)[1].lower() not in PICTURE_SUFFIXES


class Timeline(Options, frozen=True):
    """The options of the timeline picture."""

    path: Annotated[
        str,
        Meta(
            min_length=1,
            pattern=r"(?i)[^/]\.(png|svg)$",
            examples=["seen.png", "seen.svg"],
            description="file, by whose suffix the format is chosen; replaced when the picture is written",
        ),
    ]
    tracks: Annotated[int, Meta(ge=1, le=60, description="lanes at most, for the tracks seen longest")] = 20


OUTPUTS = Registry("output")
OUTPUTS.add(
    Entry(
        "table",
        "live table in the terminal; plain lines, one a second, where the output is no terminal",
        "edgefer.sinks.table:open_output",
        needs=frozenset({STDOUT, TERMINAL}),
    )
)
OUTPUTS.add(
    Entry(
        "jsonl",
        "one JSON object a frame, line by line",
        "edgefer.sinks.lines:open_json_lines",
        Readings,
        "path",
        frozenset({STDOUT}),
    )
)
OUTPUTS.add(
    Entry(
        "csv", "one row a face, line by line", "edgefer.sinks.lines:open_csv", Rows, "path", frozenset({STDOUT, MODELS})
    )
)
OUTPUTS.add(
    Entry(
        "parquet",
        "the rows of CSV in a folder of Parquet files; needs the extra parquet",
        "edgefer.sinks.parquet:open_parquet",
        ParquetFiles,
        "path",
        frozenset({FOLDER, MODELS}),
    )
)
OUTPUTS.add(
    Entry(
        "video",
        "video with boxes, labels and bars, with the source's times; needs the extra film",
        "edgefer.sinks.video:open_video",
        Video,
        "path",
        frozenset({FRAMES}),
    )
)
OUTPUTS.add(
    Entry(
        "image",
        "pictures with boxes, labels and bars: a photograph into a file, a folder into a folder",
        "edgefer.sinks.pictures:open_pictures",
        Pictures,
        "path",
        frozenset({FRAMES, FOLDER, LIVE}),
    )
)
OUTPUTS.add(
    Entry(
        "timeline",
        "picture of the expressions over time, a lane for each track",
        "edgefer.sinks.timeline:open_timeline",
        Timeline,
        "path",
    )
)
OUTPUTS.add(
    Entry(
        "mqtt",
        "state and events to an MQTT broker, which Home Assistant finds by itself; needs the extra mqtt",
        "edgefer.sinks.network.mqtt:open_mqtt",
        Mqtt,
        "url",
        frozenset({NETWORK}),
    )
)
OUTPUTS.add(
    Entry(
        "metrics",
        "figures for Prometheus at http://HOST:PORT/metrics; needs the extra metrics",
        "edgefer.sinks.network.metrics:open_metrics",
        Metrics,
        "address",
        frozenset({NETWORK}),
    )
)
OUTPUTS.add(
    Entry(
        "web",
        "a live page at http://HOST:PORT/: picture, boxes, bars, the last minutes, health; needs the extra web",
        "edgefer.sinks.network.web:open_web",
        Web,
        "address",
        frozenset({NETWORK, FRAMES, PROCESS}),
    )
)
