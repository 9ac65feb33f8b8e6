"""Fixtures of all tests."""

from __future__ import annotations

import signal

import pytest

# A shell without job control starts background jobs with Ctrl-C ignored, and so would every process a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def a_terminal_that_can_redraw(monkeypatch):
    """Whatever the terminal is that the tests are started in."""
    monkeypatch.setenv("TERM", "xterm")
