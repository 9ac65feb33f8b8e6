"""Fixtures of all tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def a_terminal_that_can_redraw(monkeypatch):
    """Whatever the terminal is that the tests are started in."""
    monkeypatch.setenv("TERM", "xterm")
