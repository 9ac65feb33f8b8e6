"""What writes this repository's pages from its records and results. Nothing in the package knows of it."""

from __future__ import annotations

import sys
from pathlib import Path

from edgefer.models import directory, manifest

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "edgefer" / "models" / "shipped"
RECORDS = ROOT / "docs" / "reproduction"
# the benches import each other by bare names, as scripts do
sys.path.append(str(ROOT / "bench"))

from result_tables import table  # noqa: E402

__all__ = ["MODELS", "RECORDS", "ROOT", "shipped", "table"]


def shipped(models: Path = MODELS) -> dict[str, manifest.FrameManifest]:
    """The manifests of the shipped models by name."""
    paths = sorted(models.glob("*/model.toml"))
    return {path.parent.name: directory.load_frame(path.parent) for path in paths}
