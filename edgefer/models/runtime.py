"""What runs the networks: LiteRT, or its forerunner tflite-runtime; and whether it runs them as fast as it can.

Both compute through XNNPACK where that starts. It does not where the system's files on the processors are hidden, as in
some containers and chroots; then the networks take up to a hundred times as long, and the runtime says nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgefer.errors import UsageError

try:
    from ai_edge_litert import interpreter as module

    NAME = "ai-edge-litert"
except ImportError:
    try:
        from tflite_runtime import interpreter as module
    except ImportError:
        raise UsageError("no runtime for the networks is installed; pip install ai-edge-litert") from None

    NAME = "tflite-runtime"

__all__ = ["NAME", "hidden_files", "module", "slowness", "uses_xnnpack", "warn_if_slow", "why_slow"]

log = logging.getLogger(__name__)

#: What XNNPACK asks about the processors when it starts; on some of them it does without.
PROCESSOR_FILES = (Path("/proc/cpuinfo"), Path("/sys/devices/system/cpu/possible"))

_reason: str | None = None  # why the networks run slowly, once one was built


def uses_xnnpack(interpreter: Any) -> bool | None:
    """Whether XNNPACK computes the network of an interpreter with allocated tensors; None where it is not told."""
    try:
        wrapped = interpreter._interpreter  # there is no public way to ask
        return any(wrapped.NodeName(node) == "DELEGATE" for node in range(wrapped.NumNodes()))
    except AttributeError:
        return None


def hidden_files(files: Iterable[Path] = PROCESSOR_FILES) -> list[str]:
    """Those of the files that this process cannot read."""
    hidden = []
    for file in files:
        try:
            with file.open("rb") as opened:
                opened.read(1)
        except OSError:
            hidden.append(str(file))
    return hidden


def why_slow(fast: bool | None, files: Iterable[Path] = PROCESSOR_FILES) -> str:
    """Why the networks run slowly, in words, with what to do; empty where they do not."""
    hidden = " and ".join(hidden_files(files))
    if fast or (fast is None and not hidden):
        return ""
    what = f"{NAME} runs the networks without XNNPACK, up to 100 times slower"
    if hidden:
        return f"{what}: this process cannot read {hidden}; mount /proc and /sys in its container or chroot"
    why = "its build has none for this processor" if NAME == "ai-edge-litert" else "it has none for int8 networks"
    return f"{what}: {why}; install ai-edge-litert as it is released"


def warn_if_slow(interpreter: Any) -> None:
    """Says once, in the log, why the networks run slowly."""
    global _reason
    before, _reason = _reason, why_slow(uses_xnnpack(interpreter)) or _reason or ""
    if _reason and not before:
        log.warning("%s", _reason)


def slowness() -> str:
    """What was said of the networks built so far; empty where they run as fast as they can."""
    return _reason or ""
