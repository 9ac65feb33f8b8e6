"""What an installation takes away: what it left behind itself, and nothing that somebody else has put there."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
import tiny_model

from edgefer.assemble import verify_model
from edgefer.models import directory, slots, store
from edgefer.models.field.install import How, install, roll_back


@pytest.fixture
def model(tmp_path):
    """Makes model directories by name."""
    return lambda name: tiny_model.make_directory(tmp_path / "made" / name, name=name)


@pytest.fixture
def theirs(state):
    """Folders that somebody else keeps beside the slots, as TensorFlow Serving has its models; and their files."""
    for name in ("resnet/1/saved_model.pb", "Resnet/2/saved_model.pb", "my models/3/model.toml", "x.y/4/model.toml"):
        (state / "models" / name).parent.mkdir(parents=True)
        (state / "models" / name).write_bytes(b"theirs")
    (state / "models" / "empty").mkdir()
    (state / "models" / "backup" / "5").mkdir(parents=True)
    return sorted((state / "models").rglob("*"))


def test_folders_of_others_are_left_as_they_are(state, model, theirs):
    """Also one that becomes a slot, and the copies of a slot whose record is gone."""
    install(model("first"), verify_model, How("x"))
    (state / "models" / "x" / "slot").unlink()
    copy = state / "models" / "x" / "1" / "model.tflite"
    for name in ("second", "third"):
        install(model(name), verify_model, How("resnet"))
    roll_back("resnet")
    assert store.find("resnet").name == "2" and copy.exists()
    assert set(theirs) <= {*(state / "models").rglob("*")}


def killed(turn, state, source):
    """Installs a model as x in a child that ends at a turn of its touching the state; its exit code."""
    child = os.fork()
    if child == 0:
        touched = iter(range(turn))

        def end(event, arguments):
            if str(state) in str(arguments) and next(touched, None) is None:
                os._exit(9)

        sys.addaudithook(end)
        try:
            install(source, lambda path: None, How("x"))
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_kill_leaves_a_whole_model_or_nothing_and_what_others_have(state, model, theirs, tmp_path):
    """At each file that a first installation touches; the next command, on another slot, clears away."""
    source, other = model("first"), model("other")
    before = tmp_path / "before"
    shutil.copytree(state, before)
    for turn in range(1000):
        ended = killed(turn, state, source)
        assert ended in (0, 9)
        shutil.rmtree(state / "models" / "y", ignore_errors=True)
        install(other, lambda path: None, How("y"))
        there = {path for path in (state / "models").rglob("*") if path.relative_to(state / "models").parts[0] != "y"}
        if slots.read("x") is None:
            assert sorted(there - {state / "models" / ".lock"}) == theirs
        else:
            assert directory.load(store.find("x")).name == "first" and set(theirs) <= there
            assert not (store.find("x") / ".new").exists()
        if ended == 0:
            break
        shutil.rmtree(state)
        shutil.copytree(before, state)
    assert turn > 20
