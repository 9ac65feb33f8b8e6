"""Batches of network inputs, made ahead of the training step on another thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from edgefer.manifest import Input
from edgefer.preprocess import Preprocess
from edgefer.train.data.augment import augment

SCALE, ZERO_POINT = 1 / 128, 0


def input_spec(channels: str, side: int = 64) -> Input:
    """The input every network here is trained for: square, int8 with scale 1/128 and zero point 0."""
    return Input(
        height=side,
        width=side,
        channels=channels,
        scale=SCALE,
        zero_point=ZERO_POINT,
        value_range=((-128 - ZERO_POINT) * SCALE, (127 - ZERO_POINT) * SCALE),
    )


class Inputs:
    """Grey images to real-valued network inputs, through the run time's own preprocess.

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
        """uint8 (H, W), a whole face crop of any size, to float32 (side, side, C), real values."""
        levels = self._preprocess(image)[0].astype(np.float32)
        if self.side != self.spec.width:
            levels = cv2.resize(levels, (self.side, self.side), interpolation=cv2.INTER_AREA)
        return (levels - self.spec.zero_point).reshape(self.side, self.side, -1) * np.float32(self.spec.scale)

    def stack(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Unaltered images, enlarged by the run time's own resize, float32 (N, side, side, C)."""
        return np.stack([self(image) for image in images])


def training_batches(
    images: np.ndarray, targets: np.ndarray, inputs: Inputs, batch: int, seed: int, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One epoch of augmented batches, in an order and with draws that (seed, epoch) alone decide.

    Args:
        images: uint8, shape (N, H, W). targets: float32, shape (N, classes).
        batch: rows a batch; a last, smaller one is left out.

    Yields:
        float32 (batch, side, side, C), float32 (batch, classes).
    """
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(images))

    def make() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(order) - batch + 1, batch):
            rows = order[start : start + batch]
            x = [inputs(augment(images[row], rng, inputs.spec.width)) for row in rows]
            yield np.stack(x), targets[rows]

    yield from ahead(make(), depth=8)


def ahead(items: Iterator, depth: int) -> Iterator:
    """The same items, computed up to `depth` ahead on a thread of their own; its errors are raised here."""
    waiting: queue.Queue = queue.Queue(depth)
    stop, end = threading.Event(), object()

    def put(item) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def work():
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((end, None))
        except Exception as error:  # noqa: BLE001 - handed to the consumer, which raises it
            put((end, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        stop.set()
        thread.join()
