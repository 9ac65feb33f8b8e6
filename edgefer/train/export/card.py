"""The model card: what a model is, what it was made from, what it does and what it must not be used for."""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

import numpy as np

from edgefer.errors import UsageError
from edgefer.models.manifest import FrameManifest
from edgefer.train import architectures
from edgefer.train.export.measured import Margin, Measured
from edgefer.train.recipes import Runs, export_step
from edgefer.train.settings import TrainingSettings

#: How what `recalibrated` rewrites begins.
_CALIBRATION, _OUTPUT = "## Calibration", "* Output: "
_EPOCH = "The epoch was chosen on these rows"
_SHIPPED, _BEFORE, _TAKEN = "| as shipped, int8", "| before quantisation, float32 |", "| truth \\ taken for |"


class Origin(NamedTuple):
    """Where the pictures of a training and their labels come from, in the words of cards and manifests.

    Attributes:
        data: what a model learnt from; empty where it is known by its path alone.
        judged: who chose the labels.
        pictures: where they were found.
    """

    data: str
    judged: str
    pictures: str


_FER_PICTURES = "The pictures come from web searches."
_VOTES = Origin(
    "FER-2013 Training images with the votes of FER+",
    "Labels are ten people's judgements of how a face looks in one picture.",
    _FER_PICTURES,
)
_EMOTIONS = Origin(
    "FER-2013 Training images",
    "Labels are FER-2013's own, one judgement of how a face looks in one picture, not the votes of several people.",
    _FER_PICTURES,
)
_OTHERS = Origin(
    "", "Labels are judgements of how a face looks in one picture.", "Where the pictures come from is not stated."
)


def origin_of(rule: str) -> Origin:
    """Told by the rule that says which rows of the data count."""
    return _VOTES if rule.startswith("FER+") else _EMOTIONS if rule.startswith("FER-2013") else _OTHERS


def render(
    manifest: FrameManifest,
    lineage: Runs,
    done: dict,
    measured: Measured,
    margin: Margin,
    model_bytes: int,
    chosen: str = "",
) -> str:
    """The card as Markdown.

    Args:
        manifest: complete but for the hashes.
        lineage: directory and settings of each run that led to the weights, first to last.
        done: the last run's done.json.
        measured: on val.
        model_bytes: size of model.tflite.
        chosen: of the run that the last one went on from, in words, where it is the best of several.
    """
    figures, spec, training = manifest.metrics, manifest.input, manifest.training
    run, settings = lineage[-1]
    keras = "Keras, with rounding," if settings.quantisation_aware else "Keras"
    module = architectures.find(settings.architecture).module
    stages = ", then ".join(_stages(settings) for _, settings in lineage)
    gain = measured.gain
    export = export_step(run)
    origin = origin_of(training.rule)
    low, median, high = margin.quartiles
    right, down = margin.shift
    return "\n\n".join(
        [
            f"# {manifest.name}",
            _text(f"Reads the facial expression of one face crop: {', '.join(manifest.labels)}."),
            _list(
                f"""Architecture: {manifest.architecture}. Paper: {manifest.paper}. What it takes from where,
                and with which departures, stands at the top of `edgefer/train/architectures/{module}.py`.""",
                f"""Input: int8, {spec.height}x{spec.width}, planes {spec.channels}, as
                `edgefer/preprocess/crop.py` makes them.""",
                _output(manifest),
                f"Size: {model_bytes / 1024:.0f} KiB; weights and activations are int8.",
            ),
            "## What it does",
            f"| on {figures.split}, {figures.rows} rows | accuracy |\n|---|---|\n"
            f"{_shipped(manifest, measured)}\n{_BEFORE} {figures.accuracy_float32:.2f} % |",
            _text(
                f"""Quantisation moves accuracy by {gain.difference:+.2f} points (95 % interval
                {gain.low:+.2f} to {gain.high:+.2f}). As shipped and in {keras} the network chooses the same
                label on {measured.same_label:.2f} % of the rows; the logits differ by
                {measured.logit_error:.3f} (root mean square). {_flattered(chosen)} No test row was read."""
            ),
            _text(f"Rows: {done['val_counts']}. Rule: {figures.rule}."),
            _confusion(measured.confusion, manifest.labels),
            calibration(manifest),
            "## What it was trained on",
            _text(
                f"""{training.data}. Rows: {done["train_counts"]}. Rule: {training.rule}. Licence of the data:
                {manifest.licence.training_data}. Licence of the weights: {manifest.licence.weights}."""
            ),
            _text(
                f"""Images are altered at random as `edgefer/train/data/augment.py` says: mirrored, moved,
                scaled, turned, softened or sharpened, relit, partly hidden. {stages}. The averaged weights of
                epoch {done["best_epoch"]} of the last run were the best. Seed {settings.seed}.
                {done["backend"]}; {done["hardware"]}; {done["seconds"] / 60:.0f} minutes of wall time."""
            ),
            "\n".join(f"    {command}" for command in (*training.command.split(" && "), export)),
            _text(
                """The seed decides the batches. Rounding differs between machines and numbers of threads, so
                a repeated run comes near these weights, not bit for bit to them."""
            ),
            "## Crop",
            _text(
                f"""The runtime's Haar detector, at its defaults, searched {margin.rows} of the val images
                (enlarged and framed by their repeated edges) and found {margin.found} faces. The margin that
                turns its box into the training crop has the median {median:.3f} and the quartiles {low:.3f}
                and {high:.3f} of the box's side; the crop's middle lies {right:+.3f} to the right of the
                box's and {down:+.3f} below it (medians). The manifest's `crop_margin` is
                {spec.crop_margin}."""
            ),
            "## Limits",
            _list(
                f"{origin.judged} They do not tell what a person feels.",
                "Rare labels are learnt from few pictures and read badly: see the rows above.",
                f"""{origin.pictures} Who is in them is not recorded, so nothing can be said
                about how accuracy differs by age, skin colour or gender. Expect it to differ.""",
                "Faces turned far away, largely covered or very small were hardly seen in training.",
                """Not for decisions about people. Inferring emotions at work or in education is prohibited in
                the EU (AI Act Art. 5(1)(f)).""",
            )
            + "\n",
        ]
    )


def _output(manifest: FrameManifest) -> str:
    return (
        f"{_OUTPUT[2:]}int8 {manifest.output.values}. The runtime divides them by a temperature, adds an offset a "
        "class and applies a soft-max, in float."
    )


def _flattered(chosen: str) -> str:
    """What was chosen by the rows that the figures are of."""
    more = f", and so was the run that it went on from, {chosen}" if chosen else ""
    return f"{_EPOCH}{more}, so they flatter the model a little."


def _shipped(manifest: FrameManifest, measured: Measured) -> str:
    """Accuracy as it ships, and without the offsets, which the float network's has no part in either."""
    return (
        f"{_SHIPPED}, with offsets that were fitted on these rows | {manifest.metrics.accuracy_int8:.2f} % |\n"
        f"| int8, without offsets | {measured.accuracy_converted:.2f} % |"
    )


def calibration(manifest: FrameManifest) -> str:
    """The section that tells what a score means."""
    figures = manifest.metrics
    voted = "; faces on which voters do not agree are not among them" if figures.rule.startswith("FER+") else ""
    return f"{_CALIBRATION}\n\n" + _text(
        f"""A score is meant as the chance that the label is right, on rows that count by the rule above{voted}.
        The temperature {manifest.output.temperature} and what is added to the logits then ({_offsets(manifest)})
        were fitted on {figures.split} to the class, by the least negative log-likelihood; an offset is expected
        to be small (`fit_offsets` in `edgefer/measure/statistics.py`). The expected
        calibration error is {figures.ece:.2f} %: {figures.ece_rule}."""
    )


def _offsets(manifest: FrameManifest) -> str:
    names = zip(manifest.labels, manifest.output.offsets, strict=True)
    return ", ".join(f"{name} {value:+.2f}" for name, value in names)


def recalibrated(card: str, manifest: FrameManifest, measured: Measured, chosen: str = "") -> str:
    """A card with that section rewritten, and what offsets change: output, accuracy, and what was taken for what.

    Args:
        chosen: as of `render`; empty leaves what the card says.

    Raises: UsageError: it lacks one of them.
    """
    parts = [
        (_OUTPUT, re.escape(_OUTPUT) + r".*?(?=\n\* )", _list(_output(manifest))),
        (_CALIBRATION, re.escape(f"{_CALIBRATION}\n") + r".*?(?=\n\n## )", calibration(manifest)),
        (_SHIPPED, re.escape(_SHIPPED) + rf".*?(?=\n{re.escape(_BEFORE)})", _shipped(manifest, measured)),
        (_TAKEN, re.escape(_TAKEN) + r".*?(?=\n\n)", _confusion(measured.confusion, manifest.labels)),
    ]
    for what, pattern, words in parts:
        place = re.search(pattern, card, re.DOTALL)
        if not place:
            raise UsageError(f"calibrate: the card of {manifest.name} has no {what!r}")
        card = card[: place.start()] + words + card[place.end() :]
    if not chosen:
        return card
    paragraphs = ((" ".join(text.split()), text) for text in card.split("\n\n"))
    sentence = re.escape(_EPOCH) + r".*? a little\."
    return "\n\n".join(
        _text(re.sub(sentence, lambda _: _flattered(chosen), words)) if _EPOCH in words else text
        for words, text in paragraphs
    )


def _stages(settings: TrainingSettings) -> str:
    """`22 epochs at 32x32 and 2 epochs at 48x48`: what was done before the run ended or was left off."""
    sides = [settings.side(epoch) for epoch in range(settings.stop or settings.epochs)]
    counts = {side: sides.count(side) for side in sides}
    words = " and ".join(f"{n} epoch{'s' * (n > 1)} at {side}x{side}" for side, n in counts.items())
    if settings.quantisation_aware:
        words += " with weights and activations rounded as they are in int8"
    if settings.teachers:
        teachers = " and ".join(f"`{name}`" for name in settings.teacher_names)
        words += f" with {settings.distil:.0%} of each target being what {teachers} says of the image"
    if settings.lessons:
        words += f" with {settings.distil:.0%} of each target being what wide teachers said of the very view"
        words += f" (`{settings.lessons}`: altered, mixed and judged once, image and mirror image)"
    return words


def _text(words: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        " ".join(words.split()), 110, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def _list(*items: str) -> str:
    return "\n".join(_text(item, "* ", "  ") for item in items)


def _confusion(counts: np.ndarray, names: tuple[str, ...]) -> str:
    """Rows by truth: how many, how many of them right, and what each was taken for."""
    lines = [f"{_TAKEN} rows | right | {' | '.join(names)} |", "|---" * (len(names) + 3) + "|"]
    for index, (name, row) in enumerate(zip(names, counts, strict=True)):
        total = int(row.sum())
        right = f"{100 * row[index] / total:.0f} %" if total else "-"
        lines.append(f"| {name} | {total} | {right} | {' | '.join(str(int(n)) for n in row)} |")
    return "\n".join(lines)
