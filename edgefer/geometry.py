"""Boxes: pure functions. A box is (x0, y0, x1, y1), float pixels, right and bottom exclusive."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """Axis-aligned box, xyxy, float pixels, right and bottom exclusive; may reach outside the image."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


def xywh_to_xyxy(x: float, y: float, width: float, height: float) -> Box:
    """Corner and size to a box."""
    return Box(float(x), float(y), float(x + width), float(y + height))


def snapped(box: Box) -> Box:
    """The box on a grid of sixteenths of a pixel: what two processors compute alike but for its last bits is then one
    box, and the pixels cut out by it are the same."""
    return Box(*(round(edge * 16) / 16 for edge in box))


def scaled(box: Box, factor: float) -> Box:
    """The same box in an image resized by `factor`."""
    return Box(box.x0 * factor, box.y0 * factor, box.x1 * factor, box.y1 * factor)


def squared(box: Box, margin: float = 0.0) -> Box:
    """The square about the box's centre: its longer side, grown by `margin` of that side on every side."""
    cx, cy = box.centre
    half = max(box.width, box.height) * (0.5 + margin)
    return Box(cx - half, cy - half, cx + half, cy + half)


def moved(box: Box, dx: float, dy: float, scale: float = 1.0) -> Box:
    """The box shifted by (dx, dy) and resized about its own centre."""
    cx, cy = box.centre
    half_width, half_height = box.width * scale / 2, box.height * scale / 2
    return Box(cx + dx - half_width, cy + dy - half_height, cx + dx + half_width, cy + dy + half_height)


def carried(points: np.ndarray, before: Box, now: Box) -> np.ndarray:
    """Points of a face, moved and scaled as its box has been: float (N, 2), counted from the first pixel's centre."""
    scale = now.width / before.width if before.width > 0 else 1.0
    # boxes count from the first pixel's edge
    old, new = np.array(before.centre, points.dtype) - 0.5, np.array(now.centre, points.dtype) - 0.5
    return (points - old) * scale + new


def clipped(box: Box, width: int, height: int) -> Box:
    """The part of the box inside an image of that size; may be empty (area 0)."""
    x0, y0 = min(max(box.x0, 0.0), width), min(max(box.y0, 0.0), height)
    return Box(x0, y0, max(x0, min(box.x1, width)), max(y0, min(box.y1, height)))


def iou(a: Box, b: Box) -> float:
    """Intersection over union, 0 to 1."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.area + b.area - shared)


def covered(a: Box, b: Box) -> float:
    """The part of the smaller of two boxes that lies in the other, 0 to 1."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    smaller = min(a.area, b.area)
    return width * height / smaller if width > 0 and height > 0 and smaller > 0 else 0.0
