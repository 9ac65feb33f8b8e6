"""Clips from films to a table and a model directory: what is learnt from, that nothing is judged twice, what ships."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.labels import FERPLUS8

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
if keras.backend.backend() != "tensorflow":
    pytest.skip("conversion needs KERAS_BACKEND=tensorflow", allow_module_level=True)
pytest.importorskip("ai_edge_litert")

from edgefer import recognize  # noqa: E402
from edgefer.recognize.clip import ClipRecognizer  # noqa: E402
from edgefer.train.clips import edge, export, expression, features, films, order, recurrent  # noqa: E402
from edgefer.train.clips.__main__ import main  # noqa: E402
from edgefer.train.clips.fit import HeadTraining  # noqa: E402
from edgefer.train.data.synthetic.drawn import drawn  # noqa: E402

BRIEF = HeadTraining(steps=4, batch=8, judged=2)


@pytest.fixture(scope="module")
def frame() -> keras.Model:
    keras.utils.set_random_seed(3)
    return edge.untrained()


@pytest.fixture(scope="module")
def taken(tmp_path_factory, frame) -> Path:
    """Films of drawn faces, none in two parts, with their features."""
    root = tmp_path_factory.mktemp("films")
    for first, part in enumerate(order.PARTS):
        films.write(root / part, [drawn(10 * first + number) for number in range(2)], 1, 1, seed=first)
        features.of_films(frame, root / part)
    return root


@pytest.fixture(scope="module")
def held(tmp_path_factory, frame, small_set) -> Path:
    root = tmp_path_factory.mktemp("still")
    for part in ("train", "val"):
        features.of_photographs(frame, small_set, part, 16, root / part, seed=1)
    return root


@pytest.fixture
def frames_known(monkeypatch, frame) -> None:
    monkeypatch.setattr(edge, "frame_network", lambda run: frame)


def test_films_are_decided_by_their_seed_and_cropped_with_the_truth_of_every_frame(tmp_path, taken):
    count = films.write(tmp_path / "again", [drawn(0), drawn(1)], 1, 1, seed=0)
    first, again = films.read(taken / "train"), films.read(tmp_path / "again")
    assert count == len(again) == 2 and again.frames.shape == (2, 60, 48, 48)
    for name in ("frames", "expression", "share", "event", "strength", "identity", "real"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.real.tolist() == [True, False]
    shown = first.share > 0
    assert ((first.event >= 0) == shown).all() and (first.strength[shown] > 0.3).all()
    np.testing.assert_array_equal(first.expression > 0, first.share >= 0.5)
    assert first.frames.std(axis=(2, 3)).min() > 5


def test_films_that_are_not_whole_are_refused(tmp_path):
    (tmp_path / "part").mkdir()
    with pytest.raises(UsageError, match="holds no films, or not all"):
        films.read(tmp_path / "part")
    with pytest.raises(UsageError, match=r"features\.npy: not there"):
        features.load(tmp_path / "part")


def test_features_that_were_cut_off_are_not_taken_for_whole(tmp_path, frame, taken):
    """A file of them is as long as it will be from its first byte on: the rest was zeros, and they taught."""
    shutil.copytree(taken / "train", tmp_path / "films")
    (tmp_path / "films/features.npy").unlink()

    class Killed:
        calls = 0

        def predict_on_batch(self, x):
            self.calls += 1
            if self.calls > 1:
                raise KeyboardInterrupt
            return frame.predict_on_batch(x)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(features, "BATCH", 60)
        features.of_films(Killed(), tmp_path / "films")
    with pytest.raises(UsageError, match=r"features\.npy: not there"):
        features.load(tmp_path / "films")


def test_other_films_in_a_directory_do_not_keep_the_features_of_those_before(tmp_path, taken):
    shutil.copytree(taken / "train", tmp_path / "films")
    films.write(tmp_path / "films", [drawn(5)], 1, 1, seed=9)
    with pytest.raises(UsageError, match=r"features\.npy: not there"):
        features.load(tmp_path / "films")


def test_photographs_that_are_not_whole_are_refused(tmp_path, held):
    shutil.copytree(held / "val", tmp_path / "still")
    (tmp_path / "still/done").unlink()
    with pytest.raises(UsageError, match="not there"):
        expression.Still(tmp_path / "still")


def test_clips_of_order_are_one_onset_each_and_backwards_they_have_the_same_frames(taken):
    for taught in (False, True):
        clips = order.Clips(taken / "train", taught)
        assert len(clips) > 2
        for film, first in zip(clips.film, clips.first, strict=True):
            window = slice(first, first + edge.FRAMES)
            share, event = clips.films.share[film, window], clips.films.event[film, window]
            assert share[0] <= order.LEAST and share[-1] >= order.MOST and (np.diff(share) >= -1e-6).all()
            assert len(set(event.tolist()) - {-1}) == 1
            assert clips.films.strength[film, window.stop - 1] >= order.WEAKEST
    rows = np.arange(len(clips))
    forwards, backwards = (clips.take(rows, np.full(len(rows), reverse)) for reverse in (False, True))
    np.testing.assert_array_equal(forwards, backwards[:, ::-1])
    np.testing.assert_array_equal(clips.levels(1, False), clips.levels(1, True)[::-1])


def test_clips_are_changed_alike_in_all_their_frames(taken):
    clips = order.Clips(taken / "train", True)
    crops = np.repeat(clips.take(np.zeros(6, int), np.zeros(6, bool))[:, :1], edge.FRAMES, axis=1)
    changed = order.changed(crops, np.random.default_rng(1))
    assert changed.shape == crops.shape and (changed == changed[:, :1]).all()
    assert len({clip.tobytes() for clip in changed}) == 6


def test_only_what_sees_time_teaches_the_frame_network():
    keras.utils.set_random_seed(5)
    frame, _, whole = order.networks()
    import tensorflow as tf

    x = tf.random.stateless_uniform((2, *whole.input_shape[1:]), (1, 2), -1, 1)
    with tf.GradientTape(persistent=True) as tape:
        logits = whole(x, training=False)
        ends = [tf.reduce_sum(logits[:, head, 0]) for head in range(4)]
    stem = frame.get_layer("stem").kernel
    slopes = [tape.gradient(end, stem.value) for end in ends]
    assert [bool(np.abs(slope).max() > 0) for slope in slopes] == [True, True, False, False]


def test_the_table_has_a_row_for_each_network_and_int8_networks_of_2d_convolutions(taken, tmp_path):
    result = order.table(taken, tmp_path / "order", BRIEF)
    said = {row["network"]: row["all"] for row in result["rows"]}
    assert len(said) == 6 and said["single-frame CNN, mean of all frames"] == 50.0  # both orders have the same frames
    assert order.table(taken, tmp_path / "order", BRIEF)["rows"] == result["rows"]  # nothing is trained again
    text = order.shown(result)
    assert "synthetic" in text.splitlines()[0] and "| LSTM, int8, step by step |" in text
    assert result["operations"]["haddad"] > 200 * result["operations"]["edge"]

    from ai_edge_litert.interpreter import Interpreter

    for name in ("edge.tflite", "lstm-step.tflite"):
        content = (tmp_path / "order" / name).read_bytes()
        assert len(content) < 1 << 20
        network = Interpreter(model_content=content)
        network.allocate_tensors()
        assert not any("3D" in each["op_name"] for each in network._get_ops_details())
        ends = [*network.get_input_details(), *network.get_output_details()]
        assert {each["dtype"] for each in ends} == {np.int8}

    steps, clips = (
        recurrent.Steps((tmp_path / "order/lstm-step.tflite").read_bytes()),
        order.Clips(taken / "test", True),
    )
    once = [steps(image[None]) for image in clips.levels(0, False)]
    assert not once[0].any()  # of one frame it knows nothing
    steps.reset()
    np.testing.assert_array_equal([steps(image[None]) for image in clips.levels(0, False)], once)


def test_targets_rise_about_half_of_an_events_strength_and_name_its_expression(taken):
    moving = expression.Moving(taken / "train")
    film, at = np.nonzero(moving.films.share > 0)
    targets = moving._targets(film, at)
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    share, named = moving.films.share[film, at], moving._named(film, at)
    strong = share > 0.75
    assert (targets[strong].argmax(axis=1) == named[strong]).all() and (named[strong] > 0).all()
    assert (targets[share < 0.25, 0] == 1).all()
    x, y = moving.draw(np.random.default_rng(0), 5)
    assert x.shape == (5, edge.FRAMES, *edge.FEATURES) and y.shape == (5, len(FERPLUS8))


def test_a_trained_head_becomes_a_model_directory_that_says_synthetic_first(
    taken, held, tmp_path, frames_known, capsys
):
    done = expression.train(taken, held, Path("run"), tmp_path / "run", BRIEF)
    assert done["films"] == 2 and done["faces"] == {"photographs": 1, "drawn": 1} and done["still_rows"] == 16
    out = tmp_path / "some-clip"
    monkey = pytest.MonkeyPatch()
    monkey.setattr(export, "LOSS", 100.0)  # four steps teach nothing that int8 could keep
    (tmp_path / "seen.md").write_text("A film of a wall: nothing.\n")
    words = ["export", str(tmp_path / "run"), "--films", str(taken), "--still", str(held), "--out", str(out)]
    assert main([*words, "--seen", str(tmp_path / "seen.md")]) == 0
    monkey.undo()
    assert "windows of val, synthetic" in capsys.readouterr().out
    card = (out / "MODEL_CARD.md").read_text()
    assert "*synthetic*" in card.splitlines()[0] and "A film of a wall: nothing." in card
    recognizer = recognize.open(out)
    assert isinstance(recognizer, ClipRecognizer) and recognizer.needs.window_s == 1.0
    assert recognizer.labels == FERPLUS8 and (out / "model.tflite").stat().st_size < 1 << 20


def test_an_unfinished_training_is_one_line(tmp_path, capsys):
    words = ["export", str(tmp_path), "--films", "f", "--still", "s", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "expected a finished training" in capsys.readouterr().err
