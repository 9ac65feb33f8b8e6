"""How cffi makes the module `_v4l2` of v4l2.h and v4l2.c; setup.py runs it, an installed edgefer does not."""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

_FOLDER = Path(__file__).parent

ffi = FFI()
ffi.cdef((_FOLDER / "v4l2.h").read_text())
ffi.set_source("edgefer.sources.camera._v4l2", (_FOLDER / "v4l2.c").read_text(), include_dirs=[str(_FOLDER)])
