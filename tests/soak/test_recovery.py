"""Losses of a camera, of every kind, one after the other: each is seen, and the camera is back."""

from __future__ import annotations

import threading
import time

import losses
import pytest
from losses import NoiseCamera
from usage import usage

from edgefer.loop import capture, patience, watch
from edgefer.loop.capture import Capture
from edgefer.sources.faults import FaultyDevice
from edgefer.sources.registry import FAULTS


@pytest.fixture
def hurried(monkeypatch):
    """Ten times as quick to judge as it is, so that a loss takes a fraction of a second."""
    monkeypatch.setattr(watch, "FAULTY_AFTER_S", 0.25)
    monkeypatch.setattr(watch, "_BETWEEN_S", 0.02)
    monkeypatch.setattr(patience, "DEADLINE_S", 0.25)
    monkeypatch.setattr("edgefer.loop.patience.FIRST_DELAY_S", 0.02)
    monkeypatch.setattr("edgefer.loop.patience.LONGEST_DELAY_S", 0.05)


@pytest.mark.parametrize("sticks", [False, True], ids=["passes", "sticks"])
def test_every_kind_of_loss_is_seen_and_recovered_from_and_leaves_nothing_behind(hurried, sticks):
    """`make soak` plays 1,000 of them at their own pace."""
    before = usage()
    device = FaultyDevice(lambda: NoiseCamera(50), FAULTS, 0.1, 0.4, sticks)
    found, back_steps = losses.lose(2 * len(FAULTS), device)
    assert [loss.kind for loss in found] == list(FAULTS) * 2
    assert all(loss.seen_s is not None and loss.back_s is not None for loss in found), found
    assert back_steps == 0
    deadline = time.monotonic() + 5
    while threading.active_count() > before.threads and time.monotonic() < deadline:
        time.sleep(0.01)
    after = usage()
    assert after.files <= before.files and after.threads <= before.threads  # others may end meanwhile


def test_a_camera_that_stays_away_is_asked_for_about_once_a_second(monkeypatch):
    """No processor is burnt meanwhile."""
    waited, openings = [], []
    device = FaultyDevice(NoiseCamera, ("gone",), 0.0, 3600.0)
    over = threading.Event()

    def reopen():
        openings.append(None)
        return device.open()

    reader = Capture(device.open(), reopen, patience_s=3600, endless=True)
    while not reader.stalled:
        reader.take(0.02)

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        over.set() if len(waited) > 100 else None
        return over.is_set()

    monkeypatch.setattr(reader._pauses._bell, "wait", wait)
    assert over.wait(10)
    reader.close()
    assert sum(waited) >= 0.9 * len(openings) - 2


def test_a_source_that_is_opened_while_its_camera_is_away_finds_it_away():
    now = [0.0]
    device = FaultyDevice(lambda: NoiseCamera(1000), ("eof", "size"), 1.0, 2.0, clock=lambda: now[0])
    camera = device.open()
    assert camera.read() is not None
    now[0] = 1.5
    assert camera.read() is None
    with pytest.raises(capture.SourceStalled, match="away"):
        device.open()
    now[0] = 4.0
    camera = device.open()
    assert camera.read().grey.shape == (120, 160)
    now[0] = 5.5
    assert camera.read().grey.shape == (60, 80)
    assert [fault.kind for fault in device.played] == ["eof", "size"]
