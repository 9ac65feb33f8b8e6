"""The sheets and figures of `edgefer explain`, from a run and a data set."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgefer.datasets import Dataset
from edgefer.drawing import save_picture
from edgefer.errors import UsageError
from edgefer.train.explain.network import Filters, Network, grey
from edgefer.train.explain.pictures import Band, overlaid, patch, sheet, signed
from edgefer.train.explain.projection import project, to_image
from edgefer.train.explain.strongest import Survey, survey

#: Filters that are drawn where none are named: the first that are active.
DRAWN = 16


@dataclass
class Explanation:
    """What was found.

    Attributes:
        network, data, survey: who was asked, about what, with what answer.
        method: its name.
        content: further entries of the JSON object. lines: further lines of the text.
        files: that were written.
    """

    network: Network
    data: Dataset
    survey: Survey
    method: str
    content: dict = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    @property
    def filters(self) -> Filters:
        return self.survey.filters

    def text(self) -> str:
        """The report for a terminal."""
        settings, filters = self.network.settings, self.filters
        alive = int((self.survey.active > 0).sum())
        height, width = filters.places
        sight = f"{filters.field.side} px" if filters.field else "the whole image"
        count = f"{alive} of {filters.count} active ({100 * alive / filters.count:.1f} %)"
        dead = f"{int(self.survey.dead.sum())} dead" if filters.rectifier else "linear, so that none is dead"
        return "\n".join(
            [
                f"run       {self.network.name}: {settings.architecture}, {settings.input}, {settings.mode}",
                f"data      {self.data.source}, split {self.data.split}",
                f"rule      {self.data.rule}",
                f"rows      {self.data.counts()}",
                f"layer     {filters.name}, {height}x{width} places, each sees {sight}",
                f"filters   {count}, {dead}, on {len(self.data)} rows",
                *self.lines,
                *(f"wrote     {path}" for path in self.files),
            ]
        )

    def json(self) -> str:
        """Everything, as one JSON object."""
        settings, filters = self.network.settings, self.filters
        content = {
            "run": self.network.name,
            "architecture": settings.architecture,
            "input": settings.input,
            "mode": settings.mode,
            "data": self.data.source,
            "split": self.data.split,
            "rule": self.data.rule,
            "rows": len(self.data),
            "dropped": self.data.dropped,
            "problems": self.data.problems,
            "method": self.method,
            "layer": filters.name,
            "filters": filters.count,
            "places": list(filters.places),
            "receptive_field_px": filters.field.side if filters.field else None,
            "rectified": filters.rectifier is not None,
            "active": int((self.survey.active > 0).sum()),
            "dead": np.flatnonzero(self.survey.dead).tolist(),
            **self.content,
            "files": [str(path) for path in self.files],
        }
        return json.dumps(content, ensure_ascii=False, indent=2)


def explain(
    network: Network,
    data: Dataset,
    method: str,
    out: str | os.PathLike,
    layer: str | None = None,
    top: int = 9,
    chosen: Sequence[int] | None = None,
) -> Explanation:
    """Draw the sheet of a method into the folder `out`, which is made where it is not there.

    Args:
        method: deconvolution, guided or patches.
        layer: a convolution; None for the last one that is rectified.
        top: images a filter.
        chosen: numbers of filters; None for the first DRAWN that are active.

    Raises:
        UsageError: no such layer or filter. EdgeferError: a file cannot be written.
    """
    filters = network.find(layer)
    if network.settings.stl:
        raise UsageError(
            f"{method}: {network.name} moves the image (spatial transformer) before its filters see it"
        )
    found = Explanation(network, data, survey(network, filters, data.images), method)
    shown = {index: _shown(found.survey, index, top) for index in _chosen(found.survey, chosen)}
    found.content["top"] = [_listed(data, found.survey, index, rows) for index, rows in shown.items()]
    bands = _bands(network, data, found.survey, method, shown)
    title = [
        f"{method}, {network.name} ({network.settings.architecture}), layer {filters.name}",
        f"{data.source}, split {data.split}, {len(data)} rows",
    ]
    path = Path(out) / f"{method}-{filters.name.replace('/', '-')}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_picture(sheet(title, bands, top), path)
    found.files.append(path)
    return found


def _chosen(found: Survey, chosen: Sequence[int] | None) -> list[int]:
    if chosen is None:
        return np.flatnonzero(found.active)[:DRAWN].tolist()
    unknown = [index for index in chosen if index >= found.filters.count]
    if unknown:
        raise UsageError(
            f"--filters: {found.filters.name} has 0 to {found.filters.count - 1}, got {unknown[0]}"
        )
    return list(chosen)


def _shown(found: Survey, index: int, top: int) -> np.ndarray:
    """The rows a filter is shown by: those it answers most to, if it answers at all."""
    rows = found.top(index, top)
    return rows if found.filters.rectifier is None else rows[found.answers[rows, index] > 0]


def _bands(
    network: Network, data: Dataset, found: Survey, method: str, shown: dict[int, np.ndarray]
) -> list[Band]:
    units = [
        (index, row, *found.places[row, index].tolist()) for index, rows in shown.items() for row in rows
    ]
    if not units:
        return [Band(_words(found, index), [], []) for index in shown]
    inputs = network.inputs([data.images[row] for _, row, *_ in units])
    images = grey(inputs)
    if method == "patches":
        sight = found.filters.field
        boxes = [sight and sight.box(y, x) for _, _, y, x in units]
        tiles = [[patch(image, box)] for image, box in zip(images, boxes, strict=True)]
    else:
        signals = project(found.filters, inputs, [(y, x, index) for index, _, y, x in units], method)
        tiles = [
            [overlaid(image, np.abs(signal)), signed(signal)]
            for image, signal in zip(images, to_image(signals, network.planes), strict=True)
        ]
    bands, tiles = [], iter(tiles)
    for index, rows in shown.items():
        columns = [next(tiles) for _ in rows]
        captions = [f"{answer:.2f}" for answer in found.answers[rows, index]]
        bands.append(Band(_words(found, index), list(zip(*columns, strict=True)), captions))
    return bands


def _words(found: Survey, index: int) -> list[str]:
    return [f"filter {index}", "dead" if found.dead[index] else f"active on {found.active[index]}"]


def _listed(data: Dataset, found: Survey, index: int, rows: np.ndarray) -> dict:
    """A filter and its images, for the JSON object."""
    paths = getattr(data.images, "paths", None)
    images = []
    for row in rows.tolist():
        place = found.places[row, index].tolist()
        entry = {"row": row, "answer": float(found.answers[row, index]), "place": place}
        if found.filters.field:
            entry["box"] = list(found.filters.field.box(*place))
        if paths:
            entry["file"] = str(paths[row])
        images.append(entry)
    return {"filter": index, "active_on": int(found.active[index]), "images": images}
