"""`edgefer info`: what this machine and this installation are."""

from __future__ import annotations

import json
import os
import platform
from typing import Any

from edgefer import __version__, config, kernels
from edgefer.commands.console import Commands
from edgefer.device.cameras import camera_devices, offered
from edgefer.device.doctor import memory_mb
from edgefer.device.heat import read_heat
from edgefer.models import store
from edgefer.support.cpu import model_name, quota
from edgefer.support.packages import OPTIONAL, REQUIRED, RUNTIMES, version_of


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
    heat, memory, limit = read_heat(), memory_mb(), quota()
    temperature = "not told" if heat.temperature_c is None else f"{heat.temperature_c:.0f} °C"
    return {
        "edgefer": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "board": board or "no device tree (a PC or a virtual machine)",
        "processor": f"{model_name()}, {len(os.sched_getaffinity(0))} threads" + (f" at {limit:.3g}" if limit else ""),
        "memory": "not told" if memory is None else f"{memory[0]} of {memory[1]} MiB available",
        "temperature": temperature + ", throttled" * heat.throttled + ", voltage too low" * heat.under_voltage,
        "packages": _versions(),
        "kernels": {
            op: {"active": kernels.active(op), "variants": list(kernels.variants(op))} for op in kernels.operations()
        },
        "profile": config.fitting_profile(board),
        "profiles": config.shipped_profiles(),
        "models": [entry.name + (" (refused)" if entry.refused else "") for entry in store.entries()],
        "cameras": [
            f"{camera.path} ({camera.name}){f', {camera.link}' if camera.link else ''}: {offered(camera.path).formats}"
            for camera in camera_devices()
        ],
    }


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


def _versions() -> dict[str, str]:
    """What the modules themselves say: OpenCV, for one, comes in distributions of several names."""
    runtimes = [package for package in RUNTIMES if version_of(package)] or RUNTIMES
    return {package.title: version_of(package) or "not installed" for package in (*REQUIRED, *runtimes, *OPTIONAL)}
