"""The sources that texts name, with what the options of a stream set of theirs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from edgefer.errors import SourceError, UsageError
from edgefer.reader.options import Flip, Rotation, StreamOptions
from edgefer.sources.registry import STILL, CameraOptions, endless, parse_source
from edgefer.support.names import shown
from edgefer.support.registry import Choice

if TYPE_CHECKING:
    from edgefer.sources import Source

#: A source as it was given, and what it is or why it cannot be read.
Chosen: TypeAlias = "tuple[str, Choice | SourceError]"


def choose_sources(specs: Sequence[str | Choice], options: StreamOptions, camera: CameraOptions) -> list[Chosen]:
    """The sources that texts name, with what the options set of theirs, or why one cannot be read.

    Raises:
        UsageError: they do not go together. SourceError: there is one only, and it cannot be read.
    """
    chosen: list[Chosen] = []
    for given in specs:
        spec = given if isinstance(given, str) else given.target
        try:
            choice = parse_source(given, camera) if isinstance(given, str) else given
        except SourceError as error:
            if len(specs) == 1:
                raise
            chosen.append((spec, error))
            continue
        choice = _with_options(choice, options)
        if endless(choice) and len(chosen) < len(specs) - 1:
            raise UsageError(f"{shown(spec)} does not end by itself, so nothing after it would be read")
        chosen.append((spec, choice))
    good = [choice for _, choice in chosen if isinstance(choice, Choice)]
    timed = options.start > 0 or options.seconds is not None
    if timed and good and all(STILL in choice.entry.needs for choice in good):
        raise UsageError(f"{shown(good[0].target)}: photographs have no time; leave the start and the seconds out")
    return chosen


def _with_options(choice: Choice, options: StreamOptions) -> Choice:
    """A source's own options where the stream's are among them; the rest is done around it."""
    fields = choice.options.__struct_fields__
    given: dict[str, Any] = {"rotate": options.rotate, "flip": options.flip}
    given |= {"start": options.start or None, "loop": options.loop or None, "recursive": options.recursive or None}
    if options.loop and "loop" not in fields:
        raise UsageError(f"{choice}: only a film can be read over and over")
    own = getattr(choice.options, "start", 0.0)
    if options.start and own not in (0.0, options.start):
        raise UsageError(f"{choice}: its start is given twice, {own:g} and {options.start:g} s; leave one out")
    known = {name: value for name, value in given.items() if value is not None and name in fields}
    return Choice(choice.entry, msgspec.structs.replace(choice.options, **known)) if known else choice


def opener_of(
    choice: Choice, options: StreamOptions, frozen_s: float | Literal["auto", "never"] = "auto"
) -> Callable[[], Source]:
    """Opens the source, turned as the options say where its own do not; `frozen_s` as [capture] has it."""
    fields = choice.options.__struct_fields__
    rotate: Rotation = 0 if "rotate" in fields else options.rotate or 0
    flip: Flip = "none" if "flip" in fields else options.flip or "none"

    def opened() -> Source:
        source: Source = choice.make()
        if frozen_s != "auto":
            source.frozen_s = math.inf if frozen_s == "never" else frozen_s
        if rotate or flip != "none":
            from edgefer.sources.view import View

            return View(source, rotate, flip)
        return source

    return opened
