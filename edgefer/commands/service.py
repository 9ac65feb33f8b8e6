"""`edgefer service`: edgefer at every start of the device, by systemd."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess

from edgefer import config
from edgefer.commands.console import Commands
from edgefer.config import profiles
from edgefer.device import unit
from edgefer.errors import EdgeferError, UsageError
from edgefer.support.atomic import write_bytes

#: What systemd is asked for `status`.
_ASKED = ("LoadState", "ActiveState", "SubState", "StatusText", "NRestarts", "Result", "ActiveEnterTimestamp")


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    actions = commands.actions(
        "service",
        "run at every start of the device, watched by systemd",
        "service print\nservice install --profile /etc/edgefer.toml\nservice status\nservice uninstall",
    )
    for name, summary in (
        ("print", "print the unit that would be installed"),
        ("install", "write the unit, start it, and have it started at every boot; as root"),
    ):
        parser = actions.add(name, summary, f"service {name}\nservice {name} --profile /etc/edgefer.toml", execute)
        parser.add_argument(
            "--profile", metavar="P", help="name of a shipped profile or a .toml file (default: by board)"
        )
    actions.add("uninstall", "stop the service and take its unit away; as root", "service uninstall", execute)
    actions.add("status", "how the service is doing; exit code 1 unless it runs", "service status", execute)


def execute(args: argparse.Namespace) -> int:
    """Does what the action says."""
    return {"print": print_unit, "install": install, "uninstall": uninstall, "status": status}[args.action](args)


def print_unit(args: argparse.Namespace) -> int:
    """The unit on standard output."""
    print(_unit(args.profile), end="")
    return 0


def install(args: argparse.Namespace) -> int:
    """Writes the unit, and starts it."""
    text = _unit(args.profile)
    _need_systemd("install", root=True)
    path = unit.FOLDER / unit.NAME
    try:
        write_bytes(path, text.encode())
    except OSError as error:
        raise EdgeferError(f"{path}: cannot be written: {error.strerror}") from None
    _systemctl("daemon-reload")
    _systemctl("enable", unit.NAME)
    _systemctl("restart", "--no-block", unit.NAME)
    print(f"{path}: written, enabled and started; see: edgefer service status, journalctl -u {unit.NAME}")
    return 0


def uninstall(args: argparse.Namespace) -> int:
    """Stops the service and removes its unit; what it has recorded stays."""
    _need_systemd("uninstall", root=True)
    path = unit.FOLDER / unit.NAME
    if not path.exists():
        print(f"{path}: not installed")
        return 0
    _systemctl("disable", "--now", unit.NAME)
    try:
        path.unlink()
    except OSError as error:
        raise EdgeferError(f"{path}: cannot be removed: {error.strerror}") from None
    _systemctl("daemon-reload")
    print(f"{path}: stopped and removed; what it has recorded stays in /var/lib/private/edgefer")
    return 0


def status(args: argparse.Namespace) -> int:
    """A line or two: whether it runs, since when, and what it last said of itself."""
    _need_systemd("status")
    asked = [f"--property={name}" for name in _ASKED]
    state = dict(line.split("=", 1) for line in _systemctl("show", *asked, unit.NAME).splitlines() if "=" in line)
    if state.get("LoadState") == "not-found":
        print("edgefer is not installed as a service; install it with: edgefer service install")
        return 1
    line = f"{state.get('ActiveState')} ({state.get('SubState')})"
    if since := state.get("ActiveEnterTimestamp"):
        line += f" since {since}"
    if (restarts := state.get("NRestarts", "0")) != "0":
        line += f"; started again {restarts} time(s), last because of {state.get('Result')}"
    print(line)
    if said := state.get("StatusText"):
        print(said)
    return 0 if state.get("ActiveState") == "active" else 1


def _unit(profile: str | None) -> str:
    """The unit for a profile, by default the one that fits this board.

    Raises:
        UsageError: the profile is refused.
    """
    name = profile if profile is not None else config.fitting_profile(config.board_model())
    return unit.text(profiles.load_profile(name), name)


def _need_systemd(action: str, root: bool = False) -> None:
    if shutil.which("systemctl") is None:
        raise UsageError(f"service {action}: this system has no systemctl; `edgefer service print` shows the unit")
    if root and os.geteuid() != 0:
        raise UsageError(f"service {action}: needs root; run it again with sudo, by the program's full path")


def _systemctl(*words: str) -> str:
    """What systemctl prints.

    Raises:
        EdgeferError: it failed.
    """
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise EdgeferError(f"systemctl {' '.join(words)}: {said or f'failed with {done.returncode}'}")
    return done.stdout
