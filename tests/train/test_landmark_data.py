"""Samples for the landmark network: points stay on the face, what is hidden is told, mirrors agree."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgefer.geometry import Box
from edgefer.kernels import crop_resize
from edgefer.landmarks.points import MIRROR
from edgefer.landmarks.squares import around_points
from edgefer.train.landmarks import cover, data

#: A face in a canvas: jaw, brows, nose, eyes and mouth somewhere near their places.
FACE = np.array(
    [*((80 + 50 * np.sin(a), 70 + 65 * np.cos(a)) for a in np.linspace(-1.75, 1.75, 17)),
     *((45 + 6 * i, 48) for i in range(5)), *((91 + 6 * i, 48) for i in range(5)),
     *((80, 60 + 7 * i) for i in range(4)), *((72 + 4 * i, 90) for i in range(5)),
     (48, 60), (54, 57), (60, 57), (66, 60), (60, 63), (54, 63), (94, 60), (100, 57), (106, 57), (112, 60), (106, 63),
     (100, 63), *((80 - 20 * np.cos(a), 108 + 8 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 13)[:12]),
     *((80 - 14 * np.cos(a), 108 + 4 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 9)[:8])]
)  # fmt: skip


@pytest.fixture
def faces():
    """A picture in which every point of the face is a white dot."""
    image = np.full((160, 160), 60, np.uint8)
    for x, y in np.rint(FACE).astype(int):
        cv2.circle(image, (int(x), int(y)), 2, 255, -1)
    return data.Faces([image], FACE[None].astype(np.float32))


def test_mirroring_twice_changes_nothing():
    assert (MIRROR[MIRROR] == np.arange(68)).all()


def test_the_mirrored_points_of_a_symmetric_face_are_its_own():
    turned = FACE[MIRROR] * (-1, 1) + (160, 0)
    assert np.abs(turned - FACE).max() < 1e-9


def test_taught_points_lie_on_the_face_in_the_crop(faces):
    sampler = data.Sampler([(faces, 1.0)], [], seed=3)
    bright = []
    for _ in range(60):
        canvas, points = sampler._placed(faces.images[0], FACE, turned=False)
        inside = ((points > 2) & (points < 157)).all(axis=1)
        at = np.rint(points[inside]).astype(int)
        bright.append(canvas[at[:, 1], at[:, 0]].mean())
    assert np.mean(bright) > 200, "dots are 255 on 60"


def test_training_cuts_what_the_runtime_cuts(faces):
    image = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (160, 160), np.uint8), (0, 0), 2)
    middle, side = data.square_of(FACE)
    square = around_points(FACE)
    assert square == pytest.approx(Box(*(middle + 0.5 - side / 2), *(middle + 0.5 + side / 2)))
    canvas = data.cut(image, middle, np.eye(2) * side / data.CANVAS_PX)
    trained = cv2.resize(canvas, (80, 80), interpolation=cv2.INTER_AREA).astype(int)
    run = crop_resize(image, square, (80, 80)).astype(int)
    assert np.abs(trained - run).mean() < 1.5, "grey levels; bilinear, then area, against area alone"


def test_a_bare_face_is_seen_whole():
    assert data.visible(FACE, None) == pytest.approx(np.ones(6))
    assert data.visible(FACE, np.zeros((160, 160), np.uint8)) == pytest.approx(np.ones(6))


@pytest.mark.parametrize(
    ("draw", "hidden", "free"),
    [(cover.face_mask, [4], [1, 2]), (cover.dark_glasses, [1, 2], [4]), (cover.clear_glasses, [], [1, 2, 3, 4, 5])],
    ids=["mask", "dark glasses", "clear glasses"],
)
def test_covers_hide_what_they_are_for(draw, hidden, free):
    for seed in range(20):
        canvas = np.full((160, 160), 200, np.uint8)
        seen = data.visible(FACE, draw(canvas, FACE, np.random.default_rng(seed)))
        assert (seen[hidden] < 0.4).all() and (seen[free] > 0.8).all(), (seed, seen)
        assert (canvas != 200).any()


def test_a_point_outside_its_photograph_counts_little(faces):
    assert faces.weights().min() == 1
    cropped = data.Faces([faces.images[0][:120]], faces.points)
    assert cropped.weights()[0, 8] == data.GUESSED and cropped.weights()[0, 30] == 1


def test_turned_heads_and_faces_whose_chin_is_seen_are_drawn_more_often(faces):
    turned = FACE.copy()
    turned[30] += (15, 0)
    several = data.Faces([faces.images[0], faces.images[0], faces.images[0][:120]], np.stack([FACE, turned, FACE]))
    plain, aside, without = several.chances()
    assert aside > 1.5 * plain and plain == pytest.approx(3 * without)


def test_samples_have_the_canvas_and_some_have_no_face(faces):
    sampler = data.Sampler([(faces, 1.0)], [np.zeros((200, 300), np.uint8)], seed=0)
    drawn = [sampler.sample() for _ in range(120)]
    assert {canvas.shape for canvas, *_ in drawn} == {(data.CANVAS_PX, data.CANVAS_PX)}
    taught = np.array([weights.max() for _, _, weights, _ in drawn])
    seen = np.stack([seen for *_, seen in drawn])
    assert 0.03 < 1 - taught.mean() < 0.3
    assert (seen[taught == 0] == 0).all() and (seen[taught == 1, 0] == 1).all()
    shapes = [each.shape for each in next(sampler.batches(8))]
    assert shapes == [(8, data.CANVAS_PX, data.CANVAS_PX), (8, 68, 2), (8, 68), (8, 6)]
