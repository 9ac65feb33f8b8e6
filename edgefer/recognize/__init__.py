"""Recognizers: from a model's name or directory to an object that gives scores."""

from __future__ import annotations

import os

from edgefer.models import store
from edgefer.recognize.frame import FrameRecognizer

_KINDS = {"frame": FrameRecognizer}


def open(model: str | os.PathLike = store.DEFAULT_MODEL, threads: int = 1) -> FrameRecognizer:
    """Open a model, after its hashes, its manifest, its tensors and its self-test were found to agree.

    Args:
        model: name of a shipped model, or a model directory.
        threads: CPU threads of the interpreter, at least 1.

    Returns:
        A recognizer of the kind the manifest names.

    Raises:
        UsageError: unknown name. ModelError: the model is refused.
    """
    manifest, interpreter = store.open_model(model, threads)
    return _KINDS[manifest.kind](manifest, interpreter)
