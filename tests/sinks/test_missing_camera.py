"""A camera that is not there when a run begins: what speaks to other machines says so, and goes on when it comes."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from broker import Broker, eventually, free_port, listening, needs_broker
from browser import browsing, needs_browser
from pages import KEEPING

from edgefer import assemble
from edgefer.commands.console import main
from edgefer.errors import SourceStalled
from edgefer.sources.demo import Demo

NAME = "/dev/video77"


class Run:
    """`edgefer run` without a camera, in a process of its own."""

    def __init__(self, folder, *outputs: str) -> None:
        words = [word for output in outputs for word in ("--output", output)]
        program = f"import edgefer.commands.console, sys; {KEEPING}; sys.exit(edgefer.commands.console.main())"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, "run", "--camera", "77", "--patience", "600", *words],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> str:
        """What it said, after an end that was asked for."""
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=30)[1]
        assert self.process.returncode == 0 and "Traceback" not in said
        return said


@pytest.fixture
def begin(tmp_path):
    runs: list[Run] = []

    def begun(*outputs: str) -> Run:
        runs.append(Run(tmp_path, *outputs))
        return runs[-1]

    yield begun
    for run in runs:
        run.process.kill()
        run.process.communicate()


def text_of(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


@needs_broker
def test_home_assistant_sees_that_the_service_is_there_and_its_camera_is_not(begin, tmp_path):
    pytest.importorskip("paho.mqtt", reason="no paho-mqtt here: the extra mqtt")
    broker = Broker(tmp_path)
    with listening(broker) as listener:
        run = begin(f"mqtt:{broker.url},id=early", "jsonl:readings.jsonl")
        health = lambda: json.loads(listener.newest.get("edgefer/early/health", b"{}"))  # noqa: E731
        eventually(lambda: health().get("source") == "stalled")
        assert health()["trouble"].startswith(f"{NAME}: no such camera")
        assert listener.newest["edgefer/early/availability"] == b"online"
        assert json.loads(listener.newest["edgefer/early/state"])["faces"] == 0
        config = json.loads(listener.newest["homeassistant/sensor/edgefer_early/expression/config"])
        assert "happiness" in config["options"] and config["device"]["model"] == NAME
        run.end()
        eventually(lambda: listener.newest["edgefer/early/availability"] == b"offline")
    broker.stop()
    assert not (tmp_path / "readings.jsonl").exists()


def test_the_metrics_answer_and_say_that_the_camera_is_away(begin):
    pytest.importorskip("prometheus_client", reason="no prometheus-client here: the extra metrics")
    port = free_port()
    run = begin(f"metrics:{port}")
    eventually(lambda: 'edgefer_source_state{state="stalled"} 1.0' in text_of(f"http://127.0.0.1:{port}/metrics"))
    assert run.end().count("no such camera") == 1


@needs_browser
def test_the_page_opens_and_says_that_the_camera_is_away(begin):
    pytest.importorskip("uvicorn", reason="no uvicorn here: the extra web")
    port = free_port()
    begin(f"web:{port}")
    eventually(lambda: text_of(f"http://127.0.0.1:{port}/"))
    with browsing() as browser:
        browser.show(1280, 900)
        browser.open(f"http://127.0.0.1:{port}")
        eventually(lambda: browser.run("return document.getElementById('state').innerText") == "camera away")
        assert f"{NAME}: no such camera" in browser.run("return document.getElementById('notice').innerText")
        assert browser.run("return document.getElementById('title').innerText") == NAME
        assert browser.complaints() == []


class Told:
    """An output that speaks to others, and notes what it is told."""

    def __init__(self) -> None:
        self.healths: list = []
        self.readings = 0
        self.closed = 0
        self.began: list[dict] = []

    def start(self, outputs, **context):
        assert len(outputs) in (0, 1)
        self.began += [context] * len(outputs)
        return [self] * len(outputs)

    def write(self, *given) -> None:
        self.readings += 1

    def report(self, health) -> None:
        self.healths.append((health.source, health.trouble))

    def begin_close(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1

    def take_error(self) -> None:
        return None

    hangs = False


@pytest.fixture
def told(monkeypatch):
    output = Told()
    monkeypatch.setattr(assemble, "start_sinks", output.start)
    return output


def cameras(monkeypatch, *steps) -> None:
    """What each opening of a camera gives; the last one stays."""
    left = list(steps)

    def opened(options):
        step = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(step, Exception):
            raise step
        return step

    monkeypatch.setattr("edgefer.sources.camera.open_camera", opened)


def test_an_output_hears_of_the_wait_and_then_gets_the_readings(monkeypatch, told):
    cameras(monkeypatch, *[SourceStalled("/dev/video0: no such camera")] * 2, Demo(None))
    assert main(["run", "-q", "--camera", "0", "--frames", "3", "--output", "metrics:1"]) == 0
    assert told.healths[0] == ("stalled", "/dev/video0: no such camera") and told.healths[-1] == ("ended", "")
    assert told.readings == 3 and told.closed == 1 and len(told.began) == 1
    assert told.began[0]["title"] == "/dev/video0" and "happiness" in told.began[0]["labels"]


def test_an_output_for_this_machine_is_opened_with_the_camera(monkeypatch, told, tmp_path):
    cameras(monkeypatch, *[SourceStalled("/dev/video0: no such camera")] * 2, Demo(None))
    words = ["run", "-q", "--camera", "0", "--frames", "3", "--output", f"jsonl:{tmp_path}/a.jsonl"]
    assert main(words) == 0
    assert {source for source, _ in told.healths} == {"ended"} and told.began[0]["title"] == "demo"


def test_a_camera_that_never_comes_ends_the_run_in_one_line(monkeypatch, told, capsys, caplog):
    caplog.set_level(logging.CRITICAL)
    cameras(monkeypatch, SourceStalled("/dev/video0: no such camera"))
    assert main(["run", "--camera", "0", "--patience", "0.5", "--output", "metrics:1"]) == 3
    assert told.closed == 1 and told.healths
    said = [line for line in capsys.readouterr().err.splitlines() if "tried for 0.5 s" in line]
    assert said == ["edgefer: /dev/video0: no such camera; tried for 0.5 s"]


def test_systemd_hears_what_is_waited_for_and_that_nothing_hangs(monkeypatch, told, tmp_path):
    cameras(monkeypatch, SourceStalled("/dev/video0: no such camera"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(10)
        assert main(["run", "-q", "--camera", "0", "--patience", "0.5", "--output", "metrics:1"]) == 3
        heard = {channel.recv(4096).decode() for _ in range(2)}
    more = "EXTEND_TIMEOUT_USEC=30000000"
    assert heard == {f"STATUS=stalled: /dev/video0: no such camera\n{more}", "WATCHDOG=1"}


@pytest.mark.parametrize("source", ["nothing.mp4", "rtsp//camera"])
def test_a_source_that_is_wrong_is_waited_for_by_nobody(told, capsys, source):
    assert main(["run", "--source", source, "--output", "metrics:1"]) == 3
    assert not told.began and not told.healths
    assert len(capsys.readouterr().err.splitlines()) == 1
