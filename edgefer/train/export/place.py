"""Where a model directory is written: in the place of another model, or where nothing is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edgefer.errors import UsageError
from edgefer.models.directory import MANIFEST_NAME


def check_place(out: Path) -> None:
    """Refuses to replace what is no model.

    Raises:
        UsageError: a file of that name is there, or a directory that holds something and no model.
    """
    if not os.path.lexists(out) or (out / MANIFEST_NAME).is_file():
        return
    if not out.is_dir():
        raise UsageError(f"--out {out}: is there and no directory; give the model a name of its own")
    if any(out.iterdir()):
        raise UsageError(
            f"--out {out}: holds files and no {MANIFEST_NAME}, so it is no model to be replaced; "
            f"give the model a directory of its own, as {out / 'mine'}"
        )


def replace_directory(made: Path, out: Path) -> None:
    """Put a complete directory in the place of another, which is whole under one of two names until that is done.

    Raises:
        UsageError: as of `check_place`.
    """
    check_place(out)
    target = Path(os.path.realpath(out))
    if not target.exists():
        os.replace(made, target)
        return
    aside = target.with_name(f".replaced.{target.name}")
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(target, aside)
    try:
        os.replace(made, target)
    except OSError:
        os.replace(aside, target)
        raise
    shutil.rmtree(aside)
