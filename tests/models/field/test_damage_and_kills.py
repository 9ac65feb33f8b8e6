"""Damaged files and killed updates, in short; `make damage` and `make kill-updates` are the whole."""

from __future__ import annotations

import os
import shutil

import pytest
from fuzz import damaged_models, killed_updates

from edgefer.models import store


@pytest.fixture(autouse=True)
def an_environment_of_its_own(monkeypatch):
    """The programs set where the state is."""
    monkeypatch.setenv("EDGEFER_STATE", os.environ["EDGEFER_STATE"])


def test_every_kind_of_damage_is_refused_in_one_line():
    lines = []
    assert damaged_models.run(10, 0, 1, 1, lines.append) == []
    assert "60 of 60 refused, 0 taken or told otherwise" in lines


def test_damage_that_is_not_seen_would_be_told(monkeypatch):
    """The program can fail."""
    monkeypatch.setattr(damaged_models, "said_of", lambda model: (0, f"ok       {model}\n", ""))
    assert len(damaged_models.run(1, 0, 0, 1, lambda line: None)) == len(damaged_models.DAMAGES)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs the program strace")
def test_an_update_killed_at_any_system_call_leaves_a_whole_model():
    lines = []
    try:
        assert killed_updates.run(80, 12, 1, False, lines.append) == []
    except SystemExit as refused:
        pytest.skip(str(refused))
    assert lines[-2].startswith("12 kills")


def test_a_model_that_is_half_there_would_be_told(tmp_path):
    at = killed_updates.Range(tmp_path)
    update = next(change for change in at.changes if change.name == "an update")
    at._fresh(update)
    network = store.find("x") / "model.tflite"
    network.write_bytes(network.read_bytes()[:-1])
    at.judge(update, "cut", 9)
    assert len(at.failures) == 1 and "model.tflite is damaged" in at.failures[0]
