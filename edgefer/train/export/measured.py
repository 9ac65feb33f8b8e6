"""What converted bytes do on val, compared with their network in Keras; and the margin that a detector's box needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from edgefer import detect, geometry
from edgefer.errors import EdgeferError
from edgefer.measure import statistics
from edgefer.measure.datasets import Dataset
from edgefer.measure.datasets.base import Images
from edgefer.train import runs
from edgefer.train.data.batches import Inputs
from edgefer.train.export.quantise import PRECISIONS
from edgefer.train.recipes import Runs


@dataclass(frozen=True)
class Measured:
    """What the converted bytes did on val, compared with the network in Keras.

    Attributes:
        logits: float32, shape (N, classes), of the network that was converted.
        outputs: float32, shape (N, classes), of the converted one, dequantised.
        truth: int, shape (N,).
        before: float32, shape (N, classes), of the network before any quantisation; `logits`, unless that was
            trained with rounding.
    """

    logits: np.ndarray
    outputs: np.ndarray
    truth: np.ndarray
    before: np.ndarray

    @cached_property
    def fit(self) -> tuple[float, tuple[float, ...]]:
        """Temperature and offsets that these outputs ask for."""
        return statistics.fit_offsets(self.outputs, self.truth)

    @cached_property
    def scores(self) -> np.ndarray:
        """Float64, shape (N, classes): what the shipped model says, with them."""
        return statistics.calibrated(self.outputs, *self.fit)

    @property
    def accuracy_before(self) -> float:
        return 100 * float((self.before.argmax(axis=1) == self.truth).mean())

    @property
    def accuracy_converted(self) -> float:
        return 100 * float((self.outputs.argmax(axis=1) == self.truth).mean())

    @property
    def accuracy(self) -> float:
        """Of the scores; the others are of logits, which the offsets have no part in."""
        return 100 * float((self.scores.argmax(axis=1) == self.truth).mean())

    @property
    def gain(self) -> statistics.Comparison:
        """Of accuracy by the quantisation, points, with its interval; mostly negative."""
        right = (x.argmax(axis=1) == self.truth for x in (self.outputs, self.before))
        return statistics.mcnemar(*right)

    @property
    def same_label(self) -> float:
        """Percent of the images on which both choose the same label."""
        return 100 * float((self.logits.argmax(axis=1) == self.outputs.argmax(axis=1)).mean())

    @property
    def logit_error(self) -> float:
        """Root mean square of the differences between the logits."""
        return float(np.sqrt(np.square(self.logits - self.outputs).mean()))

    @property
    def relative_error(self) -> float:
        """The same, as a part of the logits' standard deviation."""
        return self.logit_error / float(self.logits.std())

    def check(self, precision: str) -> None:
        """Raises: EdgeferError: more was lost than the budget of the precision permits."""
        budget = PRECISIONS[precision]
        if self.accuracy_before - self.accuracy_converted > budget.loss:
            raise EdgeferError(
                f"export: {precision} has {self.accuracy_converted:.2f} % of the float network's "
                f"{self.accuracy_before:.2f} % (95 % interval of the difference {self.gain.low:+.2f} to "
                f"{self.gain.high:+.2f}); at most {budget.loss} points may be lost; train on with "
                "`fit --quantisation-aware --start RUN`"
            )
        if self.same_label < budget.same_label or self.relative_error > budget.error:
            raise EdgeferError(
                f"export: {precision} and Keras choose alike on {self.same_label:.2f} % of val, their logits "
                f"differ by {self.relative_error:.4f} of their spread; expected {budget.same_label} % at "
                f"least and {budget.error} at most"
            )

    @property
    def confusion(self) -> np.ndarray:
        """Counts of the shipped model's choices, rows by truth."""
        classes = self.scores.shape[1]
        cells = self.truth * classes + self.scores.argmax(axis=1)
        return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def measured_on(lineage: Runs, model: Any, outputs: np.ndarray, inputs: Inputs, val: Dataset) -> Measured:
    """What a converted network gave, with what those of Keras give."""
    own = runs.logits(model, inputs, val.images)
    before = own
    if lineage[-1][1].quantisation_aware:
        before = runs.logits(runs.network(*lineage[-2]), inputs, val.images)
    return Measured(own, outputs, val.truth, before)


ENLARGED = 192  # side the training images are brought to, so that the detector's smallest face is no limit


@dataclass(frozen=True)
class Margin:
    """How the detector's boxes lie on the training crops, in parts of the box's side.

    Attributes:
        rows, found: images searched, and those in which a face was found.
        quartiles: lower quartile, median and upper quartile of the margin.
        shift: median way from the middle of the box to the middle of the crop, right and down.
    """

    rows: int
    found: int
    quartiles: tuple[float, float, float]
    shift: tuple[float, float]

    @property
    def value(self) -> float:
        """The median, to a hundredth: what a manifest says."""
        return round(self.quartiles[1], 2) + 0.0  # not -0.0


def measure_margin(images: Images) -> Margin:
    """Search square face crops by the runtime's detector, at its defaults, and compare boxes with crops.

    Each image is enlarged and framed by its repeated edges, a whole side on every side, since a crop that
    reaches to the chin alone is too tight for any detector.
    """
    detector = detect.open_detector("haar")
    margins, shifts = [], []
    for image in images:
        big = cv2.resize(image, (ENLARGED, ENLARGED), interpolation=cv2.INTER_CUBIC)
        big = cv2.copyMakeBorder(big, ENLARGED, ENLARGED, ENLARGED, ENLARGED, cv2.BORDER_REPLICATE)
        faces = detector.detect(big)
        if faces:
            box = geometry.squared(max(faces, key=lambda face: face.box.area).box)
            margins.append((ENLARGED / box.width - 1) / 2)
            shifts.append([(big.shape[0] / 2 - middle) / box.width for middle in box.centre])
    if not margins:
        raise ValueError(f"measure_margin: no face found in {len(images)} images")
    low, median, high = np.percentile(margins, [25, 50, 75]).round(3).tolist()
    right, down = np.median(shifts, axis=0).round(3).tolist()
    return Margin(len(images), len(margins), (low, median, high), (right, down))
