"""The models of this device: finding one and listing them.

An installed model goes before the one that ships under the same name, wherever a model is named.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from edgefer.errors import ModelError, UsageError
from edgefer.models import slots
from edgefer.models.directory import MANIFEST_NAME, load
from edgefer.models.manifest import Manifest
from edgefer.support.names import shown
from edgefer.support.typed import suggestion

#: Folder of the models that ship with the package.
SHIPPED = Path(__file__).parent / "shipped"


class InstalledModel(Struct, frozen=True):
    """A model of this device.

    Attributes:
        name: by which it is opened.
        manifest, size_bytes: and the size of its network.
        refused: why it must not be run; then there is no manifest.
        record: of its slot, where something was installed there.
    """

    name: str
    manifest: Manifest | None
    size_bytes: int
    refused: str = ""
    record: slots.Record | None = None


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


def is_shipped(name: str) -> bool:
    """Whether a model of this name is in the package."""
    return name in shipped()


def available(*kinds: str) -> list[str]:
    """Names of the installed and the shipped models, sorted; only those of some kinds where kinds are named."""
    installed = [name for name in slots.names() if not kinds or _installed_kind(name) in kinds]
    return sorted({*shipped(*kinds), *installed})


def _installed_kind(slot: str) -> str:
    try:
        path = slots.installed(slot)
        return _kind(path / MANIFEST_NAME) if path else ""
    except (ModelError, OSError):
        return ""


def find(model: str | os.PathLike) -> Path:
    """The directory of a model.

    Args:
        model: name of an installed or a shipped model, "default" for the default one, or a path: anything that holds a
            separator, or is a directory.

    Returns:
        The directory; neither a path given as such nor an installed model is checked here.

    Raises:
        UsageError: an unknown name; the message lists those that are known. ModelError: the record of the installed one
        is damaged.
    """
    text = os.fspath(model)
    name = slots.named(text)
    installed = slots.installed(name)
    if installed is not None:
        return installed
    if name in shipped():
        return SHIPPED / name
    if os.sep in text or text in (".", "..") or os.path.isdir(text):
        return Path(text)
    known = available()
    close = suggestion(text, known)
    raise UsageError(
        f"unknown model '{shown(text)}'{close}; available: {', '.join(known) or 'none'}, or the path of a model"
        " directory"
    )


def entries() -> list[InstalledModel]:
    """The installed and the shipped models, by name; hashes are checked, networks are not run."""
    models = []
    for name in available():
        record = None
        try:
            record = slots.read(name)
            path = find(name)
            manifest = load(path)
            size = (path / manifest.network).stat().st_size
        except ModelError as error:
            models.append(InstalledModel(name, None, 0, str(error), record))
        else:
            models.append(InstalledModel(name, manifest, size, record=record))
    return models
