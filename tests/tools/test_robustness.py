"""Curves over severity: what is done to a face, the confidence that is enough, and the page of what is on record."""

import numpy as np
import pytest
import robustness as bench

from tools import robustness


@pytest.mark.parametrize("words", list(bench.ALTERATIONS))
def test_alterations_begin_with_the_image_as_it_is_and_change_it_ever_more(words):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    image = (128 + 60 * np.sin(x / 3.0) + 40 * np.cos(y / 2.0)).astype(np.uint8)
    alter, severities = bench.ALTERATIONS[words]
    made = [alter(image, severity, rng) for severity in severities]
    assert np.array_equal(made[0], image)
    if made[-1].shape != image.shape:
        assert [each.shape[0] for each in made] == list(severities)
        return
    away = [float(np.abs(each.astype(float) - image).mean()) for each in made]
    assert away == sorted(away) and away[-1] > away[1] > 0


def test_the_threshold_is_the_least_confidence_that_is_enough():
    confidence = np.linspace(1, 0.01, 100)
    right = np.arange(100) < 60
    found = bench.thresholded(confidence, right)
    assert found["coverage"] == 63 and found["threshold"] == pytest.approx(confidence[62])
    assert found["curve"][0] == [10, 100] and found["curve"][-1] == [100, 60]


def test_a_threshold_as_it_is_printed_keeps_what_it_promises():
    """Printed to hundredths: rounded down it would let in rows of which fewer are right."""
    rng = np.random.default_rng(4)
    for _ in range(50):
        confidence = rng.uniform(0.3, 1, 500)
        right = rng.random(500) < confidence**0.3
        limit = float(f"{bench.thresholded(confidence, right)['threshold']:.2f}")
        assert right[confidence >= limit].mean() >= bench.PRECISION
    assert bench.thresholded(np.full(9, 0.7), np.zeros(9, bool))["threshold"] == 1.0


def test_each_class_has_a_threshold_of_its_own_answers():
    """Answers of the first class are right above 0.4, of the second never often enough, of the third too few."""
    rng = np.random.default_rng(3)
    scores, right = np.zeros((810, 4)), np.zeros(810, bool)
    for index, rows in enumerate((slice(0, 400), slice(400, 800), slice(800, 810))):
        scores[rows, index] = rng.permutation(np.linspace(0.3, 1, rows.stop - rows.start))
    right[:400] = scores[:400, 0] > 0.4
    right[400:800] = np.arange(400) // 2 % 2 == 0
    right[800:] = True
    found = bench.by_class(scores, right, ("a", "b", "c", "d"))
    assert list(found) == ["a", "b", "c"] and [found[label]["rows"] for label in "abc"] == [400, 400, 10]
    # 342 of 400 are right, and 95 % of the 360 most confident, the last of which has 0.3702
    assert found["a"]["threshold"] == 0.37 and found["a"]["coverage"] == 90
    assert found["a"]["crossed"] == pytest.approx(95, abs=2) and found["a"]["crossed_rows"] > 300
    for label in "bc":
        assert found[label]["threshold"] is None and found[label]["coverage"] == 0 and found[label]["crossed"] is None


def test_the_page_is_what_the_record_gives(tmp_path):
    assert robustness.main(["--check"]) == 0
    robustness.draw(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000
