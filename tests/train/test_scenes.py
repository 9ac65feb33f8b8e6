"""Scenes for the detector: composed alike for a seed, with faces where their table says."""

import itertools
import zipfile

import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.train.detector import feed, material, scenes, stuff
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
    return material.sources([material.part(labelled(), kept=False)], [picture])


def test_what_is_kept_from_training_is_never_in_it():
    taught, kept = (material.sources([material.part(labelled(), kept)], []) for kept in (False, True))
    assert len(taught.levels) == 22
    assert len(kept.levels) == 2


def test_a_photograph_in_which_the_teacher_is_unsure_is_left_out():
    faces = labelled()
    assert material.sources([faces._replace(score=faces.score - 0.4)], []).levels == []


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
    """The mouth is as far from the eyes as in the photograph, and at most 52 degrees off below them."""
    composer = scenes.Composer(sources, seed=2, empty=0)
    for _ in range(40):
        for face in composer.scene().faces:
            if face[13] < 0:
                continue
            five = face[3:13].reshape(5, 2)
            down = five[3:].mean(axis=0) - five[:2].mean(axis=0)
            assert np.hypot(*down) / face[2] == pytest.approx(28 / 60, abs=0.01)
            assert down[1] > 0.59 * np.hypot(*down)
            assert five[0, 0] < five[1, 0]


def test_a_mirror_of_a_mirror_changes_nothing(sources):
    scene = scenes.Composer(sources, seed=4).scene()
    images, faces = scenes.mirrored(*scenes.mirrored(scene.image[None], scene.faces[None]))
    assert np.array_equal(images[0], scene.image)
    assert np.allclose(faces[0], scene.faces, atol=1e-4)


def test_labels_are_read_back_as_they_were_kept(tmp_path):
    faces = labelled(3)
    faces.save(tmp_path / "faces.npz")
    again = Faces.load(tmp_path / "faces.npz", faces.images)
    assert np.array_equal(again.image, faces.image)
    assert all(np.allclose(one, other, atol=1e-3) for one, other in zip(faces[2:], again[2:], strict=True))


def test_heads_turned_aside_are_taken_more_often():
    faces = labelled()
    faces.points[5, 2, 0] += 8
    upto = material.sources([faces], []).upto
    assert upto[-1] == pytest.approx(1)
    assert np.argmax(np.diff(upto)) == 4
    assert np.diff(upto).max() == pytest.approx(material.ASIDE * np.diff(upto).min())


@pytest.mark.parametrize("make", ["window", "fragment", "texture", "pattern", "anything", "background"])
def test_what_is_no_face_fills_a_scene(sources, make):
    things = stuff.Stuff(sources, np.random.default_rng(0))
    for _ in range(20):
        made = getattr(things, make)()
        assert (made.shape, made.dtype) == ((scenes.HEIGHT, scenes.WIDTH), np.uint8)


def test_a_hand_is_drawn_where_it_is_asked_for(sources):
    things = stuff.Stuff(sources, np.random.default_rng(0))
    for at in ((80, 60), (-3, 50), (159, 119), (500, 500)):
        canvas = np.full((scenes.HEIGHT, scenes.WIDTH), 128, np.uint8)
        things.hand(canvas, at, 20)
        changed = np.argwhere(canvas != 128)
        assert changed.size or at == (500, 500)
        assert all(np.hypot(*(place[::-1] - at)) < 60 for place in changed)


@pytest.mark.parametrize("labels", ["nowhere", "cut off"])
def test_a_feed_without_its_tables_does_not_wait_for_ever(labels, tmp_path, monkeypatch):
    (tmp_path / "faces").mkdir()
    with zipfile.ZipFile(tmp_path / "faces" / "faces.zip", "w"):
        monkeypatch.setenv("EDGEFER_DATA", str(tmp_path))
    if labels == "cut off":
        (tmp_path / labels).mkdir()
        (tmp_path / labels / "photographs.npz").write_bytes(b"PK")
    fed = feed.Feed(tmp_path / labels, [tmp_path], seed=1, processes=0)
    with pytest.raises(UsageError, match=r"photographs\.npz: .* expected what python -m edgefer"):
        next(fed.ahead(2, 8))


def test_folders_without_pictures_are_told(tmp_path):
    with pytest.raises(UsageError, match="--backgrounds .*nowhere: no such folder"):
        material.backgrounds([tmp_path / "nowhere"])


def test_a_feed_gives_what_was_made_and_again_what_was_hard(sources, monkeypatch):
    composer = scenes.Composer(sources, seed=6)
    made = [composer.scene() for _ in range(feed.MADE)]
    batch = np.stack([scene.image for scene in made]), np.stack([scene.faces for scene in made])
    monkeypatch.setattr(feed, "fed", lambda *_, **__: itertools.repeat(tuple(each[None] for each in batch), 16))
    monkeypatch.setattr(feed, "KEPT", 256)
    scenes_fed = feed.Feed("", [], seed=1, processes=0)
    images, faces = scenes_fed.batches(2, 8)
    assert (images.shape, images.dtype) == ((2, 8, scenes.HEIGHT, scenes.WIDTH), np.uint8)
    assert faces.shape == (2, 8, scenes.MOST, 14)
    assert {tuple(row[:, 2]) for row in faces.reshape(-1, scenes.MOST, 14)} <= {tuple(row[:, 2]) for row in batch[1]}
    scenes_fed.learn(images, faces, np.where(np.arange(16).reshape(2, 8) % 2, 0.9, 0.1))
    assert scenes_fed.hard == 8
    hard = faces[0, 1] + 1000
    scenes_fed._hard = [(images[0, 1], hard)] * 8
    again = scenes_fed.batches(8, 8)[1].reshape(-1, scenes.MOST, 14)
    assert 0 < np.sum(again[:, 0, 2] > 900) < 30
