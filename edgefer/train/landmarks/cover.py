"""What hides parts of a face: masks, dark glasses, scarves, hands and things, drawn on a crop in training.

Each takes the crop, uint8 (H, W), and the 68 points in its pixels; draws on the crop, and gives the mask of what it
has hidden, uint8 (H, W), 0 or 255.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Cover = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def slope(rng: np.random.Generator, most: float) -> np.float32:
    """A number between -most and most; float32, so that images stay so."""
    return np.float32(rng.uniform(-most, most))


def eighths(point: np.ndarray) -> tuple[int, int]:
    """A point as OpenCV draws it with shift=3."""
    x, y = np.rint(np.asarray(point) * 8).astype(int).tolist()
    return x, y


def _paint(crop: np.ndarray, mask: np.ndarray, rng: np.random.Generator, level: float) -> np.ndarray:
    """Fill a mask with cloth: a grey level, a slope of light, and stripes or grain."""
    height, width = crop.shape
    x = np.arange(width, dtype=np.float32)[None] / width
    y = np.arange(height, dtype=np.float32)[:, None] / height
    cloth = (np.float32(level) + slope(rng, 60) * (x - 0.5)) + slope(rng, 60) * (y - 0.5)
    if rng.random() < 0.5:
        phase = slope(rng, 60) * x + slope(rng, 60) * y
        cloth += np.float32(rng.uniform(2, 25)) * np.sin(phase)
    if rng.random() < 0.4:
        grain = cv2.resize(rng.standard_normal((20, 20)).astype(np.float32), (width, height))
        cloth += np.float32(rng.uniform(3, 25)) * grain
    np.copyto(crop, np.clip(cloth, 0, 255).astype(np.uint8), where=mask > 0)
    return mask


def _filled(crop: np.ndarray, *polygons: np.ndarray) -> np.ndarray:
    mask = np.zeros_like(crop)
    cv2.fillPoly(mask, [np.rint(polygon * 8).astype(np.int32) for polygon in polygons], 255, shift=3)
    return mask


def _size(points: np.ndarray) -> float:
    """Distance of the outer corners of the eyes."""
    return float(np.linalg.norm(points[45] - points[36]))


def face_mask(crop: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask over nose, mouth and chin, or pulled below the nose."""
    top = points[rng.choice([28, 29, 29, 30])]
    if rng.random() < 0.15:
        top = points[33] * 0.7 + points[51] * 0.3
    first = int(rng.integers(1, 4))
    jaw = points[first : 17 - first]
    centre = points.mean(axis=0)
    edge = centre + (jaw - centre) * rng.uniform(1.0, 1.1)
    shift = (top - edge[[0, -1]].mean(axis=0)) * rng.uniform(-0.1, 0.35)
    edge[0] += shift
    edge[-1] += shift
    left, right = (edge[0] * 0.45 + top * 0.55, edge[-1] * 0.45 + top * 0.55)
    hem = (top - points[8]) * rng.uniform(-0.02, 0.1)
    mask = _filled(crop, np.vstack([edge, right + hem, top, left + hem]))
    level = rng.choice([rng.uniform(150, 245), rng.uniform(10, 70), rng.uniform(40, 220)])
    _paint(crop, mask, rng, level)
    for share in rng.uniform(0.25, 0.8, int(rng.integers(0, 4))):  # folds
        ends = [edge[2] * (1 - share) + edge[5] * share, edge[-3] * (1 - share) + edge[-6] * share]
        shade = int(np.clip(level + rng.uniform(-40, 25), 0, 255))
        line = np.zeros_like(crop)
        cv2.line(line, eighths(ends[0]), eighths(ends[1]), 255, 1, cv2.LINE_AA, shift=3)
        crop[(line > 100) & (mask > 0)] = shade
    return mask


def dark_glasses(crop: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Dark lenses over both eyes, with bridge and temples."""
    d = _size(points)
    x = (points[45] - points[36]) / d
    y = np.array([-x[1], x[0]])
    rx, ry = d * rng.uniform(0.26, 0.36), d * rng.uniform(0.17, 0.29)
    angles = np.linspace(0, 2 * np.pi, 25)[:-1]
    power = rng.uniform(0.45, 1.0)  # 1: an ellipse, less: squarer
    c, s = (np.sign(v) * np.abs(v) ** power for v in (np.cos(angles), np.sin(angles)))
    drop = rng.uniform(-0.02, 0.08) * d
    middles = [points[36:42].mean(axis=0), points[42:48].mean(axis=0)]
    lenses = [m + drop * y - x * side * 0.03 * d + np.outer(c * rx, x) + np.outer(s * ry, y)
              for m, side in zip(middles, (1, -1), strict=True)]  # fmt: skip
    mask = _filled(crop, *lenses)
    level = rng.uniform(5, 60)
    line = np.zeros_like(crop)
    width = max(1, round(d * rng.uniform(0.02, 0.06)))
    for a, b in ((middles[0], middles[1]), (middles[0] - rx * x, points[0]), (middles[1] + rx * x, points[16])):
        cv2.line(line, eighths(a), eighths(b), 255, width, shift=3)
    if rng.random() < 0.3:
        _paint(crop, line, rng, rng.uniform(0, 120))
    else:
        crop[line > 0] = int(level)
    _paint(crop, mask, rng, level) if rng.random() < 0.5 else np.copyto(crop, np.uint8(level), where=mask > 0)
    if rng.random() < 0.5:  # a reflection
        shine = mask & np.roll(mask, (-round(ry * 0.8), round(rx * 0.6)), axis=(0, 1))
        crop[shine > 0] = np.clip(crop[shine > 0].astype(int) + int(rng.uniform(15, 90)), 0, 255)
    return mask


def clear_glasses(crop: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Frames with clear lenses: nothing is hidden."""
    d = _size(points)
    angle = float(np.degrees(np.arctan2(*(points[45] - points[36])[::-1])))
    axes = (round(d * rng.uniform(0.24, 0.33) * 8), round(d * rng.uniform(0.16, 0.26) * 8))
    shade, width = int(rng.uniform(0, 150)), max(1, round(d * rng.uniform(0.01, 0.05)))
    for part in (points[36:42], points[42:48]):
        cv2.ellipse(crop, eighths(part.mean(axis=0)), axes, angle, 0, 360, shade, width, cv2.LINE_AA, shift=3)
    cv2.line(crop, eighths(points[39]), eighths(points[42]), shade, width, cv2.LINE_AA, shift=3)
    return np.zeros_like(crop)


def scarf(crop: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cloth from below the nose, or below the mouth, to the bottom of the crop."""
    d = _size(points)
    down = points[8] - points[27]
    down = down / max(float(np.linalg.norm(down)), 1e-3)
    across = np.array([down[1], -down[0]])
    start = points[rng.choice([30, 33, 51, 57])]
    left, right = start - across * 3 * d, start + across * 3 * d
    sag = down * d * rng.uniform(-0.15, 0.25)
    mask = _filled(crop, np.vstack([left, start + sag, right, right + down * 4 * d, left + down * 4 * d]))
    return _paint(crop, mask, rng, rng.uniform(10, 240))


def hand(crop: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Some round shapes of skin's grey that come from below or the side, over a part of the face."""
    d = _size(points)
    aim = points[rng.choice([36, 45, 30, 48, 54, 57, 8, 4, 12])] + rng.normal(0, 0.15, 2) * d
    way = np.array([rng.uniform(-1, 1), rng.uniform(0.2, 1.0)])
    way = way / np.linalg.norm(way)
    across = np.array([way[1], -way[0]])
    mask = np.zeros_like(crop)
    skin = float(np.median(crop[20:-20, 20:-20])) + rng.uniform(-25, 25)
    width = d * rng.uniform(0.1, 0.16)
    for finger in np.arange(int(rng.integers(1, 5))) - 1.5:
        tip = aim + across * finger * width * 1.15 - way * rng.uniform(0, 0.15) * d
        one = np.zeros_like(crop)
        cv2.line(one, eighths(tip), eighths(tip + way * 3 * d), 255, max(2, round(width)), cv2.LINE_AA, shift=3)
        rim = cv2.dilate(one, np.ones((3, 3), np.uint8)) & ~one
        crop[rim > 128] = np.clip(int(skin) - 35, 0, 255)
        _paint(crop, np.where(one > 128, 255, 0).astype(np.uint8), rng, float(np.clip(skin, 10, 245)))
        mask |= one
    return np.where(mask > 128, 255, 0).astype(np.uint8)


def thing(crop: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rectangle or an oval somewhere over the face: a phone, a cup, a microphone."""
    d = _size(points)
    middle = points[rng.integers(0, 68)] + rng.normal(0, 0.2, 2) * d
    size = d * rng.uniform(0.2, 1.0, 2)
    if rng.random() < 0.5:
        shape = cv2.boxPoints(((0, 0), (float(size[0]), float(size[1])), float(rng.uniform(0, 180))))
    else:
        angles = np.linspace(0, 2 * np.pi, 20)
        shape = np.column_stack([np.cos(angles) * size[0] / 2, np.sin(angles) * size[1] / 2])
    return _paint(crop, _filled(crop, middle + shape), rng, rng.uniform(0, 255))


COVERS: dict[Cover, float] = {
    face_mask: 0.3, dark_glasses: 0.22, clear_glasses: 0.1, scarf: 0.06, hand: 0.16, thing: 0.16,
}  # fmt: skip
