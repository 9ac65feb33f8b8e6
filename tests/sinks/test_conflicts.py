"""Outputs that would spoil each other, or what the run reads."""

import os

import cv2
import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.sinks import OUTPUTS, check_outputs
from edgefer.sources.registry import on_disk


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to work in, with a film and pictures."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "inner").mkdir(parents=True)
    (tmp_path / "film.mkv").write_bytes(b"film")
    for name in ("photos/a.png", "photos/inner/b.png"):
        cv2.imwrite(name, np.zeros((8, 8), np.uint8))
    (tmp_path / "photos" / "notes.csv").write_text("a,b\n")
    return tmp_path


def refused(outputs, *sources, recursive=False) -> str:
    """Why outputs are refused; empty where they are not."""
    try:
        check_outputs([OUTPUTS.parse(each) for each in outputs], sources, recursive)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "source", ["film.mkv", "./film.mkv", "film:film.mkv", "pipe:film.mkv", "faults:film.mkv", "faults:film:film.mkv"]
)
def test_a_film_is_spared_however_it_is_named(source):
    for output in ("csv:film.mkv,append=no", "video:film.mkv", "jsonl:film.mkv"):
        assert "would replace the source" in refused([output], source)
    assert not refused(["csv:film.csv", "video:seen.mkv"], source)


def test_what_comes_through_standard_input_is_spared(folder):
    before = os.dup(0)
    try:
        with open("film.mkv", "rb") as film:
            os.dup2(film.fileno(), 0)
        assert "would replace the source" in refused(["csv:film.mkv"], "-")
        assert "would replace the source" in refused(["csv:film.mkv"], "pipe")
        assert not refused(["csv:film.csv"], "-")
    finally:
        os.dup2(before, 0)
        os.close(before)


@pytest.mark.parametrize("source", ["photos", "stills:photos", "photos/"])
def test_pictures_in_a_folder_are_spared(source):
    for output in ("csv:photos/a.png", "image:photos/a.png", "timeline:photos/a.png"):
        assert "would replace the source" in refused([output], source)
    assert not refused(["csv:photos/notes.csv", "timeline:photos/new.png"], source)
    assert not refused(["timeline:photos/inner/b.png"], source), "that folder is not entered"
    assert "would replace the source" in refused(["timeline:photos/inner/b.png"], source, recursive=True)


def test_pictures_go_into_no_folder_that_is_read_and_holds_some(folder):
    for source, recursive in ((".", True), ("stills:.,recursive=yes", False)):
        assert "would replace the source" in refused(["image:photos/inner"], source, recursive=recursive)
        assert not refused(["image:seen"], source, recursive=recursive)
    assert not refused(["image:photos/inner"], "photos"), "that folder is not entered"


def test_files_that_are_put_aside_belong_to_an_output(folder):
    assert "both write to x.csv.2" in refused(["csv:x.csv,size=1k,keep=3", "jsonl:x.csv.2"])
    assert "both write to x.csv.2" in refused(["jsonl:x.csv.2", "csv:x.csv,period=1h,keep=3"])
    assert not refused(["csv:x.csv,size=1k,keep=3", "jsonl:x.csv.4"])
    assert not refused(["csv:x.csv", "jsonl:x.csv.1"])
    os.rename("film.mkv", "x.csv.1")
    assert "would replace the source" in refused(["csv:x.csv,size=1k"], "x.csv.1")


@pytest.mark.parametrize(
    "source", ["0", "demo", "demo:9", "rtsp://host/path", "camera:/dev/video9", "film:", "stream:a"]
)
def test_what_is_no_file_takes_no_place(source):
    assert not refused(["csv:film.csv"], source)
    place = on_disk(source)
    assert place is None or not os.path.exists(place[0])


@pytest.mark.parametrize(
    ("one", "two", "what"),
    [
        ("web:9840", "metrics:localhost:9840", "both listen at port 9840"),
        ("metrics:192.0.2.1:80", "web:0.0.0.0:80,token_file=x", "both listen at port 80"),
        ("web:9840", "metrics:9841", ""),
        ("metrics:192.0.2.1:80", "metrics:192.0.2.2:80", ""),
        ("mqtt:mqtt://h", "mqtt:mqtt://user:word@H:1883/,topic=other", "are one device at the broker"),
        ("mqtt:mqtt://[::1]", "mqtt:mqtt://[::1]:1883", "are one device at the broker"),
        ("mqtt:mqtt://h,id=a", "mqtt:mqtt://h,id=b", ""),
        ("mqtt:mqtt://h", "mqtt:mqtt://h:1884", ""),
    ],
)
def test_two_that_would_be_in_each_others_way_in_the_network(one, two, what):
    told = refused([one, two])
    assert what in told and bool(told) == bool(what) and "word" not in told
