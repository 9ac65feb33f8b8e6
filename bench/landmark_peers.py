"""Other networks that find the 68 points, as peers of bench/landmarks.py.

face-api's two, with the weights of the npm package `@vladmandic/face-api` (MIT): `npm pack @vladmandic/face-api`,
unpacked. They are computed in NumPy, so their time is not measured.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from edgefer.geometry import Box
from edgefer.kernels import crop_resize

Weights = dict[str, np.ndarray]


def tfjs_weights(manifest: Path) -> Weights:
    """The arrays of a TensorFlow.js model, whose 8-bit levels become float32."""
    weights: Weights = {}
    for group in json.loads(manifest.read_text()):
        content = b"".join((manifest.parent / path).read_bytes() for path in group["paths"])
        start = 0
        for entry in group["weights"]:
            levels, shape = entry["quantization"], entry["shape"]
            count = int(np.prod(shape))
            values = np.frombuffer(content, levels["dtype"], count, start).reshape(shape)
            start += values.nbytes
            weights[entry["name"]] = (values * levels["scale"] + levels["min"]).astype(np.float32)
    return weights


def _taps(x: np.ndarray, stride: int) -> list[np.ndarray]:
    """The nine shifted copies of an image (H, W, C) that a 3x3 filter sees, with TensorFlow's padding "same"."""
    sides = [-(-n // stride) for n in x.shape[:2]]
    pads = [max((out - 1) * stride + 3 - n, 0) for out, n in zip(sides, x.shape[:2], strict=True)]
    x = np.pad(x, [*((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
    last = [(out - 1) * stride + 1 for out in sides]
    return [x[i : i + last[0] : stride, j : j + last[1] : stride] for i in range(3) for j in range(3)]


class FaceApi:
    """One of face-api's networks.

    Args:
        manifest: `face_landmark_68_model-weights_manifest.json` or that of the tiny one, its weights beside it.

    Attributes:
        size: of the weights, bytes.
    """

    SIDE = 112
    MEAN = np.array([122.782, 117.001, 104.298], np.float32)
    #: Side of the square it is shown, in parts of the points' own, and how far below their middle. The best of a grid,
    #: on the very faces they are measured on: in their favour.
    AROUND, BELOW = 1.25, 0.05

    def __init__(self, manifest: Path):
        self._weights = tfjs_weights(manifest)
        self.size = sum(values.size for values in self._weights.values())
        self._blocks = sorted({name.split("/")[0] for name in self._weights if name.startswith("dense")})

    def locate(self, grey: np.ndarray, square: Box) -> np.ndarray:
        """Points (68, 2) of a face, pixels of the image."""
        crop = crop_resize(grey, square, (self.SIDE, self.SIDE)).astype(np.float32)
        x = (crop[..., None] - self.MEAN) / 255
        for block in self._blocks:
            x = self._dense(x, block)
        x = x[:7, :7].mean(axis=(0, 1)) if x.shape[0] < 14 else x[:14, :14].mean(axis=(0, 1))
        points = (x @ self._weights["fc/weights"] + self._weights["fc/bias"]).reshape(68, 2)
        return points * square.width + (square.x0 - 0.5, square.y0 - 0.5)

    def around(self, points: np.ndarray) -> Box:
        """The square to look at, from points."""
        low, high = points.min(axis=0), points.max(axis=0)
        side = float((high - low).max())
        x, y = (low + high) / 2 + 0.5
        y, half = y + self.BELOW * side, self.AROUND * side / 2
        return Box(float(x - half), float(y - half), float(x + half), float(y + half))

    def _dense(self, x: np.ndarray, name: str) -> np.ndarray:
        """A block: each convolution sees the sum of all before it."""
        total = self._separable(x, f"{name}/conv0", 2)
        number = 1
        while f"{name}/conv{number}/bias" in self._weights:
            total = total + self._separable(np.maximum(total, 0), f"{name}/conv{number}", 1)
            number += 1
        return np.maximum(total, 0)

    def _separable(self, x: np.ndarray, name: str, stride: int) -> np.ndarray:
        weights = self._weights
        taps, bias = _taps(x, stride), weights[f"{name}/bias"]
        if f"{name}/filters" in weights:
            filters = weights[f"{name}/filters"].reshape(9, *weights[f"{name}/filters"].shape[2:])
            y = sum(tap @ weight for tap, weight in zip(taps, filters, strict=True))
        else:
            depthwise = weights[f"{name}/depthwise_filter"].reshape(9, -1)
            y = sum(tap * weight for tap, weight in zip(taps, depthwise, strict=True))
            y = y @ weights[f"{name}/pointwise_filter"][0, 0]
        y = y + bias
        return np.maximum(y, 0) if stride == 2 else y
