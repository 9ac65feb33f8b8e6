"""One training step of the paper's network at its full size, to show that it runs and what it takes."""

from __future__ import annotations

import resource
import time

import keras
import numpy as np

from edgefer.train.clips import haddad
from edgefer.train.clips.edge import operations
from edgefer.train.clips.parameters import FRAMES, SIDE, preset


def step(name: str, batch: int = 2, classes: int = 7) -> str:
    """Trains a preset on one batch of random clips of 10 x 112 x 112 x 3.

    Returns:
        Parameters, multiply-accumulates, loss before and after, seconds and memory, in words.

    Raises:
        UsageError: the preset is not known.
    """
    parameters = preset(name)
    model = haddad.build(parameters, classes, seed=1)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # to compile the gradient of 3D convolutions takes far longer than one step
    model.compile(haddad.optimizer(parameters), entropy, run_eagerly=True, jit_compile=False)
    rng = np.random.default_rng(1)
    clips, truth = rng.random((batch, FRAMES, SIDE, SIDE, 3), np.float32), rng.integers(classes, size=batch)
    first, last = model.layers[1], model.get_layer("logits")
    before = [np.array(layer.kernel) for layer in (first, last)]
    began = time.perf_counter()
    loss = float(model.train_on_batch(clips, truth))
    seconds = time.perf_counter() - began
    changed = all((np.asarray(layer.kernel) != old).any() for layer, old in zip((first, last), before, strict=True))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"{name}: {model.count_params():,} parameters, {operations(model) / 1e9:.1f} thousand million multiplications "
        f"a clip; one step on {batch} clips of {FRAMES}x{SIDE}x{SIDE}x3: loss {loss:.4f}, "
        f"{'first and last weights moved' if changed else 'WEIGHTS DID NOT MOVE'}, {seconds:.1f} s, "
        f"{memory:.1f} GiB at most"
    )
