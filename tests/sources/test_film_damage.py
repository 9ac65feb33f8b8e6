"""Damaged films: what is whole is read, what is torn is left out and counted."""

import json

import numpy as np
import pytest
from films import av, encoder, ffmpeg, moving, packets_of, sound, spoil, write_film
from portrait import portrait

from edgefer.commands.console import main
from edgefer.errors import SourceError
from edgefer.sources import film, open_source
from edgefer.sources.base import NS_PER_MS
from edgefer.sources.demo import HEIGHT, WIDTH, Demo


def grain(index: int, size=(120, 160)) -> np.ndarray:
    """uint8 (H, W, 3): noise, of which every byte of a coded picture is needed."""
    return np.random.default_rng(index).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(film.log, "warning", lambda message, *words: lines.append(message % words))
    return lines


def frames_of(path):
    with open_source(path) as source:
        return list(source.unpaced())


@pytest.mark.parametrize("suffix", ["avi", "mov", "mkv"])
def test_torn_jpegs_are_left_out_and_counted(tmp_path, said, suffix):
    """OpenCV's reader ended at the first of them."""
    whole = write_film(tmp_path / f"whole.{suffix}", map(grain, range(70)), encoder("mjpeg"), "yuvj420p")
    packets = packets_of(whole)
    torn = [22, 23, 51]
    path = spoil(whole, tmp_path / f"torn.{suffix}", [packets[n][0] + packets[n][1] // 2 for n in torn], 1500)
    frames = frames_of(path)
    assert [frame.index for frame in frames] == [n for n in range(70) if n not in torn]
    assert [frame.media_ns // NS_PER_MS for frame in frames] == [40 * frame.index for frame in frames]
    assert said == [f"{path}: 3 damaged frames were left out"]


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "suffix"),
    [
        ("png", "rgb24", "mov"),
        ("prores", "yuv422p10le", "mov"),
        ("mjpeg", "yuvj420p", "avi"),
        ("utvideo", "yuv420p", "avi"),
        ("libx264", "yuv420p", "mkv"),
    ],
)
@pytest.mark.parametrize("torn", [0, 1, 9, 17, 18, 19])
def test_one_torn_picture_takes_no_other_with_it(tmp_path, said, codec, pix_fmt, suffix, torn):
    """The first, the last, or one of those that several threads are decoding when the film ends."""
    options = {"g": "1"} if codec == "libx264" else {}
    whole = write_film(tmp_path / f"whole.{suffix}", map(grain, range(20)), encoder(codec), pix_fmt, options=options)
    offset, size = packets_of(whole)[torn]
    path = spoil(whole, tmp_path / f"torn.{suffix}", [offset + size // 3], size // 2)
    assert [frame.index for frame in frames_of(path)] == [n for n in range(20) if n != torn]
    assert said == [f"{path}: 1 damaged frame was left out"]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("h264.mp4", "-c:v libx264 -g 12"),
        ("h264.ts", "-c:v libx264 -g 12"),
        ("mpeg2.ts", "-c:v mpeg2video -g 12 -q:v 4"),
        ("mpeg4.avi", "-c:v mpeg4 -g 12 -q:v 4"),
    ],
)
def test_frames_of_which_the_decoder_made_up_parts_are_left_out(tmp_path, said, name, codec):
    ffmpeg(*moving(2, noise=12), *codec.split(), tmp_path / f"whole-{name}")
    data = (tmp_path / f"whole-{name}").read_bytes()
    spots = [len(data) * part // 100 for part in (31, 47, 66, 81)]
    path = spoil(tmp_path / f"whole-{name}", tmp_path / name, spots, 300)
    frames = frames_of(path)
    assert 36 <= len(frames) <= 49
    assert len(said) == 1 and "damaged frame" in said[0]
    assert np.all(np.diff([frame.media_ns for frame in frames]) > 0)
    assert frames[-1].media_ns >= 1.8e9


def test_a_broadcast_with_lost_packets_goes_on(tmp_path):
    """Every 40th packet of 188 bytes is missing, as with a bad aerial."""
    ffmpeg(*moving(3, noise=12), *sound(3), "-c:v", "libx264", "-g", 12, "-c:a", "aac", tmp_path / "whole.ts")
    data = (tmp_path / "whole.ts").read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    (tmp_path / "lossy.ts").write_bytes(b"".join(p for n, p in enumerate(packets) if n < 8 or n % 40))
    output = tmp_path / "out.jsonl"
    assert main(["run", "-q", "--source", str(tmp_path / "lossy.ts"), "--output", f"jsonl:{output}"]) == 0
    assert 30 <= len(output.read_text().splitlines()) <= 75


def test_a_film_that_begins_in_its_midst_begins_with_the_first_whole_frame(tmp_path):
    """A recording cut by bytes: what comes before the first keyframe cannot be decoded."""
    ffmpeg(*moving(2, noise=12), "-c:v", "libx264", "-g", 12, "-bf", 0, tmp_path / "whole.ts")
    data = (tmp_path / "whole.ts").read_bytes()
    (tmp_path / "part.ts").write_bytes(data[len(data) // 3 // 188 * 188 :])
    frames = frames_of(tmp_path / "part.ts")
    assert 25 <= len(frames) <= 36 and frames[0].media_ns == 0
    assert np.diff([frame.media_ns for frame in frames]) == pytest.approx([40e6] * (len(frames) - 1), abs=1e6)


def test_the_command_line_says_how_many_frames_were_damaged_and_ends_well(tmp_path, capsys):
    whole = write_film(tmp_path / "whole.avi", map(grain, range(20)), encoder("mjpeg"), "yuvj420p")
    offset, size = packets_of(whole)[7]
    path = spoil(whole, tmp_path / "torn.avi", [offset + size // 2], 1500)
    output = tmp_path / "out.jsonl"
    assert main(["run", "--source", str(path), "--output", f"jsonl:{output}"]) == 0
    assert len(output.read_text().splitlines()) == 19
    assert "1 damaged frame was left out" in capsys.readouterr().err


def test_jpegs_that_lack_their_end_marker_or_hold_strange_segments_are_whole(tmp_path, said):
    """As some cameras write them; strictness is for what is torn."""
    whole = write_film(tmp_path / "whole.avi", map(grain, range(6)), encoder("mjpeg"), "yuvj420p")
    data = bytearray(whole.read_bytes())
    for offset, size in packets_of(whole):
        at = offset + 8 if data[offset : offset + 2] != b"\xff\xd8" else offset
        end = data.index(b"\xff\xd9", at)
        assert end < at + size + 8
        data[end : end + 2] = b"\0\0"
    (tmp_path / "open.avi").write_bytes(data)
    assert len(frames_of(tmp_path / "open.avi")) == 6 and said == []


def test_a_film_in_which_every_picture_is_damaged_is_one_line(tmp_path):
    whole = write_film(tmp_path / "whole.avi", map(grain, range(5)), encoder("mjpeg"), "yuvj420p")
    path = spoil(whole, tmp_path / "torn.avi", [offset + 20 for offset, _ in packets_of(whole)], 3000)
    with pytest.raises(SourceError, match="no frame of it can be decoded; 5 are damaged"):
        open_source(path)


@pytest.mark.parametrize("top", [True, False], ids=["top field first", "bottom field first"])
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("h264.mp4", "-c:v libx264 -flags +ilme+ildct"),
        ("h264.ts", "-c:v libx264 -flags +ilme+ildct"),
        ("mpeg2.mpg", "-c:v mpeg2video -flags +ilme+ildct"),
        ("mpeg4.avi", "-c:v mpeg4 -flags +ilme+ildct"),
        ("hevc.mkv", "-c:v libx265 -x265-params log-level=none:interlace={field}"),
        ("prores.mov", "-c:v prores_ks"),
    ],
)
def test_an_interlaced_film_is_decoded_in_every_frame(tmp_path, top, name, codec):
    """Frame by frame equal to what ffmpeg decodes; OpenCV 4.13 and 4.14 give black or stale memory."""
    path, raw = tmp_path / name, tmp_path / "frames.raw"
    order = "interleave_top" if top else "interleave_bottom"
    words = codec.format(field="tff" if top else "bff").split()
    ffmpeg(*moving(1, rate=50), "-vf", f"tinterlace={order}", *words, path)
    ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "yuv444p", raw)
    frames = frames_of(path)
    luma = np.frombuffer(raw.read_bytes(), np.uint8).reshape(-1, 3, *frames[0].grey.shape)[:, 0]
    assert len(frames) == len(luma) == 25
    for frame, theirs in zip(frames, luma, strict=True):
        assert np.abs(frame.grey - np.clip((theirs.astype(float) - 16) * 255 / 219, 0, 255)).max() <= 2


@pytest.fixture(scope="module")
def fields():
    """Twenty pictures of a face that moves, raw."""
    portrait()  # skips where it is absent
    demo = Demo()
    return b"".join(demo.render(3 * index).bgr().tobytes() for index in range(20))


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_moving_face_is_found_in_every_frame_of_an_interlaced_film(tmp_path, fields, codec):
    path, output = tmp_path / "film.mkv", tmp_path / "out.jsonl"
    ffmpeg(
        "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{WIDTH}x{HEIGHT}", "-r", 50, "-i", "-",
        "-vf", "tinterlace=interleave_top", "-flags", "+ilme+ildct", "-c:v", codec, "-q:v", 3, path, data=fields,
    )  # fmt: skip
    assert main(["run", "-q", "--source", str(path), "--output", f"jsonl:{output}"]) == 0
    readings = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(readings) == 10 and all(len(reading["faces"]) == 1 for reading in readings)
    assert {face["track"] for reading in readings for face in reading["faces"]} == {1}


def test_interlaced_dv_is_decoded_in_every_frame(tmp_path):
    path = tmp_path / "film.dv"
    ffmpeg(*moving(1, "720x576", 50), "-vf", "tinterlace=interleave_bottom", "-c:v", "dvvideo", "-pix_fmt", "yuv420p",
           "-flags", "+ilme+ildct", path)  # fmt: skip
    frames = frames_of(path)
    assert len(frames) == 25 and all(np.ptp(frame.grey) > 150 for frame in frames)
    assert all(not np.array_equal(a.grey, b.grey) for a, b in zip(frames, frames[1:], strict=False))


def test_the_writer_of_these_tests_writes_what_pyav_reads(tmp_path):
    """So that a test does not pass because its film is empty."""
    path = write_film(tmp_path / "film.avi", map(grain, range(4)), encoder("mjpeg"), "yuvj420p")
    assert len(packets_of(path)) == 4
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 4
