"""Label sets and the maps between them: label order is decided here alone."""

from __future__ import annotations

import re

import numpy as np

# Order of the votes in FER+ (Barsoum et al., ICMI 2016), less its last two columns, unknown and not-a-face.
FERPLUS8 = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
# Order of the `emotion` column in fer2013.csv, 0 to 6.
BASIC7 = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")

# Order of the classes in Costache and Popescu, section 2; each stands for the expressions that GROUPS names.
COSTACHE4 = ("positive", "negative", "awe", "neutral")
#: What a micro-expression may show, in score order.
MICRO = BASIC7[:6]

LABEL_SETS: dict[str, tuple[str, ...]] = {
    "ferplus8": FERPLUS8,
    "basic7": BASIC7,
    "costache4": COSTACHE4,
    "micro6": MICRO,
}

#: Expressions that a label of a set stands for, where it is not one of FERPLUS8 itself. None of theirs is contempt.
GROUPS: dict[str, tuple[str, ...]] = {
    "positive": ("happiness",),
    "negative": ("anger", "disgust", "sadness"),
    "awe": ("surprise", "fear"),
}

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


def class_of(label: str, name: str) -> int:
    """Index of the class that an expression belongs to in a named set; -1 where it belongs to none."""
    classes = (index for index, each in enumerate(label_set(name)) if label in GROUPS.get(each, (each,)))
    return next(classes, -1)


def translate(scores: np.ndarray, source: str, target: str) -> np.ndarray:
    """Scores over one label set, expressed over another whose labels it has, or has the parts of.

    Labels the target lacks are left out and the rest is scaled to sum to one again, as when an
    eight-class FER+ network is judged on the seven classes of FER-2013. A label of GROUPS has the scores of its
    expressions together.

    Args:
        scores: float, shape (..., len(source)), probabilities.
        source, target: names of label sets.

    Returns:
        float, shape (..., len(target)); rows without any mass on the target's labels become uniform.

    Raises:
        ValueError: a target label does not occur in the source.
    """
    source_labels, target_labels = label_set(source), label_set(target)
    parts = [(label,) if label in source_labels else GROUPS.get(label, (label,)) for label in target_labels]
    missing = [label for part in parts for label in part if label not in source_labels]
    if missing:
        raise ValueError(f"label set {source!r} has no {', '.join(missing)}, which {target!r} needs")
    columns = [[source_labels.index(label) for label in part] for part in parts]
    picked = np.stack([np.asarray(scores)[..., column].sum(axis=-1) for column in columns], axis=-1)
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
