"""`edgefer config`: check a profile, or show the settings in effect."""

from __future__ import annotations

import argparse

from edgefer import config
from edgefer.commands.arguments import settings_from
from edgefer.commands.console import Commands, say
from edgefer.config import profiles
from edgefer.errors import UsageError
from edgefer.support.redact import HIDDEN, scrub

SECRETS_LEFT_OUT = f"# Passwords and the like are not shown: replace each {HIDDEN}.\n"


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    actions = commands.actions("config", "check or show a profile", "config check my.toml\nconfig show --profile pi4")
    check = actions.add(
        "check",
        "list every problem of a profile with its line",
        "config check my.toml\nconfig check firmware_configs/*.toml",
        execute,
    )
    check.add_argument("profiles", metavar="FILE", nargs="+", help="a .toml file, or the name of a shipped profile")
    show = actions.add(
        "show", "print the settings in effect as a profile", "config show\nconfig show --profile pi4 > my.toml", execute
    )
    show.add_argument("--profile", metavar="P", help="name of a shipped profile or a .toml file (default: by board)")


def execute(args: argparse.Namespace) -> int:
    """Prints the settings as a profile, or the problems of each; UsageError's exit code when there is one."""
    if args.action == "show":
        text = config.to_toml(settings_from(args))
        shown = scrub(text)
        print(SECRETS_LEFT_OUT if shown != text else "", shown, sep="", end="")
        return 0
    code = 0
    for profile in args.profiles:
        path = profiles.profile_path(profile)
        problems = profiles.read_profile(path)[1]
        for problem in problems:
            say(problem)
        if problems:
            code = UsageError.exit_code
        else:
            print(f"{path}: good")
    return code
