"""What is no film, or not one that can be read: one clear line each."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from clips import write_clip
from films import ffmpeg, moving, sound

from edgefer.commands.console import main
from edgefer.errors import SourceError
from edgefer.sources import open_source


def refusal(path) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


@pytest.mark.parametrize("name", ["sound.m4a", "sound.mp3", "sound.wav", "sound.flac", "sound.ogg", "sound.mka"])
def test_sound_alone_is_called_that(tmp_path, name):
    ffmpeg(*sound(1), *(["-c:a", "libvorbis"] if name.endswith("ogg") else []), tmp_path / name)
    assert "sound alone" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["music.mp3", "music.m4a", "music.flac"])
def test_a_cover_picture_is_no_film(tmp_path, name):
    cv2.imwrite(str(tmp_path / "cover.png"), np.full((64, 64, 3), 90, np.uint8))
    ffmpeg(
        *sound(1), "-i", tmp_path / "cover.png", "-map", 0, "-map", 1, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p",
        "-disposition:v", "attached_pic", tmp_path / name,
    )  # fmt: skip
    assert "sound with a cover picture" in refusal(tmp_path / name)


def test_an_encrypted_film_is_called_that(tmp_path):
    key = "76a6c65c5ea762046bd749a2e632ccbb"
    ffmpeg(
        *moving(1), "-c:v", "libx264", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key,
        "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8", tmp_path / "secret.mp4",
    )  # fmt: skip
    assert "it is encrypted" in refusal(tmp_path / "secret.mp4")


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", b"V_MPEG4/ISO/ASP"), ("avi", b"MJPG")])
def test_a_codec_that_is_not_known_is_called_that(tmp_path, suffix, codec):
    """PyAV 17 dies of a stream without a decoder when it is asked for anything."""
    data = write_clip(tmp_path / f"film.{suffix}", 5).read_bytes()
    assert codec in data
    (tmp_path / f"odd.{suffix}").write_bytes(data.replace(codec, codec[:2] + b"ZZ" + codec[4:]))
    assert "cannot decode" in refusal(tmp_path / f"odd.{suffix}")


def test_a_film_without_a_frame_is_one_line(tmp_path):
    ffmpeg(*moving(1), *sound(1), "-frames:v", 0, "-c:v", "mpeg4", "-c:a", "aac", tmp_path / "empty.mkv")
    assert refusal(tmp_path / "empty.mkv")


def film_beside(tmp_path):
    return write_clip(tmp_path / "film.mp4", 5)


TELLERS = {
    "playlist.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n",
    "playlist.m3u": "{path}\n",
    "list.ffconcat": "ffconcat version 1.0\nfile '{path}'\n",
    "list.txt": "file '{path}'\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "manifest.mpd": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    "<AdaptationSet><Representation id='1' mimeType='video/mp4'><BaseURL>{path}</BaseURL></Representation>"
    "</AdaptationSet></Period></MPD>\n",
    "list.asx": '<asx version="3.0"><entry><ref href="{path}"/></entry></asx>\n',
    "list.pls": "[playlist]\nFile1={path}\nNumberOfEntries=1\n",
    "remote.m3u8": "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/film.ts\n#EXT-X-ENDLIST\n",
    "reference.rtsp": "RTSPtext\nrtsp://127.0.0.1:9/film\n",
}


@pytest.mark.parametrize("name", TELLERS)
@pytest.mark.parametrize("suffix", ["", ".mp4"], ids=["by its name", "called .mp4"])
def test_what_names_another_film_is_refused(tmp_path, name, suffix):
    """Neither the other file nor the address is opened: only the file that a person names is read."""
    path = tmp_path / f"{name}{suffix}"
    path.write_text(TELLERS[name].format(path=film_beside(tmp_path)))
    assert "it holds text" in refusal(path)


def test_a_quicktime_film_whose_pictures_lie_in_another_file_is_refused(tmp_path):
    """A reference film: its data reference names a file; nothing of that is read."""
    data = bytearray(write_clip(tmp_path / "film.mp4", 5).read_bytes())
    at = data.index(b"url ")
    assert data[at + 4 : at + 8] == b"\0\0\0\1"  # flag: the data is in this file
    data[at + 4 : at + 8] = b"\0\0\0\0"
    (tmp_path / "reference.mov").write_bytes(data)
    try:
        with open_source(tmp_path / "reference.mov") as source:
            assert source.size == (64, 48)  # of its own data, at most
    except SourceError as error:
        assert "\n" not in str(error)


def test_metadata_that_is_no_utf_8_stops_nothing(tmp_path):
    ffmpeg(*moving(0.2), "-metadata", "title=XXXXXXXX", "-c:v", "mpeg4", tmp_path / "film.avi")
    data = (tmp_path / "film.avi").read_bytes()
    assert b"XXXXXXXX" in data
    (tmp_path / "odd.avi").write_bytes(data.replace(b"XXXXXXXX", b"\xff\xfe\xe4\xf6\xfc\x80\x81\x82"))
    with open_source(tmp_path / "odd.avi") as source:
        assert len(list(source.unpaced())) == 5


@pytest.mark.parametrize("name", ["film%03d.mp4", "http:film.mp4", "-film.mp4", "ünï cødé.mp4", "concat:a|b.mp4"])
def test_a_name_is_a_name_and_no_pattern_or_address(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", 3).rename(tmp_path / name)
    with open_source(f"./{name}") as source:
        assert len(list(source.unpaced())) == 3


def test_an_animated_gif_is_a_film(tmp_path):
    ffmpeg(*moving(1, "64x48", 10), tmp_path / "film.gif")
    with open_source(tmp_path / "film.gif") as source:
        frames = list(source.unpaced())
    assert len(frames) == 10 and frames[-1].media_ns == pytest.approx(0.9e9, abs=1e6)
    assert np.ptp(frames[0].grey) > 150


def test_without_pyav_a_film_is_refused_in_one_line_that_names_the_extra(tmp_path):
    path = write_clip(tmp_path / "film.mp4", 3)
    code = "import sys; sys.modules['av'] = None; from edgefer.commands.console import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "-q", "--source", str(path), "--output", "jsonl"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3 and done.stdout == ""
    assert done.stderr == "edgefer: films and streams need PyAV: pip install 'edgefer[film]'\n"


def test_a_pyav_that_is_too_old_is_named(tmp_path):
    path = write_clip(tmp_path / "film.mp4", 3)
    code = """if True:
        import sys, types
        av = types.ModuleType("av")
        av.__version__ = "10.0.0"
        sys.modules["av"] = av
        from edgefer.commands.console import main
        sys.exit(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "-q", "--source", str(path), "--output", "jsonl"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert "need PyAV 17 or later, got 10.0.0" in done.stderr and done.stderr.count("\n") == 1


def test_photographs_and_the_demo_are_read_without_pyav(tmp_path):
    cv2.imwrite(str(tmp_path / "image.png"), np.full((64, 64, 3), 90, np.uint8))
    code = """if True:
        import sys
        from edgefer.commands.console import main
        status = main(sys.argv[1:])
        assert status == 0 and "av" not in sys.modules, status
    """
    for source in (str(tmp_path / "image.png"), "demo:0.2"):
        arguments = ["run", "-q", "--source", source, "--output", "jsonl"]
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        if "sample portrait" in done.stderr:
            continue  # the demo's portrait is not here
        assert done.returncode == 0, done.stderr


def test_a_film_goes_the_whole_way_on_the_command_line(tmp_path, capfd):
    path = write_clip(tmp_path / "film.mp4", 6)
    assert main(["run", "-q", "--source", f"film:{path},start=0.1", "--output", "jsonl"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 3 and '"t_s":0.12' in lines[0]
