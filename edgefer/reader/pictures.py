"""Photographs that callers hand over, as files or as arrays, to frames."""

from __future__ import annotations

import os
import time

import numpy as np

from edgefer.errors import SourceError
from edgefer.reader.options import file_spec
from edgefer.sources.base import Source
from edgefer.sources.registry import STILL, parse_source
from edgefer.support.images import PICTURE, picture
from edgefer.support.names import shown
from edgefer.support.redact import scrub
from edgefer.values import Frame


def frame_of(image: object, rgb: bool = False) -> Frame:
    """The frame of one photograph.

    Args:
        image: a path, or as support.images.picture takes it.
        rgb: the channels of an array are in the order R, G, B.

    Raises:
        SourceError: the file cannot be read as one photograph. TypeError, ValueError: no picture was given.
    """
    if isinstance(image, (bytes, bytearray, memoryview)) and (not isinstance(image, bytes) or b"\0" in image):
        raise TypeError(
            f"read: expected a path or {PICTURE}, got the bytes of a file;"
            " write cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR)"
        )
    if isinstance(image, (str, bytes, os.PathLike)):
        return _frame_of_file(os.fsdecode(image))
    if not isinstance(image, np.ndarray) and not hasattr(image, "__array__"):
        got = "None" if image is None else type(image).__name__
        raise TypeError(f"read: expected a path or {PICTURE}, got {got}")
    grey, bgr = picture("read", image, rgb)
    return Frame(0, grey, 0, time.monotonic_ns(), bgr=lambda: bgr, still=True)


def _frame_of_file(path: str) -> Frame:
    """The picture of a file, decoded as a source of stills decodes it."""
    name = shown(scrub(path))
    if os.path.isdir(path):
        raise SourceError(f"{name}: expected a photograph, got a folder; edgefer.stream reads all that are in it")
    if not os.path.exists(path) and "://" in path:
        raise SourceError(f"{name}: expected a photograph, got an address; edgefer.stream reads streams")
    choice = parse_source(file_spec(path))
    if STILL not in choice.entry.needs:
        raise SourceError(f"{name}: expected a photograph, got the kind {choice.name}; edgefer.stream reads it")
    source: Source
    with choice.make() as source:
        frame = source.read()
        if frame is None:
            raise SourceError(f"{name}: holds no picture")
        if source.length is not None and source.length > 1:
            raise SourceError(f"{name}: holds {source.length} pictures; edgefer.stream reads all of them")
        return frame
