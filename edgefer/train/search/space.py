"""Table 1 as a space of Optuna's."""

from __future__ import annotations

from typing import Protocol

from edgefer.train.clips.parameters import OPTIONS, Parameters


class Suggests(Protocol):
    """What of a trial of Optuna's is used."""

    def suggest_categorical(self, name: str, choices): ...

    def suggest_float(self, name: str, low: float, high: float): ...


def suggest(trial: Suggests) -> Parameters:
    """A configuration; dropout is any from 0 to 1."""
    chosen = {name: trial.suggest_categorical(name, values) for name, values in OPTIONS.items()}
    return Parameters(**chosen, dropout=trial.suggest_float("dropout", 0.0, 1.0))
