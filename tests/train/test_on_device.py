"""Batches made on the accelerator: alterations that agree with those of the processor, and the runtime's own tensor."""

import json
from dataclasses import replace

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
jax = pytest.importorskip("jax", reason="needs JAX")
if keras.backend.backend() != "jax":
    pytest.skip("needs KERAS_BACKEND=jax", allow_module_level=True)

from keras import layers  # noqa: E402

from edgefer.errors import UsageError  # noqa: E402
from edgefer.train import fit as fitting  # noqa: E402
from edgefer.train import lessons, resident  # noqa: E402
from edgefer.train.architectures.layers import DepthwiseConv2D  # noqa: E402
from edgefer.train.data import augment, on_device  # noqa: E402
from edgefer.train.data.batches import Inputs, input_spec  # noqa: E402
from edgefer.train.settings import TrainingSettings, load_data, targets  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def compiled_once(tmp_path_factory):
    """Runs of one network share what is compiled for it."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
    yield
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.fixture(scope="module")
def images():
    """Soft blobs in noise: edges, gradients, and both ends of the range."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    places = rng.uniform(8, 40, (300, 2, 1, 1))
    blobs = 255 * np.exp(-((x - places[:, 0]) ** 2 + (y - places[:, 1]) ** 2) / rng.uniform(40, 400, (300, 1, 1)))
    return np.clip(blobs + rng.normal(20, 12, blobs.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [48, 64])
@pytest.mark.parametrize("channels", ["grey", "grey+sobel", "grey+laplacian", "grey+sobel+laplacian"])
def test_the_tensor_is_that_of_the_runtime_bit_for_bit(images, channels, side):
    expected = Inputs(input_spec(channels, side)).stack(images[:40])
    made = on_device.tensor(on_device.resized(images[:40], side), channels)
    assert np.array_equal(np.asarray(made), expected)


def test_a_smaller_tensor_is_averaged_down_as_on_the_processor(images):
    expected = Inputs(input_spec("grey+sobel", 48), 32).stack(images[:20])
    made = on_device.tensor(images[:20], "grey+sobel", 32)
    assert np.allclose(np.asarray(made), expected, atol=1e-5)


def described(pictures):
    """Means and spreads over a set: light, contrast, edges, sharpness, ends of the range."""
    pictures = np.asarray(pictures, np.float64)
    across = np.diff(pictures, axis=2)
    bend = np.abs(np.diff(across, axis=2)).mean(axis=(1, 2))
    light, contrast = pictures.mean(axis=(1, 2)), pictures.std(axis=(1, 2))
    return np.array([light.mean(), light.std(), contrast.mean(), contrast.std(), np.abs(across).mean(), *bend_of(bend)])


def bend_of(bend):
    return bend.mean(), bend.std()


def test_alterations_agree_with_those_of_the_processor_in_distribution(images):
    rng = np.random.default_rng(1)
    many = np.concatenate([images] * 20)
    there = described(np.stack([augment.augment(image, rng, 48) for image in many]))
    here = described(jax.jit(on_device.augment, static_argnums=2)(many, jax.random.key(1), 48))
    assert np.allclose(here, there, rtol=0.03), (here, there)


def test_a_share_of_the_images_is_altered_there_too(images):
    how = augment.Alterations(0.25)
    made = np.asarray(jax.jit(on_device.augment, static_argnums=(2, 3))(images[:64], jax.random.key(2), 48, how))
    plain = [
        np.array_equal(one, own) or np.array_equal(one, own[:, ::-1]) for one, own in zip(made, images, strict=False)
    ]
    assert 36 <= sum(plain) <= 58


def test_images_that_are_moved_alone_agree_too(images):
    rng, how = np.random.default_rng(1), augment.Alterations(moved_alone=True)
    many = np.concatenate([images] * 20)
    there = described(np.stack([augment.augment(image, rng, 48, how) for image in many]))
    here = described(jax.jit(on_device.augment, static_argnums=(2, 3))(many, jax.random.key(1), 48, how))
    assert np.allclose(here, there, rtol=0.03), (here, there)


def test_mixing_keeps_targets_whole_and_happens_as_often_as_it_should(images):
    wanted = np.eye(8, dtype=np.float32)[np.arange(64) % 8]
    mix = jax.jit(on_device.mix, static_argnums=3)
    kinds = {"none": 0, "cut": 0, "blend": 0}
    levels = images[:64].astype(np.float32)
    for number in range(200):
        mixed, said = (np.asarray(each) for each in mix(levels, wanted, jax.random.key(number), (0.3, 0.2)))
        assert np.allclose(said.sum(axis=1), 1, atol=1e-5)
        own, other = mixed == levels, mixed == np.roll(levels, 1, axis=0)
        if own.all():
            kinds["none"] += 1
        elif (own | other).all():
            kinds["cut"] += 1
            share = said[0, 0]
            assert share == pytest.approx(1 - (~own).any(axis=0).mean(), abs=0.02)
        else:
            kinds["blend"] += 1
    # blends close to one of the two images leave it as it is
    assert 20 <= kinds["cut"] <= 60 and 20 <= kinds["blend"] <= 75


@pytest.mark.parametrize(("stride", "size"), [(1, 6), (2, 6), (2, 7)])
def test_the_sum_of_shifted_images_is_the_depthwise_convolution(stride, size):
    x = np.random.default_rng(0).normal(size=(2, size, size, 8)).astype(np.float32)
    one, other = (kind(3, strides=stride, padding="same") for kind in (DepthwiseConv2D, layers.DepthwiseConv2D))
    one.build(x.shape), other.build(x.shape)
    other.set_weights(one.get_weights())
    assert np.allclose(one(x), other(x), atol=1e-5)


@pytest.fixture(scope="module")
def settings(small_set):
    return TrainingSettings(
        architecture="rtnn",
        input="grey",
        data=str(small_set),
        size=32,
        stages=((32, 2),),
        batch=8,
        mixup=0.3,
        cutmix=0.3,
    )


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "whole"
    return run, fitting.fit(settings, run, on_device=True)


def test_a_run_on_the_accelerator_goes_on_to_the_same_weights(settings, finished, tmp_path, monkeypatch):
    run, done = finished
    assert "made there" in done["backend"] and done["train_rows"] == 24
    epoch = resident.Resident.epoch

    def failing(self, number, begin, end):
        if number == 1:
            raise KeyboardInterrupt
        return epoch(self, number, begin, end)

    with monkeypatch.context() as patch:
        patch.setattr(resident.Resident, "epoch", failing)
        with pytest.raises(KeyboardInterrupt):
            fitting.fit(settings, tmp_path, on_device=True)
    fitting.fit(settings, tmp_path, on_device=True)
    with np.load(run / "checkpoint.npz") as one, np.load(tmp_path / "checkpoint.npz") as two:
        for name in one.files:
            if name != "state":
                assert np.allclose(one[name], two[name], atol=2e-3), name


def test_a_time_limit_ends_a_run_with_its_rate_at_zero_and_says_how_many_epochs_it_had(settings, tmp_path):
    fitting.fit(replace(settings, stages=((32, 50),)), tmp_path, on_device=True, until=0.0)
    assert TrainingSettings.read(tmp_path / "settings.json").stages == ((32, 1),)
    (line,) = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert 0 < line["rate"] < 0.5 * settings.rate


def test_a_student_learns_from_lessons_which_go_on_where_they_were_left(settings, finished, tmp_path, monkeypatch):
    run, _ = finished
    of = lessons.LessonSettings(str(run), data=settings.data, size=32, views=3)
    monkeypatch.setattr(lessons, "KEPT_EVERY", 1)
    lessons.make(of, tmp_path / "parts", until=0.0)
    about = lessons.make(of, tmp_path / "parts")
    assert about["train_rows"] == 24 and set(about["teachers"]) == {str(run)}
    lessons.make(of, tmp_path / "whole")
    train, _ = load_data(settings)
    parts, whole = (lessons.Lessons.read(tmp_path / name, train).scores for name in ("parts", "whole"))
    assert parts.shape == (3, 24, 8) and np.array_equal(parts, whole)
    assert np.allclose(parts.astype(np.float32).sum(axis=2), 1, atol=2e-3)

    student = replace(settings, mixup=0.0, cutmix=0.0, lessons=str(tmp_path / "whole"), distil=1.0)
    assert fitting.fit(student, tmp_path / "student")["best_epoch"] in (1, 2)
    with pytest.raises(UsageError, match="24 rows, got 10"):
        fitting.fit(replace(student, rows=10), tmp_path / "other")


def test_each_view_comes_once_before_any_comes_again_and_is_made_again_from_its_seed(settings):
    train, _ = load_data(settings)
    of = lessons.LessonSettings("x", data=settings.data, size=32, views=4)
    taught = lessons.Lessons(of, np.full((4, 24, 8), 1 / 8, np.float16))
    seen = np.stack([taught.views_of(1, epoch, 24) for epoch in range(4)])
    assert (np.sort(seen, axis=0) == np.arange(4)[:, None]).all()
    votes = targets(train)
    images, said = lessons.view(of, train.images, votes, 2)
    again, _ = lessons.view(of, train.images, votes, 2)
    assert images.shape == (24, 32, 32) and images.dtype == np.uint8 and np.array_equal(images, again)
    material, wanted = taught.material(train, votes, 0.25, 1.0)
    assert np.array_equal(material[48:72], images)
    assert np.allclose(wanted[48:72], 0.75 * said + 0.25 / 8, atol=1e-3)
