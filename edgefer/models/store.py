"""The models that are installed: finding one, listing them, and opening one after every check."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefer.errors import ModelError, UsageError
from edgefer.models.interpreter import Interpreter, self_test
from edgefer.models.manifest import MANIFEST_NAME, MODEL_NAME, Manifest, load, read

#: Model that is meant where none is named.
DEFAULT_MODEL = "edgefer-s"

#: Where the models that ship with the package lie.
SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class Entry:
    """A shipped model: its name, its manifest and the size of its network; or why it is refused."""

    name: str
    manifest: Manifest | None
    size_bytes: int
    refused: str = ""


@dataclass(frozen=True)
class Verdict:
    """Outcome of `verify` for one model; `reason` is the line of the refusal, empty when it is fit to run."""

    model: str
    reason: str

    @property
    def ok(self) -> bool:
        return not self.reason


def shipped() -> list[str]:
    """Names of the models in the package, sorted."""
    if not SHIPPED.is_dir():
        return []
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST_NAME}"))


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
        return SHIPPED / text
    if os.sep in text or text in (".", "..") or os.path.isdir(text):
        return Path(text)
    available = ", ".join(shipped()) or "none"
    raise UsageError(f"unknown model {text!r}; available: {available}, or the path of a model directory")


def open_model(model: str | os.PathLike, threads: int = 1) -> tuple[Manifest, Interpreter]:
    """A model's manifest and network, after its hashes, tensors and self-test were found to agree.

    Args:
        model: name of a shipped model, or a model directory.
        threads: CPU threads of the interpreter, at least 1.

    Raises:
        UsageError: unknown name. ModelError: the model is refused.
    """
    manifest, content = read(find(model))
    interpreter = Interpreter(content, manifest, threads)
    self_test(interpreter, manifest)
    return manifest, interpreter


def entries() -> list[Entry]:
    """The shipped models, by name; hashes are checked, networks are not run."""
    found = []
    for name in shipped():
        directory = SHIPPED / name
        try:
            manifest = load(directory)
        except ModelError as error:
            found.append(Entry(name, None, 0, str(error)))
        else:
            found.append(Entry(name, manifest, (directory / MODEL_NAME).stat().st_size))
    return found


def verify(models: Sequence[str | os.PathLike] = ()) -> list[Verdict]:
    """Open each model as a run would, self-test included.

    Args:
        models: names or directories; all shipped models when empty.

    Raises:
        UsageError: an unknown name.
    """
    directories = [(os.fspath(model), find(model)) for model in models or shipped()]
    verdicts = []
    for model, directory in directories:
        try:
            open_model(directory)
        except ModelError as error:
            verdicts.append(Verdict(model, str(error)))
        else:
            verdicts.append(Verdict(model, ""))
    return verdicts
