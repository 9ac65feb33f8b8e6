"""Facial expressions from a camera, a film or a photograph, read on the device.

    import edgefer

    for face in edgefer.read("photo.jpg"):                    # a photograph
        print(face.box, face.expression, face.confidence)

    with edgefer.stream(0) as readings:                       # a camera, a film, a network stream
        for reading in readings:
            print(reading.t_s, [face.expression for face in reading.faces])

    reader = edgefer.Reader()                                 # a loop of your own
    reading = reader.process(image, t_s=0.04)

What edgefer refuses is an EdgeferError with one line; a wrong argument is a TypeError or a ValueError.

Importing the package is quick: numpy and the kernels load when they are first used; OpenCV, the interpreter and
every optional package load in the one module that wraps them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Box",
    "EdgeferError",
    "Event",
    "FaceReading",
    "Frame",
    "Quality",
    "Reader",
    "Reading",
    "Stream",
    "__version__",
    "kernels",
    "read",
    "stream",
]

if TYPE_CHECKING:
    from edgefer import kernels
    from edgefer.errors import EdgeferError
    from edgefer.geometry import Box
    from edgefer.reader import Reader, read, stream
    from edgefer.reader.streaming import Stream
    from edgefer.values import Event, FaceReading, Frame, Quality, Reading

#: Where each name comes from: `edgefer --help` needs none of them, nor does an early Ctrl-C meet their imports.
_HOMES = {
    "Box": "edgefer.geometry",
    "Frame": "edgefer.values",
    "EdgeferError": "edgefer.errors",
    "Event": "edgefer.values",
    "FaceReading": "edgefer.values",
    "Quality": "edgefer.values",
    "Reader": "edgefer.reader",
    "Reading": "edgefer.values",
    "Stream": "edgefer.reader.streaming",
    "read": "edgefer.reader",
    "stream": "edgefer.reader",
}


def __getattr__(name: str):
    if name == "kernels":
        return importlib.import_module("edgefer.kernels")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'edgefer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
