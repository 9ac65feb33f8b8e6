"""Every variant of every kernel beside its peers; and the bars, which say how much faster it has to be.

A group is an operation at one size, a row a variant or a peer. Each row's result is asserted before it is timed.
`make bench` prints the bars as a table and writes bench/results/kernels.json.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from common import paired
from work import COPY, WORKS, Calls, Work, on_image

from edgefer import kernels

ROWS = [(work, row) for work in WORKS for row in (*kernels.variants(work.op), *work.peers)]


def checked(calls: Calls, row: str):
    """The call of a peer or of our own, once its result is what it may be."""
    if row not in calls.peers:
        calls.own(calls.ours(), calls.expected)
        return calls.ours
    if row != COPY:
        calls.check(calls.peers[row](), calls.ours())
    return calls.peers[row]


@pytest.mark.parametrize(("work", "row"), ROWS, ids=[f"{work.name} {work.size} {row}" for work, row in ROWS])
def test_kernel(benchmark, work, row):
    calls = work.make()
    with kernels.forced(None if row in calls.peers else row):
        run = checked(calls, row)
        benchmark.group = f"{work.name} {work.size}"
        benchmark.extra_info["row"] = row
        benchmark(run)


@dataclass(frozen=True)
class Bar:
    """A kernel and its peer, timed in turn.

    Attributes:
        least: ratio peer / ours that is promised; None for nothing.
        floor: where that is missed, and docs/kernels.md says why: the ratio that must not be lost.
    """

    work: Work
    peer: str = "OpenCV"
    least: float | None = None
    floor: float | None = None


def named(name: str, size: str = "") -> Work:
    """The work of that name."""
    return next(work for work in WORKS if work.name == name and size in ("", work.size))


BARS = [
    *(Bar(on_image("gradients", size), "OpenCV", 3) for size in ("1280x720", "640x480")),
    *(Bar(on_image("gradients", size), COPY, 0.5) for size in ("1280x720", "640x480")),
    *(Bar(named("gradients", size), "OpenCV", 2) for size in ("112x112", "64x64")),
    Bar(named("sobel", "640x480")),
    Bar(named("laplacian", "640x480")),
    *(Bar(named("shi_tomasi", size), "OpenCV", 10, 6.5) for size in ("640x480", "112x112")),
    *(Bar(named("good_corners", size), "OpenCV", 6) for size in ("640x480", "112x112")),
    Bar(named("flow, 24 points and back")),
    Bar(named("cascade, all sizes"), "OpenCV", 3),
    Bar(named("cascade, sizes of a known face")),
    Bar(named("stack, 200 px to int8", "64x64x4"), "OpenCV", 10),
    *(Bar(named("crop_resize, area", size)) for size in ("200 px to 64x64", "640x480 to 320x240")),
    Bar(named("crop_resize, bilinear")),
    Bar(named("luma, YUYV"), "OpenCV", 3),
    Bar(named("luma, YUYV"), COPY, 0.5),
    Bar(named("luma, BGR")),
    Bar(named("mlp 12-12-7-7"), "LiteRT", 5),
    Bar(named("mlp 12-12-7-7"), "NumPy", 10),
    Bar(named("mlp int8 256-256-8"), "LiteRT", 2),
]


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: f"{bar.work.name} {bar.work.size} beside {bar.peer}")
def test_bar(benchmark, bars, bar):
    """Fails when three quarters of its rounds lie below the bar: a slow commit does, a noisy moment does not.

    Where a bar is missed, the table says so, and the case fails below what was reached.
    """
    calls, work = bar.work.make(), bar.work
    pair = paired(checked(calls, "ours"), checked(calls, bar.peer))
    row = {"kernel": work.name, "size": work.size, "peer": bar.peer, "bar": bar.least}
    row |= {"ours_us": pair.ours_ns / 1e3, "peer_us": pair.peer_ns / 1e3}
    bars.append(row | {"ratio": pair.ratio, "low": pair.low, "high": pair.high})
    benchmark.group = f"bar: {work.name} {work.size}"
    benchmark.extra_info.update(peer=bar.peer, ratio=pair.ratio, low=pair.low, high=pair.high, bar=bar.least)
    benchmark.pedantic(calls.ours, rounds=20, iterations=max(1, int(2e5 / pair.ours_ns)))
    least = bar.floor or bar.least
    if least is not None:
        assert pair.high >= least, (
            f"{pair.ratio:.2f} times {bar.peer}, not {least:g}; three quarters of the rounds are below it"
        )
