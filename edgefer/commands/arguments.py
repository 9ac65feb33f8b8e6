"""Arguments that several commands take, and the settings they amount to."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

import msgspec

from edgefer import config
from edgefer.config import Settings
from edgefer.defaults import MOST_S
from edgefer.detect.registry import DETECTORS
from edgefer.errors import UsageError
from edgefer.sources.registry import SOURCES, CameraOptions
from edgefer.sources.several import expanded
from edgefer.support.typed import whole_number

if TYPE_CHECKING:
    from edgefer.reader.options import Region, StreamOptions


def camera(text: str) -> str:
    """A camera's index, or its path."""
    return text if text.startswith("/dev/") else str(whole_number(0, 255)(text))


def add_source(parser: argparse.ArgumentParser, default: str) -> None:
    """--source and --camera."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--source",
        metavar="S",
        help="video, image, folder of images, camera index, /dev/videoN, rtsp://…, or a source by its kind: "
        f"{SOURCES.shapes()} (default: {default})",
    )
    which.add_argument("--camera", metavar="N", type=camera, help="the same as --source N for a camera")


def source_of(args: argparse.Namespace, default: str | None) -> str | None:
    """The source that the command line names, else the default."""
    if args.source is not None:
        return args.source
    return default if args.camera is None else args.camera


_SOURCES_HELP = (
    "video, image, folder of images, camera index, /dev/videoN, rtsp://…, or a source by its kind: "
    f"{SOURCES.shapes()}; a quoted pattern ('*.jpg') stands for the files it matches"
)


def add_sources(parser: argparse.ArgumentParser, default: str) -> None:
    """Sources by position, --source and --camera."""
    parser.add_argument("sources", metavar="SOURCE", nargs="*", help=f"{_SOURCES_HELP} (default: {default})")
    parser.add_argument(
        "--source", metavar="S", nargs="+", action="extend", default=[], help="the same; may be repeated"
    )
    parser.add_argument("--camera", metavar="N", type=camera, help="the same as --source N for a camera")


def sources_of(args: argparse.Namespace, default: str) -> list[str]:
    """The sources that the command line names, patterns replaced by files, else the default.

    Raises:
        UsageError: --camera beside other sources. SourceError: nothing matches a pattern.
    """
    named = [*args.sources, *args.source]
    if args.camera is not None:
        if named:
            raise UsageError(f"argument --camera: not allowed with other sources, got {named[0]!r}")
        return [args.camera]
    return expanded(named) or [default]


def add_view(parser: argparse.ArgumentParser) -> None:
    """How the sources of a run are read."""
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="play a film at its own rate and drop frames that come too fast, as with a camera",
    )
    add_part(parser)
    parser.add_argument("--loop", action="store_true", help="read a film over and over")
    parser.add_argument("--recursive", action="store_true", help="enter the folders inside a folder of images")
    parser.add_argument(
        "--patience",
        metavar="T",
        type=_seconds(0),
        help="wait T seconds for a camera or stream that is not there or fails; 0: not at all (default: the profile's)",
    )


def add_part(parser: argparse.ArgumentParser) -> None:
    """Which part of each source is read, which way up, and for what."""
    parser.add_argument("--start", metavar="T", type=_seconds(0), default=0.0, help="leave out the first T seconds")
    parser.add_argument("--seconds", metavar="T", type=_seconds(), help="stop after T seconds of the source's own time")
    parser.add_argument(
        "--every",
        metavar="N",
        type=whole_number(1, 10**9 - 1),
        default=1,
        help="write one reading in N; the frames between them are still looked at, to follow the faces",
    )
    parser.add_argument("--rotate", metavar="D", type=_rotation, help="turn pictures clockwise by 90, 180 or 270")
    parser.add_argument("--flip", metavar="F", type=_flip, help="then mirror them: horizontal or vertical")
    parser.add_argument(
        "--region",
        metavar="X0,Y0,X1,Y1",
        type=_region,
        help="read this part of the picture alone, pixels; boxes are told in the whole picture",
    )
    parser.add_argument("--landmarks", action="store_true", help="68 landmarks and the pose of each face")


def options_from(args: argparse.Namespace, camera: CameraOptions) -> StreamOptions:
    """What add_view or add_part, and --frames, amount to.

    Where no source is named, the profile's camera is turned as it says.
    """
    from edgefer.reader.options import StreamOptions

    given = {name: getattr(args, name) for name in StreamOptions.__struct_fields__ if hasattr(args, name)}
    if not args.sources and not args.source:
        given["rotate"] = camera.rotate if args.rotate is None else args.rotate
        given["flip"] = camera.flip if args.flip is None else args.flip
    return StreamOptions(**given)


def _seconds(least: float | None = None):
    """A number of seconds above 0, or from `least`."""
    expected = f"{'above 0' if least is None else f'of at least {least:g}'} and at most {MOST_S:g}"

    def convert(text: str) -> float:
        with contextlib.suppress(ValueError):
            seconds = float(text)
            if 0 < seconds <= MOST_S or seconds == least:
                return seconds
        raise argparse.ArgumentTypeError(f"expected a number of seconds {expected}, got {text!r}")

    return convert


def _rate(text: str) -> float:
    with contextlib.suppress(ValueError):
        hertz = float(text)
        if 0 <= hertz <= 240:
            return hertz
    raise argparse.ArgumentTypeError(f"expected a number from 0 to 240, got {text!r}")


def _rotation(text: str) -> int:
    if text in ("0", "90", "180", "270"):
        return int(text)
    raise argparse.ArgumentTypeError(f"expected 90, 180 or 270 (degrees clockwise), got {text!r}")


def _flip(text: str) -> str:
    names = {"h": "horizontal", "v": "vertical"}
    name = names.get(text, text)
    if name in (*names.values(), "none"):
        return name
    raise argparse.ArgumentTypeError(f"expected horizontal or vertical, got {text!r}")


def _region(text: str) -> Region:
    from edgefer.reader.options import region_of

    try:
        return region_of([int(part) for part in text.split(",")])
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected x0,y0,x1,y1 in whole pixels with x0 below x1 and y0 below y1, got {text!r}"
        ) from None


def add_settings(parser: argparse.ArgumentParser, threads: bool = True) -> None:
    """The options that override the profile's keys; `threads`: whether that of the threads is among them."""
    parser.add_argument("--profile", metavar="P", help="name of a shipped profile or a .toml file (default: by board)")
    parser.add_argument(
        "--model",
        metavar="M",
        action="append",
        help="installed or shipped model, or model directory, with options of its kind: NAME[,option=value]; may be "
        "repeated, the first gives the expression (default: the profile's)",
    )
    parser.add_argument(
        "--detector", metavar="D", help=f"how faces are found: {DETECTORS.shapes()} (default: the profile's)"
    )
    if threads:
        parser.add_argument("--threads", metavar="N", type=whole_number(1, 64), help="threads of the networks")
    parser.add_argument(
        "--rate",
        metavar="HZ",
        type=_rate,
        help="recognitions a second that the faces in a film or before a camera share; their scores are carried "
        "between; 0: every face in every frame (default: the profile's)",
    )
    parser.add_argument(
        "--no-cover-check",
        action="store_true",
        help="judge faces that are covered, tilted or turned far aside as any other (quality.cover = false)",
    )


def settings_from(args: argparse.Namespace) -> Settings:
    """The profile's settings, overridden by the command line.

    Args:
        args: parsed arguments; those of `profile model detector threads rate no_cover_check` that are None, False or
            absent leave the profile's value.

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
    if getattr(args, "rate", None) is not None:
        settings = replace(settings, recognizer=replace(settings.recognizer, rate_hz=args.rate))
    if getattr(args, "no_cover_check", False):
        settings = replace(settings, quality=replace(settings.quality, cover=False))
    return settings
