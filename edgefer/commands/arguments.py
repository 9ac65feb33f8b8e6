"""Arguments that several commands take, and the settings they amount to."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import msgspec

from edgefer import config
from edgefer.config import Settings
from edgefer.detect.registry import DETECTORS
from edgefer.sources.registry import SOURCES


def whole_number(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if text.isascii() and text.isdecimal() and len(text) < 10 and low <= int(text) <= high:
            return int(text)
        raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {text!r}")

    return convert


def _where(text: str) -> tuple[str, list[str]]:
    name, equals, values = text.partition("=")
    if not name or not equals or not all(values.split(",")):
        raise argparse.ArgumentTypeError(f"expected TAG=VALUE[,VALUE], as in angle=straight, got {text!r}")
    return name, values.split(",")


def add_source(parser: argparse.ArgumentParser, default: str) -> None:
    """--source and --camera."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--source",
        metavar="S",
        help="video, image, folder of images, camera index, /dev/videoN, rtsp://…, or a source by its kind: "
        f"{SOURCES.shapes()} (default: {default})",
    )
    which.add_argument(
        "--camera", metavar="N", type=whole_number(0, 255), help="the same as --source N for a camera"
    )


def source_of(args: argparse.Namespace, default: str | None) -> str | None:
    """The source that the command line names, else the default."""
    if args.source is not None:
        return args.source
    return default if args.camera is None else str(args.camera)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options that stand over the profile's keys."""
    parser.add_argument(
        "--profile", metavar="P", help="name of a shipped profile or a .toml file (default: by board)"
    )
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
    """The profile's settings with the command line's over them.

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


def add_data(parser: argparse.ArgumentParser) -> None:
    """What a data set is, and which of its rows count."""
    parser.add_argument(
        "--data",
        metavar="D",
        required=True,
        help="fer2013.csv, a FER+ csv, an npz, a folder with one folder a class, or that of KDEF, JAFFE, "
        "FEI, CAFE or CK+",
    )
    parser.add_argument(
        "--split",
        choices=("train", "val", "test"),
        help="rows that count (default: val; a folder's images all)",
    )
    parser.add_argument(
        "--layout",
        metavar="L",
        help="what a folder holds: classes, kdef, jaffe, fei, cafe, ckplus (default: told by its names)",
    )
    parser.add_argument(
        "--where",
        metavar="TAG=VALUE[,VALUE]",
        type=_where,
        action="append",
        default=[],
        help="only some rows of a set of people, as angle=straight,half-left or subject=F01",
    )
    parser.add_argument(
        "--keep-duplicates", action="store_true", help="count rows that are byte-equal to a train row"
    )
