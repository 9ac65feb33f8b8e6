"""What training feeds the network: alterations, inputs and batches."""

import threading

import cv2
import numpy as np
import pytest

from edgefer import kernels
from edgefer.geometry import Box
from edgefer.preprocess.crop import Preprocess
from edgefer.train.data import batches
from edgefer.train.data.augment import Alterations, augment, cutmix, mixup
from edgefer.train.data.batches import Inputs, input_spec, makers, training_batches
from edgefer.train.data.randaugment import OPERATIONS, STRENGTH

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


def test_a_share_of_the_images_is_altered_and_the_rest_mirrored_at_most(faces):
    """400 draws of a share of 0.3: 120 with a deviation of 9, and half of the others are mirrored."""
    rng = np.random.default_rng(2)
    made = [augment(faces[0], rng, 48, Alterations(0.3)) for _ in range(400)]
    plain = sum(np.array_equal(each, faces[0]) for each in made)
    mirrored = sum(np.array_equal(each, faces[0][:, ::-1]) for each in made)
    assert 240 <= plain + mirrored <= 320 and abs(plain - mirrored) < 60
    whole_draws = (
        augment(faces[0], np.random.default_rng(5), 48),
        augment(faces[0], np.random.default_rng(5), 48, Alterations(1.0)),
    )
    assert np.array_equal(*whole_draws)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("strength", [-STRENGTH, STRENGTH])
def test_an_operation_of_randaugment_changes_a_face_and_leaves_it_one(faces, operation, strength):
    face = (faces[0] * 0.7 + 30).astype(np.uint8)  # not of full contrast already
    before = face.copy()
    changed = operation(face, strength)
    assert np.array_equal(face, before)
    assert changed.shape == before.shape and changed.dtype == np.uint8
    assert np.array_equal(changed, before) == (operation.__name__ == "_identity")
    shown, unlike = (np.corrcoef(changed.ravel(), image.ravel())[0, 1] for image in (before, faces[1]))
    assert shown > 0.2 and shown > unlike
    flat = np.full((20, 20), 90, np.uint8)
    assert operation(flat, strength).shape == flat.shape


def test_randaugment_takes_the_place_of_the_other_alterations_and_is_drawn_alike(faces):
    one, two, other = (
        augment(faces[0], np.random.default_rng(seed), 48, Alterations(operations=2)) for seed in (5, 5, 6)
    )
    assert np.array_equal(one, two) and not np.array_equal(one, other)
    seen = [augment(faces[0], np.random.default_rng(seed), 48, Alterations(operations=1)) for seed in range(60)]
    plain = sum(np.array_equal(each, face) for each in seen for face in (faces[0], faces[0][:, ::-1]))
    assert 1 <= plain <= 15  # one operation in thirteen changes nothing


def test_a_face_that_is_moved_alone_keeps_its_levels(faces):
    """Edges repeat and neighbours are averaged: no level is beyond those of the image, and many draws differ."""
    flat = np.full((48, 48), 77, np.uint8)
    made = [augment(faces[0], np.random.default_rng(seed), 48, Alterations(moved_alone=True)) for seed in range(20)]
    assert len({image.tobytes() for image in made}) == 20
    assert all(faces[0].min() <= image.min() and image.max() <= faces[0].max() for image in made)
    assert (augment(flat, np.random.default_rng(1), 48, Alterations(moved_alone=True)) == 77).all()


def test_altered_images_still_show_the_same_face(faces):
    """The mean over many draws resembles the image or its mirror image more than any other image."""
    rng = np.random.default_rng(1)
    for index in range(3):
        mean = np.mean([augment(faces[index], rng).astype(float) for _ in range(60)], axis=0).ravel()
        likeness = [np.corrcoef(mean, (whole(face) / 2.0 + whole(face)[:, ::-1] / 2.0).ravel())[0, 1] for face in faces]
        assert np.argmax(likeness) == index


def test_inputs_are_the_real_values_of_the_run_times_tensor(faces):
    """grey v/128 - 1; gradients v/512 from cv2's Sobel of the resized image; cut to the int8 range."""
    image = whole(faces[0])
    x = Inputs(SPEC)(faces[0])
    assert np.array_equal(x, Preprocess(SPEC)(faces[0])[0] * np.float32(1 / 128))
    assert np.array_equal(x[..., 0], image / 128.0 - 1)
    gx = cv2.Sobel(image, cv2.CV_16S, 1, 0, ksize=3)
    assert np.array_equal(x[..., 1], np.clip(np.rint(gx / 4.0), -128, 127) / 128)


def test_a_crop_that_is_not_square_is_judged_in_the_proportions_it_is_taught_in():
    circle = cv2.circle(np.zeros((48, 96), np.uint8), (48, 24), 20, 255, -1)
    taught = augment(circle, np.random.default_rng(1), 64, Alterations(share=0.0))
    judged = np.rint(Inputs(input_spec("grey"))(circle)[..., 0] * 128 + 128)
    # mirrored or not; both interpolate by their own rounding
    assert min(np.abs(judged - taught).mean(), np.abs(judged[:, ::-1] - taught).mean()) < 2


def test_smaller_inputs_are_means_of_full_ones(faces):
    full, half = Inputs(SPEC)(faces[1]), Inputs(SPEC, 32)(faces[1])
    assert np.allclose(half, full.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)), atol=1e-6)


def test_a_stage_of_one_plane_keeps_its_channel_axis(faces):
    assert Inputs(input_spec("grey"), 32)(faces[0]).shape == (32, 32, 1)


TARGETS = np.eye(8, dtype=np.float32)
VIEWS = [(SPEC, 32)]


def same(one, other):
    """Whether two lists of batches hold the same numbers."""
    return len(one) == len(other) and all(
        all(map(np.array_equal, a, b)) and np.array_equal(y, z) for (a, y), (b, z) in zip(one, other, strict=True)
    )


def test_seed_and_epoch_decide_the_batches(faces):
    def epoch(seed, number):
        return list(training_batches(faces, TARGETS, VIEWS, 3, seed, number))

    one = epoch(1, 0)
    assert [x.shape for (x,), _ in one] == [(3, 32, 32, 3)] * 2, "the last two rows fill no batch"
    assert same(one, epoch(1, 0))
    assert not same(one, epoch(1, 1)) and not same(one, epoch(2, 0))


def test_processes_make_the_batches_of_a_thread_whatever_their_number(faces):
    def epoch(executor=None):
        return list(training_batches(faces, TARGETS, VIEWS, 2, 1, 0, (0.5, 0.5), executor, ahead=2))

    with makers(2) as executor:
        assert same(epoch(), epoch(executor))


def test_a_row_keeps_its_target(faces, monkeypatch):
    monkeypatch.setattr(batches, "augment", lambda image, rng, side, how: whole(image, side))
    inputs = Inputs(SPEC)
    for (x,), y in training_batches(faces, TARGETS, [(SPEC, 64)], 4, 1, 0):
        for tensor, target in zip(x, y, strict=True):
            assert np.array_equal(tensor, inputs(whole(faces[target.argmax()])))


def test_teachers_see_the_image_the_student_sees(faces):
    """Full and averaged down, with and without gradients: all from one altered image."""
    views = [(SPEC, 32), (SPEC, 64), (input_spec("grey"), 64)]
    (small, full, grey), _ = next(training_batches(faces, TARGETS, views, 8, 1, 0, (0.5, 0.5)))
    assert small.shape == (8, 32, 32, 3) and grey.shape == (8, 64, 64, 1)
    assert np.allclose(small, full.reshape(8, 32, 2, 32, 2, 3).mean(axis=(2, 4)), atol=1e-6)
    assert np.array_equal(full[..., :1], grey)


def test_an_error_in_a_batch_reaches_the_one_who_asked_for_it(faces, monkeypatch):
    def broken(*_):
        raise OSError("gone")

    monkeypatch.setattr(batches, "augment", broken)
    with pytest.raises(OSError, match="gone"):
        next(training_batches(faces, TARGETS, VIEWS, 3, 1, 0))


def test_batches_that_are_left_leave_no_thread(faces):
    before = threading.active_count()
    for _ in training_batches(faces, TARGETS, VIEWS, 2, 1, 0):
        break
    assert threading.active_count() == before


@pytest.mark.parametrize("mix", [mixup, cutmix])
def test_a_mixed_image_and_its_target_hold_as_much_of_each(mix):
    """Of two flat images the mean tells the share, which is the share in the target too."""
    images = np.stack([np.zeros((64, 64), np.uint8), np.full((64, 64), 200, np.uint8)])
    shares = []
    for seed in range(20):
        mixed, targets = mix(images, np.eye(2, dtype=np.float32), np.random.default_rng(seed))
        assert mixed.dtype == np.uint8 and targets.dtype == np.float32
        assert np.allclose(targets.sum(axis=1), 1)
        # levels are rounded
        assert np.allclose(mixed.mean(axis=(1, 2)), 200 * targets[:, 1], atol=0.51)
        shares.append(targets[0, 0])
    assert min(shares) < 0.2 and max(shares) > 0.8
    levels = {len(np.unique(mixed)) for mixed in mixed}
    assert levels <= ({1} if mix is mixup else {1, 2}), "blended all over, or a rectangle put in"


def test_the_share_of_mixed_batches_is_the_one_asked_for(faces):
    def pure(mixed):
        found = [y.max(axis=1).min() > 0.999 for _, y in epoch(mixed)]
        return sum(found) / len(found)

    def epoch(mixed):
        many = np.resize(faces, (400, 48, 48))
        return training_batches(many, np.resize(TARGETS, (400, 8)), [(SPEC, 16)], 4, 1, 0, mixed)

    assert pure((0.0, 0.0)) == 1
    assert 0.3 < pure((0.0, 0.5)) < 0.7
