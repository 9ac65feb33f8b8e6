"""The smallest call of every operation, for tests that need each of them once."""

from __future__ import annotations

import numpy as np
from random_cascade import random_cascade

from edgefer import kernels

IMAGE = np.arange(25, dtype=np.uint8).reshape(5, 5)
CASCADE = kernels.Cascade(**random_cascade(3, 3, stages=(1,)))
CALLS = {
    "sobel": lambda: kernels.sobel(IMAGE),
    "laplacian": lambda: kernels.laplacian(IMAGE),
    "gradients": lambda: kernels.gradients(IMAGE),
    "shi_tomasi": lambda: kernels.shi_tomasi(IMAGE),
    "good_corners": lambda: kernels.good_corners(IMAGE, 1, 0.1, 1),
    "flow": lambda: kernels.flow(IMAGE, IMAGE, np.ones((1, 2), np.float32)),
    "cascade": lambda: kernels.cascade(IMAGE, CASCADE),
    "luma": lambda: kernels.luma(np.dstack([IMAGE] * 3), "bgr"),
    "crop_resize": lambda: kernels.crop_resize(IMAGE, (0, 0, 4, 4), (2, 2)),
    "stack": lambda: kernels.stack(IMAGE, (0, 0, 4, 4), (2, 2), ("grey",), (1.0,), (-128.0,)),
    "fully_connected": lambda: kernels.fully_connected(
        np.ones(3, np.float32), np.ones((2, 3), np.float32), np.ones(2, np.float32)
    ),
    "fully_connected_int8": lambda: kernels.fully_connected_int8(
        np.ones(3, np.int8),
        np.ones((2, 3), np.int8),
        np.ones(2, np.int32),
        input_zero_point=0,
        output_zero_point=0,
        input_scale=1.0,
        weight_scale=1.0,
        output_scale=1.0,
    ),
}
