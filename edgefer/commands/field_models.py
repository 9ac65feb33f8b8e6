"""`edgefer models install|rollback`: models that come to a device after edgefer did."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import edgefer
from edgefer.commands.console import Commands
from edgefer.errors import ModelError
from edgefer.models import slots
from edgefer.models.place import models_folder
from edgefer.support.names import shown

#: Longest self-test: opening a network takes a second on the slowest board.
_SELF_TEST_S = 300


def add_parsers(actions: Commands) -> None:
    """The actions' arguments."""
    into = actions.add(
        "install",
        "install a model, or a new version of one; runs that start from now on use it",
        "models install ./my-model\nmodels install ./my-model --as default",
        install_model,
    )
    into.add_argument("source", metavar="FILE|DIR|URL", help="a model directory")
    into.add_argument(
        "--as",
        dest="slot",
        metavar="NAME",
        help="name to open it by; 'default': the default model (default: its own name)",
    )
    back = actions.add(
        "rollback", "return to the model that was installed before", "models rollback default", roll_back_model
    )
    back.add_argument("name", metavar="NAME", help="as given to install --as; 'default': the default model")


def install_model(args: argparse.Namespace) -> int:
    """Installs, and says what is in use now."""
    from edgefer.models.install import install

    slot, copy, fresh = install(args.source, args.slot, self_test)
    if fresh:
        print(f"{slot}: {copy.title} is installed; runs that start from now on use it")
    else:
        print(f"{slot}: {copy.title} is in use already")
    return 0


def roll_back_model(args: argparse.Namespace) -> int:
    """Rolls back, and says what is in use now."""
    from edgefer.models.install import roll_back

    slot, copy = roll_back(args.name)
    print(f"{slot}: back to {copy.title if copy else 'the model that ships'}; runs that start from now on use it")
    return 0


def self_test(directory: Path) -> None:
    """Opens a model as a run would, in a process of its own: one that crashes or hangs takes nothing with it.

    Raises:
        ModelError: it is refused, crashes, or does not finish.
    """
    root = str(Path(edgefer.__file__).resolve().parent.parent)  # where it was found may be known to this process alone
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    command = [sys.executable, "-m", "edgefer", "models", "verify", str(directory)]
    try:
        done = subprocess.run(
            command, cwd="/", env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SELF_TEST_S
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"model {shown(directory)}: its self-test did not end within {_SELF_TEST_S} s") from None
    if done.returncode == 0:
        return
    said = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode < 0 or not said:
        ended = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
        raise ModelError(f"model {shown(directory)}: its self-test ended with {ended}; it is not installed")
    raise ModelError(said[-1].removeprefix("refused").removeprefix("edgefer:").strip())


def state_lines() -> Iterator[str]:
    """What `edgefer models list` says of the installed models."""
    for slot in slots.names():
        try:
            record = slots.read(slot)
        except ModelError:
            continue  # the table says so
        if record is None or record.current is None:
            continue
        words = f"{slot}: {record.current.title}"
        if record.trial:
            words += ", on trial until a run has been well for its first minute"
        if record.returns:
            words += f"; before it: {record.previous.title if record.previous else 'the model that ships'}"
        yield words
    if slots.names():
        yield f"installed in {shown(models_folder())}"
