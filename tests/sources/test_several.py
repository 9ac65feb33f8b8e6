"""Patterns in place of files."""

from __future__ import annotations

import pytest

from edgefer.errors import SourceError
from edgefer.sources.several import expanded, natural_key


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("img10.png", "img2.png", "IMG1.png", "clip.mp4", "a[1].png", "sub/img3.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_a_pattern_stands_for_its_files_in_natural_order(folder):
    assert expanded(["img*.png"]) == ["img2.png", "img10.png"]
    assert expanded(["**/img?.png"]) == ["img2.png", "sub/img3.png"]
    assert expanded(["clip.mp4", "[iI]*1*.png"]) == ["clip.mp4", "IMG1.png", "img10.png"]


def test_what_is_there_under_that_name_or_is_an_address_is_no_pattern(folder):
    same = ["a[1].png", "rtsp://camera/x?y=*", "none.mp4", "0", "demo:5", "film:a [b].mp4,start=7.5", "stills,path=a*"]
    assert expanded(same) == same


def test_names_that_differ_in_zeros_or_case_alone_have_an_order_of_their_own(folder, monkeypatch):
    """Not that of the directory, in which each file system has another."""
    names = ["A1.jpg", "a01.jpg", "a1.jpg"]
    monkeypatch.setattr("glob.glob", lambda *pattern, **how: names[::-1])
    assert expanded(["*.jpg"]) == names
    assert sorted(["a1.jpg", "A1.jpg", "a01.jpg"], key=natural_key) == names


def test_a_pattern_that_matches_nothing_is_named(folder):
    with pytest.raises(SourceError, match=r"^\*\.jpg: no file matches this pattern$"):
        expanded(["img*.png", "*.jpg"])
