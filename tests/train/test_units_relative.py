"""Action units against the face at rest: films to learn from, the network, and what it is held to."""

from __future__ import annotations

import json

import numpy as np
import pytest
from msgspec.structs import replace

from edgefer.errors import UsageError
from edgefer.landmarks.network import open_network
from edgefer.preprocess import pairs
from edgefer.train.data.synthetic import drawn
from edgefer.train.data.synthetic.script import Camera
from edgefer.train.data.synthetic.units import UNITS
from edgefer.train.data.synthetic.warp import Face
from edgefer.train.units import against, filmed, fit, people, relative, shots

COUNT = len(UNITS)


def held(count: int) -> shots.Shots:
    """Pairs whose first unit can be read off their first plane."""
    rng = np.random.default_rng(count)
    planes = rng.integers(-40, 40, (count, pairs.ROWS, pairs.COLUMNS, pairs.PLANES)).astype(np.int8)
    units = np.zeros((count, COUNT), np.float32)
    units[:, 0] = rng.choice([0.0, 4.0], count)
    planes[units[:, 0] > 0, :, :, 0] += 60
    planes[units[:, 0] > 0, :, :, pairs.CELL - 1] += 60
    return shots.Shots(
        planes, units, np.array([f"face {i // 4}" for i in range(count)]), np.full(count, 60, np.float32)
    )


@pytest.fixture(scope="module")
def face() -> Face:
    return Face(drawn.drawn(3))


def test_a_film_begins_at_rest_and_rests_between_its_pictures(face):
    taken = shots.film(face, np.random.default_rng(5), pictures=6, camera=Camera(), between=1)
    shown = taken.units.sum(axis=1)
    assert len(shown) == shots.QUIET + 12
    assert (shown[: shots.QUIET] == 0).all() and (shown[shots.QUIET + 1 :: 2] == 0).all()
    assert (shown[shots.QUIET :: 2] > 0).sum() >= 3


def test_pairs_of_a_film_are_its_pictures_with_their_truth(face):
    found = list(shots._pairs(face, "val", open_network(), np.random.default_rng(5)))
    assert len(found) == shots.PICTURES["val"]
    planes, units, eyes_px = zip(*found, strict=True)
    assert {each.shape for each in planes} == {(pairs.ROWS, pairs.COLUMNS, pairs.PLANES)}
    assert {each.dtype for each in planes} == {np.dtype(np.int8)} and min(eyes_px) > 20
    moved = [np.abs(each[..., : pairs.DIFFERENCES].astype(int)).mean() for each in planes]
    strength = np.stack(units).sum(axis=1)
    assert np.corrcoef(moved, strength)[0, 1] > 0.4


def test_further_sets_of_training_are_other_films_of_the_same_people(tmp_path, monkeypatch):
    monkeypatch.setattr(shots.identities, "photographs", lambda data, labels, part: [drawn.drawn(3)])
    monkeypatch.setitem(shots.PICTURES, "train", 4)
    monkeypatch.setitem(shots.PICTURES, "turned", 2)
    shots.make(tmp_path, tmp_path, tmp_path, ("train", "turned"), sets=2)
    one, two = shots.load(tmp_path, "train"), shots.load(tmp_path, "train", sets=2)
    assert len(one.units) == 4 + 2 * 2 and len(two.units) == 4 + 4 + 2 * 2
    assert set(two.names) == set(one.names) and not np.array_equal(two.units[:4], two.units[4:8])
    assert np.array_equal(two.planes[:4], one.planes[:4])
    kept = (tmp_path / "shots_train_2.npy").read_bytes()
    shots.make(tmp_path, tmp_path, tmp_path, ("train",), sets=2)
    assert (tmp_path / "shots_train_2.npy").read_bytes() == kept
    with pytest.raises(UsageError, match="shots_train_3.npz: not there"):
        shots.load(tmp_path, "train", sets=3)


def test_several_processes_make_the_pairs_that_one_makes(tmp_path, monkeypatch):
    monkeypatch.setattr(shots.identities, "photographs", lambda data, labels, part: [drawn.drawn(3), drawn.drawn(4)])
    for processes in (1, 2):
        shots.make(tmp_path, tmp_path, tmp_path / str(processes), ("val",), processes=processes)
    one, two = (shots.load(tmp_path / each, "val") for each in "12")
    assert np.array_equal(one.planes, two.planes) and np.array_equal(one.units, two.units)
    assert one.names.tolist() == two.names.tolist()


def test_a_run_ends_when_its_time_is_over(tmp_path):
    pytest.importorskip("keras")
    training = relative.RelativeTraining(minutes=0.02, batch=16)
    done = relative.run(training, held(64), held(16), tmp_path)
    assert done["training"]["minutes"] == 0.02 and done["best_epoch"] >= 1
    assert (tmp_path / fit.WEIGHTS).exists()


def test_weights_of_an_int8_network_compute_what_it_computes():
    pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install -e '.[train]'")
    from edgefer.models import directory, store
    from edgefer.recognize.units import open_networks

    examples = held(60)
    manifest, content = directory.read(store.SHIPPED / "units")
    model = relative.build()
    relative._go_on(model, store.SHIPPED / "units", examples)
    network, rest = open_networks(manifest, content)[1], manifest.rest
    levels = np.concatenate([network.run(np.ascontiguousarray(one)[None])[0] for one in examples.planes])
    known = (levels.reshape(60, -1).astype(np.float32) - rest.output_zero_point) * rest.output_scale
    for training in (False, True):
        if training:  # as it learns: by mean and deviation of the batch itself, and without what dropout drops
            for layer in model.layers:
                layer.rate = 0.0
        found = np.asarray(model(relative.real_values(examples.planes), training=training))
        assert np.corrcoef(found.ravel(), known.ravel())[0, 1] > 0.98


def test_another_network_against_the_face_at_rest_leaves_that_of_one_picture(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install -e '.[train]'")
    from edgefer.models import directory, store
    from edgefer.train.units import export

    shipped, content = directory.read(store.SHIPPED / "units")
    (tmp_path / "run").mkdir()
    training = {"training": {"epochs": 3, "sets": 2}, "processor_seconds": 1}
    (tmp_path / "run" / "done.json").write_text(json.dumps(training))
    monkeypatch.setattr(against, "trained", lambda run: (None, json.loads((run / "done.json").read_text())))
    monkeypatch.setattr(against, "card", lambda model, films, done: f"{against.CHAPTER}\n\nother words")
    monkeypatch.setattr(
        against, "added", lambda model, alone, films: (replace(model, rest=shipped.rest), content, "tables", {})
    )
    films = against.Films(tmp_path / "run", tmp_path, tmp_path, tmp_path)
    final, tables = export.export_rest(store.SHIPPED / "units", tmp_path / "units", films)
    assert tables == "tables" and directory.load(tmp_path / "units").name == "units"
    commands = final.training.command.split(" && ")
    assert "python -m edgefer.train.units relative FACES --sets 2 --epochs 3 --out REST" in commands
    assert commands[-1].endswith("export RUN3 --faces FACES --rest REST --labels LABELS")
    words = (tmp_path / "units" / "MODEL_CARD.md").read_text()
    assert "other words" in words and "501,926" not in words and words.count("## Limits") == 1
    assert words.count("python -m edgefer.train.units relative") == 1

    training["training"]["further"] = str(store.SHIPPED / "units")  # which has runs of its own behind it
    (tmp_path / "run" / "done.json").write_text(json.dumps(training))
    final, _ = export.export_rest(store.SHIPPED / "units", tmp_path / "units", films)
    commands = final.training.command.split(" && ")
    assert commands[-2] == "python -m edgefer.train.units relative FACES --further UNITS --sets 2 --epochs 3 --out REST"
    assert len(commands) == len(shipped.training.command.split(" && ")) + 1


def test_a_run_learns_goes_on_and_is_kept(tmp_path):
    pytest.importorskip("keras")
    training = relative.RelativeTraining(epochs=10, batch=16, rate=3e-3, average=0.9)
    done = relative.run(training, held(160), held(40), tmp_path / "run")
    assert done == json.loads((tmp_path / "run" / "done.json").read_text())
    assert done["people"] == {"train": 40, "val": 10}
    further = relative.RelativeTraining(further=str(tmp_path / "run" / fit.WEIGHTS), rows=64, epochs=1, batch=16)
    assert relative.run(further, held(160), held(40), tmp_path / "on")["rows"]["train"] == 64
    model, _ = against.trained(tmp_path / "run")
    rows = relative.judged(relative.predicted(model, held(40)), held(40))
    assert rows[0].pcc > 0.6


def test_without_a_run_or_pairs_what_is_missing_is_said(tmp_path):
    with pytest.raises(UsageError, match="done.json: not there; expected a finished run"):
        against.trained(tmp_path)
    with pytest.raises(UsageError, match=r"shots_val.npz: not there; python -m edgefer.train.units make writes it"):
        shots.load(tmp_path, "val")


def test_tables_of_films_have_sizes_of_faces_and_the_single_picture_beside():
    rng = np.random.default_rng(2)
    truth = rng.uniform(0, 5, (60, COUNT)).astype(np.float32)
    right = np.stack([truth, (truth >= 2).astype(np.float32)], axis=1)
    found = filmed.Read(truth, right, np.zeros_like(right), rng.uniform(40, 80, 60).astype(np.float32), 3)
    words = filmed.words(fit.NAMES, found, {"others": found})
    assert "| against the face at rest | 60 | 1.000 | 1.000 | 0.000 |" in words
    assert "| the same pictures, each alone | 60 | 0.000 | 0.000 |" in words
    assert "eyes below 50 pixels apart" in words and "eyes 70 and more pixels apart" in words
    assert words.count("| 1.000 | 1.000 | 0.000 |") == COUNT + 1 + 5


def test_films_of_people_have_the_teacher_beside():
    rng = np.random.default_rng(3)
    teacher = rng.uniform(0, 5, (30, COUNT)).astype(np.float32)
    words = people.words(people.Told(teacher, teacher, np.zeros_like(teacher), 2))
    assert "2 films, 30 frames" in words
    assert all(f"| AU{unit} | 1.000 | 0.000 |" in words for unit in fit.SURE_UNITS)


def test_a_command_names_all_runs_in_their_order(tmp_path, monkeypatch):
    for name, training in (("one", {"rows": 7}), ("two", {"further": str(tmp_path / "one" / "w"), "epochs": 3})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "done.json").write_text(json.dumps({"training": training, "processor_seconds": 1}))
    films = against.Films(tmp_path / "two", tmp_path, tmp_path, tmp_path)
    assert films.names() == ["REST1", "REST2"]
    monkeypatch.setattr(against, "trained", lambda run: (None, json.loads((run / "done.json").read_text())))
    first, second = films.command().split(" && ")
    assert first == "python -m edgefer.train.units relative FACES --rows 7 --out REST1"
    assert (
        second == f"python -m edgefer.train.units relative FACES --further REST1/{fit.WEIGHTS} --epochs 3 --out REST2"
    )
