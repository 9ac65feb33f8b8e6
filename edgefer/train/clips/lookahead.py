"""Lookahead round Adam: Zhang, Lucas, Hinton, Ba: Lookahead Optimizer: k steps forward, 1 step back, NeurIPS 2019."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("edgefer")
class LookaheadAdam(keras.optimizers.Adam):
    """Adam; every `every` steps slow weights go `share` of the way to its own, which then go on from there."""

    def __init__(self, learning_rate: float = 1e-4, every: int = 5, share: float = 0.5, **options: Any):
        super().__init__(learning_rate, **options)
        self.every, self.share = every, share

    def build(self, variables: Any) -> None:
        if self.built:
            return
        super().build(variables)
        self._slow = [self.add_variable_from_reference(variable, "slow") for variable in variables]
        for slow, variable in zip(self._slow, variables, strict=True):
            slow.assign(variable)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate)
        slow = self._slow[self._get_variable_index(variable)]
        now = ops.equal(ops.mod(self.iterations + 1, self.every), 0)
        ahead = slow + self.share * (variable - slow)
        self.assign(slow, ops.where(now, ahead, slow))
        self.assign(variable, ops.where(now, slow, variable))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "every": self.every, "share": self.share}
