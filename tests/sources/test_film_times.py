"""Each frame of a film at its own time, whatever the container calls it; and films begun later or played again."""

import itertools

import numpy as np
import pytest
from clips import write_clip
from films import encoder, ffmpeg, moving, sound, write_film

from edgefer.errors import SourceError
from edgefer.sources import open_source
from edgefer.sources.base import NS_PER_MS, NS_PER_S, Timeline

#: Times of a film that a telephone or a screen recorder writes, ms: even, hesitating, and a pause of seconds.
UNEVEN_MS = [0, 33, 66, 100, 133, 141, 149, 300, 340, 380, 2600, 2633, 2667, 2700, 2950]


def level(index: int) -> np.ndarray:
    """uint8 (H, W): a grey level that tells the index, below 20."""
    return np.full((48, 64), 20 + 11 * index, np.uint8)


def index_of(grey: np.ndarray) -> int:
    return round((float(np.median(grey)) - 20) / 11)


def times_ms(path, **options) -> list[float]:
    spec = str(path) if not options else f"film:{path}," + ",".join(f"{k}={v}" for k, v in options.items())
    with open_source(spec) as source:
        return [frame.media_ns / NS_PER_MS for frame in source.unpaced()]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "ts", "flv", "nut"])
@pytest.mark.parametrize("b_frames", [0, 2], ids=["no B-frames", "B-frames"])
def test_a_variable_rate_comes_through_to_the_millisecond(tmp_path, suffix, b_frames):
    path = tmp_path / f"film.{suffix}"
    images = [level(index) for index in range(len(UNEVEN_MS))]
    write_film(path, images, encoder("libx264"), times_ms=UNEVEN_MS, options={"bf": str(b_frames), "qp": "10"})
    with open_source(path) as source:
        frames = list(source.unpaced())
    assert [frame.media_ns / NS_PER_MS for frame in frames] == pytest.approx(UNEVEN_MS, abs=1)
    assert [index_of(frame.grey) for frame in frames] == list(range(len(UNEVEN_MS)))


@pytest.mark.parametrize("suffix", ["avi", "mkv", "mp4", "ts", "mpg", "h264"])
def test_frames_come_in_the_order_in_which_they_are_shown(tmp_path, suffix):
    """Coded out of order, three B-frames between two others; AVI stores no time of presentation, raw H.264 none."""
    path = tmp_path / f"film.{suffix}"
    codec = ("-c:v", "mpeg2video", "-bf", 2) if suffix == "mpg" else ("-c:v", "libx264", "-bf", 3, "-qp", 12)
    data = b"".join(level(index).tobytes() for index in range(20))
    ffmpeg(
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-s",
        "64x48",
        "-r",
        25,
        "-i",
        "-",
        *codec,
        "-pix_fmt",
        "yuv420p",
        path,
        data=data,
    )
    with open_source(path) as source:
        frames = list(source.unpaced())
    assert [index_of(frame.grey) for frame in frames] == list(range(20))
    assert [frame.media_ns / NS_PER_MS for frame in frames] == pytest.approx([40 * n for n in range(20)], abs=1)
    assert [frame.index for frame in frames] == list(range(20))


def test_a_film_cut_without_coding_it_anew_begins_where_the_cut_is(tmp_path):
    """Its edit list says so; the frames from the keyframe to the cut are in the file, and no viewer shows them."""
    ffmpeg(*moving(3), "-c:v", "libx264", "-g", 50, tmp_path / "whole.mp4")
    ffmpeg("-ss", 0.7, "-i", tmp_path / "whole.mp4", "-c", "copy", tmp_path / "cut.mp4")
    times = times_ms(tmp_path / "cut.mp4")
    assert 57 <= len(times) <= 58 and times[0] == 0
    assert np.diff(times) == pytest.approx([40] * (len(times) - 1), abs=1)


def test_a_film_whose_picture_begins_after_its_sound_begins_at_zero(tmp_path):
    ffmpeg(*sound(3), "-itsoffset", 1, *moving(1), "-c:v", "libx264", "-c:a", "aac", tmp_path / "late.mkv")
    assert times_ms(tmp_path / "late.mkv") == pytest.approx([40 * n for n in range(25)], abs=1)


def test_a_clock_of_33_bits_that_runs_over_is_no_leap(tmp_path):
    """After 26.5 hours, as in the recording of a camera that is never switched off."""
    ffmpeg(*moving(6, "64x48"), "-c:v", "libx264", "-output_ts_offset", 2**33 / 90000 - 4.5, tmp_path / "late.ts")
    assert times_ms(tmp_path / "late.ts") == pytest.approx([40 * n for n in range(150)], abs=1)


@pytest.mark.parametrize(
    "offsets", [(0, 5000, 7), (400, 0, 0.5), (0, 0, 0)], ids=["leaps", "runs back", "begins again"]
)
def test_recordings_joined_in_one_file_go_on_in_time(tmp_path, offsets):
    joined = b""
    for offset in offsets:
        ffmpeg(*moving(1, "64x48"), "-c:v", "libx264", "-output_ts_offset", offset, tmp_path / "part.ts")
        joined += (tmp_path / "part.ts").read_bytes()
    (tmp_path / "joined.ts").write_bytes(joined)
    times = times_ms(tmp_path / "joined.ts")
    assert len(times) == 75 and times[0] == 0
    steps = np.diff(times)
    assert steps.min() > 0 and np.median(steps) == pytest.approx(40, abs=1)
    assert times[-1] == pytest.approx(2960, abs=80)


def test_a_time_lapse_with_minutes_between_its_frames_keeps_them(tmp_path):
    times = [0, 120_000, 240_000, 500_000, 620_000]
    path = write_film(tmp_path / "lapse.mkv", [level(n) for n in range(5)], "mpeg4", times_ms=times)
    assert times_ms(path) == pytest.approx(times, abs=1)


def test_a_single_picture_is_a_film_of_one(tmp_path):
    with open_source(write_clip(tmp_path / "one.mp4", 1)) as source:
        assert source.length == 1
        assert [frame.media_ns for frame in source.unpaced()] == [0]


# -- the repair of stamps


def repaired(stamps, fps=10.0, gap_s=60.0):
    timeline = Timeline(fps, gap_s)
    return [timeline.next(None if stamp is None else round(stamp * NS_PER_MS)) // NS_PER_MS for stamp in stamps]


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        ([5000, 5100, 5200], [0, 100, 200]),
        ([0, 100, None, 300], [0, 100, 200, 300]),
        ([None, None, 200, 300], [0, 100, 200, 300]),
        ([0, 100, 100, 200, 300], [0, 100, 150, 200, 300]),
        ([0, 100, 90, 200, 300], [0, 100, 150, 200, 300]),
        ([0, 100, 9e9, 300, 400], [0, 100, 200, 300, 400]),
        ([0, 100, 9e9, 9e9 + 50, 9e9 + 150], [0, 100, 200, 250, 350]),
        ([90000, 90100, 0, 70, 170], [0, 100, 200, 270, 370]),
        ([0, 100, -1e12, 300, 400], [0, 100, 200, 300, 400]),
        ([0, 30_000, 30_100], [0, 30_000, 30_100]),
    ],
    ids=[
        "from its own zero", "one missing", "none at first", "one twice", "one a little back", "one leaps",
        "the clock is set ahead", "the clock is set back", "one falls", "a pause",
    ],
)  # fmt: skip
def test_stamps_become_times_that_never_run_back_or_leap(stamps, times):
    assert repaired(stamps) == times


def test_without_stamps_and_rate_thirty_frames_make_a_second():
    timeline = Timeline(None)
    times = [timeline.next(None) for _ in range(31)]
    assert times[30] == pytest.approx(NS_PER_S, abs=100)


def test_stamps_that_all_are_the_same_count_as_none():
    assert repaired([0] * 6) == [0, 50, 150, 250, 350, 450]


# -- begun later, and played again


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts", "mpg", "h264", "flv"])
@pytest.mark.parametrize("start", [0.4, 1.0, 1.5])
def test_a_start_is_exact_and_times_stay_those_of_the_whole_film(tmp_path, suffix, start):
    path = tmp_path / f"film.{suffix}"
    codec = "mpeg2video" if suffix == "mpg" else "libx264"
    ffmpeg(*moving(2, "64x48"), "-c:v", codec, "-g", 12, path)
    with open_source(path) as source:
        whole = list(source.unpaced())
    with open_source(f"film:{path},start={start}") as source:
        part = list(source.unpaced())
    assert part[0].media_ns >= start * NS_PER_S > part[0].media_ns - 41 * NS_PER_MS
    expected = whole[len(whole) - len(part) :]
    assert [frame.media_ns for frame in part] == pytest.approx([f.media_ns for f in expected], abs=NS_PER_MS)
    assert [frame.index for frame in part] == [frame.index for frame in expected]
    for ours, theirs in zip(part, expected, strict=True):
        assert np.array_equal(ours.grey, theirs.grey)


def test_a_start_in_a_film_of_variable_rate_is_exact(tmp_path):
    images = [level(index) for index in range(len(UNEVEN_MS))]
    path = write_film(tmp_path / "film.mkv", images, encoder("libx264"), times_ms=UNEVEN_MS, options={"g": "4"})
    for start in (0.12, 0.299, 0.3, 1.0, 2.633):
        expected = [time for time in UNEVEN_MS if time >= 1000 * start]
        assert times_ms(path, start=start) == pytest.approx(expected, abs=1)


def test_a_start_behind_the_end_is_one_line(tmp_path):
    path = write_clip(tmp_path / "film.mp4", 20)
    with pytest.raises(SourceError, match=r"got 9 s; its last frame is at 0\.760 s"):
        open_source(f"film:{path},start=9")


@pytest.mark.parametrize("suffix", ["mp4", "avi", "mkv"])
def test_a_film_played_again_goes_on_in_time_and_number(tmp_path, suffix):
    path = write_clip(tmp_path / f"film{suffix}.{suffix}".replace("..", "."), 10)
    with open_source(f"film:{path},loop=true") as source:
        assert source.length is None
        frames = list(itertools.islice(source.unpaced(), 25))
    assert [frame.index for frame in frames] == list(range(25))
    assert [frame.media_ns / NS_PER_MS for frame in frames] == pytest.approx([40 * n for n in range(25)], abs=1)
    assert np.array_equal(frames[3].grey, frames[13].grey) and np.array_equal(frames[3].grey, frames[23].grey)


def test_a_film_played_again_shows_its_last_picture_as_long_as_it_says(tmp_path):
    """An animation that stands still for two seconds at its end."""
    path = tmp_path / "film.gif"
    images = [level(5 * index) for index in range(3)]
    write_film(path, images, "gif", "gray", times_ms=[0, 100, 200], final_delay="200")
    with open_source(f"film:{path},loop=true") as source:
        frames = list(itertools.islice(source.unpaced(), 7))
    assert [frame.media_ns / NS_PER_MS for frame in frames] == pytest.approx([0, 100, 200, 2200, 2300, 2400, 4400])


def test_a_film_played_again_from_a_start_begins_there_each_time(tmp_path):
    path = write_clip(tmp_path / "film.mp4", 10)
    with open_source(f"film:{path},start=0.3,loop=true") as source:
        frames = list(itertools.islice(source.unpaced(), 8))
    assert [frame.index for frame in frames] == list(range(8, 16))
    assert [frame.media_ns / NS_PER_MS for frame in frames] == pytest.approx([320 + 40 * n for n in range(8)], abs=1)
    assert np.array_equal(frames[0].grey, frames[2].grey) and np.array_equal(frames[1].grey, frames[7].grey)
