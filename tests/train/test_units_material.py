"""What networks for action units learn from: intensities, the teacher's words, batches."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.measure.agreement import SHOWN
from edgefer.train.data.synthetic.units import FULL, UNITS
from edgefer.train.units import fit, material, teacher

NAMES = tuple(sorted({name for names, _, _ in teacher.COEFFICIENTS.values() for name in names} | {"cheekPuff"}))
COUNT = len(UNITS)


def rows(count: int, real: bool = False) -> material.Rows:
    rng = np.random.default_rng(count)
    shape = (count, material.LAYOUT.height + 2 * material.ROOM, material.LAYOUT.width + 2 * material.ROOM)
    units = rng.uniform(0, FULL, (count, COUNT)).astype(np.float32) * (rng.random((count, COUNT)) < 0.3)
    if real:
        units[:, UNITS.index(6)] = np.nan
    names = np.array([f"face {i // 2}" for i in range(count)])
    return material.Rows(rng.integers(0, 256, shape, np.uint8), units, names, np.zeros((count, 52), np.float32))


def test_the_teacher_says_nothing_of_what_it_does_not_see():
    """Cheeks, lower lids and nose; the others are 0 at rest and 5 at their fullest."""
    coefficients = np.zeros((2, len(NAMES)), np.float32)
    for names, rest, full in teacher.COEFFICIENTS.values():
        for name in names:
            coefficients[:, NAMES.index(name)] = rest, full
    points = np.zeros((2, 68, 2))
    points[:, 45, 0] = 100
    points[1, [65, 66, 67], 1] = 100 * teacher.LIPS_FULL
    said = teacher.intensities(coefficients, NAMES, points)
    silent = [UNITS.index(unit) for unit in (6, 7, 9)]
    assert np.isnan(said[:, silent]).all()
    known = np.setdiff1d(np.arange(COUNT), silent)
    np.testing.assert_allclose(said[:, known], [[0.0] * len(known), [FULL] * len(known)], atol=1e-5)


def test_what_nobody_knows_does_not_count():
    units = np.full((1, COUNT), 3.0, np.float32)
    units[0, 0] = np.nan
    shown, intensity, weight = fit.targets(units, real=True, weight=0.5).reshape(3, COUNT)
    assert (shown[0], intensity[0], weight[0]) == (0, 0, 0)
    assert shown[1:].all() and (intensity[1:] == 3).all()
    assert weight[UNITS.index(12)] == 0.5 and weight[UNITS.index(20)] == pytest.approx(0.5 * fit.VAGUE)


def test_a_unit_occurs_from_b_on():
    units = np.array([[SHOWN - 0.01] * COUNT, [SHOWN] * COUNT], np.float32)
    assert fit.targets(units, real=False)[:, :COUNT].tolist() == [[0] * COUNT, [1] * COUNT]


def test_a_batch_holds_its_share_of_real_faces_and_an_epoch_every_made_one_once():
    made, real = rows(24), rows(10, real=True)
    training = fit.UnitsTraining(batch=8, real=0.25, shift=0, light=0.0)
    batches = list(fit.batches(made, real, training, 0))
    assert len(batches) == 4 and {x.shape for x, _ in batches} == {(8, 96, 80, 1)}
    weights = np.concatenate([y[:6, 2 * COUNT :] for _, y in batches])
    assert (weights == 1).all(), "made faces come first and are known"
    known = {tuple(row) for row in np.concatenate([y[:6, COUNT : 2 * COUNT] for _, y in batches])}
    assert known == {tuple(row) for row in made.units}
    assert all((y[6:, 2 * COUNT + UNITS.index(6)] == 0).all() for _, y in batches)
    again = list(fit.batches(made, real, training, 0))
    assert all((a[0] == b[0]).all() and (a[1] == b[1]).all() for a, b in zip(batches, again, strict=True))


def test_an_altered_crop_is_the_one_in_the_middle_or_its_mirror():
    """Without shift and light."""
    some = rows(6)
    plain = fit.real_values(fit.middle(some.crops))[..., 0]
    training = fit.UnitsTraining(shift=0, light=0.0)
    for one, crop in zip(fit._altered(some.crops, training, np.random.default_rng(1)), plain, strict=True):
        assert np.allclose(one, crop, atol=1e-6) or np.allclose(one, crop[:, ::-1], atol=1e-6)


def test_pictures_show_rest_expressions_and_units_of_any_strength():
    rng = np.random.default_rng(3)
    some = [material.shown(rng) for _ in range(400)]
    assert any(not shown for shown in some) and {unit for shown in some for unit in shown} == set(UNITS)
    assert all(0 < value <= FULL for shown in some for value in shown.values())
    assert all(shown[25] >= shown[26] * 0.6 for shown in some if 26 in shown), "where a jaw drops the lips part"


def test_crops_that_are_not_there_are_told_how_to_make(tmp_path):
    with pytest.raises(UsageError, match="made_train.npz: not there; python -m edgefer.train.units make writes it"):
        material.load(tmp_path, "made_train")
