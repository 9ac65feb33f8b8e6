"""Our own network as a model directory of the kind `sketch`: int8, measured on val, with its card."""

from __future__ import annotations

import dataclasses
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from edgefer.errors import EdgeferError, UsageError
from edgefer.labels import COSTACHE4
from edgefer.measure.statistics import ECE_RULE, calibrated, cross_fitted_ece, fit_offsets
from edgefer.models import directory as directories
from edgefer.models import manifest
from edgefer.models.interpreter import Interpreter
from edgefer.preprocess.sketch import SketchTensor
from edgefer.train.export.models import CALIBRATION_ROWS, CARD_NAME, LICENCE, SELF_TEST_SEEDS, install
from edgefer.train.export.place import check_place
from edgefer.train.export.quantise import PRECISIONS, quantisation, quantise
from edgefer.train.sketch.own import OwnTraining, batches, settings_of, trained
from edgefer.train.sketch.rows import LABELS, Faces, sketches

PAPER = "Costache, Popescu: Emotion Sketches: Facial Expression Recognition in Diversity Groups; the network is our own"


def export(run: Path, out: Path, train: Faces, val: Faces, others: dict[str, Faces]) -> manifest.SketchManifest:
    """Write the model directory `out` for a finished run; a model of that name is replaced.

    Args:
        train: rows that set the ranges of the activations.
        val: rows that it is measured on.
        others: val by the landmarks of other networks, by the words for them; measured for the card.

    Raises:
        UsageError: the run is not finished, or `out` is there and no model. EdgeferError: quantisation lost too much.
    """
    check_place(out)
    try:
        model, done = trained(run)
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished run in {run}") from None
    training = settings_of(run)
    side = model.input_shape[1]
    content = quantise(model, _representative(train, training))
    scale, zero_point = quantisation(content)[1]
    low, high = ((level - manifest.SKETCH_LEVELS[1]) * manifest.SKETCH_LEVELS[0] for level in (-128, 127))
    draft = manifest.SketchManifest(
        name=out.name,
        paper=PAPER,
        architecture="five 3x3 convolutions, four of them at stride 2, and one dense layer on emotion sketches",
        input=manifest.SketchInput(
            height=side,
            width=side,
            upright=training.upright,
            scale=manifest.SKETCH_LEVELS[0],
            zero_point=manifest.SKETCH_LEVELS[1],
            value_range=(low, high),
        ),
        output=manifest.Output(labels=LABELS, values="logits", scale=scale, zero_point=zero_point),
        training=manifest.Training(
            data="FER-2013 Training images with the votes of FER+; landmarks by the networks that the command names",
            split="train",
            rule=f"{done['train_rule']}; the target is the distribution of the votes over the four classes",
            rows=done["train_rows"],
            command=command(training, run),
            seed=training.seed,
        ),
        metrics=manifest.Metrics(
            split="val",
            rule=f"{done['val_rule']}; rows byte-equal to a train row are left out",
            rows=len(val),
            accuracy_int8=0.0,
            accuracy_float32=0.0,
            ece_rule=ECE_RULE,
        ),
        licence=LICENCE,
        self_test=(manifest.SelfTest(seed=0, output=(0,) * len(COSTACHE4)),),
    )
    interpreter = Interpreter(content, draft)
    before = np.asarray(model.predict(sketches(val.points, side, training.upright), 256, verbose=0))
    outputs = dequantised(interpreter, draft, val)
    exact, rounded = (100 * float((each.argmax(axis=1) == val.truth).mean()) for each in (before, outputs))
    if exact - rounded > PRECISIONS["int8"].loss:
        raise EdgeferError(f"export: int8 has {rounded:.2f} % of the float network's {exact:.2f} %")
    temperature, offsets = fit_offsets(outputs, val.truth)
    shipped = 100 * float((calibrated(outputs, temperature, offsets).argmax(axis=1) == val.truth).mean())
    final = replace(
        draft,
        output=replace(draft.output, temperature=temperature, offsets=offsets),
        metrics=replace(
            draft.metrics,
            accuracy_int8=round(shipped, 2),
            accuracy_float32=round(exact, 2),
            ece=round(cross_fitted_ece(outputs, val.truth), 2),
        ),
        self_test=tuple(
            manifest.SelfTest(
                seed=seed, output=interpreter.run(manifest.self_test_input(seed, interpreter.input_shape))[0].tolist()
            )
            for seed in SELF_TEST_SEEDS
        ),
    )
    further = {words: accuracy(interpreter, final, faces) for words, faces in others.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as scratch:
        folder = Path(scratch) / out.name
        folder.mkdir()
        (folder / manifest.MODEL_NAME).write_bytes(content)
        (folder / CARD_NAME).write_text(card(final, done, outputs, val, further, len(content), run))
        directories.write(folder, final)
        install(folder, out)
    written = directories.load(out)
    assert isinstance(written, manifest.SketchManifest)
    return written


def command(training: OwnTraining, run: Path) -> str:
    """That repeats a run, after those of the runs it started from."""
    words = [f"python -m edgefer.train.sketch own --out {run} --landmarks {' '.join(training.landmarks)}"]
    usual = OwnTraining(())
    for name in ("rule", "start", "epochs", "stop", "batch", "rate", "dropout", "average", "weight_decay", "seed"):
        if getattr(training, name) != getattr(usual, name):
            words.append(f"--{name.replace('_', '-')} {getattr(training, name)}")
    own = " ".join(words if training.upright else [*words, "--no-upright"])
    if not training.start:
        return own
    before = Path(training.start)
    return f"{command(settings_of(before), before)} && {own}"


def dequantised(interpreter: Interpreter, model: manifest.SketchManifest, faces: Faces) -> np.ndarray:
    """Logits of the int8 network, drawn as the runtime draws: float32, shape (N, 4)."""
    tensor = SketchTensor(model.input.height, model.input.upright)
    levels = []
    for points in faces.points:
        tensor(points)
        levels.append(interpreter.run(tensor.tensor)[0])
    return (np.array(levels, np.float32) - model.output.zero_point) * np.float32(model.output.scale)


def accuracy(interpreter: Interpreter, model: manifest.SketchManifest, faces: Faces) -> tuple[float, int]:
    """Percent, and rows."""
    said = calibrated(dequantised(interpreter, model, faces), model.output.temperature, model.output.offsets)
    return 100 * float((said.argmax(axis=1) == faces.truth).mean()), len(faces)


def _representative(train: Faces, training: OwnTraining) -> np.ndarray:
    """Sketches of train, half of them altered."""
    chosen = np.random.default_rng(training.seed).choice(len(train), CALIBRATION_ROWS // 2, replace=False)
    some = train.take(chosen)
    plain = sketches(some.points, 64, training.upright)
    other = np.concatenate(
        [x for x, _ in batches([some.points], some.votes, dataclasses.replace(training, batch=50), 0)]
    )
    return np.concatenate([plain, other])


def card(
    model: manifest.SketchManifest,
    done: dict[str, Any],
    outputs: np.ndarray,
    val: Faces,
    further: dict[str, tuple[float, int]],
    size: int,
    run: Path,
) -> str:
    """What the model is, what it was made from, what it does and what it must not be used for."""

    def text(words: str) -> str:
        return textwrap.fill(" ".join(words.split()), 110, break_on_hyphens=False)

    counts = np.zeros((len(COSTACHE4), len(COSTACHE4)), int)
    output = model.output
    np.add.at(counts, (val.truth, calibrated(outputs, output.temperature, output.offsets).argmax(axis=1)), 1)
    table = [f"| truth \\ taken for | rows | right | {' | '.join(COSTACHE4)} |", "|---" * (len(COSTACHE4) + 3) + "|"]
    for name, row, own in zip(COSTACHE4, counts, counts.diagonal(), strict=True):
        table.append(f"| {name} | {row.sum()} | {100 * own / row.sum():.0f} % | {' | '.join(map(str, row))} |")
    metrics = model.metrics
    figures = [
        ("as shipped, int8 with offsets", metrics.accuracy_int8, metrics.rows),
        ("int8 without offsets", 100 * float((outputs.argmax(axis=1) == val.truth).mean()), metrics.rows),
        ("before quantisation, float32", metrics.accuracy_float32, metrics.rows),
        *((words, *figure) for words, figure in further.items()),
        ("the commonest class alone", done["val_commonest"], metrics.rows),
    ]
    rows = "\n".join(f"| {words} | {share:.2f} % | {count} |" for words, share, count in figures)
    return (
        "\n\n".join(
            [
                f"# {model.name}",
                text(
                    f"""Reads the facial expression of a face from its emotion sketch: {", ".join(COSTACHE4)}. Positive
                is happiness; negative is anger, disgust and sadness; awe is fear and surprise.
                Paper: {model.paper}."""
                ),
                text(
                    f"""Input: int8, {model.input.height}x{model.input.width}, one plane, drawn from 68 landmarks by
                `edgefer/preprocess/sketch.py`{", with the eyes levelled first" if model.input.upright else ""}.
                Output: int8 logits. {model.architecture[0].upper()}{model.architecture[1:]};
                {done["parameters"]:,} parameters, {size / 1024:.0f} KiB, weights and
                activations int8."""
                ),
                "## What it does",
                f"| on val, 4 classes | accuracy | rows |\n|---|---|---|\n{rows}",
                text(
                    f"""Rows: {done["val_counts"]}. Rule: {metrics.rule}. The epoch was chosen on these rows, so they
                flatter the model a little. No test row was read. A score is meant as the
                chance that the label is right; its temperature {output.temperature} and its offsets
                ({", ".join(f"{each:+.2f}" for each in output.offsets)} nats) were fitted on val; the expected
                calibration error is {metrics.ece:.2f} %: {metrics.ece_rule}."""
                ),
                "\n".join(table),
                "## What it was trained on",
                text(
                    f"""{model.training.data}. Rows: {done["train_counts"]}. Rule: {model.training.rule}. Licence of
                the data: {model.licence.training_data}. Licence of the weights:
                {model.licence.weights}. The landmarks are altered at random before each sketch
                is drawn, as `edgefer/train/sketch/own.py` says. Averaged weights of epoch
                {done["best_epoch"]}. {done["backend"]}; {done["hardware"]};
                {done["processor_seconds"] / 60:.0f} minutes of one core."""
                ),
                "\n".join(
                    f"    {each}"
                    for each in (
                        *model.training.command.split(" && "),
                        f"python -m edgefer.train.sketch export {run} --landmarks {done['training']['landmarks'][0]}",
                    )
                ),
                "## Limits",
                text(
                    """A sketch has no wrinkles, teeth or shades: anger and sadness lie close to neutral in it. It is
                no better than the landmarks it is drawn from. Labels are ten people's
                judgements of how a face looks in one picture; they do not tell what a person
                feels. Who is in the pictures is not recorded, so nothing can be said about how
                accuracy differs by age, skin colour or gender. Not for decisions about people.
                Inferring emotions at work or in education is prohibited in the EU (AI Act Art.
                5(1)(f))."""
                ),
            ]
        )
        + "\n"
    )
