"""A face that is drawn: grey areas with soft edges, at 68 points that vary from face to face.

Of nobody, so that it may stand in documents and tests. It is an identity like a photograph: moving is left to the warp.
"""

from __future__ import annotations

import cv2
import numpy as np

from edgefer.landmarks.points import MIRROR
from edgefer.train.data.synthetic.warp import Identity

SIDE = 192
_SHIFT = 4
#: The right side's points and those in the middle, thousandths of the eye distance from the middle of the eyes: the
#: mean of what `edgefer.train.teachers` finds in photographs of faces at rest.
_RIGHT = {
    0: (-836, 13), 1: (-837, 236), 2: (-811, 455), 3: (-769, 678), 4: (-687, 873), 5: (-555, 1038), 6: (-381, 1166),
    7: (-196, 1261), 8: (0, 1289), 17: (-688, -143), 18: (-581, -228), 19: (-434, -260), 20: (-282, -243),
    21: (-134, -192), 27: (0, -21), 28: (0, 122), 29: (0, 264), 30: (0, 407), 31: (-160, 511), 32: (-84, 540),
    33: (0, 563), 36: (-500, 0), 37: (-414, -53), 38: (-308, -53), 39: (-214, 21), 40: (-314, 39), 41: (-421, 38),
    48: (-303, 790), 49: (-189, 747), 50: (-74, 719), 51: (0, 740), 57: (0, 901), 58: (-80, 895), 59: (-193, 854),
    60: (-256, 793), 61: (-76, 783), 62: (0, 792), 66: (0, 803), 67: (-78, 795),
}  # fmt: skip


def mean_points() -> np.ndarray:
    """Float64 (68, 2), eye distances, of a symmetric upright face; the middle of the eyes is (0, 0)."""
    points = np.zeros((68, 2))
    for row, at in _RIGHT.items():
        points[row] = at
        points[MIRROR[row]] = (-at[0], at[1])
    return points / 1000


def drawn(seed: int) -> Identity:
    """A face by its seed: proportions, skin, hair, brows, eyes and lips differ."""
    rng = np.random.default_rng(seed)
    points = mean_points()
    points[:17, 0] *= rng.uniform(0.92, 1.08)
    points[:, 1] *= rng.uniform(0.94, 1.06)
    points[17:27, 1] += rng.uniform(-0.03, 0.02)
    points[48:, 0] *= rng.uniform(0.88, 1.15)
    points[48:, 1] += rng.uniform(-0.03, 0.03)
    lids, height = [37, 38, 40, 41, 43, 44, 46, 47], rng.uniform(1.0, 1.35)
    points[lids, 1] *= height
    points += rng.normal(0, 0.006, points.shape)
    points[48:, 1] = np.where(
        np.isin(np.arange(48, 68), [65, 66, 67]), np.maximum(points[48:, 1], points[[63] * 20, 1]), points[48:, 1]
    )
    size = 0.42 * SIDE
    points = points * size + (SIDE / 2, SIDE * 0.43)
    return Identity(f"drawn {seed}", _painted(points, size, rng), points.astype(np.float32))


def _painted(points: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    skin = rng.uniform(95, 205)
    hair = rng.uniform(15, 0.8 * skin)
    image = np.full((SIDE, SIDE), rng.uniform(30, 220), np.float32)
    image += _cloud(rng, 6) * 18
    middle = points[27]

    def area(outline: np.ndarray, soft: float) -> np.ndarray:
        mask = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(mask, [np.rint(outline * (1 << _SHIFT)).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
        return cv2.GaussianBlur(mask, (0, 0), max(soft * size, 0.3)).astype(np.float32) / 255

    def paint(outline: np.ndarray, grey: float, soft: float = 0.012, share: float = 1.0) -> None:
        nonlocal image
        image += area(outline, soft) * share * (grey - image)

    def oval(at: np.ndarray, x: float, y: float) -> np.ndarray:
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        return at + size * np.stack([x * np.cos(turn), y * np.sin(turn)], axis=1)

    skull = oval(middle + (0, 0.05 * size), 0.9, 1.02)
    paint(skull - (0, 0.1 * size), hair)  # hair behind the head
    neck = np.array([points[5], points[11], points[11] + (0.1 * size, size), points[5] + (-0.1 * size, size)])
    paint(neck, 0.72 * skin, 0.03)
    top = (
        middle
        + np.array([0, -0.18 * size])
        + size
        * np.stack([0.82 * np.cos(np.linspace(0, -np.pi, 20)), 0.62 * np.sin(np.linspace(0, -np.pi, 20))], axis=1)
    )
    paint(np.vstack([points[:17], top]), skin, 0.02)
    light = rng.uniform(-0.5, 0.5)
    x = (np.arange(SIDE) - SIDE / 2) / size
    head = area(np.vstack([points[:17], top]), 0.02)
    image *= 1 + head * (light * 0.25 * x - 0.16 * x**2)[None].astype(np.float32)
    depth = rng.uniform(0.12, 0.3)
    hairline = middle + (top - middle) * (1.02, 1) + [(0, depth * size)] * np.sin(np.linspace(0, np.pi, 20))[:, None]
    paint(np.vstack([top - (0, 0.1 * size), hairline[::-1]]), hair, 0.03)
    for mirror in (np.arange(68), MIRROR):
        eye = points[mirror[36:42]]
        paint(oval(eye.mean(axis=0), 0.21, 0.13), 0.82 * skin, 0.05, 0.6)
        paint(eye, min(skin + 60, 235), 0.006)
        ball = eye.mean(axis=0) + (0, -0.008 * size)
        white = area(eye, 0.004)
        for radius, grey in ((0.062, rng.uniform(30, 0.7 * skin)), (0.03, 12.0)):
            image += area(oval(ball, radius, radius), 0.004) * white * (grey - image)
        image += area(oval(ball + np.array([0.02, -0.022]) * size, 0.013, 0.013), 0.003) * white * (240 - image)
        lid = eye[[0, 1, 2, 3]]
        paint(np.vstack([lid, lid[::-1] - (0, 0.022 * size)]), 0.25 * skin, 0.006, 0.9)
        lid = lid - (0, 0.05 * size)
        paint(np.vstack([lid, lid[::-1] - (0, 0.012 * size)]), 0.6 * skin, 0.008, 0.5)
        brow = points[mirror[17:22]]
        thick = rng.uniform(0.035, 0.06) * size
        paint(
            np.vstack([brow - (0, 0.2 * thick), brow[::-1] + (0, thick) * np.array([[0.9], [1], [1], [0.9], [0.4]])]),
            min(hair, 0.55 * skin),
            0.014,
        )
        paint(oval(points[mirror[31]] + (0, 0.0), 0.05, 0.02), 0.45 * skin, 0.012, 0.7)
        nose = points[[27, 28, 29, 30]] + np.array([-0.07 if mirror[0] == 0 else 0.07, 0]) * size
        paint(np.vstack([nose, nose[::-1] + (0.02 * size, 0)]), 0.82 * skin, 0.03, 0.5)
    paint(oval(points[30], 0.07, 0.06), min(1.15 * skin, 245), 0.03, 0.6)
    lips = rng.uniform(0.5, 0.8) * skin
    paint(points[[48, 49, 50, 51, 52, 53, 54, 64, 63, 62, 61, 60]], lips, 0.01)
    paint(points[[48, 60, 67, 66, 65, 64, 54, 55, 56, 57, 58, 59]], 1.12 * lips, 0.01)
    seam = points[[60, 61, 62, 63, 64]]
    paint(np.vstack([seam, seam[::-1] + (0, 0.012 * size)]), 0.25 * skin, 0.006, 0.9)
    paint(oval(points[57] + (0, 0.09 * size), 0.12, 0.02), 0.8 * skin, 0.03, 0.6)
    image += head * (_cloud(rng, 40) * 3 + rng.normal(0, 2.0, image.shape).astype(np.float32))
    return np.clip(np.rint(cv2.GaussianBlur(image, (0, 0), 0.6)), 0, 255).astype(np.uint8)


def _cloud(rng: np.random.Generator, cells: int) -> np.ndarray:
    return cv2.resize(rng.standard_normal((cells, cells), np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
