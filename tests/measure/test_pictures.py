"""The pictures of a model's figures, and the files they go into."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from oracle import Oracle, dataset, one_hot

from edgefer.errors import EdgeferError
from edgefer.labels import FERPLUS8
from edgefer.measure import pictures
from edgefer.measure.evaluate import Report, evaluate
from edgefer.support.drawing import save_picture


@pytest.fixture
def report():
    """Ten rows: neutral 4 of 5 right, happiness 2 of 3, surprise 0 of 2."""
    rows = [(0, one_hot(0))] * 4 + [(0, one_hot(1))] + [(1, one_hot(1))] * 2 + [(1, one_hot(0))]
    rows += [(2, one_hot(1))] * 2
    return evaluate(Oracle(), dataset(rows, dropped={"without a majority": 7}))


def test_the_picture_shades_each_cell_by_its_share_of_the_row(report, tmp_path):
    save_picture(pictures.confusion(report), tmp_path / "confusion.png")
    assert [path.name for path in tmp_path.iterdir()] == ["confusion.png"]
    picture = cv2.imread(str(tmp_path / "confusion.png"))
    assert np.array_equal(picture, pictures.confusion(report))
    cell, left, top = 92, 150, 84
    shades = np.array(
        [
            [int(picture[top + cell * row + 6, left + cell * column + 6].sum()) for column in range(3)]
            for row in range(3)
        ]
    )
    shares = report.confusion[:3, :3] / report.support[:3, np.newaxis]
    order = np.argsort(shares, axis=None)
    assert (np.diff(shades.reshape(-1)[order]) <= 0).all()
    assert shades[0, 0] < shades[0, 1] < shades[0, 2]


def test_a_picture_that_cannot_be_written_is_one_line_and_leaves_nothing(report, tmp_path):
    with pytest.raises(EdgeferError, match="cannot write .*: No such file or directory") as caught:
        save_picture(pictures.confusion(report), tmp_path / "absent" / "confusion.png")
    assert caught.value.exit_code == 1
    (tmp_path / "taken").mkdir()
    with pytest.raises(EdgeferError, match="Is a directory"):
        save_picture(pictures.confusion(report), tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_reliability_diagram_has_a_bar_as_high_as_the_accuracy_of_each_bin():
    scores = np.tile(np.array([0.7, 0.3, 0, 0, 0, 0, 0, 0], np.float32), (10, 1))
    data = dataset([(0, one_hot(0))] * 4 + [(1, one_hot(1))] * 6)
    picture = pictures.reliability(Report("m", data, FERPLUS8, scores, scores))
    x = 80 + round(480 * 0.69)  # within the bin of 0.7, beside no line
    column = (picture[84 : 84 + 480, x] == (120, 72, 16)).all(axis=1)
    assert column.sum() == pytest.approx(0.4 * 480, abs=4)
    assert column[-2] and not column[200]
