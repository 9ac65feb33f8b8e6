"""Indices and times of a live source that begins again."""

from __future__ import annotations

import pytest
from loop_doubles import frame_at

from edgefer.loop.numbering import Numbering

STEP_NS = 33_000_000


def numbered(numbering, index, captured_ns):
    frame = numbering.continued(frame_at(index, captured_ns), "camera")
    return frame.index, frame.media_ns


def test_a_source_that_counts_on_keeps_its_numbers():
    numbering = Numbering()
    assert [numbered(numbering, index, index) for index in (0, 1, 4)] == [(i, i * STEP_NS) for i in (0, 1, 4)]


@pytest.mark.parametrize("opened", [True, False], ids=["opened again", "by itself"])
def test_the_time_between_two_openings_is_that_of_the_clock(opened, caplog):
    numbering = Numbering()
    numbered(numbering, 7, 1_000_000_000)
    if opened:
        numbering.opened()
    assert numbered(numbering, 0, 3_000_000_000) == (8, 7 * STEP_NS + 2_000_000_000)
    assert numbered(numbering, 1, 3_033_000_000) == (9, 8 * STEP_NS + 2_000_000_000)
    assert ("camera: its pictures count from the beginning again" in caplog.text) is not opened


def test_a_time_that_runs_back_is_mended_without_a_word(caplog):
    """While indices rise nothing has begun again; time goes on by the clock from there."""
    numbering = Numbering()
    times = []
    for index, (media_ms, captured_ms) in enumerate([(0, 0), (40, 40), (20, 80), (60, 120), (60, 160)]):
        frame = frame_at(index, captured_ms * 1_000_000)
        frame.media_ns = media_ms * 1_000_000
        given = numbering.continued(frame, "camera")
        times.append((given.index, given.media_ns // 1_000_000))
    assert times == [(0, 0), (1, 40), (2, 80), (3, 120), (4, 160)] and not caplog.records


def test_a_source_that_begins_again_and_again_is_named_once_an_opening(caplog):
    numbering = Numbering()
    for opening in range(2):
        numbering.opened()
        for number in range(5):
            numbered(numbering, 0, (1 + 5 * opening + number) * STEP_NS)
    assert [record.getMessage() for record in caplog.records] == [
        "camera: its pictures count from the beginning again"
    ] * 2


def test_numbers_rise_where_the_clock_does_not():
    numbering = Numbering()
    numbered(numbering, 7, 1_000_000_000)
    numbering.opened()
    assert numbered(numbering, 0, 1_000_000_000) == (8, 7 * STEP_NS + 1)
