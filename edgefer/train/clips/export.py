"""The clip model as a model directory: int8, measured on faces that it has not seen, with its card."""

from __future__ import annotations

import tempfile
import textwrap
from pathlib import Path
from typing import Any

import keras
import numpy as np
from msgspec.structs import replace

from edgefer.errors import EdgeferError, UsageError
from edgefer.labels import FERPLUS8
from edgefer.measure.statistics import ECE_RULE, cross_fitted_ece, fit_temperature
from edgefer.models import directory as directories
from edgefer.models import manifest
from edgefer.models.clip import ClipManifest
from edgefer.models.interpreter import Interpreter
from edgefer.preprocess.crop import Preprocess
from edgefer.train.clips import edge, haddad
from edgefer.train.clips.expression import STRIDE, Moving, Still, logits, trained
from edgefer.train.clips.films import read
from edgefer.train.clips.parameters import PRESETS
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.export.models import CARD_NAME, LICENCE, SELF_TEST_SEEDS, install
from edgefer.train.export.place import check_place
from edgefer.train.export.quantise import quantisation, quantise

PAPER = "Haddad, Lézoray, Hamel: 3D-CNN for Facial Emotion Recognition in Videos; the network is our own"
ARCHITECTURE = "edgefer-nano on each frame, then (2+1)D convolutions over ten of them"
#: Windows of each kind that set the ranges, and int8's greatest loss, points.
CALIBRATION, LOSS = 40, 1.0


class Figures:
    """What a network says of one set, float and int8, with the truth."""

    def __init__(self, name: str, before: np.ndarray, outputs: np.ndarray, truth: np.ndarray) -> None:
        self.name, self.before, self.outputs, self.truth = name, before, outputs, truth

    def percent(self, outputs: np.ndarray, rows: np.ndarray | None = None) -> float:
        hits = outputs.argmax(axis=1) == self.truth
        return 100 * float((hits if rows is None else hits[rows]).mean())


def export(run: Path, films: Path, still: Path, out: Path, seen: str = "") -> ClipManifest:
    """Write the model directory `out` for a finished training; a model of that name is replaced.

    Args:
        films: with train, val and test; still: with train and val. seen: what it says of real film, for the card.

    Raises:
        UsageError: the training is not finished, or `out` is there and no model.
        EdgeferError: quantisation lost too much.
    """
    check_place(out)
    try:
        head, done = trained(run)
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished training in {run}") from None
    frame = edge.frame_network(Path(done["frames"]))
    content = quantise(edge.window_network(frame, head), representative(films / "train", still / "train"))
    given = edge.clip_input()
    scale, zero_point = quantisation(content)[1]
    draft = ClipManifest(
        name=out.name,
        paper=PAPER,
        architecture=ARCHITECTURE,
        input=given,
        output=manifest.Output(labels="ferplus8", values="logits", scale=scale, zero_point=zero_point),
        training=manifest.Training(
            data=f"synthetic: {done['films']} films of {done['faces']['photographs']} warped photographs and "
            f"{done['faces']['drawn']} drawn faces; and {done['still_rows']} photographs of FER-2013 Training, held "
            "still, with the votes of FER+",
            split="train",
            rule=f"films: the expression whose strength passes half at the window's end; photographs: "
            f"{done['still_rule']}; the target is the distribution of the votes",
            rows=done["rows"],
            command=done["command"],
            seed=done["training"]["seed"],
        ),
        metrics=manifest.Metrics(
            split="val",
            rule="synthetic: windows of films of faces that it has not seen, every "
            f"{STRIDE}th; the expression at the window's end",
            rows=0,
            accuracy_int8=0.0,
            accuracy_float32=0.0,
            ece_rule=ECE_RULE,
        ),
        licence=manifest.Licence(
            weights=LICENCE.weights,
            training_data=f"{LICENCE.training_data}; faces.zip: research use, origin of the photographs not stated",
        ),
        self_test=(manifest.SelfTest(seed=0, output=(0,) * len(FERPLUS8)),),
    )
    interpreter = Interpreter(content, draft)
    val, test = (of_films(part, films / part, head, interpreter, draft) for part in ("val", "test"))
    photographs = of_photographs(still / "val", head, interpreter, draft)
    before, after = val.percent(val.before), val.percent(val.outputs)
    if before - after > LOSS:
        raise EdgeferError(f"export: int8 has {after:.2f} % of the float network's {before:.2f} %")
    outputs, truth = np.concatenate([val.outputs, photographs.outputs]), np.concatenate([val.truth, photographs.truth])
    final = replace(
        draft,
        output=replace(draft.output, temperature=fit_temperature(outputs, truth)),
        metrics=replace(
            draft.metrics,
            rows=len(val.truth),
            accuracy_int8=round(after, 2),
            accuracy_float32=round(before, 2),
            ece=round(cross_fitted_ece(outputs, truth, offsets=False), 2),
            ece_rule=f"{ECE_RULE}; over these windows and {len(photographs.truth)} photographs held still",
        ),
        self_test=tuple(
            manifest.SelfTest(
                seed=seed, output=interpreter.run(manifest.self_test_input(seed, interpreter.input_shape))[0].tolist()
            )
            for seed in SELF_TEST_SEEDS
        ),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as scratch:
        folder = Path(scratch) / out.name
        folder.mkdir()
        (folder / manifest.MODEL_NAME).write_bytes(content)
        clear = Moving(films / "test").clear()
        words = card(final, done, test, clear, photographs, len(content), operations(frame), seen)
        (folder / CARD_NAME).write_text(words)
        directories.write(folder, final)
        install(folder, out)
    written = directories.load(out)
    assert isinstance(written, ClipManifest)
    return written


def operations(frame: keras.Model) -> tuple[int, int]:
    """Multiply-accumulates of a window, by the network that ships and by the paper's."""
    own = edge.FRAMES * edge.operations(frame) + edge.operations(edge.edge(len(FERPLUS8), batch=1))
    return own, edge.operations(haddad.build(PRESETS["ckplus"], 7))


def representative(films: Path, still: Path, seed: int = 1) -> np.ndarray:
    """Windows of train, half of films and half of photographs held still: float32 (N, 480, 48, 3)."""
    rng, inputs = np.random.default_rng(seed), Inputs(input_spec(edge.CHANNELS, edge.SIDE))
    taken, held = read(films).frames, np.load(still / "frames.npy", mmap_mode="r")
    windows = []
    for _ in range(CALIBRATION):
        first = int(rng.integers(taken.shape[1] - edge.FRAMES + 1))
        windows.append(taken[int(rng.integers(len(taken))), first : first + edge.FRAMES])
        windows.append(held[int(rng.integers(len(held)))][rng.integers(held.shape[1], size=edge.FRAMES)])
    return np.stack([inputs.stack(window).reshape(-1, edge.SIDE, edge.PLANES) for window in windows])


def of_films(name: str, path: Path, head: keras.Model, interpreter: Interpreter, model: ClipManifest) -> Figures:
    """What the network says of the windows of a part that are judged."""
    moving = Moving(path)
    film, first = moving.judged()
    frames = moving.films.frames
    crops = (frames[f, at : at + edge.FRAMES] for f, at in zip(film.tolist(), first.tolist(), strict=True))
    truth = moving.truth()
    said = [dequantised(window, interpreter, model) for window in crops]
    return Figures(name, logits(head, moving, len(truth)), np.array(said), truth)


def of_photographs(path: Path, head: keras.Model, interpreter: Interpreter, model: ClipManifest) -> Figures:
    """What it says of photographs held still."""
    still, frames = Still(path), np.load(path / "frames.npy", mmap_mode="r")
    said = [
        dequantised(np.repeat(frames[row, :1], edge.FRAMES, axis=0), interpreter, model) for row in range(len(frames))
    ]
    return Figures("photographs", logits(head, still, len(still.truth)), np.array(said), still.truth)


def dequantised(crops: np.ndarray, interpreter: Interpreter, model: ClipManifest) -> np.ndarray:
    """Logits of the int8 network for a window of crops, through the runtime's own preprocessing."""
    preprocess = Preprocess(model.input)
    tensor = np.concatenate([preprocess(crop).copy() for crop in crops], axis=1)
    return (interpreter.run(tensor)[0].astype(np.float32) - model.output.zero_point) * np.float32(model.output.scale)


def card(
    model: ClipManifest,
    done: dict[str, Any],
    test: Figures,
    clear: np.ndarray,
    photographs: Figures,
    size: int,
    counts: tuple[int, int],
    seen: str,
) -> str:
    """What the model is, what it was made from, what it does and what it must not be used for."""

    def text(words: str) -> str:
        return textwrap.fill(" ".join(words.split()), 110, break_on_hyphens=False)

    given, metrics = model.input, model.metrics
    figures = [
        ("synthetic films, val faces", metrics.accuracy_int8, metrics.accuracy_float32, metrics.rows),
        ("synthetic films, test faces", test.percent(test.outputs), test.percent(test.before), len(test.truth)),
        (
            "of these, at rest or an expression fully shown",
            test.percent(test.outputs, clear),
            test.percent(test.before, clear),
            int(clear.sum()),
        ),
        (
            "FER-2013 val, each photograph held still",
            photographs.percent(photographs.outputs),
            photographs.percent(photographs.before),
            len(photographs.truth),
        ),
    ]
    rows = "\n".join(
        f"| {words} | {int8:.2f} % | {float32:.2f} % | {count} |" for words, int8, float32, count in figures
    )
    commands = [done["command"], "python -m edgefer.train.clips export RUN --films FILMS --still STILL --out DIR"]
    return (
        "\n\n".join(
            [
                f"# {model.name}: expression over time, learnt from *synthetic* films",
                text(
                    f"""Reads the expression at the end of {given.frames / given.rate_hz:g} s of a face:
                {", ".join(model.labels)}. Its movements were learnt from films that are *synthetic*: photographs and
                drawn faces, warped along action units. What real expressions look like it knows from photographs,
                held still. Paper: {model.paper}."""
                ),
                text(
                    f"""Input: int8, {given.frames} frames of {given.height}x{given.width}, {given.channels}, one
                below the other, {given.rate_hz:g} a second of media time. Output: int8 logits. Network:
                {model.architecture}; {size / 1024:.0f} KiB, weights and activations int8, 2-D convolutions alone.
                {counts[0] / 1e6:.0f} million multiplications a window, {counts[1] / counts[0]:.0f} times fewer than the
                paper's {counts[1] / 1e9:.1f} thousand million."""
                ),
                text(
                    f"""A window ends at the last tenth of a second, so what is judged is 50 ms old on average and
                100 ms at most, and smoothing adds its lag. Nothing is said before the first window is whole. Faces
                below {given.min_face_px:g} px are not judged; photographs are refused."""
                ),
                "## What it does",
                f"| windows of | int8 | float32 | rows |\n|---|---|---|---|\n{rows}",
                text(
                    f"""The step of the training was chosen on the val faces and on FER-2013 val, so these flatter a
                little; the test faces are in no choice. A window in which an expression begins or ends counts by
                whether it has passed half of its strength. Temperature {model.output.temperature}, fitted on val;
                expected
                calibration error {metrics.ece:.2f} %: {metrics.ece_rule}."""
                ),
                *(["## On real film", seen.strip()] if seen.strip() else []),
                "## What it was trained on",
                text(
                    f"""{model.training.data}. Rule: {model.training.rule}. Licence of the data:
                {model.licence.training_data}. Licence of the weights: {model.licence.weights}. The frame network is
                that of edgefer-nano, as it was trained; only what mixes frames was learnt here: {done["steps"]} steps
                of {done["training"]["batch"]} windows, {done["processor_seconds"] / 60:.0f} minutes of one core,
                averaged weights of step {done["best_step"]}."""
                ),
                "\n".join(f"    {each}" for each in commands),
                "## Limits",
                text(
                    """Warped faces move less than people do: no laugh, no turn of the head beyond a few degrees, no
                glasses, no speech. So these figures say that it reads order and time, not how well it reads people; for
                the expression of a face in a picture, `edgefer-s` is better. Labels are judgements of appearance;
                they do not tell what a person feels. Who is in the pictures is not recorded, so nothing can be said
                about how accuracy differs by age, skin colour or gender. Not for decisions about people. Inferring
                emotions at work or in education is prohibited in the EU (AI Act Art. 5(1)(f))."""
                ),
            ]
        )
        + "\n"
    )
