"""Table 4 of Breuer and Kimmel: micro-expressions of CASME II named by a CNN and an LSTM, one subject left out.

Section 4: the CNN of section 2.1 first learns expressions from each sequence's onset, apex, offset, first and last
frame; then an LSTM with recurrent dropout and an output layer learn on its first fully connected layer, over the
sequence. Where the paper is silent or we depart from it:

* Classes: the five that CASME II's authors judge (sadness and fear have seven and two sequences).
* Frames: LENGTH of each sequence, evenly in time from its first to its last; grey, SIDE x SIDE as for FER-2013.
* First and last frame count as neutral, a class of the CNN alone; onset and offset count as their expression.
* `motion`: in place of grey frames, each frame's difference to the first. Grey frames are the paper's.
* Every subject is left out in turn; accuracy is that of all sequences, each judged by the network that never saw its
  subject.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgefer.errors import UsageError
from edgefer.measure.datasets.sequences import load_sequences
from edgefer.measure.datasets.sequences.base import FrameSequence
from edgefer.train.data.splits import leave_one_subject_out

LABELS = ("happiness", "disgust", "surprise", "repression", "others")
SIDE, LENGTH = 48, 32
PAPER = {"LBP-TOP": 44.12, "LBP-TOP with adaptive magnification": 51.91, "Breuer and Kimmel": 59.47}


@dataclass(frozen=True)
class Plan:
    """Sizes and epochs; the defaults are the paper's network.

    Attributes:
        filters, hidden: of the CNN. cells: of the LSTM. recurrent_dropout: of it.
        cnn_epochs, lstm_epochs: for each subject left out.
        motion: whether frames are differences to the first one.
    """

    filters: tuple[int, ...] = (64, 128, 256)
    hidden: int = 512
    cells: int = 128
    recurrent_dropout: float = 0.5
    cnn_epochs: int = 40
    lstm_epochs: int = 60
    motion: bool = False
    seed: int = 0


@dataclass
class Rows:
    """Sequences as the networks take them.

    Attributes:
        frames: float32 (N, LENGTH, SIDE, SIDE, 1). five: float32 (N, 5, SIDE, SIDE, 1), in the paper's order.
        truth: int64 (N,), places in LABELS. subjects: str (N,).
        dropped: what does not count, by reason.
    """

    frames: np.ndarray
    five: np.ndarray
    truth: np.ndarray
    subjects: np.ndarray
    dropped: dict[str, int] = field(default_factory=dict)


def read(root: Any, motion: bool = False) -> Rows:
    """The sequences of a CASME II tree that have one of LABELS.

    Raises:
        UsageError: the tree is wrong, or none counts.
    """
    found = load_sequences(root, "casme2")
    frames, five, truth, subjects = [], [], [], []
    dropped = dict(found.dropped)
    for sequence in found.sequences:
        if sequence.label not in LABELS:
            dropped["another label"] = dropped.get("another label", 0) + 1
            continue
        event, last = sequence.events[0], len(sequence) - 1
        apex = event.apex if event.apex is not None else (event.onset + event.offset) // 2
        wanted = np.rint(np.linspace(0, last, LENGTH)).astype(int).tolist()
        chosen = [event.onset, apex, event.offset, 0, last]
        images = dict(_crops(sequence, sorted({*wanted, *chosen})))
        still = images[0] if motion else 0.0
        frames.append([images[number] - still for number in wanted])
        five.append([images[number] - still for number in chosen])
        truth.append(LABELS.index(sequence.label))
        subjects.append(sequence.subject)
    if not truth:
        raise UsageError(f"{root}: no sequence of {', '.join(LABELS)}")
    return Rows(
        np.array(frames, np.float32)[..., None],
        np.array(five, np.float32)[..., None],
        np.array(truth),
        np.array(subjects),
        dropped,
    )


def _crops(sequence: FrameSequence, numbers: Sequence[int]) -> list[tuple[int, np.ndarray]]:
    """Some frames of a sequence, cut out alike: the face of the first; the whole where it is a crop already."""
    from edgefer.kernels import crop_resize

    first = sequence.frames[0]
    height, width = first.shape
    box = (0.0, 0.0, float(width), float(height))
    if min(height, width) >= 400:  # the camera's own pictures have 640x480, crops about 280x340
        box = _face(first) or box
    return [
        (number, crop_resize(sequence.frames[number], box, (SIDE, SIDE)).astype(np.float32) / 128 - 1)
        for number in numbers
    ]


def _face(grey: np.ndarray) -> tuple[float, float, float, float] | None:
    from edgefer.detect import open_detector
    from edgefer.detect.registry import DETECTORS
    from edgefer.geometry import squared

    faces = open_detector(DETECTORS.choose(DETECTORS.default), min_face_px=60, threads=1).detect(grey)
    if not faces:
        return None
    box = squared(max(faces, key=lambda face: face.score).box, 0.0)
    return box.x0, box.y0, box.x1, box.y1


def networks(plan: Plan) -> tuple[Any, Any]:
    """The CNN with its own answers, and the LSTM on its first fully connected layer."""
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, 1))
    x = image
    for filters in plan.filters:
        x = layers.Conv2D(filters, 5, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(layers.Dropout(0.25)(x))
    hidden = layers.Dense(plan.hidden, activation="relu", name="hidden")(x)
    cnn = keras.Model(image, layers.Dense(len(LABELS) + 1)(layers.Dropout(0.5)(hidden)))
    features = keras.Input((LENGTH, plan.hidden))
    state = layers.LSTM(plan.cells, recurrent_dropout=plan.recurrent_dropout, use_cudnn=False)(features)
    return cnn, keras.Model(features, layers.Dense(len(LABELS))(state))


def judged(rows: Rows, train: np.ndarray, test: np.ndarray, plan: Plan, seed: int) -> np.ndarray:
    """What the two stages, trained on some rows, say of others: int64 (len(test),)."""
    import keras

    keras.utils.set_random_seed(seed)
    cnn, lstm = networks(plan)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    neutral = np.full((len(train), 2), len(LABELS))
    shown = np.concatenate([np.repeat(rows.truth[train][:, None], 3, axis=1), neutral], axis=1).ravel()
    images = rows.five[train].reshape(-1, SIDE, SIDE, 1)
    images = np.concatenate([images, images[:, :, ::-1]])  # both sides of a face
    cnn.compile(keras.optimizers.Adam(1e-3), loss)
    cnn.fit(images, np.concatenate([shown, shown]), 32, epochs=plan.cnn_epochs, verbose=0)
    feature = keras.Model(cnn.input, cnn.get_layer("hidden").output)
    every = rows.frames.reshape(-1, SIDE, SIDE, 1)
    read_by = feature.predict(every, batch_size=256, verbose=0).reshape(len(rows.truth), LENGTH, -1)
    lstm.compile(keras.optimizers.Adam(1e-3, clipnorm=1.0), loss)
    lstm.fit(read_by[train], rows.truth[train], 16, epochs=plan.lstm_epochs, verbose=0)
    return np.asarray(lstm.predict(read_by[test], verbose=0).argmax(axis=1))


def table4(rows: Rows, plan: Plan, tell: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """One subject left out in turn: accuracy in percent, macro F1, and what was said of each row."""
    said = np.full(len(rows.truth), -1)
    for number, (subject, split) in enumerate(leave_one_subject_out(rows.subjects)):
        said[split.test] = judged(rows, split.train, split.test, plan, plan.seed + number)
        right = int((said[split.test] == rows.truth[split.test]).sum())
        tell(f"{subject}: {right} of {len(split.test)}")
    f1 = []
    for label in range(len(LABELS)):
        both = ((said == label) & (rows.truth == label)).sum()
        either = (said == label).sum() + (rows.truth == label).sum()
        f1 += [2 * both / either] if either else []
    counts = np.bincount(rows.truth, minlength=len(LABELS))
    return {
        "accuracy": 100 * float((said == rows.truth).mean()),
        "macro_f1": float(np.mean(f1)),
        "most_frequent": 100 * float(counts.max() / counts.sum()),
        "rows": len(rows.truth),
        "subjects": len(set(rows.subjects.tolist())),
        "said": said,
    }
