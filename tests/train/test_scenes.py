"""Scenes for the detector: composed alike for a seed, with faces where their table says."""

import numpy as np
import pytest

from edgefer.train.detector import scenes
from edgefer.train.detector.labels import Faces


def labelled(count: int = 24) -> Faces:
    """Flat photographs with a bright disc for a face, which the teacher saw for certain."""
    images, squares, points = [], [], []
    y, x = np.mgrid[:120, :100]
    for index in range(count):
        centre, side = (50 + index % 5, 55 - index % 7), 60
        near = np.hypot(x + 0.5 - centre[0], y + 0.5 - centre[1]) < side / 2
        images.append(np.where(near, 250, 20).astype(np.uint8))
        squares.append((*centre, side))
        points.append(np.array(centre) + [(-12, -10), (12, -10), (0, 5), (-10, 18), (10, 18)])
    indices = np.arange(count, dtype=np.int32)
    return Faces(images, indices, np.full(count, 0.9, np.float32), np.float32(squares), np.float32(points))


@pytest.fixture
def sources():
    picture = np.random.default_rng(0).integers(90, 130, (200, 260), dtype=np.uint8)
    return scenes.sources([labelled()], [picture], kept=False)


def test_what_is_kept_from_training_is_never_in_it():
    taught, kept = (scenes.sources([labelled()], [], kept=kept) for kept in (False, True))
    assert len(taught.levels) == 22
    assert len(kept.levels) == 2


def test_a_photograph_in_which_the_teacher_is_unsure_is_left_out():
    faces = labelled()
    assert scenes.sources([faces._replace(score=faces.score - 0.4)], [], kept=False).levels == []


def test_the_same_seed_gives_the_same_scenes(sources):
    first, second = (scenes.Composer(sources, seed=3) for _ in range(2))
    for _ in range(10):
        one, other = first.scene(), second.scene()
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.faces, other.faces)


def test_faces_lie_where_the_table_says(sources):
    """The disc of a face is brighter than what is around it, in most scenes: some are covered, some relit."""
    composer, brighter = scenes.Composer(sources, seed=1, empty=0), []
    y, x = np.mgrid[: scenes.HEIGHT, : scenes.WIDTH]
    for _ in range(60):
        scene = composer.scene()
        assert (scene.image.shape, scene.image.dtype) == ((scenes.HEIGHT, scenes.WIDTH), np.uint8)
        for face in scene.faces[scene.faces[:, 13] == 1]:
            away = np.hypot(x + 0.5 - face[0], y + 0.5 - face[1]) / face[2]
            inside, outside = scene.image[away < 0.3], scene.image[(away > 0.52) & (away < 0.6)]
            if face[2] > 16 and outside.size:
                brighter.append(inside.mean() > outside.mean())
    assert len(brighter) > 60
    assert np.mean(brighter) > 0.85


def test_points_turn_with_their_face(sources):
    """The mouth is as far from the eyes as in the photograph, and at most 45 degrees off below them."""
    composer = scenes.Composer(sources, seed=2, empty=0)
    for _ in range(40):
        for face in composer.scene().faces:
            if face[13] < 0:
                continue
            five = face[3:13].reshape(5, 2)
            down = five[3:].mean(axis=0) - five[:2].mean(axis=0)
            assert np.hypot(*down) / face[2] == pytest.approx(28 / 60, abs=0.01)
            assert down[1] > 0.65 * np.hypot(*down)
            assert five[0, 0] < five[1, 0]


def test_a_mirror_of_a_mirror_changes_nothing(sources):
    scene = scenes.Composer(sources, seed=4).scene()
    images, faces = scenes.mirrored(*scenes.mirrored(scene.image[None], scene.faces[None]))
    assert np.array_equal(images[0], scene.image)
    assert np.allclose(faces[0], scene.faces, atol=1e-4)


def test_labels_are_read_back_as_they_were_kept(tmp_path):
    faces = labelled(3)
    faces.save(tmp_path / "faces.npz")
    again = Faces.load(tmp_path / "faces.npz")
    assert all(np.array_equal(one, other) for one, other in zip(faces.images, again.images, strict=True))
    assert all(np.array_equal(one, other) for one, other in zip(faces[1:], again[1:], strict=True))
