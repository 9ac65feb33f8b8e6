"""A run with a live page, and what its viewers ask for."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request

from broker import free_port
from readings import face, frame, reading

from edgefer.labels import FERPLUS8
from edgefer.sinks import open_sink
from edgefer.values import Health

TOKEN = "open-sesame-and-more"


def health(**changes) -> Health:
    values = {"frames": 90, "dropped": 7, "faces": 1, "fps": 29.9, "age_ms": 7.7, "reconnects": 2, "restarts": 3}
    values |= {"governor_level": 0, "temperature_c": 61.25, "throttled": False, "source": "running"}
    return Health(**{**values, **changes})


class Run:
    """Readings that go on while a test looks at the page."""

    def __init__(self, more: str = "", host: str = "127.0.0.1") -> None:
        self.port = free_port()
        self.sink = open_sink(f"web:{host}:{self.port},rate=30{more}", labels=FERPLUS8, title="camera 0")
        self.url = f"http://127.0.0.1:{self.port}"
        self.faces = [face(1, "happiness")]
        self.health = health()
        self.longest_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def _feed(self) -> None:
        index = 0
        while not self._stop.wait(0.02):
            begin = time.monotonic()
            if self.health.source == "running":
                self.sink.write(reading(index, *self.faces), frame(index))
            if index % 5 == 0:
                self.sink.report(self.health)
            self.longest_s = max(self.longest_s, time.monotonic() - begin)
            index += 1

    def ask(self, path: str = "/", data: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, named)
        try:
            with urllib.request.build_opener(Stay).open(request, timeout=20) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read().decode()

    def is_there(self) -> bool:
        try:
            return bool(self.ask()[0])
        except OSError:
            return False

    def events(self, count: int, **headers: str) -> list[tuple[str, dict]]:
        """So many events of the stream."""
        events: list[tuple[str, dict]] = []
        request = urllib.request.Request(self.url + "/events", headers=headers)
        with urllib.request.urlopen(request, timeout=20) as stream:
            kind = ""
            while len(events) < count:
                line = stream.readline().decode().rstrip("\n")
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: "):
                    events.append((kind, json.loads(line[6:])))
        return events

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.sink.close()


class Stay(urllib.request.HTTPRedirectHandler):
    """Where a page leads elsewhere, the test wants to know."""

    def redirect_request(self, *args):
        return None
