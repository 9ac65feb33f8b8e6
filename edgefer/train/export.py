"""From a finished run to a model directory: full int8 TFLite, manifest, self-test vectors, model card.

    python -m edgefer.train.export runs/ferplus-sobel
    python -m edgefer.train.export --calibrate edgefer/models/ferplus-sobel

The second fits the temperature of a model directory anew, and changes nothing else in it.

The weights may come from any Keras backend; the conversion runs on TensorFlow. Every figure written about the
model is measured here, on the bytes that ship, or read from the run's records. A model that loses more than
BUDGET_POINTS of val accuracy by its quantisation is not written.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from edgefer import datasets, labels, manifest, recognize, statistics
from edgefer.errors import EdgeferError, UsageError
from edgefer.interpreter import Interpreter
from edgefer.preprocess import Preprocess
from edgefer.train import architectures, card
from edgefer.train.data import crop_margin
from edgefer.train.data.augment import augment
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.quantise import quantisation, quantise
from edgefer.train.settings import Settings, build, load_data

BUDGET_POINTS = 1.0  # of accuracy that quantisation may cost
BUDGET_SAME_LABEL = 97.0  # percent of val on which the int8 and the float network must choose alike
CARD_NAME = "MODEL_CARD.md"
CALIBRATION_ROWS = 600  # train images, half of them augmented: a camera's faces vary more than the set's
MARGIN_ROWS = 700  # val images searched by the detector
TEMPERATURES = np.arange(0.25, 4, 0.01).round(2)
ECE_RULE = (
    f"top class, {statistics.BINS} bins of equal width; each half of the rows (every second one) is judged "
    "with the temperature fitted on the other half"
)
SELF_TEST_SEEDS = range(5)  # one for each block size of manifest.self_test_input
LICENCE = manifest.Licence(
    weights="MIT, as far as the terms of the training images, which are not stated, allow",
    training_data="FER-2013 pixels: research use, original terms unstated; FER+ votes: MIT, Microsoft",
)


@dataclass(frozen=True)
class Measured:
    """What the shipped bytes did on val, beside the float network they were made from.

    Attributes:
        logits: float32, shape (N, classes), of the float network.
        outputs: float32, shape (N, classes), of the int8 network, dequantised.
        truth: int, shape (N,).
    """

    logits: np.ndarray
    outputs: np.ndarray
    truth: np.ndarray

    @property
    def accuracy_float32(self) -> float:
        return 100 * float((self.logits.argmax(axis=1) == self.truth).mean())

    @property
    def accuracy_int8(self) -> float:
        return 100 * float((self.outputs.argmax(axis=1) == self.truth).mean())

    @property
    def same_label(self) -> float:
        """Percent of the images on which both choose the same label."""
        return 100 * float((self.logits.argmax(axis=1) == self.outputs.argmax(axis=1)).mean())

    @property
    def logit_error(self) -> float:
        """Root mean square of the differences between the logits."""
        return float(np.sqrt(np.square(self.logits - self.outputs).mean()))

    @property
    def confusion(self) -> np.ndarray:
        """Counts of the int8 network's choices, rows by truth."""
        classes = self.outputs.shape[1]
        cells = self.truth * classes + self.outputs.argmax(axis=1)
        return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def export(run: Path, out: Path) -> manifest.Manifest:
    """Write the model directory `out` for a finished run; a directory of that name is replaced.

    Raises:
        UsageError: the run is not finished, or its data is missing. EdgeferError: quantisation lost too much.
    """
    try:
        runs = lineage(run)
        done = json.loads((run / "done.json").read_text())
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished run in {run}") from None
    settings = runs[-1][1]
    model = build(settings, size=settings.size)
    model.load_weights(run / "best.weights.h5")
    train, val = load_data(settings)
    inputs = Inputs(input_spec(settings.input, settings.size))

    content = quantise(model, representative(train.images, inputs, settings.seed))
    margin = crop_margin.measure(val.images[:MARGIN_ROWS])
    draft = _draft(out.name, runs, done, content, margin.value)
    interpreter = Interpreter(content, draft)
    measured = measure(model, interpreter, draft.output, inputs, val)
    if measured.accuracy_float32 - measured.accuracy_int8 > BUDGET_POINTS:
        raise EdgeferError(
            f"export: int8 has {measured.accuracy_int8:.2f} % of the float network's "
            f"{measured.accuracy_float32:.2f} %; at most {BUDGET_POINTS} points may be lost"
        )
    if measured.same_label < BUDGET_SAME_LABEL:
        raise EdgeferError(
            f"export: int8 and float network choose alike on {measured.same_label:.2f} % of val; "
            f"expected {BUDGET_SAME_LABEL} % at least"
        )
    calibrated = _calibrated(draft, measured.outputs, val.truth)
    final = replace(
        calibrated,
        metrics=replace(
            calibrated.metrics,
            rows=len(val),
            accuracy_int8=round(measured.accuracy_int8, 2),
            accuracy_float32=round(measured.accuracy_float32, 2),
        ),
        self_test=tuple(
            manifest.SelfTest(
                seed=seed,
                output=interpreter.run(manifest.self_test_input(seed, interpreter.input_shape))[0].tolist(),
            )
            for seed in SELF_TEST_SEEDS
        ),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as scratch:
        place = Path(scratch) / out.name
        place.mkdir()
        (place / manifest.MODEL_NAME).write_bytes(content)
        (place / CARD_NAME).write_text(card.render(final, runs, done, measured, margin, len(content)))
        manifest.write(place, final)
        _install(place, out)
    return manifest.load(out)


def representative(images: np.ndarray, inputs: Inputs, seed: int) -> np.ndarray:
    """CALIBRATION_ROWS inputs drawn from training images: float32, shape (N, H, W, C)."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(images), min(CALIBRATION_ROWS, len(images)), replace=False)
    altered = [augment(images[row], rng) for row in rows[1::2]]
    return np.concatenate([inputs.stack(images[rows[::2]]), inputs.stack(altered)])


def measure(model, interpreter: Interpreter, output: manifest.Output, inputs: Inputs, val) -> Measured:
    """Run both networks on every image of a data set."""
    logits = [np.asarray(model.predict_on_batch(inputs.stack([image])))[0] for image in val.images]
    return Measured(np.array(logits), dequantised(interpreter, inputs.spec, output, val.images), val.truth)


def dequantised(
    interpreter: Interpreter, spec: manifest.Input, output: manifest.Output, images: Sequence[np.ndarray]
) -> np.ndarray:
    """What the shipped network says of face crops, in real values: float32, shape (N, classes)."""
    preprocess = Preprocess(spec)
    levels = np.array([interpreter.run(preprocess(image))[0] for image in images])
    return (levels.astype(np.float32) - output.zero_point) * np.float32(output.scale)


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature, to a hundredth, that makes the classes likeliest (least NLL).

    It is fitted to the class and not to the distribution of the votes, so that a score says how often the
    label is right. What voters disagree about is more than what the network doubts: fitted to the votes, the
    scores of ferplus-sobel were too low by 4.8 points.

    Args:
        logits: float, shape (N, classes). truth: int, shape (N,).

    Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    return float(min(TEMPERATURES, key=lambda t: statistics.calibration(softmax(logits, t), truth).nll))


def cross_fitted_ece(logits: np.ndarray, truth: np.ndarray) -> float:
    """ECE_RULE: no row is judged with a temperature that it had a part in. Percent."""
    scores = np.empty(logits.shape)
    for half in (0, 1):
        temperature = fit_temperature(logits[1 - half :: 2], truth[1 - half :: 2])
        scores[half::2] = softmax(logits[half::2], temperature)
    return statistics.calibration(scores, truth).ece


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Scores of logits: float64, shape (N, classes), rows sum to one."""
    powers = np.exp((logits - logits.max(axis=1, keepdims=True)) / np.float64(temperature))
    return powers / powers.sum(axis=1, keepdims=True)


def _calibrated(draft: manifest.Manifest, outputs: np.ndarray, truth: np.ndarray) -> manifest.Manifest:
    """The manifest with the temperature that val asks for, and the error that is left."""
    return replace(
        draft,
        output=replace(draft.output, temperature=fit_temperature(outputs, truth)),
        metrics=replace(draft.metrics, ece=round(cross_fitted_ece(outputs, truth), 2), ece_rule=ECE_RULE),
    )


def calibrate(directory: Path, val: datasets.Dataset) -> manifest.Manifest:
    """Fit the temperature of a model directory on val; rewrite manifest and card.

    Raises:
        ModelError: the directory is not sound. UsageError: val has not the rows its figures are of; or its
            card has no section for the calibration.
    """
    found, content = manifest.read(directory)
    if CARD_NAME not in found.files:
        raise UsageError(f"calibrate: {found.name} has no {CARD_NAME} to write the new figures into")
    if (len(val), val.labels) != (found.metrics.rows, found.output.labels):
        raise UsageError(
            f"calibrate: {found.name} was measured on {found.metrics.rows} rows of {found.output.labels}, "
            f"got {len(val)} of {val.labels}; give the data it was measured on"
        )
    outputs = dequantised(Interpreter(content, found), found.input, found.output, val.images)
    made = _calibrated(found, outputs, val.truth)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".") as scratch:
        place = Path(scratch) / directory.name
        # a signature is of the old manifest
        shutil.copytree(directory, place, ignore=shutil.ignore_patterns(manifest.SIGNATURE_NAME))
        words = (place / CARD_NAME).read_text()
        (place / CARD_NAME).write_text(card.recalibrated(words, made))
        manifest.write(place, made)
        _install(place, directory)
    return manifest.load(directory)


def _install(place: Path, out: Path) -> None:
    """Put a complete model directory in the place of another, if it opens."""
    recognize.open(place)
    if out.exists():
        shutil.rmtree(out)
    os.replace(place, out)


def lineage(run: Path) -> list[tuple[str, Settings]]:
    """The run, after those it started from: directory and settings of each, first to last."""
    settings = Settings.read(run / "settings.json")
    before = lineage(Path(settings.start)) if settings.start else []
    return [*before, (str(run), settings)]


def described(settings: Settings) -> str:
    """The input of a run in words: planes, and how they reach the network."""
    mode = "" if settings.mode == "concatenated" else f", {settings.mode} streams"
    return settings.input + mode + (", spatial transformer" if settings.stl else "")


def _draft(name: str, runs: list, done: dict, content: bytes, margin: float) -> manifest.Manifest:
    """The manifest, but for what is measured with its help: temperature, metrics, self-test."""
    scale, zero_point = quantisation(content)[1]
    settings = runs[-1][1]
    architecture = architectures.find(settings.architecture)
    votes = settings.labels == "ferplus8"
    output = manifest.Output(labels=settings.labels, values="logits", scale=scale, zero_point=zero_point)
    return manifest.Manifest(
        name=name,
        kind="frame",
        paper=architecture.paper,
        architecture=f"{settings.architecture}: {architecture.title}, input {described(settings)}",
        input=replace(input_spec(settings.input, settings.size), crop_margin=margin),
        output=output,
        training=manifest.Training(
            data="FER-2013 Training images" + (" with the votes of FER+" if votes else ""),
            split="train",
            rule=f"{done['train_rule']}; the target is "
            + ("the distribution of the votes" if votes else "the class"),
            rows=done["train_rows"],
            command=" && ".join(settings.command(run) for run, settings in runs),
            seed=settings.seed,
        ),
        metrics=manifest.Metrics(
            split="val",
            rule=f"{done['val_rule']}; rows byte-equal to a train row are left out",
            rows=0,
            accuracy_int8=0.0,
            accuracy_float32=0.0,
        ),
        licence=LICENCE,
        self_test=(manifest.SelfTest(seed=0, output=(0,) * len(labels.label_set(output.labels))),),
    )


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.export", description=__doc__.split("\n")[0]
    )
    parser.add_argument("run", type=Path, help="directory of a finished run; a model's with --calibrate")
    parser.add_argument(
        "--out", type=Path, help="model directory to write; default: among the shipped models"
    )
    parser.add_argument("--calibrate", action="store_true", help="fit the temperature of a model anew")
    options = parser.parse_args(argv)
    out = options.run if options.calibrate else options.out or recognize.MODELS / options.run.resolve().name
    try:
        if options.calibrate:
            written = calibrate(out, load_data(Settings(labels=manifest.load(out).output.labels))[1])
        else:
            written = export(options.run, out)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    metrics = written.metrics
    print(
        f"{out}: accuracy {metrics.accuracy_int8:.2f} % on {metrics.rows} rows of {metrics.split} "
        f"(float32 {metrics.accuracy_float32:.2f} %), crop margin {written.input.crop_margin}, "
        f"temperature {written.output.temperature}, ECE {metrics.ece:.2f} %"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
