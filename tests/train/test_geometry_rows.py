"""Rows with their points: of FER-2013 from files of landmarks and of the chain, and of KDEF, divided 90:10."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from portrait import portrait
from sketch_faces import a_face

from edgefer.detect.base import Levels
from edgefer.errors import UsageError
from edgefer.labels import BASIC7
from edgefer.landmarks.base import Landmarks
from edgefer.preprocess.points import features
from edgefer.train.geometry import agreement, people, rows


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Eight rows of FER-2013 with FER+ votes, four a split, and their landmarks."""
    folder = tmp_path_factory.mktemp("fer")
    images = [np.full((48, 48), 20 * row + 30, np.uint8) for row in range(8)]
    files = [cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].ravel() for image in images]
    votes = np.zeros((8, 10), np.int16)
    # neutral, happiness, contempt, no majority; then happiness, neutral, anger, unknown
    for row, (label, count) in enumerate([(0, 9), (1, 9), (7, 9), (0, 4), (1, 9), (0, 8), (4, 9), (8, 9)]):
        votes[row, label] = count
    votes[3, 1] = 4
    np.savez(
        folder / "fer.npz",
        webp=np.concatenate(files),
        offset=np.cumsum([0, *map(len, files)]),
        emotion=np.array([6, 3, 6, 6, 3, 6, 0, 6], np.uint8),
        split=np.array([0, 0, 0, 0, 1, 1, 1, 1], np.uint8),
        votes=votes,
    )
    points = np.repeat(a_face()[np.newaxis].astype(np.float32), 8, axis=0)
    np.savez(folder / "marks.npz", points=points, score=np.float32([1, 0.5, 1, 1, 1, 1, 1, 1]))
    return folder


def test_rows_have_the_points_of_their_landmarks_and_the_classes_of_the_paper(packed):
    marks = rows.read_marks(packed / "marks.npz")
    train, val = (rows.load_rows(str(packed / "fer.npz"), split, marks) for split in ("train", "val"))
    assert [BASIC7[label] for label in train.truth] == ["neutral"] and train.row.tolist() == [0]
    assert "1 contempt, not in basic7" in train.counts and "1 without confident landmarks" in train.counts
    assert [BASIC7[label] for label in val.truth] == ["happiness", "neutral", "anger"]
    assert val.emotion.tolist() == [3, 6, 0] and "3 of 4 rows count" in val.counts
    np.testing.assert_array_equal(val.points[0], features.from_landmarks(a_face()))


def test_rows_of_the_chain_are_those_in_which_it_found_all_points(packed, tmp_path):
    """Flat images: a stage fails in each, and is counted; a row that was not looked at is not called a failure."""
    marks = rows.read_marks(packed / "marks.npz")._replace(points=np.full((8, 68, 2), 24.0))
    out = tmp_path / "classic.npz"
    rows.find_points(str(packed / "fer.npz"), marks, 1, 2, out)
    with np.load(out) as kept:
        assert kept["done"].sum() == 2 and kept["done"][:4].sum() == 0
        assert set(kept["failed"][kept["done"]]) == {"eyes"}
    rows.find_points(str(packed / "fer.npz"), marks, 1, None, out)
    val = rows.load_rows(str(packed / "fer.npz"), "val", marks, out)
    assert len(val.truth) == 0 and "3 the chain failed at: eyes" in val.counts
    train = rows.load_rows(str(packed / "fer.npz"), "train", marks, out)
    assert "2 not looked at" in train.counts and "failed" not in train.counts


def test_landmarks_of_another_network_count_from_its_own_score_on(packed, tmp_path):
    marks = rows.read_marks(packed / "marks.npz")
    np.savez(tmp_path / "own.npz", points=marks.points, score=np.full(8, 0.85, np.float32), least=0.8)
    assert (marks.least, marks.network) == (0.9, rows.TEACHER)
    assert rows.read_marks(tmp_path / "own.npz")[2:] == (0.8, rows.SHIPPED)
    data = str(packed / "fer.npz")
    assert rows.load_rows(data, "val", rows.read_marks(tmp_path / "own.npz")).counts.startswith("3 of 4 rows")
    assert rows.load_rows(data, "val", marks._replace(score=np.full(8, 0.85))).counts.startswith("0 of 4 rows")


def test_photographs_without_landmarks_get_those_of_the_network_that_ships():
    """By the detector's box; the portrait is the one odd row, and a flat picture has no face."""
    flat = np.full((200, 200), 128, np.uint8)
    photographs = rows.Photographs([flat, portrait(), flat, flat], ["a", "b", "c", "d"], ["neutral"] * 4)
    (sample,) = agreement.frontal_faces(photographs, None, "odd", detector="edgefer")
    assert sample.image is photographs.images[1] and sample.box.width > agreement.LEAST_PX
    np.testing.assert_allclose(sample.landmarks[30], (266, 235), atol=8)
    assert agreement.agree([sample]).right.all()


def test_a_file_that_is_none_is_refused_in_one_line(tmp_path):
    with pytest.raises(UsageError, match="expected landmarks, by python -m edgefer"):
        rows.read_marks(tmp_path / "none.npz")
    (tmp_path / "faces.zip").write_bytes(b"no zip")
    with pytest.raises(UsageError, match="expected a zip with labels.csv"):
        rows.read_photographs(tmp_path / "faces.zip")


CODES = ("AF", "AN", "DI", "HA", "NE", "SA", "SU")


@pytest.fixture(scope="module")
def kdef(tmp_path_factory):
    """KDEF's own layout, 562x762: two people, all expressions, ten takes by angle and session."""
    folder = tmp_path_factory.mktemp("KDEF")
    number = 0
    for person in ("F01", "M02"):
        for session in "AB":
            for code in CODES:
                for angle in ("FL", "HL", "S", "HR", "FR"):
                    number += 1
                    image = np.full((762, 562), 128, np.uint8)
                    image[81:681, 25:537] = portrait()
                    image[0, :8] = np.unpackbits(np.uint8([number])) * 255  # no two alike
                    path = folder / f"{session}{person}" / f"{session}{person}{code}{angle}.JPG"
                    path.parent.mkdir(exist_ok=True)
                    cv2.imwrite(str(path), image if number % 2 else image[:, ::-1])
    return folder


def test_kdef_is_read_by_its_names_and_divided_ninety_to_ten(kdef, monkeypatch):
    from edgefer import detect

    class Known:
        """The detector is not what this test is about, and 140 searches are slow."""

        levels = Levels(0.5, 0.4, 0.3)

        def detect(self, image):
            from edgefer.geometry import Box
            from edgefer.values import Detection

            return [Detection(Box(170, 190, 400, 420))]

    monkeypatch.setattr(detect, "open_detector", lambda *args, **options: Known())
    seen = []

    def find(image):
        seen.append(image.shape)
        return None if len(seen) == 1 else Landmarks(a_face().astype(np.float32), None)

    train, test = people.load_people(kdef, "landmarks", find=find)
    assert len(train.truth) + len(test.truth) == 139 and 13 <= len(test.truth) <= 15
    assert set(train.truth) == set(test.truth) == set(range(7))
    assert not set(train.row) & set(test.row)
    assert "139 of 140 rows count" in train.counts and "1 without landmarks" in train.counts
    assert set(seen) == {(230, 230)}


def test_a_set_of_people_without_any_landmarks_is_refused(kdef, monkeypatch):
    with pytest.raises(UsageError, match="no face has all its points"):
        people.load_people(kdef / "AF01", "landmarks", find=lambda image: None)


def test_points_that_were_cut_off_or_are_of_other_data_are_one_line(packed, tmp_path):
    marks = rows.Marks(np.zeros((99, 68, 2)), np.zeros(99))
    out = tmp_path / "points.npz"
    out.write_bytes(b"PK")
    with pytest.raises(UsageError, match=r"points\.npz: damaged, or another file"):
        rows.find_points(str(packed / "fer.npz"), marks, 1, 2, out)
    np.savez(out, points=np.zeros((3, 18, 2)), failed=np.zeros(3, "<U10"), done=np.zeros(3, bool))
    with pytest.raises(UsageError, match=r"points\.npz: holds points of 3 rows"):
        rows.find_points(str(packed / "fer.npz"), marks, 1, 2, out)
