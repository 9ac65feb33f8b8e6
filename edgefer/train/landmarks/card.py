"""The model card of the landmark network."""

from __future__ import annotations

import textwrap
from typing import Any

from edgefer.models.manifest import LandmarkManifest


def render(manifest: LandmarkManifest, settings: dict[str, Any], size: int) -> str:
    """The card as Markdown.

    Args:
        manifest: complete but for the hashes. settings: of the run, with what it counted. size: of the network, bytes.
    """
    figures, training, side = manifest.metrics, manifest.training, manifest.input.height
    return "\n\n".join(
        [
            f"# {manifest.name}",
            _text(
                f"""Finds the 68 points of iBUG in a square that holds a face, and says of {", ".join(manifest.regions)}
                how surely each can be seen. Right is the person's right; an eye includes its brow."""
            ),
            _list(
                f"Input: int8, {side}x{side}, grey less 128, cut by `edgefer/landmarks/network.py`.",
                """Output: float32, 136 values, x and y of each point in parts of the square; float32, a confidence for
                each region.""",
                f"""Size: {size / 1024:.0f} KiB. Convolutions are int8; the two layers from features to points and
                confidences are float32.""",
            ),
            "## What it does",
            f"| on {figures.rows} hand-labelled faces | inner 51 points | all 68 | jaw, across its contour |\n"
            "|---|---|---|---|\n"
            f"| as shipped | {figures.inner:.2f} % | {figures.all:.2f} % | {figures.jaw_across:.2f} % |\n"
            f"| before quantisation, float32 | {figures.inner_float32:.2f} % | {figures.all_float32:.2f} % | |",
            _text(f"{figures.data}. Rule: {figures.rule}."),
            _text(
                """`python bench/landmarks.py` prints these figures in one table with the teacher's and those of other
                networks, with time, steadiness on a still face, and what covered faces do to the confidences."""
            ),
            "## What it was trained on",
            _text(f"""{training.data}. Rows: {settings["rows"]} of each; {training.rule}. Licences:
                {manifest.licence.training_data}. Licence of the weights: {manifest.licence.weights}."""),
            _text(
                f"""Crops are made at random as `edgefer/train/landmarks/data.py` says: mirrored, turned up to 47
                degrees, scaled, moved, covered (`cover.py`), made coarse down to 24 pixels a face, relit, blurred, with
                noise. Turned heads and faces whose chin the photograph shows are drawn more often; points beyond its
                edge count little. Faces turned further and squares without a face teach confidence zero.
                {settings["images"]} looks at crops in {settings["minutes"]:.0f} minutes{settings.get("machine", "")};
                the moving average of the weights ships."""
            ),
            "\n".join(f"    {command}" for command in training.command.split(" && ")),
            "## Limits",
            _list(
                "The labels are another network's: where it errs (the jaw along its contour, profiles), this one errs.",
                "Points under a mask or a hand are guesses; the region's confidence says so.",
                "Heads lying on their side or upside down are given no confidence: the image has to be turned first.",
                """Who is in the pictures is not recorded, so nothing can be said about how the error differs by age,
                skin colour or gender. Expect it to differ.""",
            )
            + "\n",
        ]
    )  # fmt: skip


def _text(words: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        " ".join(words.split()), 110, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def _list(*items: str) -> str:
    return "\n".join(_text(item, "* ", "  ") for item in items)
