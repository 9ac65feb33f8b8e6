"""The faces of a photograph, each for itself: nothing is remembered of the picture before."""

from __future__ import annotations

from edgefer import defaults
from edgefer.detect import Detector
from edgefer.detect.photograph import find_faces
from edgefer.support.images import grey_image
from edgefer.track.quality import QualityGate
from edgefer.values import Face, Frame


class Photographs:
    """Finds the faces of one photograph after the other, with full effort.

    Args:
        detector: what finds faces.
        smallest_px: smallest face searched for, pixels of the picture.
        gate: judges the faces; the default gate when None.
    """

    def __init__(
        self, detector: Detector, smallest_px: float = defaults.STILL_FACE_PX, gate: QualityGate | None = None
    ) -> None:
        self._detector = detector
        self._smallest_px = smallest_px
        self._gate = gate or QualityGate()

    def find(self, frame: Frame) -> list[Face]:
        """The faces of a photograph, numbered from 1, the largest first."""
        grey = grey_image("find", frame.grey)
        faces = []
        for number, look in enumerate(find_faces(self._detector, grey, self._smallest_px), 1):
            quality = self._gate.measure(grey, look.box)
            if look.turned:
                quality.reasons += ("turned",)
            if look.lying:
                quality.reasons += ("tilted",)
            faces.append(Face(number, look.box, quality))
        return faces
