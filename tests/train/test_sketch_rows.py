"""Rows of FER+ for sketches: which count, what they are taught, how they are drawn from; and the paper's tables."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sketch_faces import a_face

from edgefer.errors import UsageError
from edgefer.labels import COSTACHE4, FERPLUS8, class_of, translate
from edgefer.measure import datasets
from edgefer.preprocess.sketch import sketch
from edgefer.train.sketch import tables
from edgefer.train.sketch.rows import drawn_evenly, grouped, load_faces, real_values, same_rows


def ballot(**votes: int) -> list[int]:
    return [votes.get(name, 0) for name in datasets.VOTE_COLUMNS]


VOTES = [
    ballot(happiness=10),
    ballot(anger=4, sadness=6),
    ballot(fear=6, surprise=4),
    ballot(neutral=10),
    ballot(contempt=10),
    ballot(happiness=10),  # its landmarks are not confident
    ballot(happiness=10),  # nor have these a sketch
    ballot(neutral=5, happiness=5),  # without a majority
]


@pytest.fixture
def files(tmp_path):
    """A file as that of FER-2013, all of it val, and the landmarks of its rows."""
    encoded = [cv2.imencode(".webp", np.full((48, 48), 10 * n, np.uint8))[1].ravel() for n in range(len(VOTES))]
    np.savez(
        tmp_path / "fer.npz",
        webp=np.concatenate(encoded),
        offset=np.cumsum([0, *(len(each) for each in encoded)]),
        emotion=np.zeros(len(VOTES), np.uint8),
        split=np.ones(len(VOTES), np.uint8),
        votes=np.array(VOTES, np.int16),
    )
    points = np.repeat(a_face()[None], len(VOTES), axis=0).astype(np.float32)
    points += np.arange(len(VOTES))[:, None, None]
    points[6] = 3
    score = np.where(np.arange(len(VOTES)) == 5, 0.5, 0.99).astype(np.float32)
    np.savez(tmp_path / "points.npz", row=np.arange(len(VOTES)), points=points, score=score)
    return str(tmp_path / "fer.npz"), tmp_path / "points.npz"


def test_rows_count_where_they_have_a_class_and_confident_landmarks(files):
    faces = load_faces("val", *files)
    assert faces.row.tolist() == [0, 1, 2, 3]
    assert [COSTACHE4[index] for index in faces.truth] == ["positive", "negative", "awe", "neutral"]
    assert np.allclose(faces.points[2], a_face() + 2, atol=1e-4)
    assert faces.counts == (
        "4 of 8 rows count; dropped: 1 contempt, not in costache4, 1 without a majority, "
        "1 without confident landmarks, 1 without a sketch"
    )
    assert faces.votes.tolist() == np.eye(4).tolist()  # two expressions of one class are one


def test_another_network_s_landmarks_replace_those_of_the_same_rows(files, tmp_path):
    faces = load_faces("val", *files)
    points = np.repeat(a_face()[None], len(VOTES), axis=0) * 2
    points[1] = np.nan
    np.savez(tmp_path / "other.npz", points=points)
    other = same_rows(faces, tmp_path / "other.npz")
    assert np.allclose(other.points[0], 2 * a_face()) and np.allclose(other.points[1], faces.points[1])


def test_files_of_another_kind_are_refused(files, tmp_path):
    with pytest.raises(UsageError, match=r"python -m edgefer\.train\.teachers"):
        load_faces("val", files[0], tmp_path / "none.npz")
    np.savez(tmp_path / "short.npz", points=np.zeros((2, 68, 2)), score=np.ones(2))
    with pytest.raises(UsageError, match="of all rows .* got 2"):
        load_faces("val", files[0], tmp_path / "short.npz")


def test_votes_are_added_up_by_class():
    votes = np.zeros((2, 8), np.float32)
    votes[0, [FERPLUS8.index(name) for name in ("anger", "sadness", "neutral", "contempt")]] = [0.2, 0.3, 0.3, 0.2]
    votes[1, FERPLUS8.index("contempt")] = 1
    np.testing.assert_allclose(grouped(votes, np.array([1, 3])), [[0, 0.625, 0, 0.375], [0, 0, 0, 1]])


def test_each_expression_has_its_class():
    expected = {"positive": ["happiness"], "negative": ["sadness", "anger", "disgust"], "awe": ["surprise", "fear"]}
    for index, name in enumerate(COSTACHE4):
        members = [label for label in FERPLUS8 if class_of(label, "costache4") == index]
        assert members == expected.get(name, ["neutral"])
    assert class_of("contempt", "costache4") == -1


def test_scores_of_expressions_become_scores_of_classes():
    scores = np.arange(8) / 28  # neutral 0, happiness 1, surprise 2, sadness 3, anger 4, disgust 5, fear 6, contempt 7
    np.testing.assert_allclose(translate(scores, "ferplus8", "costache4"), np.array([1, 12, 8, 0]) / 21)
    with pytest.raises(ValueError, match="has no happiness"):
        translate(np.ones(4), "costache4", "ferplus8")


def test_as_many_rows_of_each_class_are_drawn(files):
    faces = load_faces("val", *files)
    many = faces.take(np.repeat(np.arange(4), [9, 5, 7, 6]))
    for rows, expected in ((12, [3, 3, 3, 3]), (14, [4, 4, 3, 3])):
        assert np.bincount(many.truth[drawn_evenly(many, rows, 1)]).tolist() == expected
    assert drawn_evenly(many, 12, 1).tolist() == drawn_evenly(many, 12, 1).tolist()
    with pytest.raises(UsageError, match="expected 6 of class negative, there are 5"):
        drawn_evenly(many, 24, 1)


def test_networks_see_what_the_runtime_s_tensor_holds():
    image = sketch(a_face(), 64)
    real = real_values(image[None])
    assert real.shape == (1, 64, 64, 1) and real.min() == -1 and real.max() == 127 / 128


def record(network: str, val: float, scores: list[list[float]], **training) -> dict:
    return {
        "training": {"network": network, "side": 48, "batch": 32, "weights": "", **training},
        **{"rows": 556, "epochs": 3, "loss": 1.25, "accuracy": 40.0, "seconds": 61.4},
        "val": {"accuracy": val},
        "query": {"truth": [0, 1, 1, 3], "scores": scores, "row": [0, 1, 2, 3]},
    }


RIGHT = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.8, 0.1, 0.0], [0.6, 0.2, 0.1, 0.1], [0.2, 0.2, 0.2, 0.4]]
WRONG = [[0.1, 0.7, 0.1, 0.1]] * 4


def test_tables_are_those_of_the_paper():
    """Of query rows 0, 1, 1, 3 the better run says 0, 1, 0, 3."""
    records = {"vgg11": record("vgg11", 40.0, WRONG), "vgg11-transfer": record("vgg11", 50.0, RIGHT)}
    text = tables.from_records(records)
    assert "| VGG11 | sketches, random weights | 556 at 48 px | 3 | 32 | 1.2500 | 40.00 | 40.00 | 61 |" in text
    assert "20 epochs of 64: 47.66 %, 634 s" in text
    assert "| 1 | positive | VGG11 | 0.7000 | 0.1000 | 0.1000 | 0.1000 | positive |" in text
    assert "| 3 | positive | negative | - |" in text  # nobody was right
    assert "| 4 | neutral | neutral | 40.00 |" in text
    # positive: one right, one taken for it; precision 1/2, recall 1, F1 2/3
    assert "| VGG11 | positive | 1 | 2 | 1 | 0 | 0.75 | 0.50 | 1.00 | 0.67 |" in text
    assert "| VGG11 | negative | 1 | 2 | 0 | 1 | 0.75 | 1.00 | 0.50 | 0.67 |" in text
    assert "| VGG11 | awe | 0 | 4 | 0 | 0 | 1.00 | 0.00 | 0.00 | 0.00 |" in text


def test_figures_of_a_class_are_those_the_paper_computes():
    """Its Table V, VGG11 and neutral: 2, 16, 3, 1 give 0.81, 0.40, 0.66 and 0.50 (cut to two places)."""
    assert [int(100 * value) / 100 for value in tables.figures(2, 16, 3, 1)] == [0.81, 0.4, 0.66, 0.5]


def test_without_records_the_tables_say_so(tmp_path):
    with pytest.raises(UsageError, match="expected records of runs"):
        tables.read_records(tmp_path)
