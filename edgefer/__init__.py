"""Facial expressions from a camera, read on the device.

Importing the package is quick: numpy and the kernels load when `edgefer.kernels` is first used; OpenCV, the
interpreter and every optional package load in the one module that wraps them.
"""

import importlib

__version__ = "0.1.0"


def __getattr__(name: str):
    if name == "kernels":  # not at the top: `edgefer --help` needs no numpy, nor does an early Ctrl-C meet it
        return importlib.import_module("edgefer.kernels")
    raise AttributeError(f"module 'edgefer' has no attribute {name!r}")
