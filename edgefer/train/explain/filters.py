"""Sheets of filters: the images each answers most to, with the pixels that excite it or the patch it sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgefer.measure.datasets import Dataset
from edgefer.train.explain.network import Network, grey
from edgefer.train.explain.pictures import Band, overlaid, patch, sheet, signed, smoothed
from edgefer.train.explain.projection import project, to_image
from edgefer.train.explain.strongest import Survey


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
