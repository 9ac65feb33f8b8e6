"""Batches of network inputs, made ahead of the training step by a thread or by processes of their own."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import cast

import cv2
import numpy as np

from edgefer.measure.datasets.base import Images
from edgefer.models.manifest import ChannelsName, Input
from edgefer.preprocess.crop import Preprocess
from edgefer.train.data.augment import WHOLE, Alterations, augment, cutmix, mixup

SCALE, ZERO_POINT = 1 / 128, 0
AHEAD = 8  # batches made before they are asked for, and two more a process


def input_spec(channels: str, side: int = 64) -> Input:
    """The input every network here is trained for: square, int8 with scale 1/128 and zero point 0."""
    return Input(
        height=side,
        width=side,
        channels=cast(ChannelsName, channels),
        scale=SCALE,
        zero_point=ZERO_POINT,
        value_range=((-128 - ZERO_POINT) * SCALE, (127 - ZERO_POINT) * SCALE),
    )


class Inputs:
    """Grey images to real-valued network inputs, through the runtime's preprocess.

    Attributes:
        spec: input specification; the tensor a device computes is the one trained on, level by level.
        side: of the tensors given, pixels; below spec.width the full tensor is averaged down, which makes
            early epochs cheap and leaves the range of each plane as it is.
    """

    def __init__(self, spec: Input, side: int | None = None):
        self.spec = spec
        self.side = side or spec.width
        self._preprocess = Preprocess(spec)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """uint8 (H, W), a whole face crop of any size, to float32 (side, side, C), real values; see Preprocess."""
        levels = self._preprocess(image)[0].astype(np.float32)
        if self.side != self.spec.width:
            levels = cv2.resize(levels, (self.side, self.side), interpolation=cv2.INTER_AREA)
        return (levels - self.spec.zero_point).reshape(self.side, self.side, -1) * np.float32(self.spec.scale)

    def stack(self, images: Images) -> np.ndarray:
        """Images to float32 (N, side, side, C)."""
        return np.stack([self(image) for image in images])


#: What an input of a batch is: a specification, and the side its tensor is averaged down to.
View = tuple[Input, int]


def training_batches(
    images: Images,
    targets: np.ndarray,
    views: Sequence[View],
    batch: int,
    seed: int,
    epoch: int,
    mixed: tuple[float, float] = (0.0, 0.0),
    executor: Executor | None = None,
    ahead: int = AHEAD,
    how: Alterations = WHOLE,
) -> Iterator[tuple[list[np.ndarray], np.ndarray]]:
    """One epoch of augmented batches, in an order and with draws that (seed, epoch) alone decide.

    Args:
        images: uint8, shape (N, H, W), or a sequence that takes arrays of rows. targets: float32, shape
            (N, classes).
        views: of the network, then of its teachers; all of them see the same altered images.
        batch: rows a batch; a last, smaller one is left out.
        mixed: shares of the batches that are altered by mixup and by cutmix.
        executor: what makes the batches, see `makers`; None for a thread. It does not change them.
        ahead: batches made before they are asked for.
        how: the images are altered.

    Yields:
        float32 (batch, side, side, C) for each view; float32 (batch, classes).
    """
    if executor is None:
        with ThreadPoolExecutor(1) as executor:
            yield from training_batches(images, targets, views, batch, seed, epoch, mixed, executor, ahead, how)
        return
    order = np.random.default_rng([seed, epoch]).permutation(len(images))
    waiting: deque = deque()
    try:
        for number in range(len(order) // batch):
            rows = order[number * batch : (number + 1) * batch]
            draws = (seed, epoch, number)
            waiting.append(executor.submit(make_batch, images[rows], targets[rows], views, draws, mixed, how))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def make_batch(
    images: Images,
    targets: np.ndarray,
    views: Sequence[View],
    draws: tuple[int, ...],
    mixed: tuple[float, float],
    how: Alterations = WHOLE,
) -> tuple[list[np.ndarray], np.ndarray]:
    """One batch of `training_batches`; `draws` seeds its alterations."""
    rng = np.random.default_rng(draws)
    side = views[0][0].width
    altered = np.stack([augment(image, rng, side, how) for image in images])
    draw = rng.random()
    if draw < mixed[0]:
        altered, targets = mixup(altered, targets, rng)
    elif draw < sum(mixed):
        altered, targets = cutmix(altered, targets, rng)
    tensors = {(spec, side): Inputs(spec, side).stack(altered) for spec, side in dict.fromkeys(views)}
    return [tensors[view] for view in views], targets


def makers(processes: int) -> Executor:
    """What makes batches: one thread for 0, else as many processes. Close it when done."""
    if not processes:
        return ThreadPoolExecutor(1)
    # a fork of a process in which Keras runs may hang
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_settle)


def _settle() -> None:
    """An interrupt is the parent's to answer, and each process has one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
