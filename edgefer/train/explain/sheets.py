"""Sheets of small pictures: a band for each filter or class, and a tile for each image it answers most to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgefer.labels import label_set, softmax
from edgefer.measure.datasets import Dataset
from edgefer.support import drawing
from edgefer.train.explain.network import Field, Filters, Network, Survey, batches, grey
from edgefer.train.explain.projection import grad_cam, project, to_image

TILE, GAP, LEFT, CAPTION = 96, 4, 150, 18


@dataclass(frozen=True)
class Band:
    """Tiles under each other for every image.

    Attributes:
        words: lines at the left.
        tiles: rows of pictures, uint8 (h, w) or (h, w, 3); all rows have one for each image.
        captions: under the last row, one an image.
    """

    words: Sequence[str]
    tiles: Sequence[Sequence[np.ndarray]]
    captions: Sequence[str]


def titled(title: Sequence[str], width: int, height: int) -> tuple[np.ndarray, int]:
    """White paper of that size, and the lines of a title above it: uint8 (H, W, 3), BGR, and where the title ends."""
    below = 26 * len(title)
    picture = np.full((below + height, max(width, 640), 3), 255, np.uint8)
    for line, text in enumerate(title):
        drawing.write(picture, text, 12, 20 + 26 * line, 0.5, anchor="start")
    return picture, below + 16


def sheet(title: Sequence[str], bands: Sequence[Band], columns: int) -> np.ndarray:
    """The bands under each other: uint8 (H, W, 3), BGR."""
    step = TILE + GAP
    heights = [step * max(1, len(band.tiles)) + CAPTION for band in bands]
    picture, top = titled(title, LEFT + step * columns + GAP, 16 + sum(heights))
    for band, height in zip(bands, heights, strict=True):
        for line, text in enumerate(band.words):
            drawing.write(picture, text, 12, top + 14 + 20 * line, 0.42, anchor="start")
        for row, tiles in enumerate(band.tiles):
            for column, tile in enumerate(tiles):
                y, x = top + step * row, LEFT + step * column
                picture[y : y + TILE, x : x + TILE] = _fitted(tile)
        for column, text in enumerate(band.captions):
            middle = LEFT + step * column + TILE / 2
            drawing.write(picture, text, middle, top + height - CAPTION + 3, 0.36)
        top += height
    return picture


def _fitted(tile: np.ndarray) -> np.ndarray:
    """A picture of any size on a square tile, as large as fits, in the middle."""
    if tile.ndim == 2:
        tile = cv2.cvtColor(tile, cv2.COLOR_GRAY2BGR)
    scale = TILE / max(tile.shape[:2])
    height, width = (max(1, round(side * scale)) for side in tile.shape[:2])
    resized = cv2.resize(tile, (width, height), interpolation=cv2.INTER_NEAREST)
    square = np.full((TILE, TILE, 3), 255, np.uint8)
    y, x = (TILE - height) // 2, (TILE - width) // 2
    square[y : y + height, x : x + width] = resized
    return square


def signed(signal: np.ndarray) -> np.ndarray:
    """A signal as a grey picture, uint8 (H, W): zero is middle grey, its strongest value black or white."""
    strongest = float(np.abs(signal).max())
    return np.rint(128 + 127 * signal / (strongest or 1)).astype(np.uint8)


def smoothed(heat: np.ndarray) -> np.ndarray:
    """A map without its single pixels, (H, W): a Gaussian of a fortieth of the side."""
    return cv2.GaussianBlur(heat, (0, 0), heat.shape[0] / 40)


def overlaid(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """An image under a map of heat, uint8 (H, W, 3).

    Args:
        image: uint8, shape (H, W). heat: float, shape (H, W), not negative; the hottest place is opaque.
    """
    share = np.clip(heat / (float(heat.max()) or 1), 0, 1)
    colours = cv2.applyColorMap(np.rint(255 * share).astype(np.uint8), cv2.COLORMAP_TURBO)
    opacity = 0.75 * share[..., np.newaxis]
    return np.rint(image[..., np.newaxis] * (1 - opacity) + colours * opacity).astype(np.uint8)


def patch(image: np.ndarray, box: tuple[int, int, int, int] | None) -> np.ndarray:
    """The pixels of a box, uint8; beyond the image the middle grey that the network's padding stands for."""
    if box is None:
        return image
    x0, y0, x1, y1 = box
    cut = np.full((y1 - y0, x1 - x0), 128, np.uint8)
    height, width = image.shape
    top, left, bottom, right = max(y0, 0), max(x0, 0), min(y1, height), min(x1, width)
    cut[top - y0 : bottom - y0, left - x0 : right - x0] = image[top:bottom, left:right]
    return cut


def filter_sheet(
    network: Network, data: Dataset, answers: Survey, method: str, drawn: Sequence[int], top: int, title: Sequence[str]
) -> tuple[np.ndarray, list[dict]]:
    """A band for each filter.

    Args:
        method: deconvolution, guided or patches.
        drawn: numbers of the filters. top: images each is shown by at most.

    Returns:
        The sheet, and for each filter what is on it.
    """
    shown = {index: answers.exciting(index, top) for index in drawn}
    bands = _bands(network, data, answers, method, shown)
    return sheet(title, bands, top), [_listed(data, answers, index, rows) for index, rows in shown.items()]


def _bands(network: Network, data: Dataset, answers: Survey, method: str, shown: dict[int, np.ndarray]) -> list[Band]:
    units = [(index, row, *answers.places[row, index].tolist()) for index, rows in shown.items() for row in rows]
    if not units:
        return [Band(_words(answers, index), [], []) for index in shown]
    inputs = network.inputs([data.images[row] for _, row, *_ in units])
    images = grey(inputs)
    if method == "patches":
        sight = answers.filters.field
        boxes = [sight.box(y, x) if sight else None for _, _, y, x in units]
        tiles = [[patch(image, box)] for image, box in zip(images, boxes, strict=True)]
    else:
        signals = project(answers.filters, inputs, [(y, x, index) for index, _, y, x in units], method)
        tiles = [
            [overlaid(image, smoothed(np.abs(signal))), signed(signal)]
            for image, signal in zip(images, to_image(signals, network.planes), strict=True)
        ]
    bands, columns_left = [], iter(tiles)
    for index, rows in shown.items():
        columns = [next(columns_left) for _ in rows]
        captions = [f"{answer:.2f}" for answer in answers.answers[rows, index]]
        bands.append(Band(_words(answers, index), list(zip(*columns, strict=True)), captions))
    return bands


def _words(answers: Survey, index: int) -> list[str]:
    return [f"filter {index}", "dead" if answers.dead[index] else f"active on {answers.active[index]}"]


def _listed(data: Dataset, answers: Survey, index: int, rows: np.ndarray) -> dict:
    """A filter and its images, for the JSON object."""
    paths = getattr(data.images, "paths", None)
    images = []
    for row in rows.tolist():
        unit = answers.places[row, index].tolist()
        entry = {"row": row, "answer": float(answers.answers[row, index]), "place": unit}
        if answers.filters.field:
            entry["box"] = list(answers.filters.field.box(*unit))
        if paths:
            entry["file"] = str(paths[row])
        images.append(entry)
    return {"filter": index, "active_on": int(answers.active[index]), "images": images}


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
