"""A PostgreSQL server for tests, on a socket in a folder; it needs the server's programs, not its service."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`: Debian keeps them off the path."""
    on_path = shutil.which("postgres")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    found = [Path(os.path.realpath(on_path))] if on_path else places
    return found[0].parent if found and (found[0].parent / "initdb").exists() else None


@contextlib.contextmanager
def server(bin_folder: Path) -> Iterator[str]:
    """The address of a new server's database, as edgefer.train.search takes it; it ends with the block."""
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="edgefer-pg-", dir="/tmp"))  # a socket's path is short
    try:
        if user:
            shutil.chown(folder, user)
        options = ["-A", "trust", "-U", "edgefer", "--no-sync", "--locale=C", "-E", "UTF8"]
        _call([bin_folder / "initdb", *options, "-D", folder / "data"], user)
        start = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=40"
        control = [bin_folder / "pg_ctl", "-D", folder / "data"]
        _call([*control, "-w", "-t", "60", "-l", folder / "log", "-o", start, "start"], user)
        try:
            yield f"postgresql://edgefer@/postgres?host={folder}"
        finally:
            _call([*control, "-w", "-m", "immediate", "stop"], user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> str | None:
    """The server refuses to run as root."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


def _call(command: list[object], user: str | None) -> None:
    subprocess.run([str(each) for each in command], user=user, check=True, stdout=subprocess.DEVNULL, cwd="/")
