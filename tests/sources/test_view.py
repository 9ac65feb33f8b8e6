"""Sources turned and mirrored."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.sources.base import Paced, Source
from edgefer.sources.view import View, turned
from edgefer.values import Frame


class Colours(Source):
    """One picture, with or without colours."""

    name, fps, size, length = "colours", 25.0, (5, 3), 1

    def __init__(self, coloured: bool = True) -> None:
        self.bgr = np.random.default_rng(0).integers(0, 255, (3, 5, 3), np.uint8)
        self.asked = self.closed = 0
        self._coloured = coloured

    def _colours(self):
        self.asked += 1
        return self.bgr

    def read(self) -> Frame:
        return Frame(4, self.bgr[:, :, 1].copy(), 7, 9, self._colours if self._coloured else None, "its name")

    def unpaced(self):
        return iter([self.read()])

    def close(self) -> None:
        self.closed += 1


EXPECTED = {
    (90, "none"): lambda image: np.rot90(image, -1),
    (180, "none"): lambda image: np.rot90(image, 2),
    (270, "none"): lambda image: np.rot90(image, 1),
    (0, "horizontal"): lambda image: image[:, ::-1],
    (0, "vertical"): lambda image: image[::-1],
    (90, "horizontal"): lambda image: np.rot90(image, -1)[:, ::-1],
    (270, "vertical"): lambda image: np.rot90(image, 1)[::-1],
}


@pytest.mark.parametrize("rotate, flip", EXPECTED)
def test_grey_and_colours_are_turned_clockwise_and_then_mirrored(rotate, flip):
    source = Colours()
    view = View(source, rotate, flip)
    expected = EXPECTED[rotate, flip]
    for frame in (view.read(), next(iter(view.unpaced()))):
        assert source.asked == 0, "colours are made where someone asks for them"
        assert np.array_equal(frame.grey, expected(source.bgr[:, :, 1]))
        assert frame.grey.strides[-1] == 1
        assert np.array_equal(frame.bgr(), expected(source.bgr))
        assert (frame.index, frame.media_ns, frame.captured_ns, frame.source) == (4, 7, 9, "its name")
        assert view.size == frame.grey.shape[::-1]
        source.asked = 0


def test_it_is_the_source_in_all_else():
    source = Colours(coloured=False)
    view = View(source, 180)
    assert (view.name, view.live, view.fps, view.length) == ("colours", False, 25.0, 1)
    assert view.read().bgr is None
    view.close()
    assert source.closed == 1


def test_nothing_to_turn_costs_nothing():
    source = Colours()
    assert turned(source) is source
    assert isinstance(turned(source, 90), View) and isinstance(turned(source, 0, "vertical"), View)


class Odd(Colours):
    """Every attribute of a source away from its default."""

    live, still, waits, deadline_s, damaged = True, True, True, 2.5, 3

    def interrupt(self) -> None:
        self.interrupted = True


@pytest.mark.parametrize(
    "wrap, changed", [(lambda source: View(source, 90), {"size"}), (Paced, {"live"})], ids=["View", "Paced"]
)
def test_what_shows_a_source_otherwise_leaves_all_else_as_it_is(wrap, changed):
    source = Odd()
    shown = wrap(source)
    facts = {name for name in vars(Source) if not name.startswith("_") and not callable(getattr(Source, name))}
    assert {"still", "waits", "damaged"} <= facts
    for name in facts - changed:
        assert getattr(shown, name) == getattr(source, name), name
    shown.interrupt()
    shown.close()
    assert source.interrupted and source.closed == 1
