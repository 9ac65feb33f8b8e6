"""The soak's own workings, in seconds; `make soak` runs it whole."""

import frames


def test_some_frames_of_the_soak_are_read_with_faces_that_come_and_leave(tmp_path, monkeypatch):
    """The camera is lost and back, the outputs fail and go on, and nothing is left open."""
    monkeypatch.setattr(frames, "_LOSS_FRAMES", 400)
    monkeypatch.setattr(frames, "_FLAP_FRAMES", 100)
    monkeypatch.setattr(frames, "_SAMPLE_FRAMES", 50)
    result = frames.soak(900, tmp_path)
    assert result.frames == 900 and result.losses == 2
    assert 0.3 < result.with_face < 0.95 and result.tracks >= 2
    assert result.files[1] - result.files[0] <= 3
    assert (tmp_path / "readings.jsonl").stat().st_size > 0
