"""The command line: arguments in, an exit code and at most one line of error out."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from edgefer import __version__
from edgefer.commands import early
from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.support.names import shown
from edgefer.support.quiet import own_stderr, standard_streams
from edgefer.support.redact import remember, scrub

log = logging.getLogger(__name__)

#: The commands, in the order of `--help`: each is a module of this package with `add_parser`.
COMMANDS = (
    "run",
    "annotate",
    "info",
    "doctor",
    "bench",
    "eval",
    "explain",
    "models",
    "config",
    "service",
    "completion",
)

EXIT_CODES = """exit codes:
  0    done
  1    a check failed, or an output could not be written
  2    bad usage or configuration
  3    no camera, or the source failed for good
  4    the model was refused
  130  interrupted
"""


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments as one line, like every other error."""

    def __init__(self, *args, **kwargs) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def parse_known_args(self, args=None, namespace=None):
        """Sources may stand before, between and behind the options; argparse takes them in one place alone.

        What nothing takes is refused by the command that was given it, with what it may mean.
        """
        namespace, left = super().parse_known_args(args, namespace)
        if hasattr(namespace, "sources") and all(text == "-" or not text.startswith("-") for text in left):
            namespace.sources = [*namespace.sources, *left]
            left = []
        if left:
            option = next((text for text in left if text.startswith("-")), "").partition("=")[0]
            close = difflib.get_close_matches(option, self._option_string_actions, n=1) if option else []
            advice = f"; did you mean {close[0]}?" if close else ""
            self.error(f"unrecognized arguments: {' '.join(left)}{advice}")
        return namespace, left

    def error(self, message: str):
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and "invalid choice" in message:
                close = difflib.get_close_matches(message.split("'")[1], action.choices, n=1)
                if close:
                    message += f"; did you mean {close[0]!r}?"
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def _print_message(self, message, file=None):
        """Without argparse's own way of passing over a disk that is full."""
        if message:
            (file or sys.stderr).write(message)


class Commands:
    """A group of commands that parsers can be added to: those of `edgefer`, or the actions of one of them."""

    def __init__(self, parser: argparse.ArgumentParser, name: str) -> None:
        """Args: parser: the group's. name: of the attribute that holds the choice, "command"."""
        self._group = parser.add_subparsers(dest=name, metavar=name.upper(), required=True, parser_class=_Parser)

    def actions(self, name: str, summary: str, examples: str) -> Commands:
        """A command that is a group of actions, which can be added to it."""
        return Commands(self.add(name, summary, examples), "action")

    def add(
        self,
        name: str,
        summary: str,
        examples: str,
        execute: Callable[[argparse.Namespace], int] | None = None,
        more: str = "",
    ) -> argparse.ArgumentParser:
        """A parser of one command.

        Args:
            name: of the command.
            summary: one line for the list of commands.
            examples: command lines without the program's name, one a line.
            execute: called with the parsed arguments, gives the exit code; None for a group of actions.
            more: shown below the examples.
        """
        parser = self._group.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog="examples:\n" + "".join(f"  edgefer {line}\n" for line in examples.splitlines()) + more,
        )
        parser.add_argument("-v", "--verbose", action="store_true", help="more log lines, and tracebacks")
        if execute is not None:
            parser.set_defaults(execute=execute)
        return parser


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The command line; each command's `execute` is a function of the parsed arguments.

    Args:
        names: the commands it shall know; the one that is run is enough, and quicker than all.
    """
    parser = _Parser(
        prog="edgefer",
        description="Facial expressions from a camera, read on the device.",
        epilog="examples:\n"
        "  edgefer run --camera 0\n"
        "  edgefer run --source clip.mp4 --output jsonl\n"
        "  edgefer info\n"
        "  edgefer bench --profile pi4\n\n" + EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"edgefer {__version__}")
    commands = Commands(parser, "command")
    for name in names:
        importlib.import_module(f"edgefer.commands.{name}").add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; gives its exit code and never raises.

    Args:
        argv: arguments without the program's name; those of the process when None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        standard_streams()
        own_stderr()
    for argument in arguments:
        remember(argument)
    with _Interrupts() as interrupts, _log_to_stderr() as logger:
        code = _main(arguments, interrupts, logger)
        if code == INTERRUPTED and argv is None:
            interrupts.ignore()  # the process is about to end: no further Ctrl-C may spoil that
    if argv is None:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                _drop(stream)
    return code


class _Interrupts:
    """Ctrl-C raises KeyboardInterrupt and is remembered: an import that it hits may raise something else."""

    def __init__(self) -> None:
        self.received = False
        self._before: Any = None  # a handler, as the module signal has it
        self._unraisable = sys.unraisablehook

    def __enter__(self) -> _Interrupts:
        sys.unraisablehook = self._ignored
        ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # as by `nohup`, or `&` in a script: it stays so
        if threading.current_thread() is threading.main_thread() and not ignored:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def ignore(self) -> None:
        if self._before is not None:
            self._before = signal.SIG_IGN

    def __exit__(self, *error: object) -> None:
        sys.unraisablehook = self._unraisable
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _ignored(self, what) -> None:
        """What a destructor raised: a Ctrl-C that hits one, or a fault; Python would print its traceback."""
        if not issubclass(what.exc_type, KeyboardInterrupt):
            log.debug("an error in a destructor", exc_info=what.exc_value)

    def _handle(self, number: int, frame: object) -> None:
        self.received = True
        raise KeyboardInterrupt


def _parsed_and_run(arguments: list[str], logger: logging.Logger) -> int:
    try:
        named = [name for name in arguments[:1] if name in COMMANDS]
        with early.workers(arguments):
            args = build_parser(named or COMMANDS).parse_args(arguments)
            quiet = getattr(args, "quiet", False)
            logger.setLevel(logging.DEBUG if args.verbose else logging.ERROR if quiet else logging.WARNING)
            code = args.execute(args)
    except SystemExit as leaving:  # argparse, after --help and --version
        code = leaving.code if isinstance(leaving.code, int) else 0
    sys.stdout.flush()
    return code


def _main(arguments: list[str], interrupts: _Interrupts, logger: logging.Logger) -> int:
    verbose = "-v" in arguments or "--verbose" in arguments
    try:
        return _parsed_and_run(arguments, logger)
    except EdgeferError as error:
        if verbose:
            logger.debug("the error came from here", exc_info=True)
        say(error)
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        _drop(sys.stdout)
        return 0
    except OSError as error:
        if verbose:
            logger.debug("the error came from here", exc_info=True)
        # What has no name is standard output: all else is opened by its name.
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "standard output"
        say(f"{name}: {error.strerror or error}")
        if name == "standard output":
            _drop(sys.stdout)
        return 1
    except Exception as error:
        if interrupts.received:
            say("interrupted")
            return INTERRUPTED
        if verbose:
            logger.exception("unexpected error")
        say(f"unexpected {type(error).__name__}: {error}; this is a bug, please report what --verbose shows")
        return 1


def _drop(stream: TextIO) -> None:
    """What is still to be printed goes nowhere: Python would try again at its end, and make 120 the exit code."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(message: object) -> None:
    """One line on stderr, without the secrets that a library may have put into it."""
    with contextlib.suppress(OSError, ValueError):
        print("edgefer:", shown(" ".join(scrub(str(message)).split())), file=sys.stderr, flush=True)


class _LogFormat(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        lines = [f"edgefer: {' '.join(record.getMessage().splitlines())}"]
        if record.exc_info:
            lines += self.formatException(record.exc_info).split("\n")
        return "\n".join(shown(line) for line in scrub("\n".join(lines)).split("\n"))


class _LogToStderr(logging.Handler):
    """Writes to what sys.stderr is at the moment: the live table puts itself there while it draws."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(self.format(record), file=sys.stderr, flush=True)


def _thread_failed(args: threading.ExceptHookArgs) -> None:
    """A thread that ended with an error of which nobody else would know; Python would print its traceback."""
    name = args.thread.name if args.thread else "unknown"
    what = f"unexpected {args.exc_type.__name__} in thread {name}: {args.exc_value}; this is a bug, please report it"
    log.debug("the error came from here", exc_info=args.exc_value)
    log.error("%s", what)


@contextlib.contextmanager
def _log_to_stderr() -> Iterator[logging.Logger]:
    """Log lines go to stderr in the manner of the errors, for the length of a block."""
    logger = logging.getLogger("edgefer")
    before = logger.level, logger.propagate
    hook, threading.excepthook = threading.excepthook, _thread_failed
    handler = _LogToStderr()
    handler.setFormatter(_LogFormat())
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield logger
    finally:
        threading.excepthook = hook
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
