"""A sheet of moving faces to look at: units and expressions at full intensity, a smile over time, a micro-expression.

    python -m edgefer.train.data.synthetic --out sheet.png

Its faces are the public-domain portrait of the demo, with the points that the shipped landmark network finds, and a
drawn one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from edgefer.errors import EdgeferError
from edgefer.geometry import Box
from edgefer.landmarks.network import open_network
from edgefer.sources.demo import portrait_path
from edgefer.support.atomic import write_bytes
from edgefer.train.data.synthetic import script, units
from edgefer.train.data.synthetic.drawn import drawn
from edgefer.train.data.synthetic.films import Film, film
from edgefer.train.data.synthetic.script import Event
from edgefer.train.data.synthetic.warp import Face, Identity, Pose

TILE = 88
#: Where the face is in the portrait: middle and side, pixels.
_PORTRAIT_FACE = (252.0, 196.0, 239.0)


def portrait() -> Identity:
    """The portrait, half its size, with the points that the shipped network finds.

    Raises:
        SourceError: matplotlib, which brings it, is not installed.
    """
    grey = cv2.imread(str(portrait_path()), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        raise EdgeferError(f"{portrait_path()}: cannot be decoded; reinstall matplotlib")
    network, (x, y, side) = open_network(), _PORTRAIT_FACE
    square = network.around_face(Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2))
    for _ in range(3):
        points = network.locate(grey, square).points
        square = network.around_points(points)
    small = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return Identity("portrait", np.asarray(small), (points + 0.5) * 0.5 - 0.5)


def sheet(identities: list[Identity]) -> np.ndarray:
    """The sheet, uint8: for each face a block of rows."""
    blocks: list[np.ndarray] = []
    for number, identity in enumerate(identities):
        face = Face(identity, seed=number)
        still = [_titled(_shown(face, {}), "at rest")]
        still += [_titled(_shown(face, {unit: 5.0}), f"AU{unit}") for unit in units.UNITS]
        names = [name for name in units.EXPRESSIONS if name != "neutral"]
        still += [_titled(_shown(face, _units(name)), name) for name in names]
        still += [_titled(_shown(face, shares, units.FULL, (0,)), name) for name, shares in units.UNILATERAL.items()]
        still += [_titled(_shown(face, {25: 5.0, 26: 5.0, 43: 5.0}), "yawn")]
        smile = Event(0.2, 0.9, 2.0, {6: 4.0, 12: 5.0, 25: 4.0}, "happiness", 0.3)
        micro = script.event(np.random.default_rng(number), 0.3, "surprise", micro=True, seconds=0.4)
        blink = script.blink(np.random.default_rng(number), 1.2)
        over_time = film(face, [smile, blink], 2.2, 30, TILE, seed=number)
        small = film(face, [micro], 0.96, 60, TILE, seed=number + 100)
        strips = [_strip(over_time, np.arange(0, 66, 6)), _strip(small, np.arange(14, 47, 3))]
        blocks += [_rows(still, 12), *strips]
    return np.vstack(blocks) & 0xF8  # 32 greys: the noise would make the file large


def _units(expression: str) -> dict[int, float]:
    return dict(zip(units.UNITS, units.combination(expression).tolist(), strict=True))


def _shown(
    face: Face, intensities: Mapping[int, float], times: float = 1.0, sides: tuple[int, ...] = (0, 1)
) -> np.ndarray:
    strength = np.zeros((len(units.UNITS), 2))
    for unit, value in intensities.items():
        strength[units.UNITS.index(unit), sides] = times * value / units.FULL
    return face.render(strength, Pose(), TILE)[0]


def _strip(taken: Film, numbers: np.ndarray) -> np.ndarray:
    tiles = []
    for number in numbers.tolist():
        tile = taken.frames[number].copy()
        if number == numbers[-1]:
            for x, y in np.rint(taken.landmarks[number]).astype(int).tolist():
                cv2.circle(tile, (x, y), 1, 255, -1)
        tiles.append(_titled(tile, f"{taken.t_s[number]:.2f} s"))
    return _rows(tiles, 12)


def _titled(tile: np.ndarray, words: str) -> np.ndarray:
    bar = np.full((16, tile.shape[1]), 255, np.uint8)
    cv2.putText(bar, words, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, 0, 1, cv2.LINE_AA)
    return np.vstack([bar, tile])


def _rows(tiles: list[np.ndarray], across: int) -> np.ndarray:
    blank = np.full_like(tiles[0], 255)
    tiles = tiles + [blank] * (-len(tiles) % across)
    return np.vstack([np.hstack(tiles[start : start + across]) for start in range(0, len(tiles), across)])


def write_sheet(path: Path) -> None:
    """The sheet of the portrait and a drawn face, as PNG."""
    _, coded = cv2.imencode(".png", sheet([portrait(), drawn(2)]), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    write_bytes(path, coded.tobytes())
