"""The model directory of a finished run, a new temperature for one, and a TFLite file for other programs."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from edgefer import labels, recognize
from edgefer.errors import UsageError
from edgefer.measure.datasets import Dataset
from edgefer.measure.datasets.base import Images
from edgefer.measure.statistics import ECE_RULE, TEMPERATURES, cross_fitted_ece
from edgefer.models import directory as directories
from edgefer.models import manifest
from edgefer.models.interpreter import Interpreter
from edgefer.preprocess.crop import Preprocess
from edgefer.train import architectures, runs
from edgefer.train.data.augment import augment
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.export import card
from edgefer.train.export.measured import Measured, measure_margin, measured_on
from edgefer.train.export.place import check_place, replace_directory
from edgefer.train.export.quantise import convert, quantisation, quantise
from edgefer.train.recipes import Runs, chain
from edgefer.train.settings import TrainingSettings, load_data

log = logging.getLogger(__name__)

CARD_NAME = "MODEL_CARD.md"
CALIBRATION_ROWS = 600  # train images, half of them augmented: a camera's faces vary more than the set's
MARGIN_ROWS = 700  # val images searched by the detector
SELF_TEST_SEEDS = range(5)  # one for each block size of manifest.self_test_input
LICENCE = manifest.Licence(
    weights="MIT, as far as the terms of the training images, which are not stated, allow",
    training_data="FER-2013 pixels: research use, original terms unstated; FER+ votes: MIT, Microsoft",
)


def export(run: Path, out: Path) -> manifest.FrameManifest:
    """Write the model directory `out` for a finished run; a model of that name is replaced.

    Raises:
        UsageError: the run is not finished, its data is missing, or `out` is there and no model.
        EdgeferError: quantisation lost too much.
    """
    check_place(out)
    lineage, done = runs.read_finished(run)
    settings = lineage[-1][1]
    model = runs.network(*lineage[-1])
    train, val = load_data(settings)
    inputs = Inputs(input_spec(settings.input, settings.size))

    content = quantise(model, representative(train.images, inputs, settings.seed))
    margin = measure_margin(val.images[:MARGIN_ROWS])
    draft = _draft(out.name, lineage, done, content, margin.value)
    interpreter = Interpreter(content, draft)
    outputs = dequantised(interpreter, inputs.spec, draft.output, val.images)
    measured = measured_on(lineage, model, outputs, inputs, val)
    measured.check("int8")
    calibrated = _calibrated(draft, measured)
    final = replace(
        calibrated,
        metrics=replace(calibrated.metrics, rows=len(val), accuracy_float32=round(measured.accuracy_before, 2)),
        self_test=tuple(
            manifest.SelfTest(
                seed=seed, output=interpreter.run(manifest.self_test_input(seed, interpreter.input_shape))[0].tolist()
            )
            for seed in SELF_TEST_SEEDS
        ),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as scratch:
        directory = Path(scratch) / out.name
        directory.mkdir()
        (directory / manifest.MODEL_NAME).write_bytes(content)
        (directory / CARD_NAME).write_text(
            card.render(final, lineage, done, measured, margin, len(content), _chosen(final))
        )
        directories.write(directory, final)
        install(directory, out)
    return directories.load_frame(out)


def representative(images: Images, inputs: Inputs, seed: int) -> np.ndarray:
    """CALIBRATION_ROWS inputs drawn from training images: float32, shape (N, H, W, C)."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(images), min(CALIBRATION_ROWS, len(images)), replace=False)
    altered = [augment(images[row], rng) for row in rows[1::2]]
    return np.concatenate([inputs.stack(images[rows[::2]]), inputs.stack(altered)])


def dequantised(interpreter: Interpreter, spec: manifest.Input, output: manifest.Output, images: Images) -> np.ndarray:
    """What the shipped network says of face crops, in real values: float32, shape (N, classes)."""
    preprocess = Preprocess(spec)
    levels = np.array([interpreter.run(preprocess(image))[0] for image in images])
    return (levels.astype(np.float32) - output.zero_point) * np.float32(output.scale)


def _calibrated(draft: manifest.FrameManifest, measured: Measured) -> manifest.FrameManifest:
    """The manifest with the temperature and the offsets that val asks for, and what the scores are worth then."""
    temperature, offsets = measured.fit
    ece = round(cross_fitted_ece(measured.outputs, measured.truth), 2)
    return replace(
        draft,
        output=replace(draft.output, temperature=temperature, offsets=offsets),
        metrics=replace(draft.metrics, accuracy_int8=round(measured.accuracy, 2), ece=ece, ece_rule=ECE_RULE),
    )


def _chosen(model: manifest.FrameManifest) -> str:
    """Of the run that a model's last one went on from, by the records here; empty where there are none."""
    starts = re.findall(r"--start runs/(\S+)", model.training.command)
    return runs.chosen_among(runs.read_records(runs.RECORDS), starts[-1]) if starts else ""


def calibrate(directory: Path, val: Dataset) -> manifest.FrameManifest:
    """Fit temperature and offsets of a model directory on val; rewrite manifest and card.

    Raises:
        ModelError: the directory is not sound. UsageError: val has not the rows its figures are of; or its
            card has no section for the calibration.
    """
    before, content = directories.read_frame(directory)
    if CARD_NAME not in before.files:
        raise UsageError(f"calibrate: {before.name} has no {CARD_NAME} to write the new figures into")
    if (len(val), val.labels) != (before.metrics.rows, before.output.labels):
        raise UsageError(
            f"calibrate: {before.name} was measured on {before.metrics.rows} rows of {before.output.labels}, "
            f"got {len(val)} of {val.labels}; give the data it was measured on"
        )
    outputs = dequantised(Interpreter(content, before), before.input, before.output, val.images)
    measured = Measured(outputs, outputs, val.truth, before=outputs)
    calibrated = _calibrated(before, measured)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".") as scratch:
        copy = Path(scratch) / directory.name
        shutil.copytree(directory, copy)
        old_card = (copy / CARD_NAME).read_text()
        (copy / CARD_NAME).write_text(card.recalibrated(old_card, calibrated, measured, _chosen(before)))
        directories.write(copy, calibrated)
        install(copy, directory)
    return directories.load_frame(directory)


def install(directory: Path, out: Path) -> None:
    """Put a complete model directory in the place of another, if it opens."""
    recognize.open(directory)
    output = getattr(directories.load(directory), "output", None)
    warn_of_bound(out, getattr(output, "temperature", 1.0))
    replace_directory(directory, out)


def warn_of_bound(out: Path, temperature: float) -> None:
    """A temperature at the end of those that are fitted is not what the rows ask for."""
    least, most = TEMPERATURES[0], TEMPERATURES[-1]
    if not least < temperature < most:
        log.warning(
            "%s: its temperature, %g, is a bound of those that are fitted (%g to %g), so its scores are not "
            "calibrated; look at the rows of val and at the scale of the logits",
            *(out, temperature, least, most),
        )


def describe_input(settings: TrainingSettings) -> str:
    """The input of a run in words: planes, and how they reach the network."""
    mode = "" if settings.mode == "concatenated" else f", {settings.mode} streams"
    return settings.input + mode + (", spatial transformer" if settings.stl else "")


def describe_network(settings: TrainingSettings) -> str:
    """Architecture and input of a run in words, for manifests."""
    names = dict.fromkeys((settings.architecture, architectures.find(settings.architecture).title))
    return f"{': '.join(names)}, input {describe_input(settings)}"


def _draft(name: str, lineage: Runs, done: dict, content: bytes, margin: float) -> manifest.FrameManifest:
    """The manifest, but for what is measured with its help: temperature, metrics, self-test."""
    scale, zero_point = quantisation(content)[1]
    settings = lineage[-1][1]
    origin = card.origin_of(done["train_rule"])
    distribution = done["train_rule"].startswith("FER+") and settings.rule != "majority"
    voted = settings.voted and not distribution
    output = manifest.Output(labels=settings.labels, values="logits", scale=scale, zero_point=zero_point)
    return manifest.FrameManifest(
        name=name,
        paper=architectures.find(settings.architecture).paper,
        architecture=describe_network(settings),
        input=replace(input_spec(settings.input, settings.size), crop_margin=margin),
        output=output,
        training=manifest.Training(
            data=(origin.data or f"{settings.data}, its split train") + (" with the votes of FER+" if voted else ""),
            split="train",
            rule=f"{done['train_rule']}; the target is "
            + ("the distribution of the votes" if distribution else "the class")
            + (f", of which {settings.voted:.0%} is what the votes tell of it" if voted else ""),
            rows=done["train_rows"],
            command=" && ".join(map(str, chain(lineage))),
            seed=settings.seed,
        ),
        metrics=manifest.Metrics(
            split="val",
            rule=f"{done['val_rule']}; rows byte-equal to a train row are left out",
            rows=0,
            accuracy_int8=0.0,
            accuracy_float32=0.0,
        ),
        licence=LICENCE if origin.data else _unknown_licence(lineage),
        self_test=(manifest.SelfTest(seed=0, output=(0,) * len(labels.label_set(output.labels))),),
    )


def _unknown_licence(lineage: Runs) -> manifest.Licence:
    """Of other data than FER-2013's, and of the model that ships where the training began with one."""
    start, data = lineage[0][1].start, lineage[-1][1].data
    begun = f"; {start}, with which the training began: {LICENCE.training_data}" if start else ""
    return replace(LICENCE, training_data=f"{data}: terms not stated{begun}")


def export_float(run: Path, out: Path, precision: str) -> dict[str, Any]:
    """Write the TFLite file `out` with float input and output, and `out` with .json, which is returned.

    Raises:
        As of `export`.
    """
    from ai_edge_litert.interpreter import Interpreter as LiteRT

    lineage, done = runs.read_finished(run)
    settings = lineage[-1][1]
    if settings.quantisation_aware:
        raise UsageError(f"{run}: was trained to be int8; export {settings.start} as {precision}")
    model = runs.network(*lineage[-1])
    val = load_data(settings)[1]
    inputs = Inputs(input_spec(settings.input, settings.size))
    content = convert(model, precision)
    network = LiteRT(model_content=content, num_threads=1)
    network.allocate_tensors()
    outputs = []
    for image in val.images:
        network.set_tensor(network.get_input_details()[0]["index"], inputs.stack([image]))
        network.invoke()
        outputs.append(network.get_tensor(network.get_output_details()[0]["index"])[0])
    measured = measured_on(lineage, model, np.array(outputs), inputs, val)
    measured.check(precision)
    spec = inputs.spec
    facts = {
        "precision": precision,
        "architecture": describe_network(settings),
        "input": {
            "shape": list(model.input_shape[1:]),
            "dtype": "float32",
            "planes": spec.channels,
            "value_range": spec.value_range,
        },
        "output": {
            "labels": labels.label_set(settings.labels),
            "values": "logits",
            "temperature": measured.fit[0],
            "offsets": measured.fit[1],
        },
        "metrics": {
            "split": "val",
            "rule": done["val_rule"],
            "rows": len(val),
            "accuracy": round(measured.accuracy, 2),
            "accuracy_keras": round(measured.accuracy_before, 2),
            "same_label": round(measured.same_label, 2),
            "logit_error": measured.logit_error,
            "ece": round(cross_fitted_ece(measured.outputs, val.truth), 2),
            "ece_rule": ECE_RULE,
        },
    }
    warn_of_bound(out, measured.fit[0])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    out.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n")
    return facts
