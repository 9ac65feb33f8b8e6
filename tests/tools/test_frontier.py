"""The page and the picture of the frontier: what was timed, with the accuracies on record."""

import re

import pytest
from networks import remember

from edgefer.train.runs import Record
from tools import frontier, shipped

TIMED = {"size": 64, "parameters": 1000, "macs": 2_000_000, "bytes": 2048, "ms": 0.5}


@pytest.fixture
def record(tmp_path, monkeypatch):
    """A base network and our small one with runs on FER+, and a peer that was judged on both."""
    runs = [("ferplus-sobel", 80.0), ("ferplus-sobel-2", 81.0), ("edgefer-nano", 84.5), ("rtnn-grey", 65.0)]
    kept = {name: Record(name, accuracy, 10, "rule", 1, "", "") for name, accuracy in runs}
    monkeypatch.setattr(frontier, "read_records", lambda records: kept)
    monkeypatch.setattr(frontier, "shipped", lambda: {})
    path = tmp_path / "frontier.json"
    networks = {
        frontier.BASE: {**TIMED, "ratio": 1.0},
        "edgefer-nano": {**TIMED, "ratio": 0.12},
        "rtnn grey": {**TIMED, "ratio": 0.2},
        "vgg13 grey": {**TIMED, "ratio": 4.0},
    }
    remember(networks, path, hardware="a processor")
    judged = {key: {"accuracy": 63.0, "rows": 9, "int8": False} for key in ("ferplus", "fer2013")}
    remember({"peer: x": {"size": 64, "bytes": 99, "ms": 0.4, "ratio": 0.3, **judged}}, path)
    return path


def test_the_page_gives_what_is_on_record_and_names_what_is_missing(record):
    page = re.sub(" +", " ", frontier.page(record))
    assert "on a processor;" in page
    assert "| pandey grey+sobel | 64 | 1,000 | 2.0 | 2 | 0.500 | 1.000 | 80.50 (float) | |" in page
    assert "| peer: x | 64 | | | 0 | 0.400 | 0.300 | 63.00 (float) | 63.00 (float) |" in page
    assert "| rtnn grey | 64 | 1,000 | 2.0 | 2 | 0.500 | 0.200 | | 65.00 (float) |" in page
    assert "on record: FER+: pandey shared grey+sobel, vgg13 grey, edgefer-s; FER-2013: breuer grey," in page


def test_the_int8_figures_of_a_shipped_model_go_before_those_of_runs():
    manifests = shipped()
    networks = {frontier.BASE: {"fer2013": {"accuracy": 57.0, "rows": 9, "int8": True}}}
    have = frontier.accuracies(networks)
    assert have["FER+"][frontier.BASE] == (manifests["ferplus-sobel"].metrics.accuracy_int8, True)
    assert have["FER-2013"][frontier.BASE] == (57.0, True)


def test_the_frontier_is_what_no_faster_network_reaches():
    points = [(1.0, 84.0), (0.2, 80.0), (0.5, 79.0), (0.1, 60.0), (0.2, 70.0), (2.0, 84.0)]
    assert frontier.frontier(points) == [(0.1, 60.0), (0.2, 80.0), (1.0, 84.0)]
    assert frontier.frontier([]) == []


def test_the_picture_shows_every_point_with_an_accuracy(record, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figures = []
    monkeypatch.setattr(pyplot, "close", figures.append)
    frontier.draw(tmp_path / "picture.png", record)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    shown = [sorted(text.get_text() for text in axes.texts) for axes in figures[0].axes]
    assert shown == [["edgefer-nano", frontier.BASE, "peer: x"], ["peer: x", "rtnn grey"]]


def test_the_page_in_the_tree_is_what_the_records_give():
    """`make docs` writes it."""
    assert frontier.main(["--check"]) == 0
