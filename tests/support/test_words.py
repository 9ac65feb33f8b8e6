"""Words that fit into a number of cells."""

import io

import pytest

from edgefer.support.words import cells, middle, phrase, shown, to_width, wrapped

NAMES = [
    "clip.mp4",
    "/a/very/long/path/to/the/film of a birthday.mp4",
    "日本語の映画.mp4",
    "e\u0301te\u0301.mp4",
    "😀😀😀😀😀😀😀.png",
]


def test_names_are_measured_in_cells():
    assert [cells(name) for name in ("abc", "日本", "e\u0301", "😀", "")] == [3, 4, 1, 2, 0]


@pytest.mark.parametrize("width", range(12))
@pytest.mark.parametrize("name", NAMES)
def test_a_shortened_name_fits_and_keeps_its_end(name, width):
    short = middle(name, width)
    assert cells(short) <= width
    if width >= 8 and short != name:
        assert "…" in short and name.endswith(short.rpartition("…")[2])


def test_a_name_that_fits_is_left_alone():
    assert middle("clip.mp4", 8) == "clip.mp4"
    assert middle("rtsp://camera.local/stream", 20, "...") == "rtsp:...local/stream"


def test_no_word_of_a_phrase_is_broken():
    text = "small, blurred, turned"
    assert [phrase(text, width) for width in (22, 21, 15, 14, 9, 6, 5, 0)] == [
        text, "small, blurred…", "small, blurred…", "small…", "small…", "small…", "", ""
    ]  # fmt: skip


def test_a_text_is_broken_between_words():
    assert wrapped("one two three", 7) == ["one two", "three"]
    assert wrapped("one two three", 3) == ["one", "two", "three"] and wrapped("", 5) == [""]
    assert to_width("x " * 200, io.StringIO()) == ["x " * 200]


def test_what_cannot_be_seen_is_escaped():
    assert shown("a\tb\x1b[31m\u202ec\u200e") == "a\\tb\\x1b[31m\\u202ec\\u200e"
    assert shown("Screenshot 10.30\u202fPM.png") == "Screenshot 10.30\u202fPM.png"
    assert cells(shown("\U0001f468\u200d\U0001f469.png")) == 8
    assert shown("caf\udce9.mp4") == "caf\\xe9.mp4"
    assert shown("日本é.mp4", "ascii") == "\\u65e5\\u672c\\xe9.mp4"
    assert shown("日本 é\ufe0f.mp4") == "日本 é.mp4"
