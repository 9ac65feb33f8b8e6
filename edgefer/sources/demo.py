"""The demo: a portrait moves, turns and dims in front of a simulated camera."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgefer.errors import SourceError
from edgefer.sources.base import NS_PER_S, Source
from edgefer.sources.opencv import cv2
from edgefer.sources.registry import DemoOptions
from edgefer.values import Frame

WIDTH, HEIGHT, FPS = 640, 480, 30
#: Every movement repeats after so long, so that an endless demo has no seam; also the default length.
CYCLE_S = 10.0

# The face in the sample portrait, pixels: the movements turn about it.
_FACE_CENTRE = (252.0, 196.0)
_FACE_SIDE = 239.0
_FEATHER_PX = 48  # width over which the portrait fades into the backdrop
_FOCAL_PX = 900.0


def portrait_path() -> Path:
    """The public-domain portrait in matplotlib's sample data, found without importing matplotlib.

    Raises:
        SourceError: matplotlib is not installed, or came without its sample data.
    """
    package = importlib.util.find_spec("matplotlib")
    for folder in (package.submodule_search_locations or []) if package else []:
        path = Path(folder) / "mpl-data" / "sample_data" / "grace_hopper.jpg"
        if path.is_file():
            return path
    raise SourceError(
        "demo: the sample portrait comes with matplotlib, which is not installed; pip install 'edgefer[demo]'"
    )


def _pose(t: float) -> tuple[float, float, float, float, float, float]:
    """Face centre x, y (px), face side (px), roll and yaw (radians), brightness (0 to 1) at t seconds."""
    turn = 2 * math.pi * t / CYCLE_S
    return (
        WIDTH / 2 + 95 * math.sin(turn),
        HEIGHT / 2 + 10 + 28 * math.sin(2 * turn + 0.6),
        180 + 36 * math.sin(turn + 1.3),
        math.radians(9) * math.sin(2 * turn),
        math.radians(22) * math.sin(3 * turn),
        0.74 + 0.26 * math.cos(turn),
    )


def _homography(t: float) -> np.ndarray:
    """Portrait pixels to camera pixels: the flat portrait turned in space about the face, then projected."""
    x, y, side, roll, yaw, _ = _pose(t)
    scale = side / _FACE_SIDE
    to_face = np.array([[1, 0, -_FACE_CENTRE[0]], [0, 1, -_FACE_CENTRE[1]], [0, 0, 1.0]])
    # A point (u, v) of the plane, turned by yaw about the vertical, stands at depth f + u sin(yaw).
    turned = np.array([[math.cos(yaw), 0, 0], [0, 1, 0], [scale * math.sin(yaw) / _FOCAL_PX, 0, 1]])
    c, s = scale * math.cos(roll), scale * math.sin(roll)
    to_camera = np.array([[c, -s, x], [s, c, y], [0, 0, 1.0]])
    return to_camera @ turned @ to_face


class Demo(Source):
    """A 640x480 camera at 30 fps in front of the portrait; live, and each index has its picture."""

    live = True
    name = "demo"
    fps = float(FPS)
    size = (WIDTH, HEIGHT)

    def __init__(self, seconds: float | None = CYCLE_S) -> None:
        """Args: seconds: length, or None for an endless camera.

        Raises:
            SourceError: the portrait is not installed.
        """
        path = portrait_path()
        portrait = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if portrait is None:
            raise SourceError(f"demo: {path} cannot be decoded; reinstall matplotlib")
        height, width = portrait.shape[:2]
        ramp_x = np.minimum(np.arange(width) + 1, np.arange(width)[::-1] + 1) / _FEATHER_PX
        ramp_y = np.minimum(np.arange(height) + 1, np.arange(height)[::-1] + 1) / _FEATHER_PX
        mask = np.clip(ramp_x, 0, 1)[None, :] * np.clip(ramp_y, 0, 1)[:, None]
        mask = (mask * mask * (3 - 2 * mask) * 255).astype(np.uint8)
        grey = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
        self._colour = np.dstack([portrait, mask])
        self._grey = np.dstack([grey, mask])
        # The same picture, enlarged and far out of focus, is the room behind it; it is blurred small, which takes
        # a hundredth of the time.
        small = cv2.resize(portrait, (WIDTH // 8, WIDTH * height // width // 8), interpolation=cv2.INTER_AREA)
        top = (small.shape[0] - HEIGHT // 8) // 2
        small = cv2.GaussianBlur(small[top : top + HEIGHT // 8], (0, 0), 5)
        backdrop = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        self._backdrop = backdrop
        self._backdrop_grey = cv2.cvtColor(backdrop, cv2.COLOR_BGR2GRAY)
        # Noise of 2 grey levels, evenly spread; numpy.random would cost more time to load than all of this.
        size = HEIGHT + 64, WIDTH + 64
        noise = np.frombuffer(hashlib.shake_128(b"edgefer demo").digest(size[0] * size[1]), np.uint8).reshape(size)
        self._noise = np.rint((noise - 127.5) * (2 / 73.9)).astype(np.int16)  # 73.9: deviation of even bytes
        self.length = None if seconds is None else round(seconds * FPS)
        self._next = 0
        self._start_ns: int | None = None
        self._closed = False

    def _compose(self, index: int, layers: np.ndarray, backdrop: np.ndarray) -> np.ndarray:
        """The picture of one index, shaped as the backdrop; the last of the layers is the mask."""
        t = index / FPS
        warped = cv2.warpPerspective(layers, _homography(t), (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        weight = warped[..., -1:].astype(np.int32)
        flat = backdrop.reshape(HEIGHT, WIDTH, -1).astype(np.int32)
        light = round(_pose(t)[5] * 256)
        mixed = (flat * (255 - weight) + warped[..., :-1] * weight) * light // (255 * 256)
        row, column = (index * 37) % 64, (index * 23) % 64  # another part of the noise for every frame
        mixed += self._noise[row : row + HEIGHT, column : column + WIDTH, None]
        return np.clip(mixed, 0, 255).astype(np.uint8).reshape(backdrop.shape)

    def render(self, index: int) -> Frame:
        """Frame `index`, at once: the pacing is left to read()."""
        return Frame(
            index=index,
            grey=self._compose(index, self._grey, self._backdrop_grey),
            media_ns=index * NS_PER_S // FPS,
            captured_ns=time.monotonic_ns(),
            bgr=lambda: self._compose(index, self._colour, self._backdrop),
        )

    def unpaced(self) -> Iterator[Frame]:
        return (self.render(index) for index in (itertools.count() if self.length is None else range(self.length)))

    def read(self) -> Frame | None:
        """The frame that is due, waiting for it; those a slow reader missed are gone, as with a camera."""
        if self._start_ns is None:
            self._start_ns = time.monotonic_ns()
        newest = (time.monotonic_ns() - self._start_ns) * FPS // NS_PER_S
        index = max(self._next, newest)
        if self._closed or (self.length is not None and index >= self.length):
            return None
        self._next = index + 1
        due_ns = self._start_ns + index * NS_PER_S // FPS
        frame = self.render(index)  # before it is due, as a camera's exposure is
        while not self._closed and (wait_ns := due_ns - time.monotonic_ns()) > 0:
            time.sleep(wait_ns / NS_PER_S)
        frame.captured_ns = due_ns
        return None if self._closed else frame

    def close(self) -> None:
        self._closed = True


def open_demo(options: DemoOptions) -> Demo:
    """The demo at its length; raises SourceError as Demo does."""
    return Demo(None if isinstance(options.seconds, str) else options.seconds)
