"""`edgefer info`: what this machine and this installation are."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

from edgefer import __version__, config, kernels
from edgefer.commands.console import Commands
from edgefer.device.heat import read_heat
from edgefer.models import store
from edgefer.support.cpu import model_name


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    parser = commands.add(
        "info",
        "show versions, processor, kernels, models, cameras and the fitting profile",
        "info\ninfo --json",
        execute,
    )
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def execute(args) -> int:
    """Prints the facts; always 0, for what cannot be found out is itself a fact."""
    facts = gather()
    if args.json:
        print(json.dumps(facts, ensure_ascii=False, indent=2))
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        lines = _lines(value) or ["none"]
        print(f"{name:<{width}}  {lines[0]}")
        for line in lines[1:]:
            print(f"{'':<{width}}  {line}")
    return 0


def gather() -> dict[str, Any]:
    """Everything `edgefer info` prints, by name."""
    board = config.board_model()
    heat = read_heat()
    temperature = "not told" if heat.temperature_c is None else f"{heat.temperature_c:.0f} °C"
    return {
        "edgefer": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "board": board or "no device tree (a PC or a virtual machine)",
        "processor": f"{model_name()}, {len(os.sched_getaffinity(0))} threads",
        "memory": _memory(),
        "temperature": temperature + (", throttled" if heat.throttled else ""),
        "packages": {name: _version(name) for name in ("numpy", "opencv-python-headless", *_interpreters())},
        "kernels": {
            op: {"active": kernels.active(op), "variants": list(kernels.variants(op))} for op in kernels.operations()
        },
        "profile": config.fitting_profile(board),
        "profiles": config.shipped_profiles(),
        "models": [entry.name + (" (refused)" if entry.refused else "") for entry in store.entries()],
        "cameras": cameras(),
    }


def cameras(root: Path = Path("/sys/class/video4linux")) -> list[str]:
    """Video devices with the names their drivers give, without the second nodes that carry metadata."""
    devices = []
    for node in sorted(root.glob("video*"), key=lambda path: (len(path.name), path.name)):
        try:
            if (node / "index").read_text().strip() not in ("", "0"):
                continue
            name = (node / "name").read_text().strip()
        except OSError:
            name = "unknown"
        devices.append(f"/dev/{node.name} ({name})")
    return devices


def _lines(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(item) for item in value]
    if isinstance(value, dict):
        return [f"{name} {_entry(item)}" for name, item in value.items()]
    return [str(value)]


def _entry(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['active']} (of {', '.join(value['variants'])})"
    return str(value)


def _interpreters() -> list[str]:
    """The packages that can run the networks, those installed; both names when none is."""
    names = ["ai-edge-litert", "tflite-runtime"]
    return [name for name in names if _version(name) != "not installed"] or names


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _memory() -> str:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        return f"{sizes['MemAvailable'] // 1024} of {sizes['MemTotal'] // 1024} MiB available"
    except (OSError, ValueError, IndexError, KeyError):
        return "not told"
