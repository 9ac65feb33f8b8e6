"""Pictures that reports draw: text on them, and the file they go to."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from edgefer.errors import EdgeferError

INK = (40, 40, 40)


def save_picture(picture: np.ndarray, path: str | os.PathLike) -> None:
    """Write a picture as a PNG, whole or not at all.

    Raises:
        EdgeferError: the file cannot be written.
    """
    import cv2

    path = Path(path)
    # A device is written to, not replaced by a file.
    device = path.exists() and not path.is_file()
    scratch = path if device else path.with_name(f".{path.name}.part")
    try:
        scratch.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        if not device:
            os.replace(scratch, path)
    except OSError as error:
        if not device:
            scratch.unlink(missing_ok=True)
        raise EdgeferError(f"cannot write {path}: {error.strerror}") from None


def write(
    picture: np.ndarray, text: str, x: float, y: float, size: float = 0.5, colour=INK, anchor: str = "middle"
) -> None:
    """One line of text, its middle at the height y; anchor tells what lies at x: start, middle or end."""
    import cv2

    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    x -= {"start": 0, "middle": width / 2, "end": width}[anchor]
    at = (round(x), round(y + height / 2))
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
