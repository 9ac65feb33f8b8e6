"""Trainings, and what is measured of them; every module with a `main` is a command, `python -m edgefer.train.NAME`."""

from __future__ import annotations

import sys
from types import TracebackType

_EXTRAS = {"optuna": "search", "sqlalchemy": "search", "psycopg": "search", "matplotlib": "demo"}
_BACKENDS = ("tensorflow", "torch", "jax")


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A package that a command lacks is one line, wherever it is imported first."""
    name = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or name in ("", "edgefer"):
        sys.__excepthook__(kind, error, trace)
        return
    other = "; KERAS_BACKEND names another backend that is there" if name in _BACKENDS else ""
    print(
        f"edgefer: {name} is not installed: pip install 'edgefer[{_EXTRAS.get(name, 'train')}]'{other}", file=sys.stderr
    )


if sys.argv[:1] == ["-m"]:  # this package is imported before the command that lies in it
    sys.excepthook = _told
