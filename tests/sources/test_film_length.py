"""Where a film ends: all its frames, and an error only where its picture is shorter than it should be."""

import struct

import pytest
from clips import textured, write_clip
from films import encoder, ffmpeg, moving, sound, write_film

from edgefer.commands.console import main
from edgefer.errors import SourceError
from edgefer.sources import open_source


def read_to_the_end(path) -> tuple[int, str]:
    """How many frames come, and the error after them."""
    frames = 0
    try:
        with open_source(path) as source:
            while source.read() is not None:
                frames += 1
    except SourceError as error:
        return frames, str(error)
    return frames, ""


FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof", "-g", "10")
WITH_SOUND = {
    "mp4": ("film.mp4", "-c:v libx264 -c:a aac"),
    "fragmented mp4": ("film.mp4", " ".join(["-c:v libx264 -c:a aac", *FRAGMENTED])),
    "mov": ("film.mov", "-c:v mpeg4 -c:a pcm_s16le"),
    "mkv": ("film.mkv", "-c:v libx264 -c:a aac"),
    "webm": ("film.webm", "-c:v libvpx -c:a libopus"),
    "avi": ("film.avi", "-c:v mpeg4 -c:a mp2"),
    "ts": ("film.ts", "-c:v libx264 -c:a aac"),
    "mpg": ("film.mpg", "-c:v mpeg2video -c:a mp2"),
    "flv": ("film.flv", "-c:v libx264 -c:a aac"),
    "ogv": ("film.ogv", "-c:v libtheora -c:a libvorbis"),
    "wmv": ("film.wmv", "-c:v wmv2 -c:a wmav2"),
    "nut": ("film.nut", "-c:v mpeg4 -c:a mp2"),
}


@pytest.mark.parametrize("kind", WITH_SOUND)
@pytest.mark.parametrize("sound_s", [0.6, 5.0], ids=["shorter", "longer"])
def test_sound_that_ends_before_or_after_the_picture_says_nothing_of_it(tmp_path, kind, sound_s):
    name, codecs = WITH_SOUND[kind]
    ffmpeg(*moving(2, "64x48"), *sound(sound_s), *codecs.split(), tmp_path / name)
    frames, error = read_to_the_end(tmp_path / name)
    assert error == "" and frames == pytest.approx(50, abs=12 if kind == "ogv" else 0)  # Theora repeats without a frame


def subtitles(path, seconds):
    path.write_text(f"1\n00:00:00,500 --> 00:00:01,000\nfirst\n\n2\n00:00:01,500 --> 00:00:{seconds:02d},000\nlast\n")
    return path


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4"])
def test_subtitles_that_outlast_the_picture_do_not_lengthen_it(tmp_path, name):
    text = subtitles(tmp_path / "text.srt", 30)
    kind = "srt" if name.endswith("mkv") else "mov_text"
    ffmpeg(*moving(2, "64x48"), "-i", text, "-c:v", "libx264", "-c:s", kind, tmp_path / name)
    assert read_to_the_end(tmp_path / name) == (50, "")


def test_a_film_with_long_sound_ends_well_on_the_command_line(tmp_path, capsys):
    ffmpeg(*moving(1, "64x48"), *sound(8), "-c:v", "libx264", "-c:a", "aac", tmp_path / "film.mkv")
    output = tmp_path / "out.jsonl"
    assert main(["run", "-q", "--source", str(tmp_path / "film.mkv"), "--output", f"jsonl:{output}"]) == 0
    assert len(output.read_text().splitlines()) == 25 and capsys.readouterr().err == ""


def test_matroska_without_the_tag_of_a_length_counts_by_all_its_streams(tmp_path):
    """As other programs than FFmpeg write it: only the whole file's length, which is the sound's."""
    path = tmp_path / "film.mkv"
    ffmpeg(*moving(2, "64x48"), *sound(5), "-c:v", "libx264", "-c:a", "aac", path)
    data = path.read_bytes()
    assert data.count(b"DURATION") == 2
    path.write_bytes(data.replace(b"DURATION", b"COMMENTS"))
    assert read_to_the_end(path) == (50, "")
    path.write_bytes(path.read_bytes()[: len(data) * 6 // 10])
    frames, error = read_to_the_end(path)
    assert frames > 10 and "ends early at" in error


def test_a_recording_without_any_length_ends_where_it_ends(tmp_path):
    """A camera's live fragments, and Matroska written to a pipe."""
    ffmpeg(*moving(2, "64x48"), "-c:v", "libx264", *FRAGMENTED, tmp_path / "whole.mp4")
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: data.rindex(b"moof") - 4])
    ffmpeg(*moving(2, "64x48"), "-c:v", "libx264", "-f", "matroska", "-live", 1, tmp_path / "live.mkv")
    assert read_to_the_end(tmp_path / "live.mkv") == (50, "")
    assert read_to_the_end(tmp_path / "cut.mp4")[0] == 40


@pytest.mark.parametrize("name", ["film.avi", "film.mkv", "film.mp4", "film.flv"])
@pytest.mark.parametrize("with_sound", [False, True], ids=["picture alone", "with sound"])
def test_a_film_that_is_cut_off_gives_what_is_there_and_then_one_error(tmp_path, name, with_sound):
    codec = "flv1" if name == "film.flv" else "mpeg4"
    voice = sound(4) if with_sound else []
    flags = ["-movflags", "faststart"] if name.endswith("mp4") else []
    whole = tmp_path / f"whole-{name}"
    ffmpeg(*moving(4, "160x120", noise=20), *voice, "-c:v", codec, "-q:v", 5, "-g", 10, *flags, whole)
    data = whole.read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 6 // 10])
    frames, error = read_to_the_end(tmp_path / name)
    assert 40 <= frames <= 75
    assert "ends early at" in error and "what comes before was read" in error and "\n" not in error
    assert read_to_the_end(whole) == (100, "")


def test_a_truncated_film_ends_with_exit_code_3_and_one_line(tmp_path, capsys):
    data = write_clip(tmp_path / "whole.avi", 100, draw=textured).read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) * 6 // 10])
    output = tmp_path / "out.jsonl"
    assert main(["run", "-q", "--source", str(tmp_path / "cut.avi"), "--output", f"jsonl:{output}"]) == 3
    frames = len(output.read_text().splitlines())
    error = capsys.readouterr().err
    assert f"ends early at frame {frames} of 100" in error and error.count("\n") == 1


def test_pictures_shown_for_seconds_are_no_early_end(tmp_path):
    """Slides: the last one is shown for as long as the others, and Matroska does not store how long that is."""
    ffmpeg(*moving(20, "64x48", rate=1), "-vf", "select='not(mod(n,5))'", "-vsync", "vfr", "-c:v", "libx264",
           tmp_path / "slides.mkv")  # fmt: skip
    assert read_to_the_end(tmp_path / "slides.mkv") == (4, "")


@pytest.mark.parametrize("frames", [1, 2, 3, 250])
def test_a_whole_film_is_not_called_short(tmp_path, frames):
    for suffix in ("mp4", "mkv", "avi"):
        path = write_clip(tmp_path / f"film.{suffix}", frames)
        assert read_to_the_end(path) == (frames, "")


def test_frames_that_a_capture_program_left_out_are_not_missed(tmp_path):
    """Packets without a byte stand for them in AVI: there are fewer pictures than the header counts."""
    path = write_clip(tmp_path / "film.avi", 60)
    data = bytearray(path.read_bytes())
    index = data.rindex(b"idx1")
    for entry in range(10, 50, 2):
        at = index + 8 + 16 * entry
        struct.pack_into("<I", data, at + 12, 0)  # the length that the index tells
        chunk = struct.unpack_from("<I", data, at + 8)[0]
        base = data.index(b"movi")
        struct.pack_into("<I", data, base + chunk + 4, 0)
    path.write_bytes(data)
    frames, error = read_to_the_end(path)
    assert frames <= 60 and error == "" or "damaged" in error


@pytest.mark.parametrize("tables", [{}, {"mpegts_pmt_start_pid": "768"}], ids=["pictures", "pictures and their table"])
def test_a_film_that_goes_on_in_another_stream_says_so(tmp_path, caplog, tables):
    """Recordings with other identifiers, joined: it ended at the seam as if that were all."""
    images = [textured(index) for index in range(50)]
    first = write_film(tmp_path / "first.ts", images, encoder("libx264"))
    second = write_film(tmp_path / "second.ts", images, encoder("libx264"), mpegts_start_pid="512", **tables)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    assert read_to_the_end(joined) == (50, "")
    assert "it goes on in other streams, which were not read" in caplog.text
    caplog.clear()
    joined.write_bytes(first.read_bytes() * 2)
    assert read_to_the_end(joined) == (100, "") and not caplog.records
