"""What the front door can be told, checked once: settings, and how sources are read."""

from __future__ import annotations

import numbers
import operator
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct, structs

from edgefer import config
from edgefer.config import Settings
from edgefer.defaults import MOST_S
from edgefer.detect.registry import DETECTORS
from edgefer.sources.registry import SOURCES
from edgefer.sources.several import expanded
from edgefer.support.typed import converted

SourceLike: TypeAlias = "int | str | bytes | os.PathLike[str] | os.PathLike[bytes]"
Rotation = Literal[0, 90, 180, 270]
Flip = Literal["none", "horizontal", "vertical"]
Region: TypeAlias = "tuple[int, int, int, int]"

ROTATIONS = (0, 90, 180, 270)
FLIPS = ("none", "horizontal", "vertical")


class StreamOptions(Struct, frozen=True):
    """How sources are read; see edgefer.stream, whose arguments these are.

    Raises:
        TypeError, ValueError: an argument is not what it must be.
    """

    frames: int | None = None
    start: float = 0.0
    seconds: float | None = None
    every: int = 1
    rotate: Rotation | None = None
    flip: Flip | None = None
    region: Region | None = None
    loop: bool = False
    realtime: bool = False
    recursive: bool = False
    patience: float | None = None

    def __post_init__(self) -> None:
        if self.frames is not None:
            whole("stream: frames", self.frames, 1)
        whole("stream: every", self.every, 1)
        seconds("stream: start", self.start)
        if self.patience is not None:
            seconds("stream: patience", self.patience)
        if self.seconds is not None and not seconds("stream: seconds", self.seconds) > 0:
            raise ValueError(f"stream: seconds must be above 0, got {self.seconds!r}")
        if self.rotate is not None and (isinstance(self.rotate, bool) or self.rotate not in ROTATIONS):
            raise ValueError(f"stream: rotate must be 0, 90, 180 or 270 (degrees clockwise), got {self.rotate!r}")
        if self.flip is not None and self.flip not in FLIPS:
            raise ValueError(f"stream: flip must be 'none', 'horizontal' or 'vertical', got {self.flip!r}")
        if self.region is not None:
            structs.force_setattr(self, "region", region_of(self.region))


def whole(what: str, value: object, least: int) -> int:
    """A whole number, at least so great.

    Raises:
        TypeError: it is none. ValueError: it is too small.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{what} must be a whole number of at least {least}, got {value!r}")
    if number < least:
        raise ValueError(f"{what} must be a whole number of at least {least}, got {value!r}")
    return number


def seconds(what: str, value: object) -> float:
    """A time in s, 0 or more.

    Raises:
        TypeError: it is no number. ValueError: it is negative, not finite or absurd.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what} must be a number of seconds, got {value!r}")
    number = float(value)
    if not 0 <= number <= MOST_S:
        raise ValueError(f"{what} must be a number of seconds from 0 to {MOST_S:g}, got {value!r}")
    return number


def region_of(value: Sequence[Any]) -> Region:
    """x0, y0, x1, y1 as whole numbers.

    Raises:
        TypeError: they are none. ValueError: not four of them, or nothing lies between them.
    """
    expected = "stream: region must be four whole numbers x0, y0, x1, y1 in pixels with x0 < x1 and y0 < y1"
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(f"{expected}, got {value!r}")
    try:
        corners = tuple(operator.index(corner) for corner in value)
    except TypeError:
        raise TypeError(f"{expected}, got {value!r}") from None
    if len(corners) != 4 or min(corners) < 0 or corners[0] >= corners[2] or corners[1] >= corners[3]:
        raise ValueError(f"{expected}, got {value!r}")
    return corners  # type: ignore[return-value]  # four, as was checked


def spec_of(source: object) -> str:
    """The text of a source, as edgefer.sources.parse_source takes it.

    Raises:
        TypeError: it is neither a number, a text nor a path. ValueError: a negative number.
    """
    if isinstance(source, str):
        return source
    if isinstance(source, (bytes, os.PathLike)):
        return file_spec(os.fsdecode(source))
    if not isinstance(source, bool) and hasattr(source, "__index__") and not hasattr(source, "shape"):
        return str(whole("stream: the number of a camera", source, 0))
    got = "None" if source is None else type(source).__name__
    raise TypeError(
        "stream: expected the number of a camera, a path, a URL, 'demo', or a list of them,"
        f" got {got}; a single picture goes to edgefer.read or Reader.process"
    )


def file_spec(path: str) -> str:
    """A path as a source that cannot be taken for anything else: for a camera's number, a kind or a URL."""
    name = re.split(r"[^a-z0-9_]", path, maxsplit=1)[0]
    return os.path.join(".", path) if name.isdecimal() or name in SOURCES else path


def specs_of(source: object) -> list[str]:
    """One source or several, as texts.

    Raises:
        TypeError, ValueError: as spec_of; or there are none. SourceError: nothing matches a pattern.
    """
    if isinstance(source, (str, bytes, os.PathLike)) or not isinstance(source, Iterable) or hasattr(source, "shape"):
        return patterns_of(source)
    specs = [spec for each in source for spec in patterns_of(each)]
    if not specs:
        raise ValueError("stream: expected at least one source, got none")
    return specs


def patterns_of(source: object) -> list[str]:
    """The texts of a source; a text may be a pattern, which a path never is."""
    return expanded([source]) if isinstance(source, str) else [spec_of(source)]


def settings_of(
    *,
    model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    detector: str | None = None,
    profile: str | os.PathLike[str] | None = None,
    min_face_px: int | None = None,
    lag_ms: float | None = None,
    rate_hz: float | None = None,
    threads: int | None = None,
) -> Settings:
    """The settings; see Reader for the arguments.

    Raises:
        UsageError: the profile is wrong, or there is no such detector.
        TypeError, ValueError: an argument has another type, or is out of range.
    """
    if profile is None:
        profile = config.fitting_profile(config.board_model())
    settings = config.load_profile(_text("profile", profile))
    if detector is not None:
        choice = DETECTORS.parse(_text("detector", detector))
        settings = _changed(settings, "detector", kind=choice.name)
        settings = msgspec.structs.replace(settings, detector_choice=choice)
    if model is not None:
        models = [_text("model", each) for each in (model if isinstance(model, (list, tuple)) else [model])]
        settings = _changed(settings, "recognizer", models=models)
    if min_face_px is not None:
        settings = _changed(settings, "detector", min_face_px=min_face_px)
    if lag_ms is not None:
        settings = _changed(settings, "smoothing", lag_ms=lag_ms)
    if rate_hz is not None:
        settings = _changed(settings, "recognizer", rate_hz=rate_hz)
    if threads is not None:
        settings = _changed(settings, "compute", threads=threads)
    return settings


def _text(name: str, value: object) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name}: expected a name or a path, got {type(value).__name__}")
    return os.fsdecode(value)


def _changed(settings: Settings, table: str, **values: Any) -> Settings:
    """Settings with other values in one table, held against its types and ranges."""
    old = getattr(settings, table)
    try:
        new = converted({**msgspec.structs.asdict(old), **values}, type(old))
    except msgspec.ValidationError as error:
        name, value = next(iter(values.items()))
        wrong_type = not isinstance(value, (int, float, list)) or isinstance(value, bool)
        reason = str(error).partition(" - ")[0]
        raise (TypeError if wrong_type else ValueError)(f"{name}: {reason}, got {value!r}") from None
    return msgspec.structs.replace(settings, **{table: new})
