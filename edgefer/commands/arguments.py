"""Arguments that several commands take, and the settings they amount to."""

from __future__ import annotations

import argparse

import msgspec

from edgefer import config
from edgefer.config import Settings
from edgefer.detect.registry import DETECTORS
from edgefer.sources.registry import SOURCES
from edgefer.support.typed import whole_number


def add_source(parser: argparse.ArgumentParser, default: str) -> None:
    """--source and --camera."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--source",
        metavar="S",
        help="video, image, folder of images, camera index, /dev/videoN, rtsp://…, or a source by its kind: "
        f"{SOURCES.shapes()} (default: {default})",
    )
    which.add_argument("--camera", metavar="N", type=whole_number(0, 255), help="the same as --source N for a camera")


def source_of(args: argparse.Namespace, default: str | None) -> str | None:
    """The source that the command line names, else the default."""
    if args.source is not None:
        return args.source
    return default if args.camera is None else str(args.camera)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options that override the profile's keys."""
    parser.add_argument("--profile", metavar="P", help="name of a shipped profile or a .toml file (default: by board)")
    parser.add_argument(
        "--model",
        metavar="M",
        action="append",
        help="shipped model or model directory, with options of its kind: NAME[,option=value]; may be "
        "repeated, the first gives the expression (default: the profile's)",
    )
    parser.add_argument(
        "--detector", metavar="D", help=f"how faces are found: {DETECTORS.shapes()} (default: the profile's)"
    )
    parser.add_argument("--threads", metavar="N", type=whole_number(1, 64), help="threads of the networks")


def settings_from(args: argparse.Namespace) -> Settings:
    """The profile's settings, overridden by the command line.

    Args:
        args: parsed arguments; those of `profile model detector threads` that are None or absent leave the
            profile's value.

    Raises:
        UsageError: the profile is wrong, or the command line is.
    """
    profile = getattr(args, "profile", None)
    if profile is None:
        profile = config.fitting_profile(config.board_model())
    settings = config.load_profile(profile)
    replace = msgspec.structs.replace
    if getattr(args, "detector", None):
        choice = DETECTORS.parse(args.detector)
        detector = replace(settings.detector, kind=choice.name)
        settings = replace(settings, detector=detector, detector_choice=choice)
    if getattr(args, "model", None):
        settings = replace(settings, recognizer=replace(settings.recognizer, models=args.model))
    if getattr(args, "threads", None):
        settings = replace(settings, compute=replace(settings.compute, threads=args.threads))
    return settings
