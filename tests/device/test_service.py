"""A clean stop on a signal, and the messages to systemd."""

import signal
import socket

import pytest

from edgefer.device import service


def test_a_late_second_ctrl_c_frees_a_stuck_loop(monkeypatch):
    """The first sets the event alone, and so do others shortly after; one after the patience raises."""
    now = [100.0]
    monkeypatch.setattr(service.time, "monotonic", lambda: now[0])
    before = signal.getsignal(signal.SIGINT)
    try:
        with service.StopSignals() as stop:
            assert not stop.event.is_set()
            signal.raise_signal(signal.SIGINT)
            assert stop.event.is_set()
            now[0] += service.PATIENCE_S
            signal.raise_signal(signal.SIGINT)
            now[0] += 0.1
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)  # what is open may now be closed in peace
    finally:
        signal.signal(signal.SIGINT, before)


def test_systemd_hears_that_the_service_is_ready_alive_and_stopping(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(service.time, "monotonic", lambda: now[0])
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        notifier = service.Notifier()
        for ready, step_s in ((False, 0.5), (True, 0.6), (True, 0.1)):
            notifier.beat(ready)
            now[0] += step_s
        notifier.stopping()
        heard = [listener.recv(100).decode() for _ in range(4)]
    assert heard == ["WATCHDOG=1", "READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_systemd_hears_every_two_seconds_how_it_goes(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(service.time, "monotonic", lambda: now[0])
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        notifier = service.Notifier()
        for said, ready in (("waiting", False), ("waiting still", False), ("waiting more", False), ("29.9 fps", True)):
            notifier.beat(ready, said.upper)
            now[0] += 1.5
        now[0] += 1.5
        notifier.beat(True, "30.0 fps".upper)
        notifier.stopping()
        heard = [listener.recv(100).decode() for _ in range(5)]
    more = "\nEXTEND_TIMEOUT_USEC=30000000"  # while it waits, its start may take longer
    assert heard == [f"STATUS=WAITING{more}", f"STATUS=WAITING MORE{more}", "READY=1", "STATUS=30.0 FPS", "STOPPING=1"]


def test_without_systemd_nothing_is_sent(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    opened = []
    monkeypatch.setattr(service.socket, "socket", lambda *kind: opened.append(kind))
    notifier = service.Notifier()
    notifier.beat(True)
    notifier.stopping()
    assert opened == []
