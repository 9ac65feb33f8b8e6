"""`edgefer config`: begin a profile, check one, or show the settings in effect."""

from __future__ import annotations

import argparse

from edgefer import config
from edgefer.commands.console import Commands, say
from edgefer.config import profiles
from edgefer.errors import EdgeferError, UsageError
from edgefer.support.redact import HIDDEN, scrub
from edgefer.support.typed import suggestion

SECRETS_LEFT_OUT = f"# Passwords and the like are not shown: replace each {HIDDEN}.\n"


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    actions = commands.actions(
        "config",
        "begin, check or show a profile",
        "config init pi4 -o my.toml\nconfig check my.toml\nconfig show --profile pi4",
    )
    begin = actions.add(
        "init",
        "write a profile to begin with: every key, its meaning and its default",
        "config init\nconfig init pi4 > my.toml\nconfig init pi4 -o my.toml",
        execute,
    )
    boards = ", ".join(config.shipped_profiles())
    begin.add_argument("board", metavar="BOARD", nargs="?", help=f"{boards} (default: this board's)")
    begin.add_argument("-o", "--output", metavar="FILE", help="a new file (default: standard output)")
    check = actions.add(
        "check",
        "list all that a run would refuse in a profile, with file, line and key",
        "config check my.toml\nconfig check firmware_configs/*.toml",
        execute,
    )
    check.add_argument("profiles", metavar="FILE", nargs="+", help="a .toml file, or the name of a shipped profile")
    show = actions.add(
        "show", "print the settings in effect as a profile", "config show\nconfig show --profile pi4 > my.toml", execute
    )
    show.add_argument("--profile", metavar="P", help="name of a shipped profile or a .toml file (default: by board)")


def execute(args: argparse.Namespace) -> int:
    """Does what the action says; UsageError's exit code where a profile is refused."""
    return {"check": check, "show": show, "init": init}[args.action](args)


def check(args: argparse.Namespace) -> int:
    """Prints all that a run would refuse, a line each; or that the profile is good."""
    from edgefer.commands import refusals  # which brings OpenCV and the interpreter

    around = list(refusals.environment())
    for line in around:
        say(line)
    good = not around
    for name in args.profiles:
        try:
            profile = profiles.read_profile(profiles.profile_path(name))
        except UsageError as error:
            say(error)
            good = False
            continue
        problems = list(profile.problems)
        if profile.settings is not None:
            problems += filter(None, map(profile.placed, refusals.refusals(profile.settings)))
        for line in (lines := profile.lines(problems)):
            say(line)
        if lines:
            good = False
        elif not around:
            print(scrub(f"{profile.path}: good"))
    return 0 if good else UsageError.exit_code


def show(args: argparse.Namespace) -> int:
    """Prints the settings in effect, or all that is wrong with the profile."""
    name = args.profile if args.profile is not None else config.fitting_profile(config.board_model())
    profile = profiles.read_profile(profiles.profile_path(name))
    lines = profile.lines(profile.problems)
    if profile.settings is None or lines:
        for line in lines:
            say(line)
        return UsageError.exit_code
    text = config.to_toml(profile.settings)
    shown = scrub(text)
    print(SECRETS_LEFT_OUT if shown != text else "", shown, sep="", end="")
    return 0


def init(args: argparse.Namespace) -> int:
    """Writes a profile to begin with, to a new file or to standard output."""
    from edgefer.config.template import template

    name = args.board if args.board is not None else config.fitting_profile(config.board_model())
    names = config.shipped_profiles()
    if name not in names:
        raise UsageError(f"unknown board {name!r}{suggestion(name, names)}; available: {', '.join(names)}")
    text = template(name, config.load_profile(name))
    if args.output in (None, "-"):
        print(text, end="")
        return 0
    try:
        with open(args.output, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{args.output}: is there already, and is not replaced; name a new file") from None
    except OSError as error:
        raise EdgeferError(f"{args.output}: cannot be written: {error.strerror}; choose another path") from None
    print(scrub(f"{args.output}: written; use it with --profile {profiles.as_profile(args.output)}"))
    return 0
