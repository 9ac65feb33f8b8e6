"""Faces in one image: Haar on a reduced image by default, YuNet or BlazeFace from a file the user names.

A detector answers two questions. `detect` searches an image and may take milliseconds; the tracker asks it
rarely. `look` asks whether a face of about this size is at about this place; it is a tenth of the price.
Every detector returns the same kind of box: square, from above the brows to the chin, as Haar gives it, so
that the crop a network was trained on does not depend on the detector.
"""

from __future__ import annotations

from pathlib import Path

from edgefer.detect.base import DEFAULT_MAX_SIDE_PX, DEFAULT_MIN_FACE_PX, Detector, Levels, Look
from edgefer.errors import ModelError, UsageError

__all__ = ["KINDS", "Detector", "Levels", "Look", "open_detector"]

KINDS = ("haar", "yunet", "blazeface")


def open_detector(
    kind: str = "haar",
    model: str | Path | None = None,
    *,
    min_face_px: int = DEFAULT_MIN_FACE_PX,
    max_side_px: int = DEFAULT_MAX_SIDE_PX,
    threads: int = 1,
) -> Detector:
    """A face detector by name.

    Args:
        kind: "haar", "yunet" or "blazeface".
        model: file of the network, for yunet (ONNX) and blazeface (TFLite short range); none for haar.
        min_face_px: smallest face to search for, pixels of the source, 20 to 2000.
        max_side_px: longest side of the image searched, 64 to 4096; on sources so large that `min_face_px`
            would need more, the smallest face found grows instead of the time.
        threads: threads of the network's interpreter (blazeface); OpenCV's are set by cv2.setNumThreads.

    Raises:
        UsageError: an unknown kind, a number out of range, or a model file not named or not there.
        ModelError: the file cannot be read or is not such a model.
    """
    if kind not in KINDS:
        raise UsageError(f"unknown detector {kind!r}; available: {', '.join(KINDS)}")
    for name, value, low, high in (
        ("min_face_px", min_face_px, 20, 2000),
        ("max_side_px", max_side_px, 64, 4096),
    ):
        if not low <= value <= high:
            raise UsageError(f"detector: {name} must be {low} to {high}, got {value}")
    if kind == "haar":
        if model is not None:
            raise UsageError(
                f"detector haar takes no model file, got {str(model)!r}; use yunet or blazeface with it"
            )
        from edgefer.detect.haar import HaarDetector

        return HaarDetector(min_face_px=min_face_px, max_side_px=max_side_px)
    data = _read_model(kind, model)
    if kind == "yunet":
        from edgefer.detect.yunet import YuNetDetector

        return YuNetDetector(data, str(model), min_face_px=min_face_px, max_side_px=max_side_px)
    from edgefer.detect.blazeface import BlazeFaceDetector

    return BlazeFaceDetector(data, str(model), min_face_px=min_face_px, threads=threads)


def _read_model(kind: str, model: str | Path | None) -> bytes:
    """The bytes of the file a network detector was given."""
    if model is None:
        raise UsageError(
            f"detector {kind} needs a model file; name one, or use the haar detector, which needs none"
        )
    try:
        data = Path(model).read_bytes()
    except FileNotFoundError:
        raise UsageError(f"detector {kind}: model file {str(model)!r} does not exist") from None
    except OSError as error:
        raise ModelError(
            f"detector {kind}: cannot read model file {str(model)!r}: {error.strerror}"
        ) from None
    if not data:
        raise ModelError(f"detector {kind}: model file {str(model)!r} is empty")
    return data
