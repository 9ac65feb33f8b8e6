"""The temperature of a model's dense layers, fitted on val, with what its scores are worth then."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from edgefer.errors import UsageError
from edgefer.measure import statistics
from edgefer.models import directory as directories
from edgefer.models.geometry import GeometryManifest, GeometryPart
from edgefer.recognize.geometry import read_layers
from edgefer.train.export.models import CARD_NAME, install
from edgefer.train.geometry.rows import SOURCES, Rows

#: How the paragraph of the card begins that this writes, and the one that it goes before where there is none yet.
BEGIN, NEXT = "A score is meant as the chance that the label is right", "The landmarks of these rows are those of"


def calibrate(directory: Path, val: Mapping[str, Rows]) -> GeometryManifest:
    """Fit the temperature of a model directory on the rows of the points it uses; rewrite manifest, self-tests, card.

    Args:
        val: the rows its figures are of, by the source of their points, of SOURCES.

    Raises:
        ModelError: the directory is not sound. UsageError: it is no model of distances, or other rows were given.
    """
    found, content = directories.read(directory)
    if not isinstance(found, GeometryManifest):
        raise UsageError(f"calibrate: {found.name} is no model of the kind geometry")
    for name in SOURCES:
        rows, expected = len(val[name].truth), getattr(found, name).metrics.rows
        if rows != expected:
            raise UsageError(f"calibrate: {found.name} was measured on {expected} rows of {name}, got {rows}")
    before, layers = found.output.temperature, read_layers(found, content)
    plain = {name: statistics.uncalibrated(layers[name](val[name].points), before) for name in SOURCES}
    logits = {name: np.log(np.maximum(scores, 1e-30)) for name, scores in plain.items()}
    temperature = statistics.fit_temperature(logits[found.points], val[found.points].truth)

    def tested(part: GeometryPart) -> GeometryPart:
        again = (statistics.tempered(np.array(test.scores), temperature / before) for test in part.self_test)
        tests = (
            replace(test, scores=tuple(scores.round(6).tolist()))
            for test, scores in zip(part.self_test, again, strict=True)
        )
        return replace(part, self_test=tuple(tests))

    parts = {name: tested(getattr(found, name)) for name in SOURCES}
    made = replace(found, output=replace(found.output, temperature=temperature), **parts)
    figures = []
    for name in SOURCES:
        truth = val[name].truth
        after = (
            statistics.cross_fitted_ece(logits[name], truth, offsets=False)
            if name == found.points
            else statistics.calibration(statistics.calibrated(logits[name], temperature), truth).ece
        )
        figures.append(f"{after:.2f} % for {name} ({statistics.calibration(plain[name], truth).ece:.2f} % without it)")
    words = (
        f"{BEGIN}. The temperature {temperature:g} was fitted on val with points of `{found.points}`, by the least "
        f"negative log-likelihood, and is that of both sources. The expected calibration error is "
        f"{' and '.join(figures)}: {statistics.ECE_RULE}, for {found.points}."
    )
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".") as scratch:
        copy = Path(scratch) / directory.name
        shutil.copytree(directory, copy)
        (copy / CARD_NAME).write_text(_with_words((copy / CARD_NAME).read_text(), words, found.name))
        directories.write(copy, made)
        install(copy, directory)
    return made


def _with_words(card: str, words: str, name: str) -> str:
    paragraphs = [paragraph for paragraph in card.split("\n\n") if not paragraph.startswith(BEGIN)]
    place = next((index for index, paragraph in enumerate(paragraphs) if paragraph.startswith(NEXT)), None)
    if place is None:
        raise UsageError(f"calibrate: the card of {name} has no paragraph that begins with {NEXT!r}")
    return "\n\n".join([*paragraphs[:place], words, *paragraphs[place:]])
