"""From a finished run to a model directory: full int8 TFLite, manifest, self-test vectors, model card.

    python -m edgefer.train.export runs/ferplus-sobel
    python -m edgefer.train.export runs/ferplus-sobel --precision float32
    python -m edgefer.train.export --calibrate edgefer/models/shipped/ferplus-sobel

The second writes a TFLite file with float input and output into the run, for other programs (edgefer's run
time takes int8 alone), and beside it as JSON what such a program must know. The third fits the temperature of
a model directory anew, and changes nothing else in it.

The weights may come from any Keras backend; the conversion runs on TensorFlow. Every figure written about the
model is measured here, on the bytes that ship, or read from the run's records. A model that loses more
accuracy, or agrees less with its network in Keras, than quantise.PRECISIONS permits is not written.
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

from edgefer import labels, recognize
from edgefer.errors import EdgeferError, UsageError
from edgefer.measure import datasets, statistics
from edgefer.models import directory as directories
from edgefer.models import manifest, store
from edgefer.models.interpreter import Interpreter
from edgefer.preprocess.crop import Preprocess
from edgefer.train import architectures, card
from edgefer.train.data import crop_margin
from edgefer.train.data.augment import augment
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.quantise import PRECISIONS, convert, quantisation, quantise
from edgefer.train.settings import Settings, build, load_data

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
    """What the converted bytes did on val, beside the network in Keras.

    Attributes:
        logits: float32, shape (N, classes), of the network that was converted.
        outputs: float32, shape (N, classes), of the converted one, dequantised.
        truth: int, shape (N,).
        before: float32, shape (N, classes), of the network before any quantisation; `logits`, unless that was
            trained with rounding.
    """

    logits: np.ndarray
    outputs: np.ndarray
    truth: np.ndarray
    before: np.ndarray

    @property
    def accuracy_before(self) -> float:
        return 100 * float((self.before.argmax(axis=1) == self.truth).mean())

    @property
    def accuracy(self) -> float:
        return 100 * float((self.outputs.argmax(axis=1) == self.truth).mean())

    @property
    def gain(self) -> statistics.Comparison:
        """Of accuracy by the quantisation, points, with its interval; mostly negative."""
        right = (x.argmax(axis=1) == self.truth for x in (self.outputs, self.before))
        return statistics.mcnemar(*right)

    @property
    def same_label(self) -> float:
        """Percent of the images on which both choose the same label."""
        return 100 * float((self.logits.argmax(axis=1) == self.outputs.argmax(axis=1)).mean())

    @property
    def logit_error(self) -> float:
        """Root mean square of the differences between the logits."""
        return float(np.sqrt(np.square(self.logits - self.outputs).mean()))

    @property
    def relative_error(self) -> float:
        """The same, as a part of the logits' standard deviation."""
        return self.logit_error / float(self.logits.std())

    def check(self, precision: str) -> None:
        """Raises: EdgeferError: more was lost than the budget of the precision permits."""
        budget = PRECISIONS[precision]
        if self.accuracy_before - self.accuracy > budget.loss:
            raise EdgeferError(
                f"export: {precision} has {self.accuracy:.2f} % of the float network's "
                f"{self.accuracy_before:.2f} % (95 % interval of the difference {self.gain.low:+.2f} to "
                f"{self.gain.high:+.2f}); at most {budget.loss} points may be lost; train on with "
                "`fit --quantisation-aware --start RUN`"
            )
        if self.same_label < budget.same_label or self.relative_error > budget.error:
            raise EdgeferError(
                f"export: {precision} and Keras choose alike on {self.same_label:.2f} % of val, their logits "
                f"differ by {self.relative_error:.4f} of their spread; expected {budget.same_label} % at "
                f"least and {budget.error} at most"
            )

    @property
    def confusion(self) -> np.ndarray:
        """Counts of the converted network's choices, rows by truth."""
        classes = self.outputs.shape[1]
        cells = self.truth * classes + self.outputs.argmax(axis=1)
        return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def export(run: Path, out: Path) -> manifest.FrameManifest:
    """Write the model directory `out` for a finished run; a directory of that name is replaced.

    Raises:
        UsageError: the run is not finished, or its data is missing. EdgeferError: quantisation lost too much.
    """
    runs, done = _read(run)
    settings = runs[-1][1]
    model = _network(*runs[-1])
    train, val = load_data(settings)
    inputs = Inputs(input_spec(settings.input, settings.size))

    content = quantise(model, representative(train.images, inputs, settings.seed))
    margin = crop_margin.measure(val.images[:MARGIN_ROWS])
    draft = _draft(out.name, runs, done, content, margin.value)
    interpreter = Interpreter(content, draft)
    outputs = dequantised(interpreter, inputs.spec, draft.output, val.images)
    measured = _measured(runs, model, outputs, inputs, val)
    measured.check("int8")
    calibrated = _calibrated(draft, measured.outputs, val.truth)
    final = replace(
        calibrated,
        metrics=replace(
            calibrated.metrics,
            rows=len(val),
            accuracy_int8=round(measured.accuracy, 2),
            accuracy_float32=round(measured.accuracy_before, 2),
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
        directories.write(place, final)
        _install(place, out)
    return directories.load(out)


def export_float(run: Path, out: Path, precision: str) -> dict:
    """Write the TFLite file `out` with float input and output, and `out` with .json, which is returned.

    Raises: as of `export`.
    """
    from ai_edge_litert.interpreter import Interpreter as LiteRT

    runs, done = _read(run)
    settings = runs[-1][1]
    if settings.quantisation_aware:
        raise UsageError(f"{run}: was trained to be int8; export {settings.start} as {precision}")
    model = _network(*runs[-1])
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
    measured = _measured(runs, model, np.array(outputs), inputs, val)
    measured.check(precision)
    spec = inputs.spec
    facts = {
        "precision": precision,
        "architecture": _described(settings),
        "input": {
            "shape": list(model.input_shape[1:]),
            "dtype": "float32",
            "planes": spec.channels,
            "value_range": spec.value_range,
        },
        "output": {
            "labels": labels.label_set(settings.labels),
            "values": "logits",
            "temperature": fit_temperature(measured.outputs, val.truth),
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
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    out.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n")
    return facts


def _read(run: Path) -> tuple[list[tuple[str, Settings]], dict]:
    """The lineage of a finished run, and its done.json."""
    try:
        return lineage(run), json.loads((run / "done.json").read_text())
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished run in {run}") from None


def _network(run: str, settings: Settings):
    """The network of a run with the weights of its best epoch."""
    model = build(settings, size=settings.size)
    model.load_weights(Path(run) / "best.weights.h5")
    return model


def _measured(runs: list, model, outputs: np.ndarray, inputs: Inputs, val: datasets.Dataset) -> Measured:
    """What a converted network gave, beside what those of Keras give."""

    def logits(network) -> np.ndarray:
        batches = (inputs.stack(val.images[i : i + 256]) for i in range(0, len(val), 256))
        return np.concatenate([np.asarray(network.predict_on_batch(x)) for x in batches])

    own = logits(model)
    before = logits(_network(*runs[-2])) if runs[-1][1].quantisation_aware else own
    return Measured(own, outputs, val.truth, before)


def representative(images: np.ndarray, inputs: Inputs, seed: int) -> np.ndarray:
    """CALIBRATION_ROWS inputs drawn from training images: float32, shape (N, H, W, C)."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(images), min(CALIBRATION_ROWS, len(images)), replace=False)
    altered = [augment(images[row], rng) for row in rows[1::2]]
    return np.concatenate([inputs.stack(images[rows[::2]]), inputs.stack(altered)])


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


def _calibrated(draft: manifest.Manifest, outputs: np.ndarray, truth: np.ndarray) -> manifest.FrameManifest:
    """The manifest with the temperature that val asks for, and the error that is left."""
    return replace(
        draft,
        output=replace(draft.output, temperature=fit_temperature(outputs, truth)),
        metrics=replace(draft.metrics, ece=round(cross_fitted_ece(outputs, truth), 2), ece_rule=ECE_RULE),
    )


def calibrate(directory: Path, val: datasets.Dataset) -> manifest.FrameManifest:
    """Fit the temperature of a model directory on val; rewrite manifest and card.

    Raises:
        ModelError: the directory is not sound. UsageError: val has not the rows its figures are of; or its
            card has no section for the calibration.
    """
    found, content = directories.read(directory)
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
        shutil.copytree(directory, place, ignore=shutil.ignore_patterns(directories.SIGNATURE_NAME))
        words = (place / CARD_NAME).read_text()
        (place / CARD_NAME).write_text(card.recalibrated(words, made))
        directories.write(place, made)
        _install(place, directory)
    return directories.load(directory)


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


def _described(settings: Settings) -> str:
    names = dict.fromkeys((settings.architecture, architectures.find(settings.architecture).title))
    return f"{': '.join(names)}, input {described(settings)}"


def _draft(name: str, runs: list, done: dict, content: bytes, margin: float) -> manifest.FrameManifest:
    """The manifest, but for what is measured with its help: temperature, metrics, self-test."""
    scale, zero_point = quantisation(content)[1]
    settings = runs[-1][1]
    votes = settings.labels == "ferplus8"
    distribution = votes and settings.rule != "majority"
    output = manifest.Output(labels=settings.labels, values="logits", scale=scale, zero_point=zero_point)
    return manifest.FrameManifest(
        name=name,
        paper=architectures.find(settings.architecture).paper,
        architecture=_described(settings),
        input=replace(input_spec(settings.input, settings.size), crop_margin=margin),
        output=output,
        training=manifest.Training(
            data="FER-2013 Training images" + (" with the votes of FER+" if votes else ""),
            split="train",
            rule=f"{done['train_rule']}; the target is "
            + ("the distribution of the votes" if distribution else "the class"),
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
        "--precision", choices=PRECISIONS, default="int8", help="all but int8 are for other programs"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="model directory to write, or file for another precision than int8; default: among the shipped "
        "models, or PRECISION.tflite in the run",
    )
    parser.add_argument("--calibrate", action="store_true", help="fit the temperature of a model anew")
    options = parser.parse_args(argv)
    name = options.run.resolve().name
    try:
        if options.precision != "int8" and not options.calibrate:
            out = options.out or options.run / f"{options.precision}.tflite"
            found = export_float(options.run, out, options.precision)["metrics"]
            print(
                f"{out}: accuracy {found['accuracy']:.2f} % on {found['rows']} rows of val (Keras "
                f"{found['accuracy_keras']:.2f} %), same label on {found['same_label']:.2f} %, logits differ "
                f"by {found['logit_error']:.2g}, ECE {found['ece']:.2f} %"
            )
            return 0
        out = options.run if options.calibrate else options.out or store.SHIPPED / name
        if options.calibrate:
            written = calibrate(out, load_data(Settings(labels=directories.load(out).output.labels))[1])
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
