"""Fixtures of the sources' tests."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate that signs itself, for 127.0.0.1, with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=camera -addext subjectAltName=IP:127.0.0.1"
    try:
        done = subprocess.run([*command.split(), "-keyout", "-"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs openssl to make a certificate")
    path.write_bytes(done.stdout)
    return str(path)


@pytest.fixture
def plug_in(monkeypatch):
    """Opens a camera behind which a Driver answers; gives the source, and has the driver as `driver`."""
    module = pytest.importorskip("edgefer.sources.camera._v4l2", reason="edgefer was built without its V4L2 module")
    from v4l2_driver import Driver

    from edgefer.sources import open_source
    from edgefer.sources.camera import device, nodes
    from edgefer.sources.registry import CameraOptions, parse_source

    def plug_in(pictures=(), modes=None, asked=None, **given):
        driver = Driver(module.ffi, modes, pictures, **given)
        monkeypatch.setattr(device, "library", lambda: SimpleNamespace(lib=driver, ffi=module.ffi))
        monkeypatch.setattr(nodes, "_mode", lambda path: 0o20660)
        plug_in.driver = driver
        return open_source(parse_source("0", CameraOptions(**{"size": [64, 48], **(asked or {})})))

    return plug_in
