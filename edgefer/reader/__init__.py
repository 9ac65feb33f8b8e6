"""Readings for Python: what edgefer.read, edgefer.stream and edgefer.Reader are."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from edgefer.reader.options import Flip, Region, Rotation, SourceLike, StreamOptions, settings_of, specs_of
from edgefer.reader.reader import ImageLike, ModelLike, Reader
from edgefer.support.locks import Guard
from edgefer.values import FaceReading

if TYPE_CHECKING:  # brings the loop
    from edgefer.reader.streaming import Stream

__all__ = ["Reader", "read", "stream"]

#: Readers that read() keeps, for so many different sets of arguments.
_KEPT = 4
_readers: OrderedDict[tuple[object, ...], Reader] = OrderedDict()
_lock = Guard()


def read(
    image: ImageLike,
    *,
    model: ModelLike | Sequence[ModelLike] | None = None,
    detector: str | None = None,
    profile: str | os.PathLike[str] | None = None,
    landmarks: bool = False,
    rgb: bool = False,
) -> list[FaceReading]:
    """The faces in a photograph, with the expression of each.

    A photograph is judged by itself and with full effort: the same picture gives the same faces whatever was
    read before it, and as `edgefer run --source PHOTO` gives them. Models are loaded at the first call and
    kept. Any number of threads, and children of os.fork(), may call it at once.

    Args:
        image: path of an image file; or its pixels, uint8, shape (H, W, 3) in BGR, as cv2.imread gives them,
            or (H, W) in grey. Any strides; it may be read-only. Nothing keeps it.
        model: an installed or a shipped model (`edgefer models list`) or a model directory; of several the first
            gives the expression. "edgefer-s" unless the profile says otherwise.
        detector: how faces are found: "edgefer" (the default), "haar", "yunet:DIRECTORY", "blazeface:DIRECTORY".
        profile: name of a shipped profile or a .toml file; by default the one that fits this board.
        landmarks: whether faces get 68 landmarks and a pose.
        rgb: the channels are in the order R, G, B, as PIL, imageio and matplotlib give them.

    Returns:
        The faces, as `edgefer run` orders them; empty where there is none. Boxes are in pixels of the picture
        as a viewer shows it, (x0, y0, x1, y1). Each face stands for itself: `track` only numbers them.

    Raises:
        EdgeferError: the file cannot be read; an unknown model, detector or profile; a model that is damaged.
        TypeError, ValueError: the argument is no picture; the message says what was expected.
    """
    return _kept_reader(model, detector, profile, landmarks).read(image, rgb=rgb)


def _kept_reader(
    model: ModelLike | Sequence[ModelLike] | None,
    detector: str | None,
    profile: str | os.PathLike[str] | None,
    landmarks: bool,
) -> Reader:
    key = tuple(model) if isinstance(model, list) else model, detector, profile, bool(landmarks)
    try:
        hash(key)
    except TypeError:  # what cannot be a model or a profile; the reader says so
        return Reader(model, detector=detector, profile=profile, landmarks=landmarks)
    with _lock:
        reader = _readers.get(key)
        if reader is None:
            reader = _readers[key] = Reader(model, detector=detector, profile=profile, landmarks=landmarks)
        _readers.move_to_end(key)
        if len(_readers) > _KEPT:
            _readers.popitem(last=False)
    return reader


def stream(
    source: SourceLike | Iterable[SourceLike],
    *,
    model: ModelLike | Sequence[ModelLike] | None = None,
    detector: str | None = None,
    profile: str | os.PathLike[str] | None = None,
    landmarks: bool = False,
    start: float = 0.0,
    seconds: float | None = None,
    frames: int | None = None,
    every: int = 1,
    rotate: Rotation | None = None,
    flip: Flip | None = None,
    region: Region | None = None,
    loop: bool = False,
    realtime: bool = False,
    recursive: bool = False,
    patience: float | None = None,
) -> Stream:
    """The readings of a camera, a film, a network stream or photographs, one a picture.

        with edgefer.stream("clip.mp4") as readings:
            for reading in readings:
                print(reading.t_s, [face.expression for face in reading.faces])

    A film or a folder is read whole, every picture, as fast as you take the readings. A camera or a network
    stream gives its newest picture: while you are busy it drops pictures rather than let them age. Faces are
    followed and their scores averaged over time; photographs are each judged by themselves.

    The stream holds a camera or a file, and for a live source a thread, until it ends or is closed: leave the
    `with` block, call `close`, or drop the last reference to it. `readings.image` is the picture of the last
    reading (uint8, BGR), `readings.summary` what it all amounted to.

    Args:
        source: number of a camera; path of a film, an image or a folder of images; rtsp://… or http://…;
            "demo"; a pattern such as "photos/*.jpg"; or several of them, read one after the other. A pathlib.Path
            is always a path.
        model, detector, profile, landmarks: see edgefer.read.
        start: where to begin, s of media time; of a live source so long after its first picture.
        seconds: end so much media time after that.
        frames: end after so many readings.
        every: give one reading in so many. A film's other pictures are still looked at, to follow the faces;
            photographs are left out.
        rotate: turn each picture clockwise by 90, 180 or 270 degrees first.
        flip: then mirror it, "horizontal" or "vertical".
        region: (x0, y0, x1, y1), pixels of the picture so turned: read this part alone. Boxes are told in
            pixels of the whole picture.
        loop: read a film over and over; `t_s` goes on rising.
        realtime: play a film at its own rate, dropping pictures as a camera would.
        recursive: enter the folders inside a folder of images.
        patience: how long a camera or a stream that is not there, or gives no picture any more, is waited for, s;
            0: not at all. By default as the profile says, 30 s.

    Returns:
        A Stream: an iterator of Reading, and a context manager.

    Raises:
        EdgeferError: a source that cannot be opened, here, or that fails while it is read, from next(); of
            several sources the others are read, and the failure is raised at the end. An unknown model,
            detector or profile; a model that is damaged.
        TypeError, ValueError: an argument is not what it must be.
    """
    options = StreamOptions(frames, start, seconds, every, rotate, flip, region, loop, realtime, recursive, patience)
    specs = specs_of(source)
    settings = settings_of(model=model, detector=detector, profile=profile)
    return Reader.of_settings(settings, bool(landmarks)).open(specs, options)
