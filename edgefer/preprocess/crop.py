"""From a box in a grey image to the model's tensor: the same function trains, evaluates and runs.

Real values, as the network sees them, from the levels the kernels compute on the crop after its resize
(sobel 3x3 and laplacian of aperture 1, borders reflect101):

    grey       v / 128 - 1
    gx, gy     v / 512
    laplacian  v / 256

With the usual input scale of 1/128 and zero point 0 that is q = v - 128, rint(v / 4) and rint(v / 2). Real
values then reach from -1 to 127/128: grey fits exactly, the steepest gradients saturate.
"""

from __future__ import annotations

import threading

import numpy as np

from edgefer import kernels
from edgefer.geometry import Box, squared
from edgefer.models.manifest import Input

#: Planes of each channels name, in tensor order.
CHANNELS: dict[str, tuple[str, ...]] = {
    "grey": ("grey",),
    "grey+sobel": ("grey", "gx", "gy"),
    "grey+laplacian": ("grey", "laplacian"),
    "grey+sobel+laplacian": ("grey", "gx", "gy", "laplacian"),
}

#: Real value of a plane = level * factor + constant.
REAL_VALUES: dict[str, tuple[float, float]] = {
    "grey": (1 / 128, -1.0),
    "gx": (1 / 512, 0.0),
    "gy": (1 / 512, 0.0),
    "laplacian": (1 / 256, 0.0),
}


class Preprocess:
    """Turns boxes into the int8 tensor an input specification asks for.

    Each thread has one buffer, which is used again at each of its calls.
    """

    def __init__(self, spec: Input):
        """
        Args:
            spec: the manifest's input.
        """
        self.spec = spec
        self._planes = CHANNELS[spec.channels]
        factors = np.array([REAL_VALUES[plane] for plane in self._planes])
        # As tuples of numbers, which the kernel reads fastest.
        self._size = (spec.height, spec.width)
        self._multipliers = tuple((factors[:, 0] / spec.scale).tolist())
        self._offsets = tuple((factors[:, 1] / spec.scale + spec.zero_point).tolist())
        self._shape = (1, spec.height, spec.width, len(self._planes))
        self._own = threading.local()

    @property
    def tensor(self) -> np.ndarray:
        """int8, shape (1, H, W, C): what the last call of this thread wrote."""
        try:
            return self._own.tensor
        except AttributeError:
            self._own.tensor = tensor = np.zeros(self._shape, np.int8)
            return tensor

    def __call__(self, grey: np.ndarray, box: Box | None = None) -> np.ndarray:
        """Crop, resize, take gradients, normalise and quantise, in one pass.

        Args:
            grey: uint8, shape (H, W).
            box: xyxy in pixels of `grey`, may reach outside (the edge repeats); None for the whole image, in the middle
                of a square, as boxes of detectors are made square: a face keeps its proportions.

        Returns:
            int8, shape (1, H, W, C): `tensor`, overwritten by the next call of this thread.

        Raises:
            ValueError, TypeError: from kernels.stack, on an image or a box it cannot use.
        """
        if box is None:
            box = squared(Box(0.0, 0.0, float(grey.shape[1]), float(grey.shape[0])))
        tensor = self.tensor
        kernels.stack(
            grey,
            box,
            size=self._size,
            channels=self._planes,
            multipliers=self._multipliers,
            offsets=self._offsets,
            out=tensor[0],
        )
        return tensor

    def face_box(self, box: Box) -> Box:
        """The square a detector's box is cropped by: its longer side, grown by the manifest's margin."""
        return squared(Box(*box), self.spec.crop_margin)
