"""An MQTT broker of a test's own, on a port of the loopback interface, and someone who listens to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
PASSWORDS = shutil.which("mosquitto_passwd")
OPENSSL = shutil.which("openssl")

needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto here")
#: For what has to come over the network; the machine may be busy.
PATIENCE_S = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(condition: Callable[[], object], what: str = "it") -> object:
    """The first true answer; fails where none comes."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {PATIENCE_S:g} s")


class Broker:
    """Mosquitto with some lines of configuration; it may be stopped, held and started again on the same port."""

    def __init__(self, folder: Path, *lines: str, anonymous: bool = True) -> None:
        self.port = free_port()
        self._file = folder / f"mosquitto-{self.port}.conf"
        own = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(anonymous).lower()}", "persistence false"]
        self._file.write_text("\n".join([*own, *lines, *(["user root"] if os.geteuid() == 0 else [])]) + "\n")
        self._process: subprocess.Popen | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [str(MOSQUITTO), "-c", str(self._file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._answers, "the broker")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def hold(self) -> None:
        """It is there and does nothing any more."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Listener:
    """Everything that a broker hands on: the newest message by topic, and all of them in order."""

    def __init__(self, broker: Broker) -> None:
        from paho.mqtt import client as paho

        self.newest: dict[str, bytes] = {}
        self.retained: set[str] = set()
        self.all: list[tuple[str, bytes]] = []
        self._there = threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("#")
        self.client.on_subscribe = lambda *_: self._there.set()
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self._there.wait(PATIENCE_S)

    def _take(self, client, data, message) -> None:
        self.all.append((message.topic, message.payload))
        self.newest[message.topic] = message.payload
        if message.retain:
            self.retained.add(message.topic)

    def say(self, topic: str, payload: str, retain: bool = False) -> None:
        self.client.publish(topic, payload, 1, retain).wait_for_publish(PATIENCE_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextlib.contextmanager
def listening(broker: Broker) -> Iterator[Listener]:
    listener = Listener(broker)
    try:
        yield listener
    finally:
        listener.close()


def make_certificates(folder: Path) -> None:
    """ca.crt, and server.crt with server.key for 127.0.0.1, which it has signed; other.crt has signed nothing."""
    for name in ("ca", "other"):
        _openssl(
            folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt",
        )  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    _openssl(
        folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
        "-keyout", "server.key", "-out", "server.csr",
    )  # fmt: skip
    _openssl(
        folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days",
        "2", "-extfile", "names", "-out", "server.crt",
    )  # fmt: skip


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run([str(OPENSSL), *words], cwd=folder, check=True, capture_output=True)
