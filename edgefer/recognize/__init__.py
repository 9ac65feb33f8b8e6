"""Recognizers: from a model's name or directory to an object that gives scores."""

from __future__ import annotations

import os
from pathlib import Path

from edgefer import manifest as manifests
from edgefer.errors import UsageError
from edgefer.interpreter import Interpreter, self_test
from edgefer.recognize.frame import FrameRecognizer

#: Model that is meant where none is named.
DEFAULT_MODEL = "edgefer-s"

#: Where the models that ship with the package lie.
MODELS = Path(__file__).parent.parent / "models"

_KINDS = {"frame": FrameRecognizer}


def shipped() -> list[str]:
    """Names of the models in the package, sorted."""
    if not MODELS.is_dir():
        return []
    return sorted(path.parent.name for path in MODELS.glob(f"*/{manifests.MANIFEST_NAME}"))


def find(model: str | os.PathLike) -> Path:
    """The directory of a model.

    Args:
        model: name of a shipped model, or a path: anything that holds a separator, or is a directory.

    Returns:
        The directory; a path given as such is not checked here.

    Raises:
        UsageError: a name that is not shipped; the message lists those that are.
    """
    text = os.fspath(model)
    if text in shipped():
        return MODELS / text
    if os.sep in text or text in (".", "..") or os.path.isdir(text):
        return Path(text)
    available = ", ".join(shipped()) or "none"
    raise UsageError(f"unknown model {text!r}; available: {available}, or the path of a model directory")


def open(model: str | os.PathLike = DEFAULT_MODEL, threads: int = 1) -> FrameRecognizer:
    """Open a model, after its hashes, its manifest, its tensors and its self-test were found to agree.

    Args:
        model: name of a shipped model, or a model directory.
        threads: CPU threads of the interpreter, at least 1.

    Returns:
        A recognizer of the kind the manifest names.

    Raises:
        UsageError: unknown name. ModelError: the model is refused.
    """
    found, content = manifests.read(find(model))
    interpreter = Interpreter(content, found, threads)
    self_test(interpreter, found)
    return _KINDS[found.kind](found, interpreter)
