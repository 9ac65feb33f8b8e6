"""A film played at its own rate."""

import threading
import time

import numpy as np
import pytest
from clips import write_clip

from edgefer.sources import base, open_source, paced
from edgefer.sources.base import NS_PER_S


def test_a_paced_clip_keeps_its_own_time(tmp_path):
    with paced(open_source(write_clip(tmp_path / "clip.avi", 10, fps=50))) as source:
        assert source.live and source.fps == 50 and source.length == 10
        seen = []
        while (frame := source.read()) is not None:
            seen.append((time.monotonic_ns(), frame))
    due = [frame.captured_ns for _, frame in seen]
    assert np.diff(due) == pytest.approx([NS_PER_S / 50] * 9, abs=1e6)
    assert all(now >= captured for (now, _), captured in zip(seen, due, strict=True))


def test_a_late_reader_of_a_paced_clip_sees_the_age_of_its_frames(tmp_path):
    with paced(open_source(write_clip(tmp_path / "clip.avi", 10, fps=50))) as source:
        source.read()
        time.sleep(0.12)
        frame = source.read()  # was due after 20 ms
        assert time.monotonic_ns() - frame.captured_ns >= 0.09e9


def test_a_file_that_decodes_too_slowly_is_played_more_slowly_and_its_frames_do_not_age(tmp_path, monkeypatch):
    """Each frame takes three intervals; if the clock were not set back, the age would reach 1.2 s."""
    slow = open_source(write_clip(tmp_path / "clip.avi", 30, fps=50))
    read = slow.read

    def read_slowly():
        time.sleep(0.06)
        return read()

    slow.read = read_slowly
    said, ages_s = [], []
    monkeypatch.setattr(base.log, "warning", lambda message, *_: said.append(message))
    with paced(slow) as source:
        while (frame := source.read()) is not None:
            ages_s.append((time.monotonic_ns() - frame.captured_ns) / 1e9)
    assert len(ages_s) == 30
    assert max(ages_s) < 0.6 < 30 * 0.04
    assert len(said) == 1 and "cannot keep up" in said[0]


def test_closing_ends_a_wait_for_the_next_frame(tmp_path):
    source = paced(open_source(write_clip(tmp_path / "clip.avi", 3, fps=1 / 20)))
    source.read()
    threading.Timer(0.1, source.close).start()
    start = time.monotonic()
    assert source.read() is None
    assert time.monotonic() - start < 5
