"""The sheets and figures of `edgefer explain`, from a run and a data set."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgefer.errors import EdgeferError, UsageError
from edgefer.measure.datasets import Dataset
from edgefer.measure.datasets.ckplus import ActionUnits
from edgefer.support.drawing import save_picture
from edgefer.train.explain import units
from edgefer.train.explain.network import Filters, Network, Survey, survey
from edgefer.train.explain.sheets import class_sheet, filter_sheet

#: Filters that are drawn where none are named: the first that are active; and in the table of units.
DRAWN, DRAWN_UNITS = 16, 64


@dataclass
class Explanation:
    """What was asked, and the answer.

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
        side = filters.field.side if filters.field else settings.size
        sight = f"{side} px" if side < settings.size else "the whole image"
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
    coded: ActionUnits | None = None,
) -> Explanation:
    """Draw the sheet of a method into the folder `out`, which is made where it is not there.

    Args:
        method: deconvolution, guided, patches, gradcam or units.
        layer: a convolution; None for the last one that is rectified.
        top: images a filter, or a class.
        chosen: numbers of filters; None for the first that are active.
        coded: which action units the pictures show, for `units` alone, which is about those of the data set's
            pictures that are coded.

    Raises:
        UsageError: no such layer or filter, or the data does not suit the method. EdgeferError: a file cannot
            be written.
    """
    filters = network.find(layer)
    if network.settings.stl and method != "units":
        raise UsageError(f"{method}: {network.name} moves the image (spatial transformer) before its filters see it")
    if method == "gradcam" and filters.rectifier is None:
        raise UsageError(f"gradcam: {filters.name} is linear; choose a convolution that is rectified")
    unknown = [index for index in chosen or () if index >= filters.count]
    if unknown:
        raise UsageError(f"--filters: {filters.name} has 0 to {filters.count - 1}, got {unknown[0]}")
    if coded is not None:
        data, present = units.matched(data, coded, top)
    answers = survey(network, filters, data.images)
    explanation = Explanation(network, data, answers, method)
    drawn = chosen or np.flatnonzero(answers.active)[: DRAWN_UNITS if method == "units" else DRAWN].tolist()
    title = [
        f"{method}, {network.name} ({network.settings.architecture}), layer {filters.name}",
        f"{data.source}, split {data.split}, {len(data)} rows",
    ]
    path = Path(out) / f"{method}-{filters.name.replace('/', '-')}.png"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EdgeferError(f"cannot make the folder {path.parent}: {error.strerror}") from None
    if coded is not None:
        correlation = units.correlate(answers, coded.units, present, top)
        explanation.content.update(correlation.content())
        explanation.lines += correlation.lines()
        picture = correlation.picture(title, drawn)
        explanation.files.append(correlation.write(path.with_suffix(".csv")))
    elif method == "gradcam":
        picture, explanation.content["top"] = class_sheet(network, filters, data, top, title)
    else:
        picture, explanation.content["top"] = filter_sheet(network, data, answers, method, drawn, top, title)
    save_picture(picture, path)
    explanation.files.append(path)
    return explanation
