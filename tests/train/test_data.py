"""What training feeds the network: alterations, inputs and batches."""

import cv2
import numpy as np
import pytest

from edgefer import kernels
from edgefer.geometry import Box
from edgefer.preprocess import Preprocess
from edgefer.train.data import batches
from edgefer.train.data.augment import augment
from edgefer.train.data.batches import Inputs, ahead, input_spec, training_batches

SPEC = input_spec("grey+sobel")


def whole(image, side=64):
    return kernels.crop_resize(image, Box(0, 0, image.shape[1], image.shape[0]), (side, side))


@pytest.fixture
def faces():
    """Eight smooth images, uint8 (8, 48, 48), each unlike the others."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (8, 6, 6), dtype=np.uint8)
    return np.stack([cv2.resize(image, (48, 48), interpolation=cv2.INTER_CUBIC) for image in coarse])


def test_the_same_draws_give_the_same_image(faces):
    one, two = (augment(faces[0], np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one, two)
    assert one.shape == (64, 64) and one.dtype == np.uint8


def test_other_draws_give_another_image(faces):
    one, two = (augment(faces[0], np.random.default_rng(seed)) for seed in (5, 6))
    assert not np.array_equal(one, two)


def test_an_alteration_leaves_the_image_it_was_given(faces):
    before = faces[0].copy()
    for seed in range(20):
        augment(faces[0], np.random.default_rng(seed))
    assert np.array_equal(faces[0], before)


def test_altered_images_still_show_the_same_face(faces):
    """The mean over many draws resembles the image or its mirror image more than any other image."""
    rng = np.random.default_rng(1)
    for index in range(3):
        mean = np.mean([augment(faces[index], rng).astype(float) for _ in range(60)], axis=0).ravel()
        likeness = [
            np.corrcoef(mean, (whole(face) / 2.0 + whole(face)[:, ::-1] / 2.0).ravel())[0, 1]
            for face in faces
        ]
        assert np.argmax(likeness) == index


def test_inputs_are_the_real_values_of_the_run_times_tensor(faces):
    """grey v/128 - 1; gradients v/512 from cv2's Sobel of the resized image; cut to the int8 range."""
    image = whole(faces[0])
    x = Inputs(SPEC)(faces[0])
    assert np.array_equal(x, Preprocess(SPEC)(faces[0])[0] * np.float32(1 / 128))
    assert np.array_equal(x[..., 0], image / 128.0 - 1)
    gx = cv2.Sobel(image, cv2.CV_16S, 1, 0, ksize=3)
    assert np.array_equal(x[..., 1], np.clip(np.rint(gx / 4.0), -128, 127) / 128)


def test_smaller_inputs_are_means_of_full_ones(faces):
    full, half = Inputs(SPEC)(faces[1]), Inputs(SPEC, 32)(faces[1])
    assert np.allclose(half, full.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)), atol=1e-6)


def test_a_stage_of_one_plane_keeps_its_channel_axis(faces):
    assert Inputs(input_spec("grey"), 32)(faces[0]).shape == (32, 32, 1)


def test_seed_and_epoch_decide_the_batches(faces):
    targets = np.eye(8, dtype=np.float32)

    def epoch(seed, number):
        return list(training_batches(faces, targets, Inputs(SPEC, 32), 3, seed, number))

    one, again, later = epoch(1, 0), epoch(1, 0), epoch(1, 1)
    assert [x.shape for x, _ in one] == [(3, 32, 32, 3)] * 2, "the last two rows fill no batch"
    assert all(
        np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in zip(one, again, strict=True)
    )
    assert not np.array_equal(one[0][0], later[0][0])


def test_a_row_keeps_its_target(faces, monkeypatch):
    monkeypatch.setattr(batches, "augment", lambda image, rng, side: whole(image, side))
    targets = np.eye(8, dtype=np.float32)
    # not the object the batches are made with, on another thread: its buffer is used again
    inputs = Inputs(SPEC)
    for x, y in training_batches(faces, targets, Inputs(SPEC), 4, 1, 0):
        for tensor, target in zip(x, y, strict=True):
            assert np.array_equal(tensor, inputs(whole(faces[target.argmax()])))


def test_ahead_gives_the_items_in_order_and_raises_what_they_raise():
    def broken():
        yield from range(5)
        raise OSError("gone")

    got = []
    with pytest.raises(OSError, match="gone"):
        for item in ahead(broken(), depth=2):
            got.append(item)
    assert got == list(range(5))


def test_ahead_stops_its_thread_when_it_is_left():
    import itertools
    import threading

    before = threading.active_count()
    for _ in ahead(itertools.count(), depth=2):
        break
    assert threading.active_count() == before
