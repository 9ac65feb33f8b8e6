"""Label sets and the maps between them: label order is decided here alone."""

from __future__ import annotations

import re

import numpy as np

# Order of the votes in FER+ (Barsoum et al., ICMI 2016), less its last two columns, unknown and not-a-face.
FERPLUS8 = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
# Order of the `emotion` column in fer2013.csv, 0 to 6.
BASIC7 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")

LABEL_SETS: dict[str, tuple[str, ...]] = {"ferplus8": FERPLUS8, "basic7": BASIC7}

#: What people and data sets call the labels, besides their own names.
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "neutral": ("neutrality", "neu"),
    "happiness": ("happy", "joy", "joyful", "hap"),
    "surprise": ("surprised", "sur"),
    "sadness": ("sad",),
    "anger": ("angry", "ang"),
    "disgust": ("disgusted", "dis"),
    "fear": ("fearful", "afraid", "scared", "fea"),
    "contempt": ("contemptuous", "con"),
}

#: Expression reported when the quality gate does not let the scores through.
UNCERTAIN = "uncertain"


def label_set(name: str) -> tuple[str, ...]:
    """The labels of a named set, in score order.

    Raises:
        ValueError: the name is not known; the message lists those that are.
    """
    try:
        return LABEL_SETS[name]
    except KeyError:
        raise ValueError(f"unknown label set {name!r}; available: {', '.join(LABEL_SETS)}") from None


def label_named(text: str) -> str | None:
    """The label that a name stands for, whatever its case and with or without a number before it: `Angry`, `0_happy`.

    Returns:
        A label of FERPLUS8; None where the name is none of theirs, as a number alone, which means something else in
        each data set.
    """
    name = re.sub(r"^\d+[\s._-]*", "", text.strip().lower())
    return next((label for label, others in OTHER_NAMES.items() if name == label or name in others), None)


def translate(scores: np.ndarray, source: str, target: str) -> np.ndarray:
    """Scores over one label set, expressed over another that is contained in it.

    Labels the target lacks are left out and the rest is scaled to sum to one again, as when an
    eight-class FER+ network is judged on the seven classes of FER-2013.

    Args:
        scores: float, shape (..., len(source)), probabilities.
        source, target: names of label sets.

    Returns:
        float, shape (..., len(target)); rows without any mass on the target's labels become uniform.

    Raises:
        ValueError: a target label does not occur in the source.
    """
    source_labels, target_labels = label_set(source), label_set(target)
    missing = [label for label in target_labels if label not in source_labels]
    if missing:
        raise ValueError(f"label set {source!r} has no {', '.join(missing)}, which {target!r} needs")
    picked = np.asarray(scores)[..., [source_labels.index(label) for label in target_labels]]
    total = picked.sum(axis=-1, keepdims=True)
    return np.where(total > 0, picked / np.where(total > 0, total, 1), 1 / len(target_labels))


def softmax(logits: np.ndarray, factor: float | np.floating = 1.0) -> np.ndarray:
    """Scores over the last axis of the logits times a factor, which is one over the temperature.

    Returns:
        Of the logits' type and shape, each in [0, 1], summing to one.
    """
    # taking off the largest leaves the scores as they are and keeps the exponential from overflowing
    weights = np.exp((logits - logits.max(axis=-1, keepdims=True)) * factor)
    return weights / weights.sum(axis=-1, keepdims=True)
