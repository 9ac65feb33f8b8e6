"""The network that spots micro-expressions: a small CNN on fields of motion, then an LSTM on its dense layer.

As section 4 of Breuer and Kimmel has it: the CNN first learns expressions from a sequence's onset, apex, offset, first
and last frame; a shallow LSTM with recurrent dropout then reads its first fully connected layer over time. Departures:
the frames are fields of motion in place of grey crops, for a step of 0.3 to 3 % of the eye distance is less than a grey
crop of a device's size shows; the CNN is small and goes on learning with the LSTM; and in each tick there are two
answers, the phase of a movement and its expression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import MICRO
from edgefer.recognize.micro.fields import CELLS, SIDE
from edgefer.recognize.micro.learned import DELAY, squeezed
from edgefer.recognize.micro.quiet import Quieter, smoothed
from edgefer.recognize.micro.spot import PHASES
from edgefer.train.data.synthetic.script import Event
from edgefer.train.micro.material import Strip

FILTERS, FEATURES, CELLS_LSTM = (12, 16, 24), 32, 32
#: Ticks of a sequence to learn from.
TICKS = 200


@dataclass
class Course:
    """A strip as the network takes it.

    Attributes:
        images: float16 (T, SIDE, SIDE, 2), `quiet.smoothed`, eye distances. t_s: float64 (T,).
        phase, expression: int8 (T,), indices in PHASES and in labels.MICRO; no expression: -1.
    """

    images: np.ndarray
    t_s: np.ndarray
    phase: np.ndarray
    expression: np.ndarray
    events: list[Event]


def course(strip: Strip) -> Course:
    quieter, ticks = Quieter(), []
    for t, steps in zip(strip.t_s.tolist(), strip.steps.astype(np.float32), strict=True):
        tick = quieter.add(t, steps.reshape(CELLS, 2))
        ticks += [tick] if tick is not None else []
    ticks += quieter.rest()
    t_s = np.array([tick.t_s for tick in ticks])
    phase, expression = truth(strip.events, t_s)
    return Course(np.array([smoothed(tick) for tick in ticks], np.float16), t_s, phase, expression, strip.events)


def truth(events: Sequence[Event], t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Phase and expression in each tick."""
    phase, expression = np.zeros(len(t_s), np.int8), np.full(len(t_s), -1, np.int8)
    for event in events:
        rising, falling = (t_s >= event.onset_s) & (t_s < event.apex_s), (t_s >= event.apex_s) & (t_s <= event.offset_s)
        phase[rising], phase[falling] = 1, 2
        if event.expression:
            expression[rising | falling] = MICRO.index(event.expression)
    return phase, expression


def build(length: int = TICKS, recurrent_dropout: float = 0.2) -> tuple[Any, Any]:
    """The CNN, and the whole that holds it, of sequences of so many ticks."""
    import keras
    from keras import layers

    image = keras.Input((SIDE, SIDE, 2))
    x = image
    for filters in FILTERS:
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x) if filters < FILTERS[-1] else x
    x = layers.Dropout(0.25)(layers.Flatten()(x))
    feature = layers.Dense(FEATURES, activation="relu", name="feature")(x)
    cnn = keras.Model(image, feature, name="cnn")
    images = keras.Input((length, SIDE, SIDE, 2))
    flat = keras.ops.reshape(images, (-1, SIDE, SIDE, 2))
    features = keras.ops.reshape(cnn(flat), (-1, length, FEATURES))
    states = layers.LSTM(
        CELLS_LSTM, return_sequences=True, recurrent_dropout=recurrent_dropout, name="lstm", use_cudnn=False
    )(layers.Dropout(0.1)(features))
    phase = layers.Dense(len(PHASES), name="phase")(states)
    expression = layers.Dense(len(MICRO), name="expression")(states)
    return cnn, keras.Model(images, [phase, expression], name="micro")


def five_frames(courses: Sequence[Course]) -> tuple[np.ndarray, np.ndarray]:
    """Onset, apex, offset, first and last frame of each event, and what they show; the last class is a face at rest."""
    images, shown = [], []
    for each in courses:
        for event in each.events:
            if not event.expression:
                continue
            rest = [event.onset_s - 0.15, event.onset_s, event.offset_s, event.offset_s + 0.15]
            for t in (event.apex_s, *rest):
                images.append(each.images[int(np.abs(each.t_s - t).argmin())])
                shown.append(MICRO.index(event.expression) if t == event.apex_s else len(MICRO))
    return squeezed(np.array(images, np.float32)), np.array(shown)


def batches(courses: Sequence[Course], size: int, seed: int) -> Iterator[tuple[np.ndarray, tuple, tuple]]:
    """Sequences without end: parts of strips, mirrored and made stronger or weaker, with some noise."""
    rng = np.random.default_rng(seed)
    while True:
        images = np.zeros((size, TICKS, SIDE, SIDE, 2), np.float32)
        phase, expression = np.zeros((size, TICKS), np.int32), np.full((size, TICKS), -1, np.int32)
        for row in range(size):
            each = courses[int(rng.integers(len(courses)))]
            start = int(rng.integers(max(1, len(each.t_s) - TICKS - DELAY)))
            taken = slice(start, start + TICKS + DELAY)
            part = each.images[taken][:TICKS].astype(np.float32)
            if rng.random() < 0.5:
                part = part[:, :, ::-1] * np.array([-1, 1], np.float32)
            part = part * np.float32(np.exp(rng.normal(0, 0.2)))
            part += rng.normal(0, 1, (1, SIDE, SIDE, 2)).astype(np.float32) * np.float32(2e-4)
            images[row, : len(part)] = part
            late = len(part) - DELAY
            phase[row, DELAY : DELAY + late] = each.phase[taken][:late]
            expression[row, DELAY : DELAY + late] = each.expression[taken][:late]
        known = np.zeros((size, TICKS), np.float32)
        known[:, DELAY:] = 1
        weights = known * np.where(phase > 0, 1.5, 1.0), (expression >= 0).astype(np.float32)
        yield squeezed(images), (phase, np.maximum(expression, 0)), weights


def learn(
    train: Sequence[Course],
    out: Path,
    steps: int,
    size: int = 10,
    rate: float = 3e-3,
    seed: int = 0,
    further: Path | None = None,
    expression_weight: float = 0.3,
) -> None:
    """Both stages; writes `micro.weights.h5` into the directory of the run.

    Args:
        further: a run's weights, from which this one goes on, by the second stage alone.
        expression_weight: what expressions count beside phases; known in one tick of twelve, averaged over all.

    Raises:
        UsageError: those are not there, or of another network.
    """
    import keras

    keras.utils.set_random_seed(seed)
    cnn, whole = build()
    if further is None:
        _learn_expressions(cnn, train)
    else:
        try:
            whole.load_weights(further)
        except (OSError, ValueError) as error:
            raise UsageError(f"{further}: no weights that learn wrote: {str(error).splitlines()[0]}") from None
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    losses = [keras.losses.SparseCategoricalCrossentropy(from_logits=True) for _ in range(2)]
    # compiled, a step takes three times as long on a processor: XLA is slow at small convolutions
    whole.compile(
        keras.optimizers.Adam(schedule, clipnorm=1.0), losses, loss_weights=[1.0, expression_weight], jit_compile=False
    )
    out.mkdir(parents=True, exist_ok=True)
    rounds = max(1, steps // 100)
    keep = keras.callbacks.ModelCheckpoint(str(out / "micro.weights.h5"), save_weights_only=True)
    whole.fit(batches(train, size, seed), steps_per_epoch=steps // rounds, epochs=rounds, verbose=2, callbacks=[keep])


def _learn_expressions(cnn: Any, train: Sequence[Course]) -> None:
    """The first stage."""
    import keras

    images, shown = five_frames(train)
    head = keras.Sequential([cnn, keras.layers.Dropout(0.5), keras.layers.Dense(len(MICRO) + 1)])
    head.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    head.fit(images, shown, 64, epochs=12, verbose=2)
