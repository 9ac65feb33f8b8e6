"""The margin about a detector's box that gives back the crop of the training images."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edgefer import detect, geometry
from edgefer.measure.datasets.base import Images

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


def measure(images: Images) -> Margin:
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
        raise ValueError(f"measure: no face found in {len(images)} images")
    low, median, high = np.percentile(margins, [25, 50, 75]).round(3).tolist()
    right, down = np.median(shifts, axis=0).round(3).tolist()
    return Margin(len(images), len(margins), (low, median, high), (right, down))
