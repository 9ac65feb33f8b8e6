"""What is chosen of what a camera offers."""

from __future__ import annotations

import pytest

from edgefer.sources.camera.offers import Mode, Offer, Rates, Sizes, choose, described, meets


def offer(fourcc, **modes):
    """Sizes such as s640x480=[30, 15]."""
    rates = {tuple(map(int, name[1:].split("x"))): [Rates(fps, fps) for fps in each] for name, each in modes.items()}
    return Offer(fourcc, [Sizes(size, size) for size in rates], lambda width, height: rates[width, height])


# As a webcam on USB 2: raw pictures up to what the bus carries, JPEG for the rest.
WEBCAM = [
    offer("MJPG", s640x480=[30, 15], s1280x720=[30], s1920x1080=[30]),
    offer("YUYV", s640x480=[30, 15, 10], s1280x720=[10], s1920x1080=[5]),
]


@pytest.mark.parametrize(
    ("size", "fps", "fourcc", "expected"),
    [
        ((640, 480), 30, None, Mode("YUYV", 640, 480, 30)),
        ((640, 480), 12, None, Mode("YUYV", 640, 480, 15)),
        ((1280, 720), 10, None, Mode("YUYV", 1280, 720, 10)),
        ((1280, 720), 30, None, Mode("MJPG", 1280, 720, 30)),
        ((1280, 720), 30, "YUYV", Mode("YUYV", 1280, 720, 10)),
        ((640, 480), 60, None, Mode("YUYV", 640, 480, 30)),
        ((1270, 700), 30, None, Mode("MJPG", 1280, 720, 30)),
        ((640, 480), 30, "GREY", None),
    ],
    ids=[
        "raw",
        "a rate above",
        "raw at its rate",
        "JPEG for the rate",
        "format asked",
        "too fast",
        "near size",
        "none",
    ],
)
def test_size_then_rate_then_cost_decide(size, fps, fourcc, expected):
    assert choose(WEBCAM, size, fps, fourcc) == expected


def test_a_driver_that_lists_no_sizes_is_asked_for_the_wish():
    assert choose([Offer("YUYV", [], lambda w, h: [])], (320, 240), 30) == Mode("YUYV", 320, 240, None)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [((640, 480), (640, 480)), ((650, 490), (648, 488)), ((10, 10), (32, 32)), ((9999, 9999), (1600, 1200))],
)
def test_a_range_of_sizes_is_kept_to(wish, expected):
    ranged = Offer("NV12", [Sizes((32, 32), (1600, 1200), (8, 8))], lambda w, h: [Rates(1, 60)])
    assert choose([ranged], wish, 25) == Mode("NV12", *expected, 25)


def test_colours_go_before_grey_alone():
    grey, colours = offer("GREY", s640x480=[30]), offer("UYVY", s640x480=[30])
    assert choose([grey, colours], (640, 480), 30).fourcc == "UYVY"


def test_formats_that_are_not_read_are_never_chosen():
    assert choose([offer("H264", s640x480=[30])], (640, 480), 30) is None


def test_offers_are_listed_in_one_line():
    assert described([*WEBCAM, offer("H264", s640x480=[30])]) == (
        "MJPG 640x480 (30, 15), 1280x720 (30), 1920x1080 (30); YUYV 640x480 (30, 15, 10), 1280x720 (10), 1920x1080 (5)"
    )
    assert "H264 640x480" in described([offer("H264", s640x480=[30])], readable=False)
    assert described([]) == "nothing"
    many = Offer("YUYV", [Sizes((n, n), (n, n)) for n in range(16, 28)], lambda w, h: [Rates(1, 29.97)])
    assert described([many]).endswith("23x23 (1 to 29.97), 4 more sizes")


def test_a_rate_that_is_close_or_above_meets_the_wish():
    assert meets(Mode("YUYV", 640, 480, 29.97), (640, 480), 30)
    assert meets(Mode("YUYV", 640, 480, 60), (640, 480), 30)
    assert meets(Mode("YUYV", 640, 480, None), (640, 480), 30)
    assert not meets(Mode("YUYV", 640, 480, 15), (640, 480), 30)
    assert not meets(Mode("YUYV", 640, 360, 30), (640, 480), 30)
