"""The command line: arguments in, an exit code and at most one line of error out."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from edgefer import __version__
from edgefer.commands import eval, explain
from edgefer.commands.arguments import add_command
from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.support.arguments import whole
from edgefer.support.quiet import own_stderr, standard_streams

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

    def error(self, message: str):
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and "invalid choice" in message:
                close = difflib.get_close_matches(message.split("'")[1], action.choices, n=1)
                if close:
                    message += f"; did you mean {close[0]!r}?"
        raise UsageError(f"{message}; see `{self.prog} --help`")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if (seconds := float(text)) > 0 and math.isfinite(seconds):
            return seconds
    raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")


def _add_source(parser: argparse.ArgumentParser, default: str) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--source",
        metavar="S",
        help="video, image, folder of images, camera index, /dev/videoN, rtsp://… or demo[:SECONDS|:forever]"
        f" (default: {default})",
    )
    which.add_argument(
        "--camera", metavar="N", type=whole(0, 255), help="the same as --source N for a camera"
    )


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile", metavar="P", help="name of a shipped profile or a .toml file (default: by board)"
    )
    parser.add_argument(
        "--model", metavar="M", help="shipped model or model directory (default: the profile's)"
    )
    parser.add_argument("--detector", choices=("haar", "yunet", "blazeface"), help="how faces are found")
    parser.add_argument("--detector-model", metavar="FILE", help="network of the yunet or blazeface detector")
    parser.add_argument("--threads", metavar="N", type=whole(1, 64), help="threads of the networks")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; each subcommand's `execute` is a function of the parsed arguments."""
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
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    run = add_command(
        commands,
        "run",
        "read expressions from a camera, a file or the demo",
        "run --camera 0\n"
        "run --source demo\n"
        "run --source clip.mp4 --output jsonl:readings.jsonl --output video:seen.mp4\n"
        "run --source clip.mp4 --realtime\n"
        "run --profile pi4 --source rtsp://camera.local/stream --output csv",
        _run,
    )
    _add_source(run, "the profile's camera")
    _add_settings(run)
    run.add_argument(
        "--output",
        metavar="O",
        action="append",
        help="table, jsonl[:FILE], csv[:FILE] or video:FILE; may be repeated (default: the profile's sinks)",
    )
    run.add_argument(
        "--realtime",
        action="store_true",
        help="play a file at its own rate and drop frames that come too fast, as with a camera",
    )
    run.add_argument("--frames", metavar="N", type=whole(1, 10**9 - 1), help="stop after N readings")
    run.add_argument("--seconds", metavar="T", type=_seconds, help="stop T seconds after the first frame")
    run.add_argument("-q", "--quiet", action="store_true", help="no summary, and errors alone in the log")

    info = add_command(
        commands,
        "info",
        "show versions, processor, kernels, models, cameras and the fitting profile",
        "info\ninfo --json",
        _info,
    )
    info.add_argument("--json", action="store_true", help="as one JSON object")

    bench = add_command(
        commands,
        "bench",
        "time every stage against a profile's budget; exit code 1 when it is missed",
        "bench\nbench --profile pi4\nbench --profile my.toml --source clip.mp4 --json",
        _bench,
    )
    _add_source(bench, "the demo's portrait, rendered beforehand")
    _add_settings(bench)
    bench.add_argument(
        "--frames",
        metavar="N",
        type=whole(10, 100_000),
        default=600,
        help="frames that are timed (default: %(default)s)",
    )
    bench.add_argument(
        "--warm-up",
        metavar="N",
        type=whole(0, 100_000),
        default=60,
        help="frames before that (default: %(default)s)",
    )
    bench.add_argument("--json", action="store_true", help="as one JSON object")

    eval.add_parser(commands)
    explain.add_parser(commands)

    models = add_command(
        commands, "models", "list or verify models", "models list\nmodels verify\nmodels verify ./my-model"
    )
    actions = models.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    add_command(actions, "list", "list the shipped models with their figures", "models list", _models_list)
    verify = add_command(
        actions,
        "verify",
        "check hash, manifest and self-test of models; exit code 4 when one is refused",
        "models verify\nmodels verify ferplus-sobel ./my-model",
        _models_verify,
    )
    verify.add_argument(
        "models", metavar="MODEL", nargs="*", help="name or directory (default: all that are shipped)"
    )

    configs = add_command(
        commands, "config", "check or show a profile", "config check my.toml\nconfig show --profile pi4"
    )
    actions = configs.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    check = add_command(
        actions,
        "check",
        "list every problem of a profile with its line",
        "config check my.toml\nconfig check firmware_configs/*.toml",
        _config_check,
    )
    check.add_argument(
        "profiles", metavar="FILE", nargs="+", help="a .toml file, or the name of a shipped profile"
    )
    show = add_command(
        actions,
        "show",
        "print the settings in effect as a profile",
        "config show\nconfig show --profile pi4 > my.toml",
        _config_show,
    )
    show.add_argument(
        "--profile", metavar="P", help="name of a shipped profile or a .toml file (default: by board)"
    )
    return parser


# Each command's module is imported when it runs: help and errors need neither OpenCV nor the interpreter.


def _run(args) -> int:
    from edgefer.device.service import StopSignals

    with StopSignals() as stop:  # before the rest is loaded, which takes long enough to be interrupted
        from edgefer.commands import run

        return run.execute(args, stop)


def _info(args) -> int:
    from edgefer.commands import info

    return info.execute(args)


def _bench(args) -> int:
    from edgefer.commands import bench

    return bench.execute(args)


def _models_list(args) -> int:
    from edgefer.commands import models

    return models.list_models(args)


def _models_verify(args) -> int:
    from edgefer.commands import models

    return models.verify_models(args)


def _config_check(args) -> int:
    from edgefer import config

    code = 0
    for profile in args.profiles:
        path = config.profile_path(profile)
        problems = config.read_profile(path)[1]
        for problem in problems:
            print(f"edgefer: {problem}", file=sys.stderr)
        if problems:
            code = UsageError.exit_code
        else:
            print(f"{path}: good")
    return code


def _config_show(args) -> int:
    from edgefer import assemble as build
    from edgefer import config

    print(config.to_toml(build.settings_from(args)), end="")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; gives its exit code and never raises.

    Args:
        argv: arguments without the program's name; those of the process when None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        standard_streams()
        own_stderr()
    with _Interrupts() as interrupts, _log_to_stderr() as logger:
        code = _main(arguments, interrupts, logger)
        if code == INTERRUPTED and argv is None:
            interrupts.ignore()  # the process is about to end: no further Ctrl-C may spoil that
    return code


class _Interrupts:
    """Ctrl-C raises KeyboardInterrupt and is remembered: an import that it hits may raise something else."""

    def __init__(self) -> None:
        self.received = False
        self._before = None
        self._unraisable = sys.unraisablehook

    def __enter__(self) -> _Interrupts:
        sys.unraisablehook = self._ignored
        if threading.current_thread() is threading.main_thread():
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
        """A Ctrl-C that hits a destructor cannot be raised there; Python would print its traceback."""
        if not issubclass(what.exc_type, KeyboardInterrupt):
            self._unraisable(what)

    def _handle(self, number: int, frame: object) -> None:
        self.received = True
        raise KeyboardInterrupt


def _main(arguments: list[str], interrupts: _Interrupts, logger: logging.Logger) -> int:
    verbose = "-v" in arguments or "--verbose" in arguments
    try:
        args = build_parser().parse_args(arguments)
        logger.setLevel(_level(args))
        code = args.execute(args)
        sys.stdout.flush()
        return code
    except SystemExit as leaving:  # argparse, after --help and --version
        return leaving.code if isinstance(leaving.code, int) else 0
    except EdgeferError as error:
        if verbose:
            logger.debug("the error came from here", exc_info=True)
        _say(error)
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if verbose:
            logger.debug("the error came from here", exc_info=True)
        _say(f"{error.filename or 'system'}: {error.strerror or error}")
        return 1
    except Exception as error:
        if interrupts.received:
            _say("interrupted")
            return INTERRUPTED
        if verbose:
            logger.exception("unexpected error")
        _say(f"unexpected {type(error).__name__}: {error}; this is a bug, please report what --verbose shows")
        return 1


def _say(message: object) -> None:
    """One line on stderr."""
    with contextlib.suppress(OSError, ValueError):
        print("edgefer:", " ".join(str(message).split()), file=sys.stderr, flush=True)


class _LogFormat(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = f"edgefer: {record.getMessage()}"
        return text + "\n" + self.formatException(record.exc_info) if record.exc_info else text


class _LogToStderr(logging.Handler):
    """Writes to what sys.stderr is at the moment: the live table puts itself there while it draws."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(self.format(record), file=sys.stderr, flush=True)


@contextlib.contextmanager
def _log_to_stderr() -> Iterator[logging.Logger]:
    """Log lines go to stderr in the manner of the errors, for the length of a block."""
    logger = logging.getLogger("edgefer")
    before = logger.level, logger.propagate
    handler = _LogToStderr()
    handler.setFormatter(_LogFormat())
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def _level(args) -> int:
    """Of the log, as --verbose and --quiet have it."""
    if args.verbose:
        return logging.DEBUG
    return logging.ERROR if getattr(args, "quiet", False) else logging.WARNING
