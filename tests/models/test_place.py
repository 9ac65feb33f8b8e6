"""The folder in which a device keeps its models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgefer.models import place


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"EDGEFER_STATE": "/a", "STATE_DIRECTORY": "/b", "XDG_STATE_HOME": "/c"}, "/a"),
        ({"STATE_DIRECTORY": "/b:/d", "XDG_STATE_HOME": "/c"}, "/b"),
        ({"XDG_STATE_HOME": "/c", "HOME": "/h"}, "/c/edgefer"),
        ({"HOME": "/h"}, "/h/.local/state/edgefer"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/edgefer"),
    ],
    ids=["EDGEFER_STATE", "systemd", "XDG", "home", "a relative XDG_STATE_HOME counts for nothing"],
)
def test_where_the_state_is(environment, expected, monkeypatch):
    for name in ("EDGEFER_STATE", "STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(place, "SERVICE", Path("/nowhere"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(place.state()) == expected


def test_root_uses_the_folder_of_the_service_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.delenv("EDGEFER_STATE")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(place, "SERVICE", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert place.state() == tmp_path
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert place.state() != tmp_path
