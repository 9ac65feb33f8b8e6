"""Windows hold the same moments whatever the frame rate, no more than they may, and nothing across a gap."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.recognize.windows import Windows

NS = 1_000_000_000


def at(t: float) -> np.ndarray:
    """What is seen at a time, s: values that move smoothly, as levels of an image do."""
    return np.rint(60 * np.sin(2 * np.pi * 0.7 * t + np.arange(12) / 3)).astype(np.int8).reshape(3, 4)


def fed(times_s, length: int = 10, rate_hz: float = 10.0) -> Windows:
    windows = Windows(length, rate_hz)
    for t in times_s:
        windows.add(1, round(t * NS), at(t))
    return windows


@pytest.mark.parametrize("fps", [25, 29.97, 30, 60, 200])
def test_the_frame_rate_does_not_matter(fps):
    end_ns, samples = fed(np.arange(round(2 * fps) + 1) / fps).window(1)
    if fps != 29.97:
        assert end_ns == 2 * NS
    times = end_ns / NS - np.arange(9, -1, -1) / 10
    expected = np.stack([at(t) for t in times]).astype(int)
    # between frames 1/25 s apart a sine of 60 levels and 0.7 Hz bends by less than 0.3; both sides are rounded
    assert np.abs(np.stack(samples) - expected).max() <= 1


def test_frames_that_come_unevenly_or_are_dropped_do_not_matter():
    rng = np.random.default_rng(5)
    times = np.sort(rng.uniform(0, 3, 110))
    end_ns, samples = fed(times).window(1)
    assert times[-1] - 0.1 < end_ns / NS <= times[-1]
    expected = np.stack([at(t) for t in end_ns / NS - np.arange(9, -1, -1) / 10]).astype(int)
    assert np.abs(np.stack(samples) - expected).max() <= 4  # 110 frames at random leave gaps of a tenth of a second


def test_a_window_is_whole_after_its_length_and_not_before():
    windows = Windows(10, 10.0)
    whole = []
    for number in range(40):
        windows.add(7, round((0.05 + number / 30) * NS), at(0))
        whole.append(windows.window(7) is not None)
    # samples at 0.1, 0.2, ..., 1.0 s; the last is complete with the frame at 1.016 s
    assert whole.index(True) == 29 and all(whole[29:])


def test_each_sample_is_given_once_with_its_time():
    windows = Windows(3, 10.0)
    given = [pair for number in range(31) for pair in windows.add(1, round(number / 25 * NS), at(number / 25))]
    assert [t for t, _ in given] == [number * NS // 10 for number in range(13)]
    np.testing.assert_array_equal(given[6][1], at(0.6))


@pytest.mark.parametrize("jump_s", [0.5, 60.0, -0.4], ids=["gap", "long gap", "back in time"])
def test_after_a_gap_the_window_begins_anew(jump_s):
    windows = fed(np.arange(60) / 30)
    assert windows.full(1)
    start = 59 / 30 + jump_s
    windows.add(1, round(start * NS), at(0))
    assert not windows.full(1) and windows.window(1) is None
    for number in range(1, 40):
        windows.add(1, round((start + number / 30) * NS), at(0))
    assert windows.full(1)


def test_a_gap_shorter_than_allowed_is_filled_by_what_lies_on_both_sides():
    windows = Windows(4, 10.0, gap_s=0.3)
    for t in (0.0, 0.1, 0.3, 0.4):
        windows.add(1, round(t * NS), np.float32([10 * t]))
    _, samples = windows.window(1)
    np.testing.assert_allclose(np.concatenate(samples), [1, 2, 3, 4], atol=1e-6)


def test_the_same_moment_twice_changes_nothing():
    windows = fed(np.arange(40) / 30)
    before = windows.window(1)
    assert windows.add(1, round(39 / 30 * NS), at(5)) == []
    assert windows.window(1)[0] == before[0]


def test_what_the_caller_does_with_its_array_afterwards_does_not_matter():
    windows, buffer = Windows(2, 10.0), np.zeros(1, np.uint8)
    for number in range(2):
        buffer[0] = number + 1
        windows.add(1, number * NS // 10, buffer)
    buffer[0] = 99
    assert [int(sample[0]) for sample in windows.window(1)[1]] == [1, 2]


def test_memory_is_bounded_and_tracks_are_forgotten():
    windows = Windows(5, 10.0, tracks=4)
    for number in range(200):
        for track in range(4):
            windows.add(track, number * NS // 20, np.uint8([track]))
    assert all(len(windows.window(track)[1]) == 5 for track in range(4))
    for track in range(100, 140):  # strangers who pass push out those seen longest ago, one by one
        windows.add(track, 10 * NS, np.uint8([0]))
        assert len(windows._tracks) == 4
    assert not any(windows.full(track) for track in range(4))
    windows.add(1, 10 * NS, np.uint8([0]))
    windows.forget({1, 139, 12345})
    assert sorted(windows._tracks) == [137, 138]
