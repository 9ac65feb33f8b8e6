"""From frames to what networks for clips take, and the altered copies that Haddad et al. add (sections 3.2, 4.1)."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from edgefer.train.clips.parameters import SIDE, Copies, Parameters

#: Rotations, degrees, and multipliers of contrast, of which each copy gets one at random.
TURN, CONTRAST = (-30.0, 30.0), (0.22, 2.2)


def clip_tensor(frames: np.ndarray, parameters: Parameters, side: int = SIDE) -> np.ndarray:
    """A network's input, float32 (T, side, side, 3): three equal channels.

    Args:
        frames: uint8 (T, H, W), grey faces.
    """
    return scaled(clip_levels(frames, parameters, side), parameters)


def clip_levels(frames: np.ndarray, parameters: Parameters, side: int = SIDE) -> np.ndarray:
    """The frames at a network's size, uint8 (T, side, side); equalized at the paper's size if so chosen."""
    if parameters.clahe:
        equalize = cv2.createCLAHE(clipLimit=2, tileGridSize=(8, 8))
        frames = np.stack([equalize.apply(frame) for frame in _resized(frames, SIDE)])
    return _resized(frames, side)


def _resized(frames: np.ndarray, side: int) -> np.ndarray:
    if frames.shape[1:] == (side, side):
        return frames
    return np.stack([cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in frames])


def scaled(levels: np.ndarray, parameters: Parameters) -> np.ndarray:
    """Levels uint8 (..., H, W) as a network takes them, float32 (..., H, W, 3)."""
    real = levels.astype(np.float32) / 255
    if parameters.normalization:
        real = real * 2 - 1
    return np.repeat(real[..., None], 3, axis=-1)


def copies(frames: np.ndarray, counts: Copies, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The altered copies of a clip, uint8 as it is; all frames of a copy are altered alike."""
    for _ in range(counts.flips):
        yield np.ascontiguousarray(frames[:, :, ::-1])
    for _ in range(counts.rotations):
        yield turned(frames, float(rng.uniform(*TURN)))
    for _ in range(counts.contrasts):
        yield contrasted(frames, float(rng.uniform(*CONTRAST)))


def turned(frames: np.ndarray, degrees: float) -> np.ndarray:
    """Every frame turned about its middle; the edge goes on."""
    height, width = frames.shape[1:]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return np.stack(
        [cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE) for frame in frames]
    )


def contrasted(frames: np.ndarray, alpha: float) -> np.ndarray:
    """127 + alpha * (level - 127), cut to 0 to 255."""
    table = np.clip(np.rint(127 + alpha * (np.arange(256) - 127)), 0, 255).astype(np.uint8)
    return table[frames]


def class_weights(truth: np.ndarray, classes: int) -> np.ndarray:
    """Float32 (classes,): each class counts alike, with mean 1 over the rows; 0 where a class has none."""
    counts = np.bincount(truth, minlength=classes)
    present = np.count_nonzero(counts)
    return np.where(counts > 0, len(truth) / (present * np.maximum(counts, 1)), 0).astype(np.float32)
