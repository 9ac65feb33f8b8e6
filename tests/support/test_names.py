"""Names of files as they may be shown."""

import json

import pytest

from edgefer.support.names import brief, shown


@pytest.mark.parametrize(
    "name",
    [
        "Screenshot 2024-05-01 at 9.41.00\u202fAM.png",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
        "é ü 写真.jpg",
        "a b.jpg",
    ],
    ids=["narrow-space", "joined-emoji", "letters", "plain"],
)
def test_what_can_be_seen_stays_as_it_is(name):
    assert shown(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"caf\xe9.jpg", "caf\\xe9.jpg"),
        ("two\nlines.jpg", "two\\nlines.jpg"),
        ("a\x1b[31mred\x07.jpg", "a\\x1b[31mred\\x07.jpg"),
        ("gpj\u202eevil", "gpj\\u202eevil"),
        ("line\u2028separator", "line\\u2028separator"),
    ],
    ids=["undecodable", "newline", "escape", "direction", "separator"],
)
def test_what_acts_on_a_terminal_or_is_no_unicode_is_escaped(name, expected):
    assert shown(name) == expected
    assert json.loads(json.dumps(shown(name)).encode()) == expected


def test_a_name_that_came_from_outside_is_cut():
    assert brief("a" * 100) == "a" * 100
    assert brief("a" * 101) == "a" * 99 + "…"
    assert brief(b"\n" + b"a" * (1 << 20), 4) == "\\naa…"
