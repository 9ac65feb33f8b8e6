"""Fixtures of all tests."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import cv2
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


@pytest.fixture(autouse=True)
def no_test_leaves_a_camera_running():
    """Its thread would be met in a later test."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name == "capture":
            thread.join(20)
            assert not thread.is_alive(), f"{thread} reads on"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """OpenCV 5 brings no cascades: what a test does with Haar's detector is not run there."""
    outcome: Any = yield
    report = outcome.get_result()
    why = str(call.excinfo.value) if call.excinfo and report.failed else ""
    if int(cv2.__version__.partition(".")[0]) > 4 and ("haarcascade_" in why or "CascadeClassifier" in why):
        path, line, _ = item.location
        report.outcome = "skipped"
        report.longrepr = (path, line or 0, "Skipped: OpenCV 5 has no Haar cascade")
