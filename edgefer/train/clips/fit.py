"""The training of a head on features: AdamW at a cosine rate, weights averaged over steps, the best on val kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from edgefer.train.averaged import Averaged, swapped

#: A batch of inputs with its targets, distributions over the classes.
Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class HeadTraining:
    """What decides a training besides its data."""

    steps: int = 1500
    batch: int = 48
    rate: float = 2e-3
    average: float = 0.99
    weight_decay: float = 0.02
    judged: int = 10
    seed: int = 1


def fit(
    model: keras.Model, draw: Draw, judge: Callable[[keras.Model], float], training: HeadTraining
) -> dict[str, Any]:
    """Trains a network and leaves it with its best averaged weights.

    Args:
        draw: gives a batch. judge: how good the network is on val, percent; asked `judged` times.

    Returns:
        What it gave: val accuracy, the step it was chosen at, processor seconds.
    """
    rng = np.random.default_rng(training.seed)
    optimizer = keras.optimizers.AdamW(training.rate, weight_decay=training.weight_decay, clipnorm=5.0)
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    averaged, began, best, kept = Averaged(model, training.average), time.process_time(), (-1.0, 0), model.get_weights()
    for step in range(1, training.steps + 1):
        progress = step / training.steps
        optimizer.learning_rate = training.rate * min(1, step / 50) * (1 + math.cos(math.pi * progress)) / 2
        model.train_on_batch(*draw(rng, training.batch))
        averaged.update(model)
        if step % max(1, training.steps // training.judged) == 0 or step == training.steps:
            with swapped(model, averaged.values):
                score = judge(model)
                if score > best[0]:
                    best, kept = (score, step), model.get_weights()
    model.set_weights(kept)
    return {
        "val_accuracy": round(best[0], 2),
        "best_step": best[1],
        "steps": training.steps,
        "processor_seconds": round(time.process_time() - began),
    }
