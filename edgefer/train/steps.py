"""The commands of a training, as what they are: a module and its arguments, each a process of its own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from edgefer.train.settings import TrainingSettings


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        module: what `python -m` runs. arguments: what it is given.
        backend: of Keras, which it cannot do without; empty where any will do.
    """

    module: str
    arguments: list[str]
    backend: str = ""

    def __str__(self) -> str:
        return shlex.join(["python", "-m", self.module, *self.arguments])

    def run(self, **options: Any) -> subprocess.CompletedProcess:
        """Print the command and run it; `options` are those of subprocess.run."""
        print(f"\n$ {self}", flush=True)
        backend = {"KERAS_BACKEND": self.backend} if self.backend else {}
        command = [sys.executable, "-m", self.module, *self.arguments]
        return subprocess.run(command, check=False, env={**os.environ, **backend}, **options)


def fit_step(run: str, settings: TrainingSettings) -> Step:
    """What trains a run."""
    return Step("edgefer.train.fit", [*settings.arguments(), "--out", run])


def export_step(run: str, *options: str) -> Step:
    """What exports a run: any backend trains, but only TensorFlow converts."""
    return Step("edgefer.train.export", [run, *options], backend="tensorflow")
