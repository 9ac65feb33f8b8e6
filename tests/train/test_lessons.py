"""Lessons: what is refused before a student learns from it, and what a command is told of wrong options."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.measure.datasets import Dataset
from edgefer.train.checkpoint import alone
from edgefer.train.lessons import Lessons, LessonSettings, main

TRAIN = Dataset("set", "train", "ferplus8", "all", np.zeros((6, 4, 4), np.uint8), np.zeros(6, np.int64))


@pytest.fixture
def made(tmp_path):
    """Lessons of six rows, three of four views."""

    def write(views=3, done=False, **changes):
        settings = replace(LessonSettings("runs/teacher", views=4), **changes)
        about = {"settings": asdict(settings)}
        scores = np.full((views, 6, 8), 1 / 8, np.float16)
        np.savez(tmp_path / "scores.npz", scores=scores, val=scores[0], about=json.dumps(about))
        if done:
            (tmp_path / "done.json").write_text("{}")
        return tmp_path

    return write


def test_lessons_that_are_finished_teach_with_the_views_there_was_time_for(made):
    assert len(Lessons.read(made(done=True), TRAIN).scores) == 3
    assert len(Lessons.read(made(views=4), TRAIN).scores) == 4


def test_lessons_that_are_still_made_do_not_teach(made):
    """A student that goes on would meet others than those it began with."""
    with pytest.raises(UsageError, match="has 3 of 4 views; the command that makes its lessons goes on"):
        Lessons.read(made(), TRAIN)


def test_lessons_of_other_classes_or_rows_do_not_teach(made, tmp_path):
    with pytest.raises(UsageError, match="has lessons for the classes of basic7, got those of ferplus8"):
        Lessons.read(made(done=True, labels="basic7"), TRAIN)
    with pytest.raises(UsageError, match="has lessons of 6 rows, got 5 to learn from"):
        Lessons.read(made(done=True), TRAIN.take(np.arange(5)))
    content = (tmp_path / "scores.npz").read_bytes()
    (tmp_path / "scores.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(UsageError, match=r"scores\.npz: damaged"):
        Lessons.read(tmp_path, TRAIN)


@pytest.mark.parametrize("words", ["--views 0", "--size 8", "--minutes nan", "--mixup 2", "--seed -1", "--rows -1"])
def test_a_wrong_option_is_one_line(words, tmp_path, capsys):
    assert main([str(tmp_path / "out"), "--teachers", "nowhere", *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words.split()[0].removeprefix("--") in error


def test_two_processes_do_not_make_the_same_lessons(tmp_path, capsys):
    with alone(tmp_path):
        assert main([str(tmp_path), "--teachers", "nowhere"]) == 2
    assert "another process is at it" in capsys.readouterr().err
