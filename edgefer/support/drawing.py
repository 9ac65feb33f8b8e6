"""Pictures that reports draw: text on them, and the file they go to."""

from __future__ import annotations

import os

import numpy as np

from edgefer.errors import EdgeferError
from edgefer.support.atomic import write_bytes

INK = (40, 40, 40)


def save_picture(picture: np.ndarray, path: str | os.PathLike) -> None:
    """Write a picture as a PNG, whole or not at all.

    Raises:
        EdgeferError: the file cannot be written.
    """
    import cv2

    try:
        write_bytes(path, cv2.imencode(".png", picture)[1].tobytes())
    except OSError as error:
        raise EdgeferError(f"cannot write {path}: {error.strerror}") from None


def write(
    picture: np.ndarray,
    text: str,
    x: float,
    y: float,
    size: float = 0.5,
    colour: tuple[int, int, int] = INK,
    anchor: str = "middle",
) -> None:
    """One line of text, its middle at the height y; anchor is what lies at x: start, middle or end."""
    import cv2

    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    x -= {"start": 0, "middle": width / 2, "end": width}[anchor]
    at = (round(x), round(y + height / 2))
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
