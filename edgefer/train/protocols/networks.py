"""Networks for clips as a fold takes them: what is kept of a clip, what a batch of that is fed as, how it learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from edgefer.errors import UsageError
from edgefer.train.clips import edge, haddad, recurrent
from edgefer.train.clips.material import clip_levels, scaled
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.protocols.plan import Plan


@dataclass(frozen=True)
class Network:
    """Attributes:
    keep: what is kept of a clip, uint8 (10, 112, 112): an array that `feed` takes batches of.
    feed: such a batch as the network's input, float32.
    build: from the number of classes to logits.
    optimizer: a new one. weighted: rarer classes count more in the loss.
    """

    keep: Callable[[np.ndarray], np.ndarray]
    feed: Callable[[np.ndarray], np.ndarray]
    build: Callable[[int], keras.Model]
    optimizer: Callable[[], keras.optimizers.Optimizer]
    weighted: bool = False


def _haddad(plan: Plan, frames: Path | None) -> Network:
    options = plan.options
    return Network(
        lambda clip: clip_levels(clip, options, plan.side),
        lambda levels: scaled(levels, options),
        lambda classes: haddad.build(options, classes, side=plan.side, width=plan.width, seed=plan.seed),
        lambda: haddad.optimizer(options, plan.rate),
        options.loss_weights,
    )


def _on_features(head: Callable[[int], keras.Model]) -> Callable[[Plan, Path | None], Network]:
    def made(plan: Plan, frames: Path | None) -> Network:
        assert frames is not None
        network, inputs = edge.frame_network(frames), Inputs(input_spec(edge.CHANNELS, edge.SIDE))
        return Network(
            lambda clip: np.asarray(network.predict_on_batch(inputs.stack(clip)), np.float16),
            lambda features: features.astype(np.float32),
            head,
            lambda: keras.optimizers.Adam(plan.rate),
        )

    return made


#: Name to what makes a network of a plan: "haddad" by the plan's parameters, the others on the features of a frame
#: network, whose run is given.
NETWORKS: dict[str, Callable[[Plan, Path | None], Network]] = {
    "haddad": _haddad,
    "edge": _on_features(edge.edge),
    "recurrent": _on_features(recurrent.build),
}


def open_network(plan: Plan, frames: Path | None) -> Network:
    """The network of a plan.

    Raises:
        UsageError: an unknown network.
    """
    if plan.network not in NETWORKS:
        raise UsageError(f"unknown network {plan.network!r}; available: {', '.join(NETWORKS)}")
    return NETWORKS[plan.network](plan, frames)
