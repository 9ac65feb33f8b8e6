"""Fixtures of all tests."""

from __future__ import annotations

import signal

import pytest

# A shell without job control starts background jobs with Ctrl-C ignored, and so would every process a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def a_device_without_installed_models(monkeypatch, tmp_path_factory):
    """Whatever is installed for the user who runs the tests."""
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path_factory.getbasetemp() / "no-state"))


@pytest.fixture(autouse=True)
def a_terminal_that_can_redraw(monkeypatch):
    """Whatever the terminal is that the tests are started in."""
    monkeypatch.setenv("TERM", "xterm")
