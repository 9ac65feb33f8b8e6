"""The installed models: finding one and listing them."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from edgefer.errors import ModelError, UsageError
from edgefer.models.directory import MANIFEST_NAME, load
from edgefer.models.manifest import Manifest
from edgefer.support.names import shown
from edgefer.support.typed import suggestion

#: Folder of the models that ship with the package.
SHIPPED = Path(__file__).parent / "shipped"


class InstalledModel(Struct, frozen=True):
    """A shipped model: its name, its manifest and the size of its network; or why it is refused."""

    name: str
    manifest: Manifest | None
    size_bytes: int
    refused: str = ""


def shipped(*kinds: str) -> list[str]:
    """Names of the models in the package, sorted; only those of some kinds where kinds are named."""
    if not SHIPPED.is_dir():
        return []
    paths = sorted(SHIPPED.glob(f"*/{MANIFEST_NAME}"))
    return [path.parent.name for path in paths if not kinds or _kind(path) in kinds]


def _kind(path: Path) -> str:
    """Of the model of a manifest, which begins with it."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().partition('"')[2].partition('"')[0]


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
    close = suggestion(text, shipped())
    raise UsageError(f"unknown model '{shown(text)}'{close}; available: {available}, or the path of a model directory")


def entries() -> list[InstalledModel]:
    """The shipped models, by name; hashes are checked, networks are not run."""
    models = []
    for name in shipped():
        directory = SHIPPED / name
        try:
            manifest = load(directory)
        except ModelError as error:
            models.append(InstalledModel(name, None, 0, str(error)))
        else:
            models.append(InstalledModel(name, manifest, (directory / manifest.network).stat().st_size))
    return models
