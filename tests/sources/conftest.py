"""Fixtures of the sources' tests."""

from __future__ import annotations

import subprocess

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
