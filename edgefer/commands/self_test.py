"""A model opened as a run would, in a process of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import edgefer
from edgefer.errors import ModelError
from edgefer.models.place import state
from edgefer.support.names import shown

#: Longest self-test: opening a network takes seconds on the slowest board.
_LONGEST_S = 300


def self_test(directory: Path) -> None:
    """Opens a model as a run would, in a process of its own: one that crashes or hangs takes nothing with it.

    Raises:
        ModelError: it is refused, crashes, or does not finish.
    """
    import signal
    import subprocess  # these are for the rare case

    root = str(Path(edgefer.__file__).resolve().parent.parent)  # where it was found may be known to this process alone
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])}
    environment["EDGEFER_STATE"] = str(state())  # from another folder a relative one would lead elsewhere
    command = [sys.executable, "-m", "edgefer", "models", "verify", str(directory)]
    try:
        done = subprocess.run(
            command, cwd="/", env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_S
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"model {shown(directory)}: its self-test did not end within {_LONGEST_S} s") from None
    if done.returncode == 0:
        return
    said = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode < 0 or not said:
        ended = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit code {done.returncode}"
        raise ModelError(f"model {shown(directory)}: its self-test ended with {ended}; it is not installed")
    raise ModelError(said[-1].removeprefix("refused").removeprefix("edgefer:").strip())
