"""One fold with a real network: it learns, starts each fold from the same weights, and from another training's."""

from __future__ import annotations

import numpy as np
import pytest
import sequence_trees
from msgspec import structs

pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
tensorflow = pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install -e '.[train]'")

from edgefer.errors import UsageError  # noqa: E402
from edgefer.train.clips import edge  # noqa: E402
from edgefer.train.clips.parameters import preset  # noqa: E402
from edgefer.train.protocols.faces import load  # noqa: E402
from edgefer.train.protocols.learning import Learner  # noqa: E402
from edgefer.train.protocols.plan import Plan, divide  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def eager():
    """Some steps by themselves take less time than compiling one."""
    tensorflow.config.run_functions_eagerly(True)
    yield
    tensorflow.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    return load(sequence_trees.write_tree(folder, people=3), "ckplus", folder)


def plan_of(clips, name: str, **changes) -> Plan:
    parameters = {**preset(name).words(), "dropout": 0.1, "clahe": False}
    plan = Plan(clips=clips.digest, protocol="loso", parameters=parameters, width=1 / 32, side=16, epochs=1, batch=6)
    return structs.replace(plan, **changes)


def test_a_fold_gives_the_same_after_another_one_as_alone(clips):
    plan = plan_of(clips, "oulu-casia", epochs=2, rate=3e-3)
    (_, first), _, (_, third) = divide("loso", clips.subjects)
    learner = Learner(plan, clips)
    fresh = [np.array(variable) for variable in learner._variables()]
    learner.fold(first)
    trained = [np.array(variable) for variable in learner._variables()]
    after = learner.fold(third)
    assert after.shape == (2, 3) and (after == Learner(plan, clips).fold(third)).all()
    assert sum((old != new).any() for old, new in zip(fresh, trained, strict=True)) > 0.6 * len(fresh)


def test_epochs_lower_the_loss(clips):
    learner = Learner(plan_of(clips, "oulu-casia", epochs=6, rate=3e-3), clips)
    losses, step = [], learner.model.train_on_batch
    learner.model.reset_metrics()
    learner.model.train_on_batch = lambda *given: losses.append(step(*given))
    for _ in learner._epochs(np.arange(6)):
        learner.model.reset_metrics()
    assert losses[-1] < 0.95 * losses[0]


def test_altered_copies_teach_and_are_not_tested(clips):
    plan = plan_of(clips, "ckplus", augmentation="ckplus")
    learner = Learner(plan, clips)
    copies = {"anger": 4, "fear": 9, "happiness": 3}
    assert len(learner._kept) == 3 * sum(1 + count for count in copies.values())
    assert np.bincount(learner._source).tolist() == 3 * [5, 10, 4]
    own = learner._kept[learner._first()]
    assert own.shape[0] == len(clips) and (own[:, 0].mean(axis=(1, 2)) - clips.frames[:, 0].mean(axis=(1, 2))).max() < 1
    told = []
    learner.model.train_on_batch = lambda x, y, weights: told.append((x.shape[0], weights))
    for _ in learner._epochs(np.arange(3)):
        pass
    assert told == [(6, None)] * 4  # 19 rows in batches of six, the last one filled


def test_weights_of_another_training_are_where_a_fold_starts_but_the_last_layer(clips, tmp_path):
    plan = plan_of(clips, "ckplus")
    other = Learner(plan, clips)
    other.learn_all(tmp_path / "weights.npz")
    learner, fresh = Learner(plan, clips, tmp_path / "weights.npz"), Learner(plan, clips)
    for layer in learner.model.layers:
        for ours, theirs, new in zip(layer.get_weights(), other.model.get_layer(layer.name).get_weights(),
                                     fresh.model.get_layer(layer.name).get_weights(), strict=True):  # fmt: skip
            np.testing.assert_array_equal(ours, new if layer.name == "logits" else theirs)


def test_an_unknown_network_is_refused(clips):
    with pytest.raises(UsageError, match="unknown network 'resnet'; available: haddad, edge, recurrent"):
        Learner(plan_of(clips, "ckplus", network="resnet"), clips)


@pytest.mark.parametrize("name", ["edge", "recurrent"])
def test_networks_on_a_frame_network_learn_a_fold(clips, name, tmp_path, monkeypatch):
    """Its weights are random here; the frame network is not trained further."""
    monkeypatch.setattr(edge, "frame_network", lambda run: edge.untrained())
    learner = Learner(plan_of(clips, "ckplus", network=name, parameters={}, frames="x"), clips, frames=tmp_path)
    assert learner._kept.shape == (9, 10, *edge.FEATURES) and learner._kept.dtype == np.float16
    assert learner.fold(divide("loso", clips.subjects)[0][1]).shape == (1, 3)
