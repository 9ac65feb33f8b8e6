"""What the commands of training have in common: what is refused, and in which words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.train.command import begin, check_numbers, read_table, reported


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [(UsageError("a wrong word"), 2, "edgefer: a wrong word\n"), (EdgeferError("a loss"), 1, "edgefer: a loss\n"),
     (KeyboardInterrupt(), INTERRUPTED, "")],
)  # fmt: skip
def test_an_error_is_one_line_and_an_exit_code(error, code, words, capsys):
    def main():
        raise error

    assert reported(main)() == code and capsys.readouterr().err == words
    assert reported(lambda: None)() == 0


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_a_number_out_of_its_range_is_named(value):
    check_numbers(minutes=(0, 0))
    with pytest.raises(UsageError, match="--minutes: expected 0 or more"):
        check_numbers(minutes=(value, 0))


def test_a_table_is_read_or_said_to_be_none(tmp_path):
    path = tmp_path / "faces.npz"
    with pytest.raises(UsageError, match=r"faces\.npz: no such file; expected faces"):
        read_table(path, "faces", "score")
    np.savez(path, score=np.arange(3))
    assert read_table(path, "faces", "score")["score"].tolist() == [0, 1, 2]
    with pytest.raises(UsageError, match=r"faces\.npz: damaged, or another file: .*points.*; expected faces"):
        read_table(path, "faces", "points")
    whole = path.read_bytes()
    for cut in range(0, len(whole), 7):
        path.write_bytes(whole[:cut])
        with pytest.raises(UsageError, match="damaged, or another file") as caught:
            read_table(path, "faces", "score")
        assert "\n" not in str(caught.value)


def test_a_finished_run_is_not_begun_again(tmp_path):
    begin(tmp_path / "run")
    begin(tmp_path / "run")
    (tmp_path / "run/done.json").write_text("{}")
    with pytest.raises(UsageError, match="holds a finished run; choose another --out"):
        begin(tmp_path / "run")
