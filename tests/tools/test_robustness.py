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


def test_the_page_is_what_the_record_gives(tmp_path):
    assert robustness.main(["--check"]) == 0
    robustness.draw(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000
