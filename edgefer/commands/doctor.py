"""`edgefer doctor`: whether this machine can run edgefer, on one page, with what to do about the rest."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import statistics
import sys
import time
from collections.abc import Iterator

from edgefer import config
from edgefer.commands.console import Commands
from edgefer.config import Settings, profiles
from edgefer.config.settings import limits
from edgefer.device import doctor
from edgefer.device.findings import Check
from edgefer.errors import SourceError
from edgefer.support.redact import scrub

FAILED = 1
#: Frames that the self-check reads.
FRAMES, WARM_UP = 45, 15


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    parser = commands.add(
        "doctor",
        "check this machine and installation, with what to do; exit code 1 when something fails",
        "doctor\ndoctor --profile pi4\ndoctor --json",
        execute,
    )
    parser.add_argument("--profile", metavar="P", help="name of a shipped profile or a .toml file (default: by board)")
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Prints a line a check as soon as it is known; 1 when one fails."""
    name = args.profile if args.profile is not None else config.fitting_profile(config.board_model())
    profile = profiles.read_profile(profiles.profile_path(name))
    if not args.verbose:
        logging.getLogger("edgefer").setLevel(logging.ERROR)  # what a run warns of is a line of the page
    done = []
    for check in _checks(profile):
        done.append(check)
        if not args.json:
            print(scrub(line(check)))
            sys.stdout.flush()
    failed = sum(check.state == "fail" for check in done)
    warned = sum(check.state == "warn" for check in done)
    if args.json:
        rows = [check._asdict() for check in done]
        print(scrub(json.dumps({"passed": not failed, "checks": rows}, ensure_ascii=False, indent=2)))
    else:
        print(f"\n{len(done) - failed - warned} ok, {warned} to look at, {failed} failed")
    return FAILED if failed else 0


def line(check: Check) -> str:
    """One check as it is printed: what to do stands on a line of its own where the terminal is narrow, and a command
    always, so that it can be taken whole."""
    text = f"{check.state:<5} {check.name:<12} {check.found}"
    if check.advice:
        joined = f"{text}; {check.advice}"
        text = joined if len(joined) <= shutil.get_terminal_size().columns else f"{text}\n{'':<18} {check.advice}"
    return f"{text}\n{'':<18} $ {check.command}" if check.command else text


def _checks(profile: profiles.Profile) -> Iterator[Check]:
    settings = profile.settings or Settings()
    yield from doctor.checks(settings)
    state = "ok"
    for check in doctor.guarded("profile", lambda: _profile(profile)):
        state = check.state
        yield check
    yield from doctor.guarded("reading", lambda: reading(settings if state == "ok" else Settings()))


def _profile(profile: profiles.Profile) -> Iterator[Check]:
    """What a run would refuse in the profile, but for what other lines tell."""
    from edgefer.commands import refusals

    problems = list(profile.problems)
    if profile.settings is not None:
        problems += filter(None, map(profile.placed, refusals.refusals(profile.settings)))
    lines = profile.lines(problems)
    if lines:
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        yield Check("profile", "fail", lines[0] + more, "it lists them all", f"edgefer config check {profile.path}")
    else:
        yield Check("profile", "ok", f"{profile.path}: a run takes it")


def reading(settings: Settings) -> Iterator[Check]:
    """Reads the demo's portrait frame by frame, as a run would, and times it."""
    from edgefer.models import runtime
    from edgefer.reader import Reader
    from edgefer.sources.demo import Demo

    try:
        frames = Demo(None).unpaced()
    except SourceError as error:
        found, _, advice = str(error).removeprefix("demo: ").rpartition("; ")
        yield Check("reading", "warn", f"not tried: {found}", advice)
        return
    spent, with_face, expressions = [], 0, []
    with Reader.of_settings(settings) as reader:
        for frame in frames:
            if frame.index == FRAMES:
                break
            began = time.perf_counter()
            faces = reader.process(frame.grey, frame.media_ns / 1e9).faces
            spent.append(1e3 * (time.perf_counter() - began))
            with_face += len(faces) == 1
            expressions += [face.expression for face in faces]
    p50 = statistics.median(spent[WARM_UP:])
    words = f"the demo's portrait: a face in {with_face} of {FRAMES} frames, {p50:.1f} ms each ({runtime.NAME})"
    budget = limits(settings, "total").p50
    if with_face < FRAMES * 0.9:
        yield Check("reading", "fail", words, "a face should be found in nearly all of them; please report this")
    elif budget is not None and p50 > budget:
        advice = f"the profile's budget is {budget:g} ms: end other programs; `edgefer bench` shows where time goes"
        yield Check("reading", "warn", words, advice)
    else:
        yield Check("reading", "ok", words)
