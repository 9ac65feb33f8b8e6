"""What feeds networks for clips: options by name, equalized clips, altered copies, weights; the paper's p-values."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.measure.statistics import paired_t
from edgefer.train.clips import material
from edgefer.train.clips.parameters import AUGMENTATIONS, PRESETS, Copies, Parameters, preset


def having(**changes: object) -> Parameters:
    return Parameters(**{**PRESETS["ckplus"].words(), **changes})


def test_unknown_options_are_refused_by_name():
    with pytest.raises(UsageError, match="activation: expected one of relu, elu, prelu, leaky_relu, mish, got 'swish'"):
        having(activation="swish")
    with pytest.raises(UsageError, match="temporal_size: expected one of 1, 3, 5, 7, 9, got True"):
        having(temporal_size=True)
    with pytest.raises(UsageError, match="dropout: expected 0 to 1, got 1.2"):
        having(dropout=1.2)
    with pytest.raises(UsageError, match="unknown preset 'ck'; available: ckplus, oulu-casia"):
        preset("ck")


def test_a_clip_is_equalized_and_scaled_as_its_options_say():
    frames = np.random.default_rng(0).integers(100, 140, (10, 60, 50)).astype(np.uint8)
    plain, even, signed = (
        material.clip_tensor(frames, having(clahe=clahe, normalization=normalization))
        for clahe, normalization in ((False, False), (True, False), (False, True))
    )
    assert plain.shape == (10, 112, 112, 3) and (plain[..., 0] == plain[..., 2]).all()
    assert plain.min() > 0.39 and plain.max() < 0.55 and even.std() > 1.5 * plain.std()
    np.testing.assert_allclose(signed, plain * 2 - 1, atol=1e-6)


def test_copies_alter_all_frames_alike_and_as_often_as_the_class_asks():
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 20)).astype(np.uint8)
    frames[1:] = frames[0]
    made = list(material.copies(frames, AUGMENTATIONS["ckplus"]["contempt"], np.random.default_rng(1)))
    assert len(made) == 12 and all((copy == copy[0]).all() for copy in made)
    assert (made[0] == frames[:, :, ::-1]).all()
    assert material.contrasted(frames, 1.0).tolist() == frames.tolist()
    assert material.contrasted(np.uint8([[[0, 127, 255]]]), 0.5).tolist() == [[[64, 127, 191]]]
    assert (material.turned(frames, 0.0) == frames).all()
    assert set(AUGMENTATIONS["oulu-casia"].values()) == {Copies(1, 5, 2)}


def test_rarer_classes_weigh_more():
    weights = material.class_weights(np.array([0, 0, 0, 1]), 3)
    assert weights.tolist() == pytest.approx([4 / 6, 2, 0])


def test_the_papers_p_values_are_one_sided_paired_t_tests():
    """Tables 4 and 5: half of what paired_t gives, which is two-sided; the folds are printed to one decimal."""
    ckplus = [100.0] * 10, [93.9, 100, 84.8, 78.7, 87.8, 93.9, 93.9, 96.8, 87.5, 90]
    oulu = (
        [97.5, 97.5, 80, 82.5, 82.5, 80, 72.5, 97.5, 75, 77.5],
        [81.2, 81.2, 70.8, 75, 72.9, 72.9, 83.3, 72.9, 72.9, 87.5],
    )
    assert paired_t(*ckplus).p / 2 == pytest.approx(0.00057, abs=1e-5)
    assert paired_t(*oulu).p / 2 == pytest.approx(0.03650, abs=4e-4)
