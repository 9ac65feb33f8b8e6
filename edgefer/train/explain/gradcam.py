"""Grad-CAM: where in an image a layer speaks for a class.

Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017,
section 3: the rectified maps of a convolution, weighted by the mean gradient of the class's logit over each
(equation 1), added up and rectified (equation 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
from keras import ops

from edgefer.labels import label_set, softmax
from edgefer.measure.datasets import Dataset
from edgefer.train.explain.network import BATCH, Field, Filters, Network, batches, grey
from edgefer.train.explain.pictures import Band, overlaid, sheet
from edgefer.train.explain.projection import transposed


def grad_cam(filters: Filters, inputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """How much each place speaks for each image's class.

    Args:
        filters: of a layer that is rectified.
        inputs: float32, shape (N, side, side, planes). classes: int, shape (N,).

    Returns:
        float32, shape (N, h, w) as the layer's maps, not negative.
    """

    def logits(shift, images):
        with _shifted(filters.rectifier, shift):
            return filters.logits(images, training=False)

    back, heats = transposed(logits), []
    for start in range(0, len(inputs), BATCH):
        x, wanted = inputs[start : start + BATCH], classes[start : start + BATCH]
        signal = np.eye(filters.logits.output.shape[-1], dtype=np.float32)[wanted]
        # what a shift of a whole map does is the sum of the gradients over its places
        gradients = back(signal, np.zeros((len(x), 1, 1, filters.count), np.float32), x)
        maps = ops.convert_to_numpy(filters.rectifier.activation(filters.response.predict_on_batch(x)))
        weights = gradients / np.prod(filters.places)
        heats.append(np.maximum((maps * weights).sum(axis=-1), 0))
    return np.concatenate(heats)


@contextmanager
def _shifted(layer, shift) -> Iterator[None]:
    """Inside the block something is added to what a layer gives."""
    activation = layer.activation
    layer.activation = lambda x: activation(x) + shift
    try:
        yield
    finally:
        layer.activation = activation


def over_image(heat: np.ndarray, field: Field, side: int) -> np.ndarray:
    """A map over the image, each unit at the middle of the pixels it sees: float32 (side, side)."""
    middle = (field.first + field.last) / 2
    places = ((np.arange(side) - middle) / field.step).astype(np.float32)
    x, y = np.meshgrid(places, places)
    return cv2.remap(heat, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def class_sheet(
    network: Network, filters: Filters, data: Dataset, top: int, title: Sequence[str]
) -> tuple[np.ndarray, list[dict]]:
    """A band for each class: the images with its highest scores, and their heat.

    Returns:
        The sheet, and for each class what is on it.
    """
    logits = [network.model.predict_on_batch(x) for x in batches(network, data.images, "judging images")]
    scores = softmax(np.concatenate(logits))
    paths, classes = getattr(data.images, "paths", None), label_set(data.labels)
    # (classes, top), strongest first
    strongest = np.argsort(-scores, axis=0, kind="stable")[:top].T
    inputs = network.inputs([data.images[row] for row in strongest.ravel()])
    heats = grad_cam(filters, inputs, np.repeat(np.arange(len(strongest)), strongest.shape[1]))
    images = list(grey(inputs))
    field = filters.field
    assert field is not None, "only a network that moves the image has none, and it is refused"
    over = [
        overlaid(image, over_image(heat, field, network.settings.size))
        for image, heat in zip(images, heats, strict=True)
    ]
    bands, listed = [], []
    for index, (label, rows) in enumerate(zip(network.labels, strongest, strict=True)):
        drawn = slice(index * len(rows), (index + 1) * len(rows))
        entries = [
            {
                "row": int(row),
                "score": float(scores[row, index]),
                "truth": classes[data.truth[row]],
                **({"file": str(paths[row])} if paths else {}),
            }
            for row in rows
        ]
        captions = [f"{entry['score']:.0%} {entry['truth'][:8]}" for entry in entries]
        bands.append(Band([label, "score, truth"], [images[drawn], over[drawn]], captions))
        listed.append({"class": label, "images": entries})
    return sheet(title, bands, top), listed
