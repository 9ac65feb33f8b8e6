"""The terminal itself: its other screen, its keys, and being paused; left as it was found, whatever happens."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import re
import select
import signal
import sys
import termios
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, TextIO

from edgefer.sinks.table.spans import Line, plain, width_of

if TYPE_CHECKING:
    from rich.console import Console

# ANSI and xterm: the other screen, cursor hidden, no wrapping at the right edge; and back.
_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
#: A key that is not a letter, as terminals send it; F2 holds a Q.
_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|O.|[^\[O])?")
_MOST_NOTES = 200
#: Whoever holds the terminal for longer is stuck in writing to it.
_PATIENCE_S = 1.0

_entered: weakref.WeakSet[Screen] = weakref.WeakSet()


class Notes(io.TextIOBase):
    """Stands for sys.stderr while the screen is drawn on: lines are kept, to be printed after it.

    Attributes:
        stream: the stderr it stands for.
        lines: those kept. count: all that came.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lines: deque[str] = deque(maxlen=_MOST_NOTES)
        self.count = 0
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        self.lines.extend(lines)
        self.count += len(lines)
        return len(text)

    def fileno(self) -> int:
        return self.stream.fileno()

    def isatty(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    def release(self) -> None:
        """Prints what was kept, in the order in which it came."""
        if self._rest:
            self.write("\n")
        lines, left_out = list(self.lines), self.count - len(self.lines)
        self.lines.clear()
        self.count = 0
        with contextlib.suppress(OSError, ValueError):
            if left_out:
                self.stream.write(f"({left_out} earlier lines left out)\n")
            self.stream.writelines(line + "\n" for line in lines)
            self.stream.flush()


class Screen:
    """The whole of a terminal to draw on, from enter() to leave().

    Keys are read where standard input is a terminal and this process is in its foreground. Ctrl-Z gives the
    terminal back while the process is paused; if it goes on in the background, nothing is drawn until it comes back.
    Used by one thread; the signals come in the main thread.
    """

    def __init__(self, console: Console) -> None:
        """Args: console: a rich console, which knows the terminal's size, encoding and colours."""
        from rich.color import ColorSystem

        self._console = console
        self._file = console.file
        names = {"standard": "STANDARD", "256": "EIGHT_BIT", "truecolor": "TRUECOLOR"}
        name = names.get(console.color_system or "")
        self._colours = ColorSystem[name] if name else None
        self._styles: dict[str, Any] = {}
        self._lock = threading.RLock()
        self._painted: list[str] = []
        self._size = (0, 0)
        self._modes: list[Any] | None = None  # of the terminal before keys were read
        self._notes: Notes | None = None
        self.entered = False
        self._closed = False
        self._terminal = _fd_of(self._file)
        if self._terminal is not None:
            _heed_pauses()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, cells."""
        width, height = self._console.size
        return max(1, width), max(1, height)

    @property
    def reads_keys(self) -> bool:
        return self._modes is not None

    @property
    def note(self) -> tuple[str, int]:
        """The last line that was written to stderr, and how many came before it; empty without any."""
        notes = self._notes
        return (notes.lines[-1], notes.count - 1) if notes and notes.lines else ("", 0)

    def draw(self, lines: Sequence[Line]) -> None:
        """Shows lines, the first at the top; enters the screen where that was not done. Raises OSError."""
        with self._lock:
            if not self._in_foreground() or self._closed:
                return
            if not self.entered:
                self._enter()
            out = []
            size = self.size
            if size != self._size:
                self._size, self._painted = size, []
                out.append("\x1b[2J")
            rows = [self.rendered(line) + ("\x1b[K" if width_of(line) < size[0] else "") for line in lines]
            for row in range(max(len(rows), len(self._painted))):
                text = rows[row] if row < len(rows) else "\x1b[K"
                if row >= len(self._painted) or self._painted[row] != text:
                    out.append(f"\x1b[{row + 1};1H{text}")
            self._painted = rows
            if out:
                self._file.write("".join(out))
                self._file.flush()

    def rendered(self, line: Line) -> str:
        """A line with the control sequences for its styles."""
        if self._colours is None:
            return plain(line)
        return "".join(self._style(style).render(text, color_system=self._colours) for text, style in line if text)

    def _style(self, name: str) -> Any:
        from rich.style import Style

        style = self._styles.get(name)
        if style is None:  # one of our own: a parsed style keeps the codes of the console it was first used with
            words = set(name.split())
            colour = next(iter(words - {"bold", "dim"}), None)
            style = self._styles[name] = Style(
                color=None if self._console.no_color else colour, bold="bold" in words, dim="dim" in words
            )
        return style

    def keys(self) -> str:
        """The letters and control characters that were typed since the last call."""
        with self._lock:
            if self._modes is None or not self._in_foreground():
                return ""
            typed = b""
            with contextlib.suppress(OSError, ValueError):
                while select.select([0], [], [], 0)[0]:
                    part = os.read(0, 1024)
                    typed += part
                    if not part:  # the terminal has gone
                        self._modes = None
                        break
            return _SEQUENCE.sub("", typed.decode(errors="replace"))

    def repaint(self) -> None:
        """Has everything drawn again with the next picture."""
        self._size = (0, 0)

    def _in_foreground(self) -> bool:
        return self._terminal is None or in_foreground(self._terminal)

    def _enter(self) -> None:
        self.entered = True
        self._painted, self._size = [], self.size
        _entered.add(self)
        atexit.register(self.leave)
        if self._terminal is not None and sys.stdin is not None and _is_keyboard():
            with contextlib.suppress(termios.error):
                modes = termios.tcgetattr(0)
                self._modes = [*modes[:6], list(modes[6])]
                modes[3] &= ~(termios.ICANON | termios.ECHO)
                modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
                termios.tcsetattr(0, termios.TCSADRAIN, modes)
        if self._notes is None and self._terminal is not None and _fd_of(sys.stderr) is not None:
            self._notes = Notes(sys.stderr)
            sys.stderr = self._notes
        self._file.write(_ENTER)

    def leave(self) -> None:
        """Gives the terminal back as it was; what was written to stderr meanwhile is printed. Raises nothing."""
        held = self._lock.acquire(timeout=_PATIENCE_S)
        try:
            if not self.entered:
                return
            self.entered = False
            _entered.discard(self)
            atexit.unregister(self.leave)
            modes, self._modes = self._modes, None
            with contextlib.suppress(OSError, ValueError):
                if held and self._in_foreground():
                    # Where there is no other screen, what follows begins below the picture.
                    below = f"\x1b[{max(len(self._painted), 1)};1H\n"
                    self._file.write(below + _LEAVE)
                    self._file.flush()
            if modes is not None and in_foreground(0):
                with contextlib.suppress(termios.error):
                    termios.tcsetattr(0, termios.TCSADRAIN if held else termios.TCSANOW, modes)
            notes, self._notes = self._notes, None
            if notes is not None:
                if sys.stderr is notes:
                    sys.stderr = notes.stream
                notes.release()
        finally:
            if held:
                self._lock.release()

    def close(self) -> None:
        """Leaves for good."""
        self._closed = True
        self.leave()

    def resumed(self) -> None:
        """After a pause that could not be noticed (SIGSTOP) the terminal may be in any state: start over."""
        if self.entered and self._in_foreground():
            self.leave()


def _fd_of(stream: IO[str] | None) -> int | None:
    """The descriptor of a stream that is a terminal; else None."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if stream is not None and stream.isatty():
            return stream.fileno()
    return None


def in_foreground(fd: int) -> bool:
    """False where this process is a background job of the terminal, which must neither draw nor read keys."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # not our controlling terminal: there are no jobs on it
        return True


def _is_keyboard() -> bool:
    """Whether standard input is our controlling terminal, and we are in its foreground."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _heed_pauses() -> None:
    """Has SIGTSTP give the terminal back before the process is paused, where nobody else handles it."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number, handler in ((signal.SIGTSTP, _pause), (signal.SIGCONT, _go_on)):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, handler)


def _pause(number: int, frame: FrameType | None) -> None:
    """Gives the terminal back and pauses, as if there were no handler; without a screen, there is none from now on."""
    screens = list(_entered)
    for screen in screens:
        screen.leave()
    signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)  # comes back from here with SIGCONT; the next picture enters again
    if screens:
        signal.signal(signal.SIGTSTP, _pause)
    else:
        signal.signal(signal.SIGCONT, signal.SIG_DFL)


def _go_on(number: int, frame: FrameType | None) -> None:
    for screen in list(_entered):
        screen.resumed()
