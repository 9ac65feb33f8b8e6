"""Our own network as a model directory of the kind `units`: int8, measured, with its card."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from edgefer.errors import EdgeferError, UsageError
from edgefer.measure.agreement import SHOWN, Agreement, always_zero, table
from edgefer.models import directory as directories
from edgefer.models import manifest
from edgefer.models.units import UnitsInput, UnitsManifest, UnitsMetrics, UnitsOutput
from edgefer.recognize.units import ALONE, open_alone
from edgefer.train.data.synthetic.units import UNITS
from edgefer.train.export.models import CARD_NAME, SELF_TEST_SEEDS, install
from edgefer.train.export.place import check_place
from edgefer.train.export.quantise import quantisation, quantise
from edgefer.train.units import against, fit
from edgefer.train.units.fit import chain
from edgefer.train.units.material import LAYOUT, Rows

PAPER = (
    "Breuer, Kimmel: A Deep Learning Perspective on the Origin of Facial Expressions (heads of occurrence and "
    "intensity); the network is our own"
)
CALIBRATION_ROWS = 400
#: The convolutions began as those of the landmark network, so what it has learnt from counts as well.
LICENCE = manifest.Licence(
    weights="MIT, as far as the terms of the training images, which are not stated, allow",
    training_data="face photographs: repository Apache-2.0, origin not stated, research use; FER-2013 pixels (of the "
    "landmark network that it began with): research use, original terms unstated; the teachers, MediaPipe Face "
    "Landmarker and blendshapes v2: Apache-2.0, Google; the offsets of the landmarks were measured on HELEN labels "
    "(iBUG 300-W: research use; excludes commercial use), no weight was",
)
#: Most that quantisation may add to the mean squared error of intensities, and take from F1.
LOSS_MSE, LOSS_F1 = 0.03, 0.02
#: Title of a chapter of the card.
PICTURE = "## What it does with one picture"
DATA = "photographs of faces at rest, warped along their action units at any strength; none of these people in training"


def trained(run: Path) -> tuple[Any, dict[str, Any]]:
    """The network of a finished run with its best weights, and its done.json.

    Raises:
        UsageError: the run is not finished.
    """
    from edgefer.train.units import network

    try:
        done = json.loads((run / "done.json").read_text())
        model = network.build()
        model.load_weights(run / fit.WEIGHTS)
        done["processor_seconds"] = sum(
            json.loads((each / "done.json").read_text())["processor_seconds"] for each in chain(run)
        )
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished run in {run}") from None
    return model, done


def outputs(model: Any, rows: Rows) -> np.ndarray:
    """Of the float network, float32 (N, 2 * units)."""
    return np.asarray(model.predict(fit.real_values(fit.middle(rows.crops)), 256, verbose=0))


def shipped_outputs(content: bytes, draft: UnitsManifest, rows: Rows) -> np.ndarray:
    """Of the int8 network, dequantised."""
    network = open_alone(draft, content)
    levels = [
        network.run((crop ^ np.uint8(128)).view(np.int8)[None, :, :, None])[0]
        for crop in map(np.ascontiguousarray, fit.middle(rows.crops))
    ]
    return (np.array(levels, np.float32) - draft.output.zero_point) * np.float32(draft.output.scale)


def export(
    run: Path, out: Path, parts: dict[str, Rows], command: str, rest: against.Films | None = None
) -> tuple[UnitsManifest, str]:
    """Write the model directory `out` for a finished run; a model of that name is replaced.

    Args:
        parts: made_train and real_train, which set the ranges of the activations; made_test and real_test, measured
            on; made_val, measured as well.
        command: that trained the run.
        rest: the network against the face at rest that goes with it, and what it is measured on.

    Returns:
        The manifest, and the tables of units.

    Raises:
        UsageError: the run is not finished, or `out` is there and no model. EdgeferError: quantisation lost too much.
    """
    check_place(out)
    model, done = trained(run)
    content = quantise(model, _representative(parts))
    scale, zero_point = quantisation(content)[1]
    step, zero = manifest.SKETCH_LEVELS
    made, real = parts["made_test"], parts["real_test"]
    draft = UnitsManifest(
        name=out.name,
        paper=PAPER,
        architecture="plain 3x3 convolutions, residual, on an aligned crop; one layer for two heads",
        input=UnitsInput(
            height=LAYOUT.height,
            width=LAYOUT.width,
            scale=step,
            zero_point=zero,
            value_range=((-128 - zero) * step, (127 - zero) * step),
            eyes_px=LAYOUT.eyes_px,
            eyes_y=LAYOUT.eyes_y,
        ),
        output=UnitsOutput(units=UNITS, shown=SHOWN, scale=scale, zero_point=zero_point),
        training=manifest.Training(
            data="synthetic: photographs of faces.zip at rest, warped along action units; and all photographs of it, "
            "with what MediaPipe's blendshapes say of them",
            split="train",
            rule="of the order of names, every twentieth is val and every twentieth between them test",
            rows=done["rows"]["made_train"] + done["rows"]["real_train"],
            command=command,
            seed=done["training"]["seed"],
        ),
        metrics=UnitsMetrics(
            data=DATA, rows=0, people=0, f1=0, icc=0, pcc=0, mse=0, mae=0, f1_zero=0, icc_zero=0, mse_zero=0,
            mae_zero=0, f1_float32=0, icc_float32=0, mse_float32=0, teacher="MediaPipe face blendshapes v2",
            real_rows=0, real={},
        ),
        licence=LICENCE,
        self_test=(manifest.SelfTest(seed=0, output=(0,) * (2 * len(UNITS))),),
    )  # fmt: skip
    network = open_alone(draft, content)
    exact = fit.judge_made(outputs(model, made), made)[-1]
    rows = fit.judge_made(shipped_outputs(content, draft, made), made)
    shipped, none = rows[-1], always_zero(fit.NAMES, made.units)
    if shipped.mse - exact.mse > LOSS_MSE or exact.f1 - shipped.f1 > LOSS_F1:
        raise EdgeferError(
            f"export: int8 has MSE {shipped.mse:.3f} and F1 {shipped.f1:.3f} of the float network's "
            f"{exact.mse:.3f} and {exact.f1:.3f}"
        )
    told = fit.judge_real(shipped_outputs(content, draft, real), real)
    final = replace(
        draft,
        metrics=UnitsMetrics(
            data=DATA,
            rows=len(made.crops),
            people=len(set(made.names.tolist())),
            teacher=draft.metrics.teacher,
            real_rows=len(real.crops),
            real={name: round(value, 3) for name, value in told.items()},
            **_rounded("", shipped, ("f1", "icc", "pcc", "mse", "mae")),
            **_rounded("_zero", none[-1], ("f1", "icc", "mse", "mae")),
            **_rounded("_float32", exact, ("f1", "icc", "mse")),
        ),
        self_test=tuple(
            manifest.SelfTest(
                seed=seed, output=network.run(manifest.self_test_input(seed, network.input_shape))[0].tolist()
            )
            for seed in SELF_TEST_SEEDS
        ),
    )
    chosen = fit.judge_made(shipped_outputs(content, draft, parts["made_val"]), parts["made_val"])[-1]
    words, chapter, name, size = table(rows, none), "", manifest.MODEL_NAME, len(content)
    if rest is not None:
        final, content, films, its = against.added(final, content, rest)
        chapter, name, words = against.card(final, films, its), final.network, f"{words}\n\n{films}"
    _install(out, final, name, content, card(final, done, table(rows, none), chosen, size, chapter))
    return final, words


def export_rest(kept: Path, out: Path, films: against.Films) -> tuple[UnitsManifest, str]:
    """Write a model directory with another network against the face at rest; that of one picture stays.

    Args:
        kept: a model directory of both networks. out, films: as for `export`.

    Returns:
        The manifest, and the tables of films.

    Raises:
        ModelError: the directory is refused. UsageError: it has no such networks, or the run is not finished.
        EdgeferError: quantisation lost too much.
    """
    check_place(out)
    model, both = directories.read(kept)
    if not isinstance(model, UnitsManifest) or model.rest is None:
        raise UsageError(f"{kept}: expected a model of the kind units with a network against the face at rest")
    with np.load(io.BytesIO(both), allow_pickle=False) as file:
        alone = file[ALONE].tobytes()
    sets = f" --sets {films.sets()}" if films.sets() > 1 else ""
    commands = [
        re.sub(r"(units make .*?--out FACES).*", rf"\1{sets}", each)
        for each in model.training.command.split(" && ")
        if " relative " not in each or films.goes_on()
    ]
    commands[-1] = re.sub(r"--rest \S+", f"--rest {films.names()[-1]}", commands[-1])
    command = " && ".join([*commands[:-1], films.command(), commands[-1]])
    words = directories.content(kept, CARD_NAME).decode()
    final, content, tables, its = against.added(
        replace(model, rest=None, training=replace(model.training, command=command)), alone, films
    )
    first, _, later = words.partition(against.CHAPTER)
    _, _, later = later.partition(PICTURE)
    before, _, after = later.partition("\n\n    python -m ")
    listed = "\n".join(f"    {each}" for each in command.split(" && "))
    after = after[after.index("\n\n") :]
    text = f"{first}{against.card(final, tables, its)}\n\n{PICTURE}{before}\n\n{listed}{after}"
    _install(out, final, final.network, content, text)
    return final, tables


def _install(out: Path, model: UnitsManifest, name: str, content: bytes, words: str) -> None:
    """Puts a model directory in place, whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as scratch:
        folder = Path(scratch) / out.name
        folder.mkdir()
        (folder / name).write_bytes(content)
        (folder / CARD_NAME).write_text(words)
        directories.write(folder, model)
        install(folder, out)


def _rounded(suffix: str, row: Agreement, fields: tuple[str, ...]) -> dict[str, Any]:
    return {f"{field}{suffix}": round(getattr(row, field), 4) for field in fields}


def _representative(parts: dict[str, Rows]) -> np.ndarray:
    """Altered crops of train, as the network sees them in training."""
    training = dataclasses.replace(fit.UnitsTraining(), batch=CALIBRATION_ROWS)
    return next(fit.batches(parts["made_train"], parts["real_train"], training, 0))[0]


def card(model: UnitsManifest, done: dict[str, Any], words: str, val: Agreement, size: int, chapter: str = "") -> str:
    """What the model is, what it was made from, what it does and what it must not be used for; chapter: on films."""

    def text(sentence: str) -> str:
        return textwrap.fill(" ".join(sentence.split()), 110, break_on_hyphens=False)

    metrics, people = model.metrics, done["people"]
    real = "\n".join(f"| {name} | {value:.3f} |" for name, value in metrics.real.items())
    names = ", ".join(model.units)
    return (
        "\n\n".join(
            [
                f"# {model.name}: learnt from synthetic faces, and real ones that another network labelled",
                text(
                    f"""Reads the action units of a face: {names}; of each its intensity, 0 to 5 (FACS's A to E are 1 to
                    5), and the probability that it shows at all, which means an intensity of at least
                    {model.output.shown:g}. Left and right are not told apart. Paper: {model.paper}."""
                ),
                text(
                    f"""Input: int8, {model.input.height}x{model.input.width}, grey, upright, the outer corners of the
                    eyes {model.input.eyes_px:g} pixels apart; 68 landmarks place it
                    (`edgefer/preprocess/aligned.py`). Output: int8, {len(model.units)} logits and
                    {len(model.units)} intensities. {done["parameters"]:,} parameters, {size / 1024:.0f} KiB. Its
                    convolutions began as those of edgefer-landmarks and went on learning."""
                ),
                *([chapter] if chapter else []),
                PICTURE,
                text(
                    f"""Synthetic: {metrics.rows} pictures of {metrics.people} people who are not in training:
                    {metrics.data}. Most units do not show in most pictures, so one who always says zero scores well
                    by MSE: see the last columns."""
                ),
                words,
                text(
                    f"""Before quantisation F1 {metrics.f1_float32:.3f}, ICC {metrics.icc_float32:.3f}, MSE
                    {metrics.mse_float32:.3f} in the mean. On val, {val.rows} pictures of {people["made_val"]} other
                    people, of whose photographs no network here learnt anything, but on which the epoch was chosen:
                    F1 {val.f1:.3f}, ICC {val.icc:.3f}, MSE {val.mse:.3f}. The network whose convolutions it began
                    with had seen the photographs of the test people, with their landmarks."""
                ),
                f"Real faces: {metrics.real_rows} photographs, none in training. Correlation with {metrics.teacher}:",
                f"| unit | correlation |\n|---|---:|\n{real}",
                text(
                    """AU25's is with the gap of the lips. That is agreement with a network that itself guesses from
                    points of a face; nobody coded these photographs. The teacher says nothing of AU6, AU7 and AU9:
                    of them this network knows only warped faces."""
                ),
                "## What it was trained on",
                text(
                    f"""{done["rows"]["made_train"]} made pictures of {people["made_train"]} people and
                    {done["rows"]["real_train"]} of {people["real_train"]} real photographs. Licence of the data:
                    {model.licence.training_data}. Licence of the weights: {model.licence.weights}. Averaged weights
                    of epoch {done["best_epoch"]} of the last run. {done["backend"]}; {done["hardware"]}; {
                        done["processor_seconds"] / 60:.0f} minutes of one core."""
                ),
                "\n".join(f"    {each}" for each in model.training.command.split(" && ")),
                "## Limits",
                text(
                    """A warp moves skin as the landmarks go and darkens some lines; real skin bulges, folds and shades
                    in other ways, so figures on made faces say little about real ones. A photograph does not tell
                    how a face looks at rest: raised brows may be its own. Who is in the pictures is not recorded,
                    so nothing can be said about how errors differ by age, skin colour or gender. Units are
                    movements, not feelings. Not for decisions about people. Inferring emotions at work or in
                    education is prohibited in the EU (AI Act Art. 5(1)(f))."""
                ),
            ]
        )
        + "\n"
    )
