"""What the detector learns from: scenes that other processes compose, kept for a while and drawn more than once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edgefer.train.data.feed import Batch, ahead, fed
from edgefer.train.detector import scenes
from edgefer.train.detector.material import read_sources

#: Scenes a process makes at a time; those that are kept, of which the latest are drawn; how often each is, about.
MADE, KEPT, SHOWN = 32, 60_000, 4
#: Scenes with something that was taken for a face: how many are kept, their share of a batch, and from which score.
HARD, HARD_SHARE, TAKEN = 6000, 0.1, 0.2
#: Lights that are drawn once: to make one takes longer than to use it.
LIGHTS = 1000


def composed(labels: Path, folders: Sequence[Path], seed: int) -> Iterator[Batch]:
    """Scenes without end: uint8 (MADE, HEIGHT, WIDTH) and float32 (MADE, MOST, 14)."""
    composer = scenes.Composer(read_sources(labels, folders, kept=False), seed)
    while True:
        made = [composer.scene() for _ in range(MADE)]
        yield np.stack([scene.image for scene in made]), np.stack([scene.faces for scene in made])


class Feed:
    """Batches drawn from the scenes made so far, in a mirror or not, in another light each time.

    Args:
        labels: folder of the tables of faces. folders: of pictures without faces.
        seed: decides what is made, but not what is drawn when. processes: that compose; 0 for a thread of this one.
    """

    def __init__(self, labels: Path, folders: Sequence[Path], seed: int, processes: int):
        self._made = fed(partial(composed, labels, folders), seed, processes, together=1, count=8)
        self._rng = np.random.default_rng(seed)
        self._images = np.empty((KEPT, scenes.HEIGHT, scenes.WIDTH), np.uint8)
        self._faces = np.empty((KEPT, scenes.MOST, 14), np.float32)
        self._lights = [_light(self._rng) for _ in range(LIGHTS)]
        self._hard: list[tuple[np.ndarray, np.ndarray]] = []
        self._more = threading.Condition()
        self.made = self.drawn = 0
        self._failed: Exception | None = None
        threading.Thread(target=self._keep, daemon=True).start()

    def _keep(self) -> None:
        try:
            for images, faces in self._made:
                rows = (self.made + np.arange(MADE)) % KEPT
                with self._more:
                    self._images[rows], self._faces[rows] = images[0], faces[0]
                    self.made += MADE
                    self._more.notify()
        except Exception as error:
            with self._more:
                self._failed = error
                self._more.notify()

    @property
    def hard(self) -> int:
        """Scenes that are kept because something in them was taken for a face."""
        return len(self._hard)

    def ahead(self, steps: int, size: int) -> Iterator[Batch]:
        """What `batches` gives, without end, made while the network learns."""
        return ahead(iter(partial(self.batches, steps, size), None))

    def batches(self, steps: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Of several steps: images (steps, size, HEIGHT, WIDTH) and faces; waits where there are too few new scenes.

        Raises:
            EdgeferError: no more are made.
        """
        count, rng = steps * size, self._rng
        with self._more:
            self._more.wait_for(lambda: self._failed or (self.made >= 8 * size and SHOWN * self.made >= self.drawn))
            if self._failed:
                raise self._failed
            rows = rng.integers(min(self.made, KEPT), size=count)
            images, faces = self._images[rows], self._faces[rows]
        self.drawn += count
        if self.hard >= size:
            for row in np.flatnonzero(rng.random(count) < HARD_SHARE):
                images[row], faces[row] = self._hard[rng.integers(self.hard)]
        turned = rng.random(count) < 0.5
        images[turned], faces[turned] = scenes.mirrored(images[turned], faces[turned])
        for row in np.flatnonzero(rng.random(count) < 0.5):
            images[row] = self._lights[rng.integers(LIGHTS)][images[row]]
        shape = (steps, size)
        return images.reshape(*shape, *images.shape[1:]), faces.reshape(*shape, *faces.shape[1:])

    def learn(self, images: np.ndarray, faces: np.ndarray, scores: np.ndarray) -> None:
        """Keeps the scenes in which something that is none was taken for a face, by its score (steps, size)."""
        for place in np.argwhere(scores > TAKEN):
            one = images[tuple(place)].copy(), faces[tuple(place)].copy()
            if self.hard < HARD:
                self._hard.append(one)
            else:
                self._hard[self._rng.integers(HARD)] = one


def _light(rng: np.random.Generator) -> np.ndarray:
    """Another grey for each, uint8 (256,)."""
    levels = np.linspace(0, 1, 256) ** rng.uniform(0.7, 1.4) * rng.uniform(0.7, 1.2) + rng.uniform(-0.1, 0.1)
    return (levels * 255).clip(0, 255).astype(np.uint8)
