"""Chromium without a screen, driven by its chromedriver over the WebDriver protocol (W3C)."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from broker import eventually, free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="no chromium with chromedriver here")


class Browser:
    """One window."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/session"
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        options = {"binary": CHROMIUM, "args": [*words, "--disable-background-networking"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        session = self._ask("", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        self._url += f"/{session}"

    def _ask(self, path: str, values: dict[str, Any] | None = None, method: str | None = None) -> Any:
        data = None if values is None else json.dumps(values).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["value"]

    def open(self, url: str) -> None:
        self._ask("/url", {"url": url})

    def run(self, script: str, *values: Any) -> Any:
        return self._ask("/execute/sync", {"script": script, "args": list(values)})

    def command(self, name: str, **values: Any) -> Any:
        """A command of Chromium's own protocol."""
        return self._ask("/goog/cdp/execute", {"cmd": name, "params": values})

    def show(self, width: int, height: int, scheme: str = "dark", sharpness: float = 1.0) -> None:
        """The size of the window, and whether the person likes it dark."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=sharpness,
            mobile=width < 600,
        )
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self) -> bytes:
        return base64.b64decode(self._ask("/screenshot"))

    def complaints(self) -> list[str]:
        """What the console says since it was last asked."""
        return [entry["message"] for entry in self._ask("/se/log", {"type": "browser"})]

    def requested(self) -> list[str]:
        """Addresses that pages have asked for since this was last called."""
        messages = [json.loads(entry["message"])["message"] for entry in self._ask("/se/log", {"type": "performance"})]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._ask("", method="DELETE")


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    port = free_port()
    driver = subprocess.Popen(
        [str(DRIVER), f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "no_proxy": "127.0.0.1"},
        start_new_session=True,
    )
    browser = None
    try:
        eventually(lambda: _is_ready(port), "chromedriver")
        browser = Browser(port)
        yield browser
    finally:
        if browser is not None:
            browser.close()
        driver.terminate()
        driver.wait()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5) as answer:
            return bool(json.loads(answer.read())["value"]["ready"])
    except OSError:
        return False
