"""A picture of the classic chain at work on one face, stage by stage, as figure 4 of Khan's paper has it."""

from __future__ import annotations

import cv2
import numpy as np

from edgefer.preprocess.points.chain import MOST_APART, Chain
from edgefer.preprocess.points.edges import Component
from edgefer.support import drawing

_SCALE = 2
_PANEL = (384, 384)  # width, height
_HEAD, _GAP = 34, 10
_RED, _GREEN, _BLUE, _ORANGE = (60, 60, 240), (90, 200, 60), (230, 140, 40), (40, 160, 250)


def draw_stages(chain: Chain, verdict: str = "") -> np.ndarray:
    """What each stage found: uint8, shape (H, W, 3).

    Args:
        chain: of preprocess.points.chain.find; the panels of stages after one that failed say so.
        verdict: a line below, as the scores that follow from the points.
    """
    panels = [
        ("a  face, 3x3 Gaussian", _grey(chain.smooth)),
        ("b  contrast equalised", _grey(None if chain.even is None else chain.even.image)),
        ("c  eyes: circles; nose", _eyes(chain)),
        ("d  level; boxes of the eyes", _boxes(chain)),
        ("e  horizontal edges, Sobel", _edges(chain)),
        ("f  Otsu, windows", _binary(chain)),
        ("g  brows and upper lip", _components(chain)),
        ("h  corners F1 to F18", _points(chain)),
    ]
    columns = 4
    width = columns * (_PANEL[0] + _GAP) + _GAP
    rows = -(-len(panels) // columns)
    foot = 40
    sheet = np.full((rows * (_PANEL[1] + _HEAD + _GAP) + _GAP + foot, width, 3), 255, np.uint8)
    for number, (title, picture) in enumerate(panels):
        x = _GAP + number % columns * (_PANEL[0] + _GAP)
        y = _GAP + number // columns * (_PANEL[1] + _HEAD + _GAP)
        drawing.write(sheet, title, x, y + 14, 0.55, anchor="start")
        area = sheet[y + _HEAD : y + _HEAD + _PANEL[1], x : x + _PANEL[0]]
        if picture is None:
            area[:] = 235
            drawing.write(area, "not reached", _PANEL[0] / 2, _PANEL[1] / 2, 0.6)
        else:
            picture = picture[: _PANEL[1], : _PANEL[0]]
            area[:] = 235
            area[: picture.shape[0], : picture.shape[1]] = picture
    words = f"failed at {chain.failed}: {chain.reason}" if chain.failed else verdict
    drawing.write(sheet, words, _GAP, sheet.shape[0] - foot / 2, 0.6, anchor="start")
    return sheet


def _enlarged(image: np.ndarray) -> np.ndarray:
    large = cv2.resize(image, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_CUBIC)
    return cv2.cvtColor(large, cv2.COLOR_GRAY2BGR)


def _grey(image: np.ndarray | None) -> np.ndarray | None:
    return None if image is None else _enlarged(image)


def _at(point: np.ndarray) -> tuple[int, int]:
    """A point of a picture, in the enlarged one."""
    return round((float(point[0]) + 0.5) * _SCALE - 0.5), round((float(point[1]) + 0.5) * _SCALE - 0.5)


def _eyes(chain: Chain) -> np.ndarray | None:
    """The windows searched, all circles, and the two chosen."""
    if chain.even is None or not chain.windows:
        return None
    picture = _enlarged(chain.even.image)
    for window, found in zip(chain.windows, chain.circles, strict=True):
        corner = ((window.x1 - 1) * _SCALE, (window.y1 - 1) * _SCALE)
        cv2.rectangle(picture, (window.x0 * _SCALE, window.y0 * _SCALE), corner, _ORANGE, 1)
        for centre, radius in zip(found.centres, found.radii, strict=True):
            cv2.circle(picture, _at(centre), int(radius) * _SCALE, _BLUE, 1, cv2.LINE_AA)
    if chain.eyes is not None:
        for centre, radius in zip(chain.eyes.centres, chain.eyes.radii, strict=True):
            cv2.circle(picture, _at(centre), int(radius) * _SCALE, _RED, 2, cv2.LINE_AA)
            cv2.circle(picture, _at(centre), 1, _RED, -1, cv2.LINE_AA)
    cv2.drawMarker(picture, _at(chain.even.inward(chain.nose)), _GREEN, cv2.MARKER_CROSS, 14, 2)
    return picture


def _boxes(chain: Chain) -> np.ndarray | None:
    if chain.level is None or chain.boxes is None:
        return None
    picture = _enlarged(chain.level.image)
    for centre in chain.boxes:
        half = np.array([11.0, 5.0])
        cv2.rectangle(picture, _at(centre - half), _at(centre + half), _RED, 1)
    return picture


def _edges(chain: Chain) -> np.ndarray | None:
    if chain.gradients is None:
        return None
    edges = chain.gradients.edges
    stretched = np.clip(edges.astype(np.float32) * 255 / max(1.0, float(np.percentile(edges, 99.5))), 0, 255)
    return _enlarged(stretched.astype(np.uint8))


def _found(chain: Chain) -> list[Component]:
    return [*chain.brows, *([chain.lip] if chain.lip is not None else [])]


def _binary(chain: Chain) -> np.ndarray | None:
    if chain.level is None or not _found(chain):
        return None
    plane = np.zeros_like(chain.level.image)
    for part in _found(chain):
        part.window.of(plane)[:] = np.maximum(part.window.of(plane), part.binary)
    picture = _enlarged(plane)
    for part in _found(chain):
        window = part.window
        corner = ((window.x1 - 1) * _SCALE, (window.y1 - 1) * _SCALE)
        cv2.rectangle(picture, (window.x0 * _SCALE, window.y0 * _SCALE), corner, _ORANGE, 1)
    return picture


def _components(chain: Chain) -> np.ndarray | None:
    if chain.level is None or not _found(chain):
        return None
    mask = np.zeros_like(chain.level.image)
    for part in _found(chain):
        mask[part.ys, part.xs] = 255
    picture = _enlarged(chain.level.image)
    large = cv2.resize(mask, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_NEAREST)
    picture[large > 0] = _GREEN
    return picture


def _points(chain: Chain) -> np.ndarray | None:
    """The corners, and a line to where the landmarks have those that lie too far off."""
    if chain.level is None or chain.corners is None:
        return None
    picture = _enlarged(chain.level.image)
    if chain.beside is not None and chain.apart is not None:
        for corner, there, far in zip(
            chain.corners, chain.level.inward(chain.beside), chain.apart > MOST_APART, strict=True
        ):
            if far:
                cv2.line(picture, _at(corner), _at(there), _ORANGE, 2, cv2.LINE_AA)
                cv2.circle(picture, _at(there), 3, _ORANGE, -1, cv2.LINE_AA)
    for number, corner in enumerate(chain.corners, 1):
        x, y = _at(corner)
        cv2.circle(picture, (x, y), 3, _RED, -1, cv2.LINE_AA)
        drawing.write(picture, str(number), x + 6, y - 7, 0.36, _GREEN, "start")
    return picture
