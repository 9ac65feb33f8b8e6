"""A device of its own for each test."""

from __future__ import annotations

import pytest


@pytest.fixture
def state(tmp_path, monkeypatch):
    """An empty state folder."""
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path / "state"))
    return tmp_path / "state"
