"""The network against the face at rest for a model directory: int8, with its figures on films."""

from __future__ import annotations

import dataclasses
import io
import json
import textwrap
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from edgefer.errors import EdgeferError, UsageError
from edgefer.measure.agreement import Agreement, agreement
from edgefer.models import manifest
from edgefer.models.units import UnitsAlone, UnitsManifest, UnitsRest
from edgefer.preprocess import pairs
from edgefer.recognize.rest import MOST
from edgefer.recognize.units import AGAINST, ALONE, UnitsRecognizer, both_ways, open_against, open_networks, said
from edgefer.train.data.synthetic.units import UNITS
from edgefer.train.export.models import SELF_TEST_SEEDS
from edgefer.train.export.quantise import quantisation, quantise
from edgefer.train.units import filmed, fit, relative, shots
from edgefer.train.units.shots import Shots

CALIBRATION_ROWS = 400
#: Warped faces are not people: of the units that one picture tells well on people it is heard in films too. Chosen so
#: that films of val lose little by it, and films of people agree with the teacher.
HEARD = {
    "AU12": UnitsAlone(share=0.0, clear=3.5),
    "AU25": UnitsAlone(share=0.0, clear=3.5),
    "AU26": UnitsAlone(share=0.6, shown=0.4, clear=3.5),
    "AU43": UnitsAlone(share=0.6, shown=0.4, clear=3.5),
}
#: Title of a chapter of the card.
CHAPTER = "## What it does in films"
#: Most that quantisation may add to the mean squared error of intensities, and take from F1, on val.
LOSS_MSE, LOSS_F1 = 0.03, 0.02


def trained(run: Path) -> tuple[Any, dict[str, Any]]:
    """The network of a finished run with its best weights, and its done.json.

    Raises:
        UsageError: the run is not finished.
    """
    try:
        done = json.loads((run / "done.json").read_text())
        done["processor_seconds"] = sum(
            json.loads((each / "done.json").read_text())["processor_seconds"] for each in fit.chain(run)
        )
        model = relative.build()
        model.load_weights(run / fit.WEIGHTS)
    except FileNotFoundError as error:
        raise UsageError(f"{error.filename}: not there; expected a finished run in {run}") from None
    return model, done


def networks(alone: bytes, against: bytes) -> bytes:
    """What `model.npz` holds."""
    file = io.BytesIO()
    both: dict[str, Any] = {ALONE: np.frombuffer(alone, np.uint8), AGAINST: np.frombuffer(against, np.uint8)}
    np.savez(file, **both)
    return file.getvalue()


def shipped_judged(rest: UnitsRest, model: UnitsManifest, content: bytes, held: Shots) -> list[Agreement]:
    """Agreement of the int8 network on pairs."""
    network = open_against(model, rest, content)
    read = np.stack([said(both_ways(network, one), rest.output_scale, rest.output_zero_point) for one in held.planes])
    return agreement(fit.NAMES, held.units, read[:, 1] >= 0.5, read[:, 0])


@dataclass(frozen=True)
class Films:
    """A run, and what its network is measured on.

    Attributes:
        run: finished, of `relative`. faces: folder of its pairs. data, labels: that test's films are made of.
    """

    run: Path
    faces: Path
    data: Path
    labels: Path

    def names(self) -> list[str]:
        """What the runs are called in commands, the first first."""
        count = len(fit.chain(self.run))
        return ["REST"] if count == 1 else [f"REST{number}" for number in range(1, count + 1)]

    def sets(self) -> int:
        """Of train, that were learnt from."""
        return max(trained(run)[1]["training"].get("sets", 1) for run in fit.chain(self.run))

    def goes_on(self) -> bool:
        """Whether the first run began with the network of a model directory."""
        return bool(trained(fit.chain(self.run)[0])[1]["training"].get("further"))

    def command(self) -> str:
        """What trained the run, and those that it goes on from."""
        runs, names, commands = fit.chain(self.run), self.names(), []
        for number, (run, name) in enumerate(zip(runs, names, strict=True)):
            given = trained(run)[1]["training"]
            options = [
                f" --{each.name.replace('_', '-')} {given[each.name]}"
                for each in fields(relative.RelativeTraining)
                if each.name != "further" and given.get(each.name, each.default) != each.default
            ]
            begin = f" --further {names[number - 1]}/{fit.WEIGHTS}" if number else " --further UNITS" * self.goes_on()
            commands.append(f"python -m edgefer.train.units relative FACES{begin}{''.join(options)} --out {name}")
        return " && ".join(commands)


def added(model: UnitsManifest, alone: bytes, films: Films) -> tuple[UnitsManifest, bytes, str, dict[str, Any]]:
    """A model of one network with the one of a run beside it.

    Args:
        model, alone: the network of one picture.

    Returns:
        The manifest, the content of its file, tables of films, and done.json of the run.

    Raises:
        UsageError: the run is not finished. EdgeferError: quantisation lost too much.
    """
    network, done = trained(films.run)
    train, val = shots.load(films.faces, "train", films.sets()), shots.load(films.faces, "val")
    rng = np.random.default_rng(done["training"]["seed"])
    rows = np.sort(rng.choice(len(train.units), min(CALIBRATION_ROWS, len(train.units)), replace=False))
    content = quantise(network, relative.altered(train.planes[rows], rng))
    scale, zero_point = quantisation(content)[1]
    step, zero = manifest.SKETCH_LEVELS
    turned = dataclasses.replace(val, planes=pairs.mirrored(np.asarray(val.planes)))
    outputs = [relative.predicted(network, each) for each in (val, turned)]
    exact = relative.judged(np.mean(outputs, axis=0), val)[-1]
    rest = UnitsRest(
        name=model.name,
        height=pairs.ROWS,
        width=pairs.COLUMNS,
        scale=step,
        zero_point=zero,
        value_range=((-128 - zero) * step, (127 - zero) * step),
        output_scale=scale,
        output_zero_point=zero_point,
        alone=HEARD,
        training=manifest.Training(
            data="synthetic: films of photographs of faces.zip at rest, warped along action units",
            split="train",
            rule=model.training.rule,
            rows=done["rows"]["train"],
            command=films.command(),
            seed=done["training"]["seed"],
        ),
        data=filmed.DATA,
        rows=0,
        people=0,
        self_test=(manifest.SelfTest(seed=0, output=(0,) * (2 * len(UNITS))),),
        f1=0, icc=0, pcc=0, mse=0, mae=0, f1_alone=0, icc_alone=0, mse_alone=0,
    )  # fmt: skip
    shipped = shipped_judged(rest, model, content, val)[-1]
    if shipped.mse - exact.mse > LOSS_MSE or exact.f1 - shipped.f1 > LOSS_F1:
        raise EdgeferError(
            f"export: int8 has MSE {shipped.mse:.3f} and F1 {shipped.f1:.3f} of the float network's "
            f"{exact.mse:.3f} and {exact.f1:.3f}"
        )
    done["val"] = {"float32": (exact.f1, exact.icc, exact.mse), "int8": (shipped.f1, shipped.icc, shipped.mse)}
    whole = networks(alone, content)
    model = replace(model, rest=rest)
    one, other = open_networks(model, whole)
    assert other is not None
    recognizer = UnitsRecognizer(model, one, other)
    found, others = filmed.read_all(recognizer, films.data, films.labels, "test")
    mean, apart = found.agreement(fit.NAMES)[-1], found.agreement(fit.NAMES, alone=True)[-1]
    figures = {each: round(getattr(mean, each), 4) for each in ("f1", "icc", "pcc", "mse", "mae")}
    figures |= {f"{each}_alone": round(getattr(apart, each), 4) for each in ("f1", "icc", "mse")}
    tests = tuple(
        manifest.SelfTest(seed=seed, output=other.run(manifest.self_test_input(seed, other.input_shape))[0].tolist())
        for seed in SELF_TEST_SEEDS
    )
    rest = replace(rest, rows=len(found.truth), people=found.people, self_test=tests, **figures)
    return replace(model, rest=rest), whole, filmed.words(fit.NAMES, found, others), done


def card(model: UnitsManifest, films: str, done: dict[str, Any]) -> str:
    """A chapter of the model card: what the network does in films, and what it was trained on."""
    rest = model.rest
    assert rest is not None

    def text(sentence: str) -> str:
        return textwrap.fill(" ".join(sentence.split()), 110, break_on_hyphens=False)

    heard = " ".join(
        f"Of {name} the first network is heard by a share of {each.share:g}"
        + (f" (by {each.shown:g} about whether it shows)" if each.shown is not None else "")
        + f", and believed from {each.clear:g} on where it says more."
        for name, each in rest.alone.items()
    )
    (f1, icc, mse), (f1_int8, icc_int8, mse_int8) = done["val"]["float32"], done["val"]["int8"]
    return "\n\n".join(
        [
            CHAPTER,
            text(
                f"""A second network judges a face against the same face at rest, once that is known: after a second,
                from the median of the calmer half of up to {MOST} crops, spread over the track so far. Its input: int8,
                {rest.height}x{rest.width} cells of {pairs.CELL}x{pairs.CELL} pixels of a crop whose eyes are
                {pairs.LAYOUT.eyes_px:g} pixels apart: what the crops differ in, the face at rest, the optical flow
                between them and what it leaves unexplained (`edgefer/preprocess/pairs.py`). Output as
                the other's, the mean of what it says of a face and of its mirror.
                {done["parameters"]:,} parameters. {heard}"""
            ),
            text(
                f"""Synthetic: {rest.rows} pictures of {rest.people} people in {rest.data}. After each picture comes
                one at rest, but in the row that says so."""
            ),
            films,
            text(
                f"""On pairs of val, {done["rows"]["val"]} of {done["people"]["val"]} other people, on which the epoch
                was chosen, before and after quantisation: F1 {f1:.3f} and {f1_int8:.3f}, ICC {icc:.3f} and
                {icc_int8:.3f}, MSE {mse:.3f} and {mse_int8:.3f}. Trained on {done["rows"]["train"]} pairs of
                {done["people"]["train"]} people; averaged weights of epoch {done["best_epoch"]}.
                {done["backend"]}; {done["hardware"]}; {done["processor_seconds"] / 60:.0f} minutes of one core."""
            ),
        ]
    )
