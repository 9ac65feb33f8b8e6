"""Agreement of readings of action units with what was coded."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.measure.agreement import agreement, always_zero, f1, icc_3_1, pcc, table

#: Shrout and Fleiss, 1979, Table 2: six targets, four judges.
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])


def test_icc_is_that_of_shrout_and_fleiss():
    """Their Table 4 gives ICC(3,1) = .71; the mean squares of their Table 3, BMS 11.24 and EMS 1.02, give .7148."""
    assert icc_3_1(SHROUT_FLEISS) == pytest.approx((11.2417 - 1.0194) / (11.2417 + 3 * 1.0194), abs=5e-4)
    assert round(icc_3_1(SHROUT_FLEISS), 2) == 0.71


def test_icc_knows_a_constant_offset_of_a_judge_and_no_other_error():
    """Consistency: what one judge adds to every target does not count; what he adds to one does."""
    truth = np.array([0.0, 1, 2, 5, 3])
    assert icc_3_1(np.stack([truth, truth + 1], axis=1)) == pytest.approx(1)
    assert icc_3_1(np.stack([truth, 2 * truth], axis=1)) < 0.9


def test_one_who_always_says_zero_has_neither_f1_nor_icc():
    truth = np.array([[0.0, 0], [0, 3], [4, 0], [0, 0]])
    *_, mean = always_zero(("AU1", "AU2"), truth)
    assert (mean.f1, mean.icc, mean.pcc) == (0, 0, 0)
    assert mean.mse == pytest.approx((16 / 4 + 9 / 4) / 2)
    assert mean.mae == pytest.approx((4 / 4 + 3 / 4) / 2)


def test_the_truth_agrees_with_itself():
    truth = np.array([[0.0, 2], [0, 3], [4, 0], [1, 0]])
    rows = agreement(("AU1", "AU2"), truth, truth >= 2, truth)
    assert [row.name for row in rows] == ["AU1", "AU2", "mean"]
    assert all((row.f1, row.icc, row.mse, row.rounded) == (1, 1, 0, 1) for row in rows)
    assert [row.share for row in rows] == [0.25, 0.5, 0.375]


def test_f1_weighs_misses_and_false_alarms_alike():
    """Two hits, one miss, one false alarm: 2 * 2 / (3 + 3)."""
    truth, said = np.array([1, 1, 1, 0, 0], bool), np.array([1, 1, 0, 1, 0], bool)
    assert f1(truth, said) == f1(said, truth) == pytest.approx(2 / 3)


def test_correlation_is_numpys():
    a, b = np.random.default_rng(1).normal(size=(2, 40))
    assert pcc(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert pcc(a, np.zeros(40)) == 0


def test_the_table_has_always_zero_in_every_row():
    truth = np.array([[0.0, 2], [0, 3], [4, 0], [1, 0]])
    lines = table(agreement(("AU1", "AU2"), truth, truth >= 2, truth), always_zero(("AU1", "AU2"), truth)).splitlines()
    assert len(lines) == 5 and len({line.count("|") for line in lines}) == 1
    assert lines[-1].startswith("| mean |") and lines[-1].endswith("| 0.000 | 0.000 | 3.750 | 1.250 |")


@pytest.mark.parametrize("shape", [(5,), (1, 2), (5, 1)], ids=str)
def test_icc_needs_two_of_both(shape):
    with pytest.raises(ValueError, match="both at least 2"):
        icc_3_1(np.zeros(shape))
