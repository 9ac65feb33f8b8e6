"""Recognizers: from a model's name or directory to an object that gives scores."""

from __future__ import annotations

import os

from edgefer import defaults
from edgefer.errors import ModelError
from edgefer.models import directory, store
from edgefer.recognize.base import Recognizer
from edgefer.recognize.registry import KINDS
from edgefer.support.names import shown
from edgefer.support.registry import split_options


def open(model: str | os.PathLike = defaults.MODEL, threads: int = 1) -> Recognizer:
    """A model as a recognizer, after its hashes, its manifest, its tensors and its self-test agreed.

    Args:
        model: name of an installed or a shipped model, or a model directory, with options of its kind:
            `name,option=value`.
        threads: CPU threads of the interpreter, at least 1.

    Returns:
        A recognizer of the kind the manifest names.

    Raises:
        UsageError: an unknown name or option. ModelError: the model is refused, or is not a recognizer.
    """
    name, *pairs = split_options(os.fspath(model))
    path = store.find(name)
    manifest, content = directory.read(path)
    if manifest.kind not in KINDS:
        kinds = ", ".join(KINDS.names())
        raise ModelError(f"model {path}: expected a recognizer ({kinds}), got the kind {manifest.kind!r}")
    choice = KINDS.parse(",".join([manifest.kind, *pairs]), called=f"model {shown(os.fspath(model))!r}")
    return choice.make(manifest=manifest, content=content, threads=threads)
