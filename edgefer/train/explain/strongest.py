"""Which images excite each filter most, and where; and which filters nothing excites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgefer.measure.datasets.base import Images
from edgefer.train.explain.network import Filters, Network, batches


@dataclass(frozen=True)
class Survey:
    """The strongest answer of each filter on each image.

    Attributes:
        filters: that were asked.
        answers: float32, shape (N, filters), the maximum over all places.
        places: int64, shape (N, filters, 2), row and column of that maximum; the first of equal ones.
    """

    filters: Filters
    answers: np.ndarray
    places: np.ndarray

    @property
    def active(self) -> np.ndarray:
        """int64, shape (filters,): images on which each answers above zero anywhere."""
        return (self.answers > 0).sum(axis=0)

    @property
    def dead(self) -> np.ndarray:
        """bool, shape (filters,): rectified to zero everywhere on every image; a linear map never is."""
        return (self.active == 0) & (self.filters.rectifier is not None)

    def exciting(self, index: int, count: int) -> np.ndarray:
        """Rows of the images that a filter answers most to, strongest first, at most `count`.

        The first of equal ones comes first. Those a rectified filter answers to with zero do not excite it.
        """
        rows = np.argsort(-self.answers[:, index], kind="stable")[:count]
        return rows if self.filters.rectifier is None else rows[self.answers[rows, index] > 0]


def survey(network: Network, filters: Filters, images: Images) -> Survey:
    """Ask the filters of one layer about all images."""
    answers, places = [], []
    for inputs in batches(network, images, f"asking {filters.name}"):
        maps = np.asarray(filters.response.predict_on_batch(inputs))
        flat = maps.reshape(len(maps), -1, filters.count)
        strongest = flat.argmax(axis=1)
        answers.append(np.take_along_axis(flat, strongest[:, np.newaxis], axis=1)[:, 0])
        places.append(np.stack(np.unravel_index(strongest, filters.places), axis=-1))
    return Survey(filters, np.concatenate(answers), np.concatenate(places))
