"""Faces in one image: by our own network, by Haar on a reduced image, by YuNet or BlazeFace from a model directory.

A detector answers two questions. `detect` searches an image and may take milliseconds; the tracker asks it
rarely. `look` asks whether a face of about this size is at about this place; it is a tenth of the price.
Every detector returns the same kind of box: square, from above the brows to the chin, as Haar gives it, so
that the crop a network was trained on does not depend on the detector.
"""

from __future__ import annotations

from edgefer import defaults
from edgefer.detect.base import DEFAULT_MAX_SIDE_PX, Detector, Examiner, Levels, Look, Surveyor, borne_out, tell_bound
from edgefer.detect.registry import DETECTORS
from edgefer.errors import UsageError
from edgefer.support.registry import Choice

__all__ = [
    "DETECTORS",
    "Detector",
    "Examiner",
    "Levels",
    "Look",
    "Surveyor",
    "borne_out",
    "open_detector",
    "tell_bound",
]


def open_detector(
    choice: Choice | str = DETECTORS.default,
    *,
    min_face_px: int = defaults.MIN_FACE_PX,
    max_side_px: int = DEFAULT_MAX_SIDE_PX,
    threads: int = 1,
) -> Detector:
    """A face detector.

    Args:
        choice: of DETECTORS, or written as on the command line: "edgefer", "haar", "yunet:DIRECTORY".
        min_face_px: smallest face to search for, pixels of the source, 20 to 2000.
        max_side_px: longest side of the image searched, 64 to 4096; on sources so large that `min_face_px`
            would need more, the smallest face found grows instead of the time.
        threads: threads of the network's interpreter (edgefer, blazeface); OpenCV's are set by cv2.setNumThreads.

    Raises:
        UsageError: an unknown kind or option, or a number out of range. ModelError: its model is refused.
    """
    for name, value, low, high in (
        ("min_face_px", min_face_px, *defaults.MIN_FACE_PX_RANGE),
        ("max_side_px", max_side_px, 64, 4096),
    ):
        if not low <= value <= high:
            raise UsageError(f"detector: {name} must be {low} to {high}, got {value}")
    if isinstance(choice, str):
        choice = DETECTORS.parse(choice)
    return choice.make(min_face_px=min_face_px, max_side_px=max_side_px, threads=threads)
