"""TOML written, and the lines of its keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgefer.support.toml import dumps, key_lines, tomllib, value_text

ROOT = Path(__file__).resolve().parents[2]


TRICKY = '''\
# a = 1
a.b = 1 # a.c
"q.\\"x" = """
[fake]
k = "2"
"""
'lit' = \'\'\'it's
\'\'\'
[t . "u"] # [z]
in = { x = 1, y = [1, # ,
 2,
 {z = "}]#"}] }
[[arr]]
n = 1
[arr.sub]
s = 'a]'
[[arr]]
n = 2
[arr.sub]
s = 3
d = 2026-11-21 10:00:00
e = """a""""
f = [[1, 2], [
3]]
[arr.sub.deep]
g = """\\
  x \\""" y"""
h = 1e3
'''


def test_the_lines_of_keys_are_right_in_tricky_documents():
    """Dotted and quoted keys, inline tables, arrays of tables, strings over lines, comments."""
    tomllib.loads(TRICKY)  # it is valid
    lines, duplicates = key_lines(TRICKY)
    assert not duplicates
    expected = {
        ("a",): 2,
        ("a", "b"): 2,
        ('q."x',): 3,
        ("lit",): 7,
        ("t", "u"): 9,
        ("t", "u", "in"): 10,
        ("t", "u", "in", "y", 0): 10,
        ("t", "u", "in", "y", 1): 11,
        ("t", "u", "in", "y", 2, "z"): 12,
        ("arr", 0): 13,
        ("arr", 0, "n"): 14,
        ("arr", 0, "sub", "s"): 16,
        ("arr", 1): 17,
        ("arr", 1, "n"): 18,
        ("arr", 1, "sub"): 19,
        ("arr", 1, "sub", "d"): 21,
        ("arr", 1, "sub", "e"): 22,
        ("arr", 1, "sub", "f"): 23,
        ("arr", 1, "sub", "f", 1): 23,
        ("arr", 1, "sub", "f", 1, 0): 24,
        ("arr", 1, "sub", "deep", "g"): 26,
        ("arr", 1, "sub", "deep", "h"): 28,
    }
    assert {path: lines.get(path) for path in expected} == expected


def test_every_key_of_a_document_has_a_line():
    """Walking the parsed document finds each path."""

    def paths(value, at=()):
        if isinstance(value, dict):
            for key, item in value.items():
                yield (*at, key)
                yield from paths(item, (*at, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield (*at, index)
                yield from paths(item, (*at, index))

    for text in [TRICKY, *(path.read_text() for path in (ROOT / "firmware_configs").glob("*.toml"))]:
        lines, _ = key_lines(text)
        for path in paths(tomllib.loads(text)):
            assert path in lines, path


def test_tables_may_be_opened_more_than_once_by_their_subtables():
    """[a.b] then [a] is valid, as is an array's next table."""
    assert key_lines("[a.b]\nx = 1\n[a]\ny = 1\n[[c]]\n[c.d]\n[[c]]\n[c.d]\n")[1] == []


@pytest.mark.parametrize("text", ["a = [}", "a = [1, }", "a = { b = [}, }", "a = { b = }", "a = [,]", "=", "[", "a."])
def test_the_reader_of_lines_comes_to_an_end_where_no_value_stands(text):
    lines, _ = key_lines(text)
    assert len(lines) <= len(text) + 1


TABLE = {
    "text": 'a "quote", \x7f, ü and a line\n',
    "numbers": [1, -2.5, 1e-07],
    "switch": True,
    "inline": [[1, 2], []],
    "camera": {"odd key": 1, "deep": {"x": 0.1}},
    "rows": [{"n": 1, "sub": {"a": "b"}}, {"n": 2}],
}


def test_a_table_reads_back_as_it_was():
    assert tomllib.loads(dumps(TABLE)) == TABLE


def test_a_value_is_one_line_that_reads_back():
    text = value_text(TABLE)
    assert "\n" not in text and tomllib.loads(f"x = {text}")["x"] == TABLE


def test_what_is_none_is_left_out():
    assert dumps({"a": None, "b": 1}) == "b = 1\n"
    assert value_text({"a": None, "b": 1}) == "{ b = 1 }"
