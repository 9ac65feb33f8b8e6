"""Recognizers: from a model's name or directory to an object that gives scores."""

from __future__ import annotations

import os

from edgefer.errors import ModelError
from edgefer.models import directory, store
from edgefer.recognize.base import Recognizer
from edgefer.recognize.registry import KINDS


def open(model: str | os.PathLike = store.DEFAULT_MODEL, threads: int = 1, **options: object) -> Recognizer:
    """Open a model, after its hashes, its manifest, its tensors and its self-test were found to agree.

    Args:
        model: name of a shipped model, or a model directory.
        threads: CPU threads of the interpreter, at least 1.
        options: of the kind the manifest names.

    Returns:
        A recognizer of that kind.

    Raises:
        UsageError: unknown name or option. ModelError: the model is refused, or is none that recognizes.
    """
    place = store.find(model)
    manifest, content = directory.read(place)
    if manifest.kind not in KINDS:
        kinds = ", ".join(KINDS.names())
        raise ModelError(f"model {place}: expected a recognizer ({kinds}), got the kind {manifest.kind!r}")
    choice = KINDS.choose(manifest.kind, **options)
    return choice.make(manifest=manifest, content=content, threads=threads)
