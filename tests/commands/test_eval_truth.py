"""`edgefer eval`: by which labels rows are judged that have two, and labels that the rows do not have."""

from __future__ import annotations

import argparse
import json

import cv2
import numpy as np
import pytest

from edgefer.commands import eval as command
from edgefer.commands.console import main
from edgefer.labels import BASIC7, COSTACHE4, FERPLUS8
from edgefer.measure.datasets import VOTE_COLUMNS, load, truth_of
from edgefer.models import store
from edgefer.recognize import open as open_recognizer

FACES = np.random.default_rng(7).integers(0, 256, (8, 48, 48), np.uint8)
EMOTIONS = np.array([0, 1, 2, 3, 4, 5, 6, 6], np.int8)


@pytest.fixture
def npz(tmp_path):
    """Eight rows of val, of one emotion of FER-2013 each, whose voters said another: row 7 is contempt."""
    coded = [cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1] for image in FACES]
    np.savez(
        tmp_path / "rows.npz",
        webp=np.concatenate(coded),
        offset=np.cumsum([0, *map(len, coded)]),
        emotion=EMOTIONS,
        split=np.ones(8, np.int8),
        votes=np.eye(8, len(VOTE_COLUMNS), dtype=np.int16) * 9,
    )
    return tmp_path / "rows.npz"


@pytest.fixture
def csv(tmp_path):
    """The same rows by their emotions alone."""
    lines = [f"{e},{' '.join(map(str, image.ravel()))},PublicTest" for e, image in zip(EMOTIONS, FACES, strict=True)]
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]) + "\n")
    return tmp_path / "fer2013.csv"


def classes(report):
    """Rows of each class that has any, by label, of what --json prints."""
    return {label: each["rows"] for label, each in report["classes"].items() if each["rows"]}


def judged(capsys, *arguments):
    assert main(["eval", "--json", *map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out)


def test_rows_with_two_labels_are_given_by_the_one_that_is_asked_for(npz):
    seven = [BASIC7.index(name) for name in FERPLUS8[:7]]
    assert load(npz, labels="basic7", truth="votes").truth.tolist() == seven
    assert load(npz, labels="basic7", truth="votes").dropped == {"contempt, not in basic7": 1}
    assert load(npz, labels="basic7").truth.tolist() == EMOTIONS.tolist()
    assert load(npz, truth="emotions").labels == "basic7"
    four = load(npz, labels="costache4", truth="emotions")
    assert [COSTACHE4[index] for index in four.truth] == [
        *("negative", "negative", "awe", "positive", "negative", "awe", "neutral", "neutral")
    ]


@pytest.mark.parametrize("name", store.shipped("frame") + store.shipped("geometry") + store.shipped("sketch"))
def test_a_model_is_judged_by_what_its_own_accuracy_is_of(npz, name):
    manifest = open_recognizer(name).manifest
    options = {"data": str(npz), "split": None, "layout": None, "where": [], "keep_duplicates": False}
    data = command._load(argparse.Namespace(**options, labels=None, truth=None), manifest)
    assert truth_of(data.rule) == truth_of(manifest.metrics.rule) != ""
    assert data.labels == manifest.output.labels


def test_what_a_user_asks_for_goes_before(npz, capsys):
    both = ["--data", npz, "--model", "edgefer-nano"]
    votes, emotions = judged(capsys, *both), judged(capsys, *both, "--truth", "emotions")
    assert classes(votes) == dict.fromkeys(FERPLUS8, 1)
    assert classes(emotions) == classes(judged(capsys, *both, "--labels", "basic7"))
    assert (emotions["labels"], classes(emotions)["neutral"]) == (list(BASIC7), 2)
    by_votes = judged(capsys, *both, "--labels", "basic7", "--truth", "votes")
    assert (by_votes["labels"], by_votes["rows"]) == (list(BASIC7), 7)
    assert main(["eval", *map(str, both), "--labels", "basic7"]) == 0
    assert "labels    basic7\nrule      FER-2013 emotion column, every row\n" in capsys.readouterr().out


def test_the_emotions_of_a_csv_are_put_together_for_labels_that_group_them(csv, capsys):
    four = {"negative": 3, "awe": 2, "positive": 1, "neutral": 2}
    data = ["--data", csv, "--model", "edgefer-nano"]
    assert classes(judged(capsys, *data, "--labels", "costache4")) == four
    assert load(csv, labels="micro6").dropped == {"duplicates of train": 0, "neutral, not in micro6": 2}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--labels", "ferplus8"], "--labels ferplus8: {} has no contempt; take basic7, or leave --labels out"),
        (["--truth", "votes"], "--truth votes: {} has no votes of FER+; leave --truth out"),
    ],
)
def test_what_rows_do_not_have_is_one_line(csv, more, words, capsys):
    assert main(["eval", "--data", str(csv), "--model", "edgefer-nano", *more]) == 2
    assert capsys.readouterr().err == f"edgefer: {words.format(csv)}\n"
