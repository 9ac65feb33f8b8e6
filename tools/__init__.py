"""What writes this repository's pages from its records and results. Nothing in the package knows of it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from edgefer.models import directory, manifest

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "edgefer" / "models" / "shipped"
RECORDS = ROOT / "docs" / "reproduction"
# the benches import each other by bare names, as scripts do
sys.path.append(str(ROOT / "bench"))

from common import table  # noqa: E402

__all__ = ["MODELS", "RECORDS", "ROOT", "publish", "shipped", "table"]


def shipped(models: Path = MODELS) -> dict[str, manifest.FrameManifest]:
    """The manifests of the shipped models that score face crops, by name."""
    loaded = {path.parent.name: directory.load(path.parent) for path in sorted(models.glob("*/model.toml"))}
    return {name: each for name, each in loaded.items() if isinstance(each, manifest.FrameManifest)}


def publish(
    name: str, doc: str, pages: Mapping[Path, str], argv: list[str] | None, draw: Callable[[], None] = lambda: None
) -> int:
    """The command line of what writes pages: write and draw them, or with --check only compare."""
    parser = argparse.ArgumentParser(prog=f"python -m tools.{name}", description=doc.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 when stale")
    check, stale = parser.parse_args(argv).check, False
    for page, content in pages.items():
        if not page.exists() or page.read_text() != content:
            stale = True
            if check:
                print(f"{name}: {page.name} is stale; run `make docs`", file=sys.stderr)
            else:
                page.write_text(content)
    if not check:
        draw()
    return int(check and stale)
