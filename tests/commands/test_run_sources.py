"""`edgefer run` over one source, part of one, and several; and its readings beside those of Python."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgefer
from edgefer.commands import console as cli
from edgefer.sinks.lines import reading_values
from edgefer.sources.demo import portrait_path

try:
    PORTRAIT = portrait_path()
except Exception:
    pytest.skip("the demo's portrait needs matplotlib", allow_module_level=True)
FPS, FRAMES = 25, 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Photographs of one size with other faces in them, and a film of two seconds."""
    where = tmp_path_factory.mktemp("sources")
    image = cv2.resize(cv2.imread(str(PORTRAIT)), (256, 300), interpolation=cv2.INTER_AREA)
    (where / "photos" / "more").mkdir(parents=True)
    for index in range(4):
        seen = cv2.convertScaleAbs(np.roll(image, 4 * index, axis=1), alpha=1 - 0.1 * index)
        cv2.imwrite(str(where / "photos" / f"{index}.png"), seen)
    cv2.imwrite(str(where / "photos" / "more" / "4.png"), image[:, ::-1])
    writer = cv2.VideoWriter(str(where / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), FPS, (256, 300))
    for index in range(FRAMES):
        writer.write(np.roll(image, index, axis=1))
    writer.release()
    return where


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def run(tmp_path, *arguments: str, code: int = 0) -> list[dict]:
    """The readings of a run."""
    path = tmp_path / "readings.jsonl"
    path.unlink(missing_ok=True)
    assert cli.main(["run", *arguments, "--output", f"jsonl:{path}"]) == code
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def what_is_read(readings: list[dict]) -> list[tuple]:
    return [(reading["source"], reading["frame"], reading["t_s"]) for reading in readings]


# --- the command line and Python


def faces_of(reading: dict) -> list[dict]:
    return reading["faces"]


def written(faces) -> list[dict]:
    """Faces from Python as JSON lines have them."""
    return reading_values(edgefer.Reading(0, 0.0, "", 0.0, list(faces)))["faces"]


def test_a_photograph_gives_the_same_by_path_pixels_stream_and_command_line(tmp_path):
    for name in ("photos/0.png", "photos/3.png", "photos/more/4.png", str(PORTRAIT)):
        (reading,) = run(tmp_path, name)
        bgr = cv2.imread(name)
        from_path = edgefer.read(name)
        assert from_path
        assert edgefer.read(bgr) == edgefer.read(bgr[:, :, ::-1], rgb=True) == from_path
        with edgefer.stream(name) as readings:
            assert next(readings).faces == from_path
        assert faces_of(reading) == written(from_path)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]], ids=str)
def test_a_photograph_does_not_depend_on_those_beside_it(tmp_path, order):
    """Photographs of one size: alone, and among others in any order."""
    paths = [f"photos/{index}.png" for index in order]
    together = run(tmp_path, *paths)
    for path, reading in zip(paths, together, strict=True):
        assert faces_of(reading) == written(edgefer.read(path))
        assert (reading["source"], reading["t_s"]) == (path, 0)


def test_a_film_gives_the_same_by_stream_and_command_line(tmp_path):
    written_by_run = run(tmp_path, "film.avi")
    with edgefer.stream("film.avi") as readings:
        given = [reading_values(reading) for reading in readings]
    assert len(given) == FRAMES
    for one, other in zip(written_by_run, given, strict=True):
        assert {key: one[key] for key in ("source", "frame", "t_s", "faces")} == {
            key: other[key] for key in ("source", "frame", "t_s", "faces")
        }


# --- several


def test_several_sources_are_each_read_by_themselves(tmp_path):
    """Faces numbered from 1 and times from 0 in each; photographs that follow one another numbered through."""
    readings = run(tmp_path, "film.avi", "photos/0.png", "photos/1.png", "film.avi", "--source", "photos/2.png")
    sources = ["film.avi"] * FRAMES + ["photos/0.png", "photos/1.png"] + ["film.avi"] * FRAMES + ["photos/2.png"]
    frames = [*range(FRAMES), 0, 1, *range(FRAMES), 0]
    assert [(reading["source"], reading["frame"]) for reading in readings] == list(zip(sources, frames, strict=True))
    assert {face["track"] for reading in readings for face in reading["faces"]} == {1}
    first, second = readings[:FRAMES], readings[FRAMES + 2 : -1]
    assert [faces_of(reading) for reading in first] == [faces_of(reading) for reading in second]
    assert first[0]["t_s"] == second[0]["t_s"] == 0


def test_sources_may_stand_anywhere_on_the_command_line(tmp_path):
    path = tmp_path / "a.jsonl"
    assert cli.main(["run", "photos/0.png", "--output", f"jsonl:{path}", "photos/1.png", "-q", "photos/2.png"]) == 0
    sources = [json.loads(line)["source"] for line in path.read_text().splitlines()]
    assert sources == ["photos/0.png", "photos/1.png", "photos/2.png"]
    assert cli.main(["run", "photos/0.png", "--frames", "1", "photos/1.png", "--wrong", "x"]) == 2


def test_a_quoted_pattern_and_a_folder_with_its_folders(tmp_path):
    assert [r["source"] for r in run(tmp_path, "photos/*.png")] == [f"photos/{index}.png" for index in range(4)]
    assert [r["image"] for r in run(tmp_path, "photos")] == [f"{index}.png" for index in range(4)]
    assert len(run(tmp_path, "photos", "--recursive")) == 5


def test_a_bad_source_is_named_and_the_others_are_read(tmp_path, capsys):
    bad = tmp_path / "cut.png"
    bad.write_bytes(Path("photos/0.png").read_bytes()[:300])
    readings = run(tmp_path, "none.mp4", "photos/0.png", str(bad), "film.avi", "-q", code=3)
    assert len(readings) == 1 + FRAMES
    assert capsys.readouterr().err.splitlines() == [
        f"edgefer: 2 of 4 sources could not be read (none.mp4, {bad}); the others were"
    ]
    assert run(tmp_path, "none.mp4", "photos/0.png", code=3)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("edgefer: none.mp4: no such file") and "going on" in lines[0]
    assert not any("Traceback" in line for line in lines)
    assert run(tmp_path, "none.mp4", "neither.mp4", code=3) == []


# --- parts


def test_part_of_a_film_by_its_own_time(tmp_path):
    readings = run(tmp_path, "film.avi", "--start", "0.5", "--seconds", "0.6")
    times = [reading["t_s"] for reading in readings]
    assert times == pytest.approx([index / FPS for index in range(13, 28)], abs=1e-3)  # 0.52 is the first from 0.5 on
    assert [reading["frame"] for reading in readings] == list(range(13, 28))
    again = run(tmp_path, "film:film.avi,start=0.5", "--seconds", "0.6")
    assert [reading["t_s"] for reading in again] == times
    assert run(tmp_path, "film:film.avi,start=0.5", "--start", "0.6", code=2) == []


def test_over_and_over_time_goes_on_rising(tmp_path):
    readings = run(tmp_path, "film.avi", "--loop", "--seconds", "5")
    times = [reading["t_s"] for reading in readings]
    assert len(times) == 5 * FPS
    assert np.diff(times) == pytest.approx(np.full(5 * FPS - 1, 1 / FPS), abs=2e-3)


def test_one_reading_in_so_many_is_written(tmp_path):
    readings = run(tmp_path, "film.avi", "photos/0.png", "photos/1.png", "photos/2.png", "--every", "2")
    assert what_is_read(readings)[-2:] == [("photos/0.png", 0, 0), ("photos/2.png", 2, 0)]
    assert [reading["frame"] for reading in readings[:-2]] == list(range(0, FRAMES, 2))
    assert len(run(tmp_path, "film.avi", "--every", "10", "--frames", "3")) == 3


# --- how it is seen


def test_a_camera_mounted_upside_down_or_aside_reads_as_one_that_is_not(tmp_path, folder):
    """The box is where a viewer of the turned picture sees the face."""
    upright = cv2.imread("photos/0.png")
    (expected,) = edgefer.read(upright)
    turns = {
        "180": cv2.rotate(upright, cv2.ROTATE_180),
        "90": cv2.rotate(upright, cv2.ROTATE_90_COUNTERCLOCKWISE),
        "270": cv2.rotate(upright, cv2.ROTATE_90_CLOCKWISE),
    }
    for degrees, stored in turns.items():
        path = tmp_path / f"{degrees}.png"
        cv2.imwrite(str(path), stored)
        (reading,) = run(tmp_path, str(path), "--rotate", degrees)
        assert faces_of(reading) == written([expected])
    path = tmp_path / "mirrored.png"
    cv2.imwrite(str(path), upright[:, ::-1])
    (reading,) = run(tmp_path, str(path), "--flip", "h")
    assert faces_of(reading) == written([expected])


def test_a_region_is_told_in_the_whole_picture(tmp_path):
    x0, y0 = 30, 20
    image = cv2.imread("photos/0.png")
    part = edgefer.read(image[y0:230, x0:230])
    (reading,) = run(tmp_path, "photos/0.png", "--region", f"{x0},{y0},230,230")
    (face,), (expected,) = faces_of(reading), written(part)
    assert face["scores"] == expected["scores"]
    assert face["box"] == pytest.approx([a + b for a, b in zip(expected["box"], (x0, y0, x0, y0), strict=True)])


WRONG = {
    "rotation": (["--rotate", "45"], "expected 90, 180 or 270"),
    "flip": (["--flip", "sideways"], "expected horizontal or vertical"),
    "region of three": (["--region", "0,0,9"], "expected x0,y0,x1,y1"),
    "region of letters": (["--region", "a,0,9,9"], "expected x0,y0,x1,y1"),
    "empty region": (["--region", "9,0,9,9"], "expected x0,y0,x1,y1"),
    "start": (["--start", "-1"], "of at least 0"),
    "every": (["--every", "0"], "whole number"),
    "loop of photographs": (["--loop"], "only a film can be read over and over"),
    "time of photographs": (["--seconds", "3"], "photographs have no time"),
    "a camera before others": (["--source", "0", "film.avi"], "does not end by itself"),
    "an endless demo before others": (["--source", "demo:forever", "film.avi"], "does not end by itself"),
    "a film over and over before others": (
        ["--source", "film:film.avi,loop=yes", "film.avi"],
        "does not end by itself",
    ),
    "--camera beside others": (["--camera", "0"], "not allowed with other sources"),
    "a pattern without a file": (["*.xyz"], "no file matches"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_in_one_line(name, capsys):
    arguments, message = WRONG[name]
    assert cli.main(["run", "photos/0.png", *arguments, "--output", "jsonl"]) in (2, 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert message in line


# --- the profile's camera


def test_a_profile_says_how_its_camera_is_mounted(tmp_path, capsys, monkeypatch):
    """Whatever stands for the camera; the command line overrides it."""
    seen = []
    monkeypatch.setattr("edgefer.sources.camera.open_camera", lambda options: seen.append(options) or 1 / 0)
    profile = tmp_path / "p.toml"
    profile.write_text('[camera]\ndevice = 1\nrotate = 180\nflip = "vertical"\n')
    for arguments, expected in (([], (180, "vertical")), (["--rotate", "0"], (0, "vertical"))):
        cli.main(["run", "--profile", str(profile), *arguments])
        assert (seen[-1].rotate, seen[-1].flip) == expected
    cv2.imwrite(str(tmp_path / "turned.png"), cv2.rotate(cv2.imread("photos/0.png"), cv2.ROTATE_180))
    profile.write_text(f'[camera]\ndevice = "{tmp_path}/turned.png"\nrotate = 180\n')
    (reading,) = run(tmp_path, "--profile", str(profile))
    assert faces_of(reading) == written(edgefer.read("photos/0.png"))
    (reading,) = run(tmp_path, "--profile", str(profile), f"{tmp_path}/turned.png")
    assert faces_of(reading) != written(edgefer.read("photos/0.png")), "the profile speaks of its own camera alone"


def test_a_profile_with_a_wrong_mounting_is_told_what_to_write(tmp_path, capsys):
    profile = tmp_path / "p.toml"
    profile.write_text('[camera]\nrotate = "90"\nflip = "h"\n')
    assert cli.main(["config", "check", str(profile)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "camera.rotate: expected one of 0, 90, 180, 270" in lines[0] and "write 90 without quotes" in lines[0]
    assert 'camera.flip: expected one of "horizontal"' in lines[1]
    profile.write_text("[camera]\nrotate = 45\n")
    assert cli.main(["config", "check", str(profile)]) == 2


# --- the summary


def test_the_summary_says_who_showed_what_for_how_long(tmp_path, capsys):
    run(tmp_path, "film.avi", "photos/0.png", "photos/1.png")
    lines = capsys.readouterr().err.splitlines()
    person = next(line for line in lines if line.startswith("person 1, 2.0 s: "))
    assert sum(float(part.rpartition(" ")[2]) for part in person.partition(": ")[2].split(", ")) == pytest.approx(
        2, abs=0.2
    )
    assert any(line.startswith("faces in 2 photograph(s): ") for line in lines)
