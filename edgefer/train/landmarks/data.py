"""Photographs with the teacher's points, and the canvases that are made of them at random.

A canvas is cut straight from the photograph, once: turned, scaled, moved, stretched and leant; then something covers
it. The network looks at the most of it, several times (`develop.py`). Points stay where the teacher saw them, under
whatever covers them. What is taught of a region is the share of it that can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgefer.landmarks.squares import SIDE
from edgefer.train import teachers
from edgefer.train.command import read_table
from edgefer.train.landmarks.cover import COVERS

#: Side of the canvas a sample is drawn on, pixels, and of the square looked at, in parts of it: room to look about.
CANVAS_PX, LOOK = 160, 0.87
#: Points whose hull is a region, for the two eyes without and with their brows, nose and mouth.
HULLS = (
    (range(36, 42), range(17, 22)), (range(42, 48), range(22, 27)), (range(29, 36), ()), (range(48, 60), ()),
)  # fmt: skip
#: From 68 points to means over regions: face (not used), the hulls with what is more of each, jaw.
_MEANS = np.zeros((68, 6), np.float32)
for _region, (_core, _more) in enumerate(HULLS, start=1):
    _MEANS[[*_core, *_more], _region] = 1 / len([*_core, *_more])
_MEANS[:17, 5] = 1 / 17
#: What a table is, for who looks for it.
WRITTEN = "what python -m edgefer.train.teachers writes"
#: Least score of the teacher at which its points are taught.
SURE = 0.8
#: What a point that lies outside its photograph, or within so many pixels of its edge, counts: the teacher guesses.
GUESSED, EDGE_PX = 0.1, 1.0
#: Canvases that wait to be looked at again, and how often each is looked at.
KEPT, OFTEN = 1500, 2


@dataclass(frozen=True)
class Faces:
    """Photographs of one face each: grey images, points (N, 68, 2) in their pixels."""

    images: list[np.ndarray]
    points: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def weights(self) -> np.ndarray:
        """What each point counts, float32 (N, 68): less where the photograph does not show it."""
        sizes = np.array([image.shape[::-1] for image in self.images], np.float32)[:, None]
        inside = ((self.points > EDGE_PX) & (self.points < sizes - 1 - EDGE_PX)).all(axis=2)
        return np.where(inside, 1, GUESSED).astype(np.float32)

    def chances(self) -> np.ndarray:
        """How often each is drawn: more often a turned head, of which there are few, and one whose chin is seen."""
        eyes = self.points[:, [36, 45]]
        across = eyes[:, 1] - eyes[:, 0]
        aside = ((self.points[:, 30] - eyes.mean(axis=1)) * across).sum(axis=1) / (across**2).sum(axis=1)
        turned = 1 + np.minimum((aside / 0.15) ** 2, 5)  # 0.15: 17 degrees
        chances = turned * np.where(self.weights()[:, 8] == 1, 3, 1)
        return chances / chances.sum()


def photographs(data: Path, labels: Path, part: str) -> Faces:
    """faces.zip; every twentieth photograph is kept for choosing (part "val"), the others are taught ("train")."""
    known = read_table(labels / "faces.npz", WRITTEN, "name", "score", "points")
    sure = dict(zip(known["name"].tolist(), range(len(known["name"])), strict=True))
    kept, images = [], []
    for number, (name, image) in enumerate(teachers.photographs(data)):
        row = sure[Path(name).name]
        if known["score"][row] >= SURE and (number % 20 == 0) == (part == "val"):
            kept.append(row)
            images.append(image)
    return Faces(images, known["points"][kept].astype(np.float32))


def fer(data: Path, labels: Path) -> Faces:
    """The train rows of FER-2013 whose faces the teacher is sure of."""
    known = read_table(labels / "fer.npz", WRITTEN, "split", "score", "points")
    wanted = (known["split"] == 0) & (known["score"] >= SURE)
    images = [image for image, want in zip(teachers.fer_images(data), wanted, strict=True) if want]
    return Faces(images, known["points"][wanted].astype(np.float32))


def taught(data: Path, labels: Path) -> list[tuple[Faces, float]]:
    """What is learnt from, each with its share: photographs, and FER-2013 as the small and blurred end."""
    return [(photographs(data, labels, "train"), 0.65), (fer(data, labels), 0.35)]


def rows(labels: Path) -> list[int]:
    """How many faces each collection of `taught` has."""
    score = read_table(labels / "faces.npz", WRITTEN, "score")["score"]
    small = read_table(labels / "fer.npz", WRITTEN, "split", "score")
    taught_ = (score >= SURE) & (np.arange(len(score)) % 20 != 0)
    return [int(taught_.sum()), int(((small["split"] == 0) & (small["score"] >= SURE)).sum())]


def square_of(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle and side of the square round points, in their pixels."""
    middle = points.mean(axis=0)
    return middle, SIDE * float(np.sqrt(((points - middle) ** 2).sum(axis=1).mean()))


def cut(
    image: np.ndarray,
    middle: np.ndarray,
    axes: np.ndarray,
    beyond: np.ndarray | int | None = None,
    lean: np.ndarray | None = None,
) -> np.ndarray:
    """A canvas cut from an image.

    Args:
        middle: what comes to its middle. axes: (2, 2), the steps of its pixels as columns.
        beyond: what is seen beyond the image: a canvas, which is written and returned, or a border of OpenCV's; None:
            the image's edge pixels go on.
        lean: (2,), of a plane seen aslant: by how much it lies farther off with each pixel from the canvas's middle.
    """
    half = (CANVAS_PX - 1) / 2
    matrix = np.column_stack([axes, middle - axes @ np.full(2, half)])
    flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, (CANVAS_PX, CANVAS_PX)
    warp = cv2.warpAffine
    if lean is not None:
        warp = cv2.warpPerspective
        away = half * lean
        aslant = np.array([[1 + away[0], away[1], -half * away.sum()], [away[0], 1 + away[1], -half * away.sum()],
                           [*lean, 1 - away.sum()]])  # fmt: skip
        matrix = np.vstack([matrix, (0, 0, 1)]) @ aslant
    if isinstance(beyond, np.ndarray):
        return warp(image, matrix, size, beyond, flags, cv2.BORDER_TRANSPARENT)
    return warp(image, matrix, size, None, flags, cv2.BORDER_REPLICATE if beyond is None else beyond)


class Sampler:
    """Samples of some collections of faces, each with its share.

    Args:
        sources: (faces, share).
        backgrounds: grey photographs without faces.
    """

    #: Shares of the samples: something else than a face; a face far from upright, which is not to be read.
    NOTHING, TURNED = 0.06, 0.05

    def __init__(self, sources: list[tuple[Faces, float]], backgrounds: list[np.ndarray], seed: int):
        self._sources = [faces for faces, _ in sources]
        self._weights = [faces.weights() for faces in self._sources]
        self._chances = [np.cumsum(faces.chances()) for faces in self._sources]
        self._shares = np.cumsum([share for _, share in sources]) / sum(share for _, share in sources)
        self._covers, chances = list(COVERS), np.cumsum(list(COVERS.values()))
        self._cover_chances = chances / chances[-1]
        self._backgrounds = backgrounds
        self._rng = np.random.default_rng(seed)

    def sample(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A canvas, uint8; points (68, 2) in its pixels, what each counts (68,), and the regions (6,), float32."""
        rng = self._rng
        source = self._drawn(self._shares)
        faces, number = self._sources[source], self._drawn(self._chances[source])
        image, points = faces.images[number], faces.points[number].astype(np.float64)
        weights, seen = np.zeros(68, np.float32), np.zeros(6, np.float32)
        kind = rng.random()
        if kind < self.NOTHING:
            canvas = self._nothing(image, points)
        else:
            turned = kind < self.NOTHING + self.TURNED
            canvas, points = self._placed(image, points, turned)
            hidden = None
            if rng.random() < 0.4:
                hidden = self._covered(canvas, points)
            if not turned:
                seen, weights = visible(points, hidden), self._weights[source][number]
        if rng.random() < 0.1:
            _, coded = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))])
            canvas = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
        return canvas, points.astype(np.float32), weights, seen

    def _drawn(self, chances: np.ndarray) -> int:
        """A number drawn by the sums of chances."""
        return min(int(np.searchsorted(chances, self._rng.random())), len(chances) - 1)

    def _placed(self, image: np.ndarray, points: np.ndarray, turned: bool) -> tuple[np.ndarray, np.ndarray]:
        rng = self._rng
        middle, side = square_of(points)
        side /= LOOK
        if turned:
            angle = np.radians(rng.uniform(80, 280))
        else:
            angle = np.radians(rng.uniform(-47, 47) if rng.random() < 0.3 else rng.normal(0, 9))
        if rng.random() < 0.4:  # from a detector's box; most squares come from points found before
            side *= np.exp(rng.uniform(-0.2, 0.23))
            middle = middle + side * rng.uniform(-0.12, 0.12, 2)
        # a turned head looks narrow
        stretch = np.exp(rng.uniform(-0.17, 0.17) if rng.random() < 0.2 else rng.normal(0, 0.04))
        cos, sin = np.cos(angle), np.sin(angle)
        axes = np.array([[cos * stretch, -sin / stretch], [sin * stretch, cos / stretch]]) * (side / CANVAS_PX)
        lean = rng.uniform(-0.25, 0.25, 2) * (2 / CANVAS_PX) if rng.random() < 0.35 else None
        canvas = cut(image, middle, axes, self._beyond(), lean)
        (a, b), (c, d) = axes.tolist()
        inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
        away = (points - middle) @ inverse.T
        if lean is not None:
            away = away / (1 - away @ lean)[:, None]
        return canvas, away + (CANVAS_PX - 1) / 2

    def _beyond(self) -> np.ndarray | int | None:
        """Something beyond the photograph's edge, which is near the chin in most: it must not tell the chin's place."""
        kind = self._rng.random()
        if kind < 0.35:
            return None
        if kind < 0.6:
            return int(cv2.BORDER_REFLECT_101)
        if kind < 0.75 or not self._backgrounds:
            return np.full((CANVAS_PX, CANVAS_PX), self._rng.integers(256), np.uint8)
        return self._ground()

    def _ground(self) -> np.ndarray:
        """A piece of a photograph without a face."""
        rng = self._rng
        ground = self._backgrounds[rng.integers(len(self._backgrounds))]
        side = rng.uniform(0.08, 0.6) * min(ground.shape)
        middle = np.array([rng.uniform(side / 2, n - side / 2) for n in ground.shape[::-1]])
        return cut(ground, middle, np.eye(2) * side / CANVAS_PX)

    def _covered(self, canvas: np.ndarray, points: np.ndarray) -> np.ndarray:
        hidden = self._covers[self._drawn(self._cover_chances)](canvas, points, self._rng)
        if self._rng.random() < 0.12:
            hidden = hidden | self._covers[self._drawn(self._cover_chances)](canvas, points, self._rng)
        return hidden

    def _nothing(self, image: np.ndarray, points: np.ndarray) -> np.ndarray:
        """A corner beside the face, a piece of a photograph without one, or a pattern."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.35:
            middle, side = square_of(points)
            angle = rng.uniform(0, 2 * np.pi)
            if rng.random() < 0.5:
                side *= rng.uniform(0.7, 1.3)
                middle = middle + side * rng.uniform(0.65, 0.95) * np.array([np.cos(angle), np.sin(angle)])
            else:
                side *= rng.uniform(0.2, 0.4)
                middle = middle + side * rng.uniform(0, 1.0) * np.array([np.cos(angle), np.sin(angle)])
            return cut(image, middle, np.eye(2) * side / LOOK / CANVAS_PX)
        if kind < 0.75 and self._backgrounds:
            return self._ground()
        cells = int(rng.integers(2, 40))
        grain = rng.normal(rng.uniform(60, 190), rng.uniform(2, 60), (cells, cells)).clip(0, 255).astype(np.uint8)
        return cv2.resize(grain, (CANVAS_PX, CANVAS_PX), interpolation=int(rng.choice([cv2.INTER_LINEAR, 0])))

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Batches without end: canvases, points, weights and regions, as of `sample`.

        To draw a canvas costs more than to look at it: each is in several batches, far apart.
        """
        kept: list[tuple[np.ndarray, ...]] = []
        left: list[int] = []
        while True:
            batch: list[tuple[np.ndarray, ...]] = []
            while len(batch) < size:
                if len(kept) >= KEPT and self._rng.random() > 1 / OFTEN:
                    at = int(self._rng.integers(len(kept)))
                    batch.append(kept[at])
                    left[at] -= 1
                    if not left[at]:
                        kept[at], left[at] = kept[-1], left[-1]
                        kept.pop()
                        left.pop()
                else:
                    batch.append(self.sample())
                    kept.append(batch[-1])
                    left.append(OFTEN - 1)
            yield tuple(np.stack(each) for each in zip(*batch, strict=True))


def visible(points: np.ndarray, hidden: np.ndarray | None) -> np.ndarray:
    """What can be seen of a face in its canvas, float32 (6,): the face itself, and its regions' shares.

    Args:
        points: (68, 2), pixels of the canvas.
        hidden: uint8, of the canvas, not 0 where something covers it; None: nothing does.
    """
    edge = CANVAS_PX * (1 - LOOK) / 2
    free = ((points > edge - 0.5) & (points < CANVAS_PX - edge - 0.5)).all(axis=1).astype(np.float32)
    if hidden is not None:
        at = np.rint(points).astype(int).clip(0, CANVAS_PX - 1)
        free *= hidden[at[:, 1], at[:, 0]] == 0
    seen = free @ _MEANS
    seen[0] = 1
    if hidden is None:
        return seen
    for region, (core, more) in enumerate(HULLS, start=1):
        # an eye's or mouth's surroundings count: a lens hides more than the lids' edge
        hull = points[core.start : core.stop]
        hull = hull.mean(axis=0) * -0.3 + hull * 1.3
        area = np.zeros_like(hidden)
        cv2.fillConvexPoly(area, cv2.convexHull(np.rint(hull).astype(np.int32)), 255)
        count = cv2.countNonZero(area)
        if count:
            seen[region] = min(seen[region] if not more else 1.0, 1 - cv2.countNonZero(area & hidden) / count)
    return seen
