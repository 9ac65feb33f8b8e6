"""Films of a real face: the public-domain portrait in matplotlib's sample data, moved about a scene."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefer.geometry import Box
from edgefer.values import Frame

#: Where the face is in the portrait as Haar sees it, pixels of the 512x600 image: centre and side.
FACE_CENTRE, FACE_SIDE = (269.0, 218.0), 237.0

#: The face of the portrait as the Haar detector gives it, and its points by a landmark network.
BOX, NOSE = Box(152.1, 104.5, 377.8, 330.2), np.array([266.3, 235.3])
# fmt: off
POINTS = np.array([
    (221.7, 187.6), (221.8, 197.5), (206.3, 194.4), (239.6, 195.1), (305.7, 183.0), (306.6, 192.8), (289.0, 192.3),
    (321.3, 188.5), (266.3, 235.3), (184.4, 182.8), (246.3, 168.5), (220.6, 163.4), (280.2, 167.0), (341.7, 175.6),
    (304.3, 159.7), (230.9, 280.3), (303.3, 277.0), (267.3, 275.4),
])
# fmt: on

DATA = Path(os.environ.get("EDGEFER_DATA", Path(__file__).parents[1] / "../shared/data"))


def data_file(name: str) -> Path:
    """A file of the shared data; the test that asks is skipped where it is absent."""
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"needs {name} of the shared data (set EDGEFER_DATA)")
    return path


@cache
def portrait() -> np.ndarray:
    """uint8, shape (600, 512): the portrait in grey."""
    cbook = pytest.importorskip("matplotlib.cbook", reason="the portrait comes with matplotlib (extra `demo`)")
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        data = np.frombuffer(file.read(), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def landmarks_of(points: np.ndarray) -> np.ndarray:
    """68 landmarks from which the eighteen points follow; those between stand where no point needs them."""
    marks = np.zeros((68, 2))
    for row, mark in enumerate(((37, 38), (40, 41), (36,), (39,), (43, 44), (46, 47), (42,), (45,), (30,))):
        marks[list(mark)] = points[row]
    for first, (outer, above, inner) in ((17, (9, 11, 10)), (22, (12, 14, 13))):
        marks[first : first + 5] = points[[outer, above, above, above, inner]]
    marks[[48, 54]], marks[[51, 62]] = points[[15, 16]], points[17]
    return marks


def backdrop(size: tuple[int, int] = (640, 480)) -> np.ndarray:
    """A wall that is neither flat nor a face: soft shading with fine grain; size is (width, height)."""
    width, height = size
    grain = np.random.default_rng(7).normal(0, 6, (height, width)).astype(np.float32)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return np.clip(90 + 50 * x + 30 * y + cv2.GaussianBlur(grain, (0, 0), 1.5) * 3, 0, 255).astype(np.uint8)


def paste(
    scene: np.ndarray, centre: tuple[float, float], side: float = 90.0, roll: float = 0.0, mirrored: bool = False
) -> np.ndarray:
    """The scene with the portrait in it, so that its face has that centre and side; it may be partly outside.

    Args:
        scene: uint8, shape (H, W).
        centre, side: of the face, pixels of the scene.
        roll: tilt of the head, degrees, counter-clockwise.
        mirrored: the portrait's mirror image, which makes another face of it.
    """
    image = portrait()
    fx, fy = FACE_CENTRE
    if mirrored:
        image, fx = np.ascontiguousarray(image[:, ::-1]), image.shape[1] - FACE_CENTRE[0]
    turn = cv2.getRotationMatrix2D((fx, fy), roll, side / FACE_SIDE)
    turn[:, 2] += np.array(centre) - (fx, fy)
    height, width = scene.shape
    # shrink first: warpAffine alone does not average over the pixels it skips
    blur = max(0.0, FACE_SIDE / side - 1) * 0.4
    image = cv2.GaussianBlur(image, (0, 0), blur) if blur > 0.2 else image
    # the head and a little of the shoulders, fading into the scene
    mask = np.zeros(image.shape, np.float32)
    cv2.ellipse(mask, (round(fx), round(fy) - 15), (150, 190), 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 6)
    head = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(mask, turn, (width, height))
    return np.rint(head * weight + scene * (1 - weight)).astype(np.uint8)


def face_box(centre: tuple[float, float], side: float) -> Box:
    """The box of a pasted face."""
    return Box(centre[0] - side / 2, centre[1] - side / 2, centre[0] + side / 2, centre[1] + side / 2)


def as_frames(images, fps: float = 30.0, first: int = 0) -> list[Frame]:
    """Frames of a film at a constant rate, with a little sensor noise, the same in every run."""
    frames = []
    for index, image in enumerate(images, first):
        noise = np.random.default_rng(index).normal(0, 2, image.shape)
        grey = np.clip(image + noise, 0, 255).astype(np.uint8)
        frames.append(Frame(index, grey, round(index * 1e9 / fps), 0))
    return frames
