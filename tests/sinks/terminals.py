"""A program on a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time

OTHER_SCREEN, NORMAL_SCREEN = "\x1b[?1049h", "\x1b[?1049l"

# Makes the terminal the controlling one, as a login does, so that its keys send signals.
_LOGIN = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class Terminal:
    """Runs a command on a pseudo-terminal and collects what it shows."""

    def __init__(self, *command: str, width: int = 80, height: int = 24, stderr=None, **environment: str) -> None:
        self._master, self.slave = pty.openpty()
        self.resize(width, height)
        self.modes_before = self.modes()
        env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LOGIN, *command],
            stdin=self.slave,
            stdout=self.slave,
            stderr=stderr or self.slave,
            start_new_session=True,
            env={**env, "TERM": "xterm-256color", **environment},
        )
        self.seen = ""

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def modes(self) -> list:
        """The terminal's settings, apart from whether what was typed is still to be read."""
        modes = termios.tcgetattr(self.slave)
        modes[3] &= ~termios.PENDIN
        return modes

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_for(self, text: str, seconds: float = 60.0) -> str:
        """Reads until the text was shown, and gives everything that was shown up to then since the last call."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} was not shown, but {self.seen!r}"
            self._read(0.1)
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def wait(self, seconds: float = 60.0) -> int:
        """Reads to the end of the program; gives its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"did not end: {self.seen!r}"
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        self.seen += os.read(self._master, 65536).decode(errors="replace")
        return True

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self._master)
