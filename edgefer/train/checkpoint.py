"""`checkpoint.npz` of a run: all that it needs to go on, and what another run starts from."""

from __future__ import annotations

import contextlib
import fcntl
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import label_set
from edgefer.models import directory, store
from edgefer.support.atomic import replacing
from edgefer.train.averaged import Averaged, assign, values_of
from edgefer.train.recovered import is_model, recover
from edgefer.train.settings import TrainingSettings

#: What a file that was cut off, or is another, gives when it is read.
DAMAGED = (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error)


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Holds a run directory, so that no two processes write it; the system lets go of it when a process ends.

    Raises:
        UsageError: another process holds it.
    """
    with (directory / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{directory}: another process is at it; wait for its end, or stop it") from None
        yield


def state_of(run: Path) -> dict | None:
    """The counters of a run's checkpoint; None where there is none.

    Raises:
        UsageError: it is damaged.
    """
    try:
        with np.load(run / "checkpoint.npz") as kept:
            return json.loads(str(kept["state"]))
    except FileNotFoundError:
        return None
    except DAMAGED as error:
        raise _damaged(run / "checkpoint.npz", error) from None


def epochs_of(run: Path) -> int:
    """Epochs that a run can go on from; 0 without a checkpoint."""
    state = state_of(run)
    return state["epoch"] if state else 0


def _damaged(path: Path, error: BaseException) -> UsageError:
    words = " ".join(str(error).split())
    return UsageError(f"{path}: damaged, {words}; copy it again, or take it away and train the run again")


def keep(path: Path, model, optimizer, averaged: Averaged, state: dict) -> None:
    """Model, optimizer, average and counters, in one file that replaces the last one whole."""
    groups = {
        "model": values_of(model.variables),
        "optimizer": values_of(optimizer.variables),
        "averaged": averaged.values,
    }
    arrays: dict[str, Any] = {f"{name}{i}": value for name, values in groups.items() for i, value in enumerate(values)}
    with replacing(path) as scratch:
        np.savez(scratch, state=json.dumps(state), averaged_steps=averaged.steps, **arrays)


def restore(path: Path, model, optimizer, averaged: Averaged) -> dict:
    """Fills model, optimizer and average with what was kept; returns the counters.

    Raises:
        UsageError: the file is damaged, or of another network.
    """
    try:
        with np.load(path) as kept:

            def group(name, count):
                return [kept[f"{name}{i}"] for i in range(count)]

            assign(model.variables, group("model", len(model.variables)))
            assign(optimizer.variables, group("optimizer", len(optimizer.variables)))
            averaged.values = group("averaged", len(averaged.values))
            averaged.steps = int(kept["averaged_steps"])
            return json.loads(str(kept["state"]))
    except DAMAGED as error:
        raise _damaged(path, error) from None


def start(name: str, model, examples: Callable[[], np.ndarray]) -> float:
    """Give the model the averaged weights of another run, or those of an int8 model; returns the seconds the run took.

    One with other classes gives all but its last layer, which stays random.

    Args:
        name: directory of a run, or a model: a shipped one, or a directory.
        examples: inputs of the network, from which to find what was folded into an int8 model's weights.

    Raises:
        UsageError: there is no such run, it has not come to the end of its epochs, or is of another network.
    """
    run = Path(name)
    if is_model(name):
        recover(model, directory.read_frame(store.find(name))[1], examples())
        return 0.0
    try:
        with np.load(run / "checkpoint.npz") as kept:
            values = [kept[f"averaged{i}"] for i in range(len(model.variables))]
            seconds = json.loads(str(kept["state"]))["seconds"]
            reached = int(json.loads(str(kept["state"]))["epoch"])
    except FileNotFoundError:
        raise UsageError(f"{run}: no run to start from: has no checkpoint.npz") from None
    except DAMAGED as error:
        raise _damaged(run / "checkpoint.npz", error) from None
    settings = TrainingSettings.read(run / "settings.json")
    if reached < (wanted := settings.stop or settings.epochs):
        raise UsageError(f"{run}: is after epoch {reached} of {wanted}; its own command makes it go on to the end")
    classes, before = model.output_shape[-1], len(label_set(settings.labels))
    for variable, value in zip(model.variables, values, strict=True):
        if tuple(variable.shape) == value.shape:
            variable.assign(value)
        elif classes == before or (variable.shape[-1], value.shape[-1]) != (classes, before):
            raise UsageError(
                f"{run}: holds another network: expected {variable.path} of shape {tuple(variable.shape)}, "
                f"got {value.shape}; start from a run of the same architecture, input and mode"
            )
    return seconds


def finished(run: Path, model):
    """The model with the weights that a finished run would export."""
    if not (run / "done.json").exists():
        raise UsageError(f"{run}: not finished; quantisation-aware training goes on from a finished run")
    load_weights(model, run / "best.weights.h5")
    return model


def load_weights(model, path: Path) -> None:
    """Fills a model with the weights of a file.

    Raises:
        UsageError: it is not there, damaged, or of another network.
    """
    try:
        model.load_weights(path)
    except FileNotFoundError:
        raise UsageError(f"{path}: not there; expected a finished run in {path.parent}") from None
    except DAMAGED as error:
        raise _damaged(path, error) from None
