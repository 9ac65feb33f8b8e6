"""Images and boxes that callers hand over: checked once, with messages that name what was expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgefer.geometry import Box
from edgefer.kernels import crop_resize, luma

GREY = "a numpy array of uint8, shape (H, W)"
#: From more rows than that in one, half of them are left out.
ROWS_TO_SPARE = 4
PICTURE = "a numpy array of uint8, shape (H, W, 3) in BGR or (H, W) in grey"


def grey_image(where: str, image: object) -> np.ndarray:
    """The image, as kernels take it; one whose rows are not contiguous is copied.

    Args:
        where: what it was given to, for messages.
        image: uint8, shape (H, W), at least one pixel.

    Raises:
        TypeError: it is no array of uint8. ValueError: it has another shape, or no pixel.
    """
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 2 and image.size:
        if type(image) is not np.ndarray:  # a matrix stays one when it is cut or reshaped, a mask is not looked at
            image = np.asarray(image)
        return image if image.strides[1] == 1 else np.ascontiguousarray(image)
    raise _refusal(where, image, GREY)


def reduced(grey: np.ndarray, region: Box, size: tuple[int, int]) -> np.ndarray:
    """A region of a frame, resized; of a large one every second row will do, which spares half of the memory's time.

    Args:
        grey: uint8, shape (H, W).
        size: (height, width) of the result.
    """
    if region.height > ROWS_TO_SPARE * size[0]:
        grey = grey[::2]
        region = Box(region.x0, (region.y0 + 0.5) / 2, region.x1, (region.y1 + 0.5) / 2)
    return crop_resize(grey, region, size)


def picture(where: str, image: object, rgb: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """A picture in grey and, where it has colours, in BGR.

    Args:
        where: what it was given to, for messages.
        image: uint8, shape (H, W, 3) or (H, W); any strides, and it may be read-only.
        rgb: its channels are in the order R, G, B.

    Raises:
        TypeError, ValueError: as grey_image.
    """
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.size:
        if image.ndim == 2:
            return grey_image(where, image), None
        if image.ndim == 3 and image.shape[2] == 3:
            image = np.asarray(image)
            bgr = np.ascontiguousarray(image[:, :, ::-1] if rgb else image)
            return luma(bgr, "bgr"), bgr
    raise _refusal(where, image, PICTURE.replace("BGR", "RGB") if rgb else PICTURE)


def box_of(where: str, box: object) -> Box:
    """The box; any four numbers will do.

    Raises:
        TypeError: they are none. ValueError: not four of them.
    """
    if isinstance(box, Box):
        return box
    expected = f"{where}: expected a box, four numbers (x0, y0, x1, y1)"
    if isinstance(box, (str, bytes)) or not isinstance(box, Sequence | np.ndarray):
        raise TypeError(f"{expected}, got {'None' if box is None else type(box).__name__}")
    if len(box) != 4:
        raise ValueError(f"{expected}, got {len(box)} values")
    try:
        x0, y0, x1, y1 = (float(edge) for edge in box)
    except (TypeError, ValueError):
        raise TypeError(f"{expected}, got {box!r}") from None
    return Box(x0, y0, x1, y1)


def _refusal(where: str, image: object, expected: str) -> TypeError | ValueError:
    if not isinstance(image, np.ndarray):
        kind = type(image)
        advice = ""
        if kind.__module__.partition(".")[0] == "PIL":
            advice = "; write numpy.asarray(image.convert('RGB')) and rgb=True"
        elif hasattr(image, "__array__"):
            advice = "; write numpy.asarray(image)"
        name = "None" if image is None else kind.__name__
        return TypeError(f"{where}: expected {expected}, got {name}{advice}")
    got = f"{image.dtype} {image.shape}"
    if image.dtype != np.uint8:
        return TypeError(f"{where}: expected {expected}, got {got}; bring its values to 0 to 255 and convert it")
    if image.ndim == 3 and image.shape[2] == 4:
        return ValueError(f"{where}: expected {expected}, got {got}; leave the alpha channel out: image[:, :, :3]")
    if image.ndim == 3 and image.shape[2] == 1:
        return ValueError(f"{where}: expected {expected}, got {got}; write image[:, :, 0]")
    return ValueError(f"{where}: expected {expected}, got {got}")
