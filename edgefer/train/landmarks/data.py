"""Photographs with the teacher's points, and the crops that are made of them at random.

A sample is cut straight from the photograph, once: mirrored, turned, scaled, moved and stretched; then covered,
made coarse, relit and roughened. Points stay where the teacher saw them, under whatever covers them. What is taught
of a region is the share of it that can be seen.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgefer.landmarks.points import MIRROR
from edgefer.landmarks.squares import SIDE
from edgefer.train import teachers
from edgefer.train.landmarks.cover import COVERS, slope

#: Side of the network's input, pixels, and of the canvas a sample is drawn on.
INPUT_PX, CANVAS_PX = 80, 160
#: Points whose hull is a region, for the two eyes without and with their brows, nose and mouth.
HULLS = (
    (range(36, 42), range(17, 22)), (range(42, 48), range(22, 27)), (range(29, 36), ()), (range(48, 60), ()),
)  # fmt: skip
#: Least score of the teacher at which its points are taught.
SURE = 0.8
#: Samples that wait to be shown again.
KEPT = 2000


@dataclass(frozen=True)
class Faces:
    """Photographs of one face each: grey images, points (N, 68, 2) in their pixels."""

    images: list[np.ndarray]
    points: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def photographs(data: Path, labels: Path, part: str) -> Faces:
    """faces.zip; every twentieth photograph is kept for choosing (part "val"), the others are taught ("train")."""
    known = np.load(labels / "faces.npz")
    sure = dict(zip(known["name"].tolist(), range(len(known["name"])), strict=True))
    kept, images = [], []
    for number, (name, image) in enumerate(teachers.photographs(data)):
        row = sure[Path(name).name]
        if known["score"][row] >= SURE and (number % 20 == 0) == (part == "val"):
            kept.append(row)
            images.append(image)
    return Faces(images, known["points"][kept])


def fer(data: Path, labels: Path) -> Faces:
    """The train rows of FER-2013 whose faces the teacher is sure of."""
    known = np.load(labels / "fer.npz")
    wanted = (known["split"] == 0) & (known["score"] >= SURE)
    images = [image for image, want in zip(teachers.fer_images(data), wanted, strict=True) if want]
    return Faces(images, known["points"][wanted])


def taught(data: Path, labels: Path) -> list[tuple[Faces, float]]:
    """What is learnt from, each with its share: photographs, and FER-2013 as the small and blurred end."""
    return [(photographs(data, labels, "train"), 0.65), (fer(data, labels), 0.35)]


def square_of(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle and side of the square round points, in their pixels."""
    middle = points.mean(axis=0)
    return middle, SIDE * float(np.sqrt(((points - middle) ** 2).sum(axis=1).mean()))


def cut(image: np.ndarray, middle: np.ndarray, axes: np.ndarray, beyond: np.ndarray | int | None = None) -> np.ndarray:
    """A canvas cut from an image.

    Args:
        middle: what comes to its middle. axes: (2, 2), the steps of its pixels as columns.
        beyond: what is seen beyond the image: a canvas, which is written and returned, or a border of OpenCV's; None:
            the image's edge pixels go on.
    """
    matrix = np.column_stack([axes, middle - axes @ np.full(2, (CANVAS_PX - 1) / 2)])
    flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, (CANVAS_PX, CANVAS_PX)
    if isinstance(beyond, np.ndarray):
        return cv2.warpAffine(image, matrix, size, beyond, flags, cv2.BORDER_TRANSPARENT)
    border = cv2.BORDER_REPLICATE if beyond is None else beyond
    return cv2.warpAffine(image, matrix, size, flags=flags, borderMode=border)


class Sampler:
    """Samples of some collections of faces, each with its share.

    Args:
        sources: (faces, share).
        backgrounds: grey photographs without faces.
    """

    #: Shares of the samples: something else than a face; a face far from upright, which is not to be read.
    NOTHING, TURNED = 0.07, 0.04

    def __init__(self, sources: list[tuple[Faces, float]], backgrounds: list[np.ndarray], seed: int):
        self._sources = [faces for faces, _ in sources]
        self._shares = np.array([share for _, share in sources]) / sum(share for _, share in sources)
        self._backgrounds = backgrounds
        self._rng = np.random.default_rng(seed)
        self._noise = self._rng.standard_normal(1 << 20, np.float32)  # drawn from at random places: far cheaper

    def sample(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """uint8 (INPUT_PX, INPUT_PX); points and their weight, float32 (137,), parts of the crop; regions (6,)."""
        rng = self._rng
        faces = self._sources[rng.choice(len(self._sources), p=self._shares)]
        number = int(rng.integers(len(faces)))
        image, points = faces.images[number], faces.points[number].astype(np.float64)
        kind = rng.random()
        target, seen = np.zeros(137, np.float32), np.zeros(6, np.float32)
        if kind < self.NOTHING:
            canvas = self._nothing(image, points)
        else:
            turned = kind < self.NOTHING + self.TURNED
            canvas, points = self._placed(image, points, turned)
            hidden = None
            if rng.random() < 0.4:
                hidden = self._covered(canvas, points)
            if not turned:
                seen[:] = visible(points, hidden)
                target[:136] = ((points + 0.5) / CANVAS_PX).ravel()
                target[136] = 1
        return self._developed(canvas), target, seen

    def _placed(self, image: np.ndarray, points: np.ndarray, turned: bool) -> tuple[np.ndarray, np.ndarray]:
        rng = self._rng
        middle, side = square_of(points)
        if turned:
            angle = np.radians(rng.uniform(80, 280))
        else:
            angle = np.radians(rng.uniform(-47, 47) if rng.random() < 0.3 else rng.normal(0, 9))
        # most squares come from points found before, the others from a detector's box
        wide = rng.random() < 0.4
        side *= np.exp(rng.uniform(-0.17, 0.2) if wide else rng.normal(0, 0.055))
        middle = middle + side * (rng.uniform(-0.13, 0.13, 2) if wide else rng.normal(0, 0.035, 2))
        stretch = np.exp(rng.normal(0, 0.03))
        axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        axes = axes @ np.diag([stretch, 1 / stretch]) * side / CANVAS_PX
        if rng.random() < 0.5:
            axes[:, 0] *= -1
            points = points[MIRROR]
        canvas = cut(image, middle, axes, self._beyond())
        return canvas, (points - middle) @ np.linalg.inv(axes).T + (CANVAS_PX - 1) / 2

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
        chances = np.array(list(COVERS.values()))
        cover = list(COVERS)[self._rng.choice(len(chances), p=chances / chances.sum())]
        hidden = cover(canvas, points, self._rng)
        if self._rng.random() < 0.12:
            cover = list(COVERS)[self._rng.choice(len(chances), p=chances / chances.sum())]
            hidden = hidden | cover(canvas, points, self._rng)
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
            return cut(image, middle, np.eye(2) * side / CANVAS_PX)
        if kind < 0.75 and self._backgrounds:
            return self._ground()
        cells = int(rng.integers(2, 40))
        grain = rng.normal(rng.uniform(60, 190), rng.uniform(2, 60), (cells, cells)).clip(0, 255).astype(np.uint8)
        return cv2.resize(grain, (CANVAS_PX, CANVAS_PX), interpolation=int(rng.choice([cv2.INTER_LINEAR, 0])))

    def _developed(self, canvas: np.ndarray) -> np.ndarray:
        """The input: the canvas at some resolution, in some light, with noise."""
        rng = self._rng
        side = INPUT_PX if rng.random() < 0.6 else int(rng.integers(26, INPUT_PX))
        small = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
        if rng.random() < 0.25:
            small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.4, 1.4))
        if rng.random() < 0.6:
            steps = np.linspace(0, 1, 256)
            low, high = rng.uniform(0, 70), rng.uniform(120, 255)
            table = low + (high - low) * steps ** np.exp(rng.normal(0, 0.35))
            small = cv2.LUT(small, table.astype(np.uint8))
        if rng.random() < 0.3:
            x = np.arange(side, dtype=np.float32)[None] / side - np.float32(0.5)
            small = np.clip(small + (slope(rng, 90) * x + slope(rng, 90) * x.T), 0, 255).astype(np.uint8)
        if rng.random() < 0.5:
            start = int(rng.integers(len(self._noise) - side * side))
            noise = self._noise[start : start + side * side].reshape(side, side) * np.float32(rng.uniform(0.5, 9))
            small = np.clip(small + noise, 0, 255).astype(np.uint8)
        if rng.random() < 0.15:
            _, coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 85))])
            small = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
        return small if side == INPUT_PX else cv2.resize(small, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_LINEAR)

    def batches(self, size: int, ahead: int = 12) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Batches without end, made ahead by a thread: uint8 (N, S, S, 1), targets (N, 137), regions (N, 6)."""
        ready: queue.Queue = queue.Queue(ahead)
        fresh = size // 2

        def make() -> None:
            # to draw a sample costs as much as a third of a step on it: each is shown once more, later and mirrored
            kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
            while True:
                drawn = [self.sample() for _ in range(fresh if len(kept) >= KEPT else size)]
                again: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
                while len(drawn) + len(again) < size:
                    again.append(mirrored(*kept.pop(int(self._rng.integers(len(kept))))))
                kept += drawn
                images, targets, seen = zip(*drawn, *again, strict=True)
                ready.put((np.stack(images)[..., None], np.stack(targets), np.stack(seen)))

        threading.Thread(target=make, daemon=True).start()
        while True:
            yield ready.get()


def mirrored(image: np.ndarray, target: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A sample as a mirror shows it."""
    points = target[:136].reshape(68, 2)[MIRROR] * (-1, 1) + (1, 0)
    return image[:, ::-1], np.append(points.ravel(), target[136]).astype(np.float32), seen[[0, 2, 1, 3, 4, 5]]


def visible(points: np.ndarray, hidden: np.ndarray | None) -> np.ndarray:
    """What can be seen of a face in its canvas, float32 (6,): the face itself, and its regions' shares.

    Args:
        points: (68, 2), pixels of the canvas.
        hidden: uint8, of the canvas, not 0 where something covers it; None: nothing does.
    """
    inside: np.ndarray = np.all((points > -0.5) & (points < CANVAS_PX - 0.5), axis=1)
    seen: np.ndarray = np.ones(6, np.float32)
    free: np.ndarray = inside.astype(np.float32)
    if hidden is not None:
        at = np.rint(points[inside]).astype(int).clip(0, CANVAS_PX - 1)
        free[inside] = hidden[at[:, 1], at[:, 0]] == 0
    for region, (core, more) in enumerate(HULLS, start=1):
        share = free[[*core, *more]].mean()
        if hidden is not None:
            # an eye's or mouth's surroundings count: a lens hides more than the lids' edge
            hull = points[list(core)]
            hull = hull.mean(axis=0) + (hull - hull.mean(axis=0)) * (1.3, 1.3)
            area = np.zeros_like(hidden)
            cv2.fillConvexPoly(area, cv2.convexHull(np.rint(hull).astype(np.int32)), 255)
            count = cv2.countNonZero(area)
            if count:
                share = min(share if not more else 1.0, 1 - cv2.countNonZero(area & hidden) / count)
        seen[region] = share
    seen[5] = free[:17].mean()
    return seen
