"""Whether the networks run as fast as they can, and what is said where they do not."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_model

from edgefer.models import runtime, store
from edgefer.models.interpreter import Interpreter


class Wrapped:
    def __init__(self, *nodes: str) -> None:
        self._nodes = nodes

    def NumNodes(self) -> int:
        return len(self._nodes)

    def NodeName(self, node: int) -> str:
        return self._nodes[node]


class Stub:
    """An interpreter of the runtime, with the nodes of its network."""

    def __init__(self, *nodes: str) -> None:
        self._interpreter = Wrapped(*nodes)


@pytest.mark.skipif(bool(runtime.hidden_files()), reason="this machine hides what XNNPACK asks for")
@pytest.mark.skipif(runtime.NAME != "ai-edge-litert", reason="tflite-runtime has no XNNPACK for int8 networks")
def test_xnnpack_computes_here():
    """By asking the runtime itself."""
    network = Interpreter((Path(__file__).parents[1] / "fixtures" / "tiny.tflite").read_bytes(), tiny_model.manifest())
    assert runtime.uses_xnnpack(network._runtime) is True


def test_a_network_without_a_delegate_is_known():
    assert runtime.uses_xnnpack(Stub("CONV_2D", "MEAN", "DELEGATE")) is True
    assert runtime.uses_xnnpack(Stub("CONV_2D", "MEAN")) is False
    assert runtime.uses_xnnpack(object()) is None


def test_the_reason_names_the_file_that_is_hidden_and_what_to_do(tmp_path):
    shown, hidden = tmp_path / "cpuinfo", tmp_path / "possible"
    shown.write_text("0-3")
    assert runtime.why_slow(True, (hidden,)) == ""
    assert runtime.why_slow(None, (shown,)) == ""
    assert f"cannot read {hidden}; mount /proc and /sys" in runtime.why_slow(False, (shown, hidden))
    assert f"cannot read {hidden}" in runtime.why_slow(None, (hidden,))
    assert "install ai-edge-litert as it is released" in runtime.why_slow(False, (shown,))


def test_it_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(runtime, "_reason", None)
    with caplog.at_level(logging.WARNING, "edgefer"):
        runtime.warn_if_slow(Stub("DELEGATE"))
        assert not caplog.records and runtime.slowness() == ""
        for _ in range(3):
            runtime.warn_if_slow(Stub("CONV_2D"))
    assert len(caplog.records) == 1
    assert "without XNNPACK" in caplog.messages[0] == runtime.slowness()


def test_a_process_without_proc_is_warned_in_one_line_and_every_model_passes(tmp_path):
    """In a mount namespace of its own, where the machine allows one."""
    directory = tiny_model.make_directory(tmp_path / "tiny")
    verify = [sys.executable, "-m", "edgefer", "models", "verify", str(directory), *store.shipped()]
    hide = ["unshare", "-m", "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*hide, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to unmount /proc in a namespace")
    done = subprocess.run([*hide, *verify], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("edgefer:")]
    assert line.startswith("edgefer: ") and "without XNNPACK" in line and "cannot read /proc/cpuinfo" in line
