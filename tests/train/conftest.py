"""What tests of training share."""

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def small_set(tmp_path_factory):
    """An npz like FER-2013's: 24 train and 8 val rows, a bright or a dark image, neutral or happy."""
    rng = np.random.default_rng(0)
    truth = np.arange(32) % 2
    images = (60 + 120 * truth[:, None, None] + rng.integers(0, 40, (32, 48, 48))).astype(np.uint8)
    packed = [cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].ravel() for image in images]
    votes = np.zeros((32, 10), np.int16)
    votes[np.arange(32), truth] = 10
    path = tmp_path_factory.mktemp("data") / "small.npz"
    np.savez(
        path,
        webp=np.concatenate(packed),
        offset=np.cumsum([0] + [len(p) for p in packed]),
        emotion=np.where(truth, 3, 6).astype(np.int8),
        split=(np.arange(32) >= 24).astype(np.int8),
        votes=votes,
        votes_known=np.ones(32, bool),
        duplicate_of_train=np.zeros(32, bool),
    )
    return path
