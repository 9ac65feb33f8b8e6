"""What a camera offers, what is chosen of it, and how both are said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from edgefer.sources.camera.formats import PREFERENCE

#: A rate that is so close is the one that was asked for: 29.97 for 30.
_SAME_RATE = 0.95
#: Of each format so many sizes are listed.
_MOST_LISTED = 8


class Sizes(NamedTuple):
    """One size, or all from `low` to `high` in steps; width and height, pixels."""

    low: tuple[int, int]
    high: tuple[int, int]
    step: tuple[int, int] = (1, 1)

    def nearest(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size of these that is closest to one."""
        sides = zip(size, self.low, self.high, self.step, strict=True)
        width, height = (_stepped(min(max(wanted, low), high), low, high, step) for wanted, low, high, step in sides)
        return width, height

    def __str__(self) -> str:
        low, high = (f"{width}x{height}" for width, height in (self.low, self.high))
        return low if low == high else f"{low} to {high}"


def _stepped(value: int, low: int, high: int, step: int) -> int:
    return min(low + round((value - low) / step) * step, high) if step > 1 else value


class Rates(NamedTuple):
    """Frames a second: one rate, or all between two."""

    low: float
    high: float

    def __str__(self) -> str:
        low, high = (f"{round(rate, 2):g}" for rate in self)
        return high if low == high else f"{low} to {high}"


class Offer(NamedTuple):
    """A format with its sizes; none where the driver does not list them.

    Attributes:
        rates: those of a size; none where the driver does not tell.
    """

    fourcc: str
    sizes: list[Sizes]
    rates: Callable[[int, int], list[Rates]]


class Mode(NamedTuple):
    """What is asked of the driver; fps is None where it does not tell its rates."""

    fourcc: str
    width: int
    height: int
    fps: float | None

    def __str__(self) -> str:
        rate = "" if self.fps is None else f" at {round(self.fps, 2):g} frames a second"
        return f"{self.fourcc} {self.width}x{self.height}{rate}"


def choose(offers: Iterable[Offer], size: tuple[int, int], fps: float, fourcc: str | None = None) -> Mode | None:
    """The mode closest to a wish: first its size, then its rate, then the format that costs least.

    Args:
        offers: of the camera. size: width and height. fps: frames a second.
        fourcc: the only format that will do; None for any that can be read.

    Returns:
        None where no format will do.
    """
    found = [
        (_difference(each, size), PREFERENCE.index(offer.fourcc), each, offer)
        for offer in offers
        if offer.fourcc in PREFERENCE and fourcc in (None, offer.fourcc)
        for each in {sizes.nearest(size) for sizes in offer.sizes} or {size}
    ]
    least = min((difference for difference, *_ in found), default=0.0)
    best: tuple[float, Mode] | None = None
    for _, _, (width, height), offer in sorted((each for each in found if each[0] == least), key=lambda each: each[1]):
        rate = _nearest_rate(offer.rates(width, height), fps)  # the driver is asked for no more than decides
        short = 0.0 if rate is None or rate >= _SAME_RATE * fps else 1 - rate / fps
        if best is None or short < best[0]:
            best = short, Mode(offer.fourcc, width, height, rate)
        if not short:
            break
    return None if best is None else best[1]


def _difference(size: tuple[int, int], wanted: tuple[int, int]) -> float:
    """How far one size is from another: by its area, and by its shape."""
    (width, height), (wide, high) = size, wanted
    return abs(width * height - wide * high) / (wide * high) + abs(width / height - wide / high)


def _nearest_rate(rates: list[Rates], fps: float) -> float | None:
    """The lowest rate that is high enough, else the highest."""
    enough = [max(rate.low, min(fps, rate.high)) for rate in rates if rate.high >= _SAME_RATE * fps]
    return min(enough) if enough else max((rate.high for rate in rates), default=None)


def meets(mode: Mode, size: tuple[int, int], fps: float) -> bool:
    """Whether a mode is what was wished for; a rate above it is, for frames may be left out."""
    return (mode.width, mode.height) == size and (mode.fps is None or mode.fps >= _SAME_RATE * fps)


def described(offers: Iterable[Offer], readable: bool = True) -> str:
    """What a camera offers, in one line: `YUYV 640x480 (30, 15), 1280x720 (10); MJPG …`.

    Args:
        readable: only the formats that edgefer reads.
    """
    texts = []
    for offer in offers:
        if readable and offer.fourcc not in PREFERENCE:
            continue
        sizes = []
        for each in offer.sizes[:_MOST_LISTED]:
            rates = ", ".join(str(rate) for rate in sorted(offer.rates(*each.low), reverse=True))
            sizes.append(f"{each} ({rates})" if rates else str(each))
        more = len(offer.sizes) - _MOST_LISTED
        sizes += [f"{more} more sizes"] if more > 0 else []
        texts.append(" ".join([offer.fourcc, ", ".join(sizes)]).strip())
    return "; ".join(texts) or "nothing"
