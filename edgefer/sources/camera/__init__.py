"""Cameras by V4L2: memory-mapped pictures, the driver's own times, and nothing decoded that nobody looks at."""

from __future__ import annotations

from edgefer.sources.base import Source
from edgefer.sources.registry import CameraOptions

__all__ = ["open_camera"]


def open_camera(options: CameraOptions) -> Source:
    """A V4L2 camera, turned as the options say; of size and rate it gives the nearest it has, and says so.

    Raises:
        SourceError: no permission, not a camera, or a format or control that it does not have.
        SourceStalled: it is not there, in use, or gave no frame: all of that may pass.
    """
    from edgefer.sources.camera.source import Camera

    camera = Camera(options)
    if options.rotate or options.flip != "none":
        from edgefer.sources.view import turned

        return turned(camera, options.rotate, options.flip)
    return camera
