"""Writes the model directory of dense layers for both sources of points, with its card."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgefer.labels import BASIC7
from edgefer.models import directory
from edgefer.models.geometry import (
    GeometryManifest,
    GeometryMetrics,
    GeometryOutput,
    GeometryPart,
    GeometryTest,
    geometry_test_input,
)
from edgefer.models.manifest import Licence, Training
from edgefer.recognize.geometry import Layers
from edgefer.train.export.place import check_place, replace_directory
from edgefer.train.geometry.mlp import Trained
from edgefer.train.geometry.rows import RULE, SHIPPED, SOURCES, Rows

PAPER = "Khan, Facial Expression Recognition using Facial Landmark Detection and Feature Extraction on Neural Networks"
DATA = "FER-2013 Training images with the votes of FER+"
LICENCE = Licence(
    weights="MIT, as far as the terms of the training images, which are not stated, allow",
    training_data="FER-2013 pixels: research use, original terms unstated; FER+ votes: MIT, Microsoft",
)


class Source(NamedTuple):
    """What one source of points gave: the layers, the rows they learned from, and those they are judged on."""

    trained: Trained
    train: Rows
    val: Rows


def scores_of(trained: Trained, points: np.ndarray) -> np.ndarray:
    """Scores of points (N, 18, 2) by the runtime's own code, float32 (N, 7)."""
    return layers_of(part_of(trained, None, "", 0, ()), trained)(points)


def layers_of(part: GeometryPart, trained: Trained) -> Layers:
    return Layers(part, trained.numbers)


def part_of(
    trained: Trained, source: Source | None, command: str, seed: int, tests: tuple[GeometryTest, ...], data: str = DATA
) -> GeometryPart:
    """The part of the manifest for one source of points."""
    rows = 0 if source is None else len(source.train.truth)
    accuracy = chance = 0.0
    if source is not None:
        accuracy = 100 * float((scores_of(trained, source.val.points).argmax(axis=1) == source.val.truth).mean())
        chance = 100 * float(np.bincount(source.val.truth).max() / len(source.val.truth))
    return GeometryPart(
        distances="interocular" if trained.normalised else "pixels",
        mean=tuple(float(number) for number in trained.mean),
        deviation=tuple(float(number) for number in trained.deviation),
        widths=tuple(len(bias) for _, bias in trained.layers),
        activations=trained.activations,  # type: ignore[arg-type]  # the manifest checks the words
        training=Training(data=data, split="train", rule=RULE, rows=rows, command=command or "none", seed=seed),
        metrics=GeometryMetrics(
            split="val",
            rule=RULE,
            rows=0 if source is None else len(source.val.truth),
            accuracy=accuracy,
            chance=chance,
        ),
        self_test=tests or (GeometryTest(seed=0, scores=(0.0,) * len(BASIC7)),),
    )


def export(
    out: Path,
    name: str,
    architecture: str,
    paper: str,
    sources: dict[str, Source],
    points: str,
    command: str,
    seed: int,
    data: str = DATA,
    network: str = SHIPPED,
) -> GeometryManifest:
    """Writes the directory, and reads it back; a model of that name is replaced.

    Args:
        sources: by name, of SOURCES.
        points: the source that is used unless a run says otherwise.
        network: whose landmarks the rows have, in words.

    Raises:
        UsageError: `out` is there and no model.
    """
    check_place(out)
    parts = {}
    for each in SOURCES:
        source = sources[each]
        layers = layers_of(part_of(source.trained, None, "", 0, ()), source.trained)
        tests = tuple(
            GeometryTest(
                seed=number, scores=tuple(layers.judge(geometry_test_input(number)).astype(float).round(6).tolist())
            )
            for number in range(3)
        )
        parts[each] = part_of(source.trained, source, command, seed, tests, data)
    manifest = GeometryManifest(
        name=name,
        paper=paper,
        architecture=architecture,
        licence=LICENCE if data == DATA else Licence(weights=f"those of {data}", training_data=f"those of {data}"),
        output=GeometryOutput(labels="basic7"),
        points=points,  # type: ignore[arg-type]
        classic=parts["classic"],
        landmarks=parts["landmarks"],
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as scratch:
        made = Path(scratch) / out.name
        made.mkdir()
        np.save(made / "model.npy", np.concatenate([sources[each].trained.numbers for each in SOURCES]))
        (made / "MODEL_CARD.md").write_text(card(manifest, sources, network))
        written = directory.write(made, manifest)
        replace_directory(made, out)
    assert isinstance(written, GeometryManifest)
    return written


def card(manifest: GeometryManifest, sources: dict[str, Source], network: str) -> str:
    """The model card, as Markdown."""
    lines = [
        f"# {manifest.name}",
        "",
        f"Reads the expression of a face from the twelve distances V1 to V12 between eighteen of its points: "
        f"{', '.join(manifest.labels)}. {manifest.architecture}. Paper: {manifest.paper}.",
        "",
        "The points come from the classic chain (`points=classic`) or from 68 landmarks (`points=landmarks`); each has "
        f"layers of its own. `{manifest.points}` is used unless a run says otherwise.",
        "",
        "| points | train rows | val rows | accuracy | most frequent label | mean recall | epochs |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in SOURCES:
        part, source = getattr(manifest, each), sources[each]
        chosen = scores_of(source.trained, source.val.points).argmax(axis=1)
        truth = source.val.truth
        recall = np.mean([(chosen[truth == label] == label).mean() for label in np.unique(truth)])
        lines.append(
            f"| {each} | {part.training.rows} | {part.metrics.rows} | {part.metrics.accuracy:.2f} % | "
            f"{part.metrics.chance:.2f} % | {100 * recall:.1f} % | {source.trained.epochs} |"
        )
    lines += ["", f"Rule: {RULE}.", ""]
    for each in SOURCES:
        lines += [f"* {each}, train: {sources[each].train.counts}", f"* {each}, val: {sources[each].val.counts}"]
    lines += [
        "",
        f"The landmarks of these rows are those of {network}. Distances tell little of anger, disgust, fear and "
        "sadness. What is read is the appearance of a face, not what a person feels.",
        "",
        f"    {manifest.classic.training.command}",
        "",
    ]
    return "\n".join(lines)
