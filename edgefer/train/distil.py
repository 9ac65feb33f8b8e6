"""Teachers of a run: finished runs and int8 models, whose scores become part of what a student is to say.

A student learns from a mixture of the votes and of the scores its teachers give the very image it sees,
altered and mixed as it is; each teacher gets it in the size and with the planes it was trained on.

Reference: Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, section 2: soft targets
at a temperature, and the true ones. Departures: both are one target of one cross-entropy, and the student's
own logits are not divided, so that its scores need no correction afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from edgefer.errors import UsageError
from edgefer.labels import softmax
from edgefer.measure.datasets import Dataset
from edgefer.measure.statistics import fit_temperature, tempered
from edgefer.models import directory, store
from edgefer.train import runs
from edgefer.train.data.batches import Inputs, View, input_spec
from edgefer.train.settings import TrainingSettings


class RunTeacher:
    """The averaged weights of the best epoch of a finished run, calibrated on val.

    Attributes:
        spec: of its input.
    """

    def __init__(self, run: Path, val: Dataset):
        """
        Raises:
            UsageError: the run is not finished, or has other classes than val.
        """
        if not (run / "done.json").exists():
            raise UsageError(f"teacher {run}: the run is not finished; its own command makes it go on")
        settings = TrainingSettings.read(run / "settings.json")
        _same_classes(run, settings.labels, val)
        self.spec = input_spec(settings.input, settings.size)
        self._model = runs.network(run, settings)
        logits = runs.logits(self._model, Inputs(self.spec), val.images)
        self._temperature = fit_temperature(logits, val.truth)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Calibrated scores.

        Args:
            x: float32, shape (N, H, W, C), real values.

        Returns:
            float64, shape (N, classes), rows sum to one.
        """
        return softmax(np.asarray(self._model.predict_on_batch(x), np.float64), 1 / self._temperature)


class ModelTeacher:
    """An int8 model, shipped or in a directory, on the CPU, an image at a time.

    Attributes:
        spec: of its input.
    """

    def __init__(self, name: str, val: Dataset):
        """
        Raises:
            UsageError: unknown name, or other classes than val. ModelError: the model is refused.
        """
        # where no runtime is installed, as on a machine that only trains, runs teach all the same
        from edgefer.models.interpreter import Interpreter, self_test

        self._manifest, content = directory.read_frame(store.find(name))
        _same_classes(name, self._manifest.output.labels, val)
        self._interpreter = Interpreter(content, self._manifest)
        self_test(self._interpreter, self._manifest)
        # tensors do not depend on it; without it models of one kind share theirs
        self.spec = replace(self._manifest.input, crop_margin=0.0)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """As of RunTeacher."""
        from edgefer.models.interpreter import scores

        levels = np.rint(x / self.spec.scale + self.spec.zero_point).astype(np.int8)
        return np.stack([scores(self._interpreter.run(one[None])[0], self._manifest) for one in levels])


@dataclass(frozen=True)
class Ensemble:
    """Teachers that speak with one voice, the mean of their scores.

    Attributes:
        weight: share of a target that is theirs. temperature: of the mean.
    """

    teachers: Sequence[RunTeacher | ModelTeacher]
    weight: float
    temperature: float

    @classmethod
    def of(cls, settings: TrainingSettings, val: Dataset) -> Ensemble:
        """The teachers a run names; none where it names none.

        Raises:
            UsageError, ModelError: from the teachers.
        """
        teachers = []
        for name in settings.teacher_names:
            is_run = (Path(name) / "settings.json").exists()
            teachers.append(RunTeacher(Path(name), val) if is_run else ModelTeacher(name, val))
        return cls(teachers, settings.distil, settings.temperature)

    @property
    def views(self) -> list[View]:
        """The inputs they need, each once."""
        return list(dict.fromkeys((teacher.spec, teacher.spec.width) for teacher in self.teachers))

    def targets(self, votes: np.ndarray, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """What the student is to say of a batch.

        Args:
            votes: float32, shape (N, classes), rows sum to one.
            inputs: the batch, one tensor for each of `views`.

        Returns:
            float32, shape (N, classes), rows sum to one.
        """
        if not self.teachers:
            return votes
        tensors = dict(zip(self.views, inputs, strict=True))
        said = [teacher(tensors[teacher.spec, teacher.spec.width]) for teacher in self.teachers]
        mean = tempered(np.mean(said, axis=0), self.temperature)
        return ((1 - self.weight) * votes + self.weight * mean).astype(np.float32)


def _same_classes(name: object, labels: str, val: Dataset) -> None:
    if labels != val.labels:
        raise UsageError(f"teacher {name}: expected the classes of {val.labels}, got those of {labels}")
