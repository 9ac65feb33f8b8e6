"""Models installed on a device: which copy is in use, what is refused, and what is left after a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import tiny_model
from msgspec.structs import replace

import edgefer
from edgefer import assemble, defaults
from edgefer.commands.console import main
from edgefer.errors import EdgeferError, ModelError, UsageError
from edgefer.models import directory, place, slots, store
from edgefer.models.field.install import How, install, roll_back


@pytest.fixture
def model(tmp_path):
    """Makes model directories by name."""
    return lambda name: tiny_model.make_directory(tmp_path / "made" / name, name=name)


def opened(name):
    """What a run opens under a name."""
    return directory.load(store.find(name)).name


def put(source, slot=None, **how):
    """Installs, with the self-test in this process."""
    return install(source, assemble.verify_model, How(slot, "pi4", **how))


def prove(slot):
    """As a run that was well for its first minute."""
    slots.write(slot, replace(slots.read(slot), trial=""))


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_an_installed_model_is_opened_by_its_own_name_and_by_a_name_it_was_given(state, model):
    put(model("first"))
    put(model("second"), "front-door")
    assert [opened(name) for name in ("first", "front-door", "edgefer-s")] == ["first", "second", "edgefer-s"]
    assert {"first", "front-door", "edgefer-s"} <= set(store.available())
    with pytest.raises(UsageError, match="unknown model 'second'"):
        store.find("second")


def test_default_is_the_default_model_for_every_command_and_rollback_returns_to_what_ships(state, model):
    assert opened("default") == defaults.MODEL
    assert put(model("first"), "default")[0] == defaults.MODEL
    assert opened("default") == opened(defaults.MODEL) == "first"
    prove(defaults.MODEL)
    put(model("second"), "default")
    assert opened("default") == "second"
    assert roll_back("default")[1].name == "first" and opened("default") == "first"
    with pytest.raises(UsageError, match="no model before the one in use"):
        roll_back("default")


def test_the_first_installed_model_rolls_back_to_the_one_that_ships(state, model):
    put(model("first"), "default")
    assert roll_back("default") == (defaults.MODEL, None)
    assert opened("default") == defaults.MODEL
    assert files(state) == {f"models/{defaults.MODEL}/slot"}, "a record, for the versions it knows"
    with pytest.raises(UsageError, match="no model before"):
        roll_back("default")


def test_a_new_name_has_nothing_before_its_first_model(state, model):
    put(model("first"))
    with pytest.raises(UsageError, match="no model before"):
        roll_back("first")
    assert opened("first") == "first"


def test_only_two_copies_are_kept(state, model):
    for name in ("first", "second", "third"):
        put(model(name), "x")
        prove("x")
    assert sorted(path.name for path in (state / "models" / "x").iterdir()) == ["2", "3", "slot"]
    assert roll_back("x")[1].name == "second"
    put(model("fourth"), "x")
    assert opened("x") == "fourth" and roll_back("x")[1].name == "second"


@pytest.mark.parametrize("trial", ["new", "begun"])
def test_a_model_on_trial_is_nothing_to_return_to_where_one_before_has_proven_itself(state, model, trial):
    put(model("first"), "x")
    prove("x")
    for slot, before in (("x", "first"), (defaults.MODEL, "")):
        for name in ("second", "third"):
            put(store.SHIPPED / "edgefer-nano", slot)
            slots.write(slot, replace(slots.read(slot), trial=trial))
            put(model(name), slot)
        assert opened(slot) == "third"
        assert len({*(state / "models" / slot).iterdir()}) == (3 if before else 2), "copies, and the record"
        copy = roll_back(slot)[1]
        assert (copy.name if copy else "") == before


def test_installing_what_is_in_use_changes_nothing(state, model):
    assert put(model("first"))[2] is True
    before = files(state), slots.read("first")
    assert put(model("first"))[2] is False
    assert (files(state), slots.read("first")) == before


def test_a_damaged_copy_is_replaced_by_the_same_model_and_is_nothing_to_return_to(state, model):
    put(model("first"), "x")
    put(model("second"), "x")
    (store.find("x") / "model.tflite").write_bytes(b"worn")
    with pytest.raises(ModelError, match="damaged"):
        opened("x")
    assert put(model("second"), "x")[2] is True
    assert opened("x") == "second" and roll_back("x")[1].name == "first"


def test_a_model_that_fails_its_self_test_leaves_the_old_one(state, model):
    put(model("first"), "x")
    before = files(state), slots.read("x")

    def fails(path):
        raise ModelError(f"model {path}: it does not work")

    with pytest.raises(ModelError, match="made/second: it does not work"):
        install(model("second"), fails, How("x"))
    assert (files(state), slots.read("x")) == before and opened("x") == "first"


def test_a_model_of_another_role_takes_no_slot(state, model):
    with pytest.raises(ModelError, match="is a detector .edgefer., and slot edgefer-s holds a recognizer"):
        put(store.SHIPPED / "edgefer-face", "default")
    put(store.SHIPPED / "edgefer-face", "finder")
    with pytest.raises(ModelError, match="is a recognizer, and slot finder holds a detector"):
        put(model("first"), "finder")


@pytest.mark.parametrize("source", ["units", "edgefer-face"])
def test_a_model_that_gives_no_expression_takes_no_slot_of_one_that_does(state, model, source, capfd):
    """Not that of the default model, whatever is in it; a slot of its own it may have."""
    assert main(["models", "install", source, "--as", "default"]) == 4
    said = capfd.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1) and "--as NAME" in said.err
    put(model("first"), "default")
    (store.find("default") / "model.tflite").write_bytes(b"worn")
    put(model("second"), "x")
    for slot in ("default", "x"):
        with pytest.raises(ModelError, match=f"slot {slots.named(slot)} holds"):
            put(source, slot)
    put(source, "y")


@pytest.mark.parametrize("name", ["..", "a/b", "", "A", "x" * 65, ".hidden", "-x", "a\n"])
def test_what_is_no_name_is_refused(state, model, name):
    with pytest.raises(UsageError, match="^slot "):
        put(model("first"), name)
    assert not state.exists()


@pytest.mark.parametrize("spoil", ["cut", "bit", "seal", "gone"])
def test_a_damaged_record_is_refused_and_cured_by_installing_again(state, model, spoil):
    put(model("first"), "x")
    path = state / "models" / "x" / "slot"
    whole = path.read_bytes()
    spoilt = {"cut": whole[:-2], "bit": whole.replace(b'"number":1', b'"number":2'), "seal": whole[:-3] + b"x\n"}
    path.write_bytes(spoilt.get(spoil, b""))
    with pytest.raises(ModelError, match="models/x/slot: is damaged"):
        store.find("x")
    assert main(["models", "verify", "x"]) == 4
    put(model("second"), "x")
    assert opened("x") == "second"
    assert sorted(each.name for each in path.parent.iterdir()) == ["2", "slot"]


def test_every_byte_of_an_installed_copy_and_its_record_counts(state, model):
    """A manifest that is sealed and whole, but another one, is not what was installed."""
    put(model("first"), "x")
    copy = store.find("x")
    shutil.copy(model("other") / "model.toml", copy / "model.toml")
    with pytest.raises(ModelError, match="model.toml is not what was installed"):
        directory.load(copy)


def test_detector_and_landmark_networks_come_from_their_slots(state):
    """By their own names, by given ones, and from a profile."""
    from edgefer.detect import open_detector
    from edgefer.landmarks.network import open_network

    put(store.SHIPPED / "edgefer-face", "finder")
    put(store.SHIPPED / "edgefer-landmarks")
    (store.find("finder") / "model.tflite").write_bytes(b"worn")
    with pytest.raises(ModelError, match=r"models/finder/1: model\.tflite is damaged"):
        open_detector("edgefer:finder")
    (store.find("edgefer-landmarks") / "model.tflite").write_bytes(b"worn")
    with pytest.raises(ModelError, match=r"models/edgefer-landmarks/1: model\.tflite is damaged"):
        open_network()


@pytest.mark.parametrize("name", ["default", "edgefer-s", None])
def test_python_opens_the_installed_default(state, model, name):
    put(model("first"), "default")
    with edgefer.Reader(name, profile="generic") as reader:
        assert reader.labels == directory.load(store.find("default")).labels
    (store.find("default") / "model.tflite").write_bytes(b"worn")
    with pytest.raises(edgefer.EdgeferError, match="models/edgefer-s/1: model.tflite is damaged"):
        edgefer.Reader(name, profile="generic")


def test_the_command_installs_lists_verifies_and_rolls_back(state, model, capfd):
    assert main(["models", "install", str(model("first")), "--as", "default"]) == 0
    prove(defaults.MODEL)
    assert main(["models", "install", str(model("second")), "--as", "default"]) == 0
    said = capfd.readouterr()
    assert said.out.splitlines() == [
        f"edgefer-s: {name} is installed; runs that start from now on use it" for name in ("first", "second")
    ]
    assert main(["models", "list"]) == 0
    out = capfd.readouterr().out
    assert "edgefer-s: second, on trial" in out and "before it: first" in out and str(state / "models") in out
    assert main(["models", "verify", "default"]) == 0
    assert main(["models", "rollback", "default"]) == 0
    assert main(["models", "rollback", "default"]) == 2
    said = capfd.readouterr()
    assert said.out.splitlines() == ["ok       default", "edgefer-s: back to first; runs that start from now on use it"]
    assert said.err.count("\n") == 1


def test_a_crash_in_the_self_test_is_a_refusal(state, model, monkeypatch, tmp_path, capfd):
    """A network on which the runtime crashes takes its own process with it."""
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashing))
    assert main(["models", "install", str(model("first")), "--as", "x"]) == 4
    said = capfd.readouterr()
    assert "made/first: its self-test ended with SIGSEGV" in said.err and said.err.count("\n") == 1
    assert files(state) == set()


def test_two_installs_at_once_take_turns(state, model):
    program = "import sys; from edgefer.commands.console import main; sys.exit(main(sys.argv[1:]))"
    running = [
        subprocess.Popen([sys.executable, "-c", program, "models", "install", str(model(name)), "--as", "x"])
        for name in ("first", "second")
    ]
    assert [each.wait() for each in running] == [0, 0]
    record = slots.read("x")
    assert {record.current.name, record.previous.name} == {"first", "second"}
    assert sorted(path.name for path in (state / "models" / "x").iterdir()) == ["1", "2", "slot"]


def test_one_who_waits_too_long_is_told(state, model, monkeypatch):
    monkeypatch.setattr(place, "LOCK_S", 0.1)
    source = model("first")
    with place.locked(), pytest.raises(EdgeferError, match="another process has been changing the models"):
        put(source)


def test_a_full_disk_leaves_the_old_model_and_says_so(state, model, monkeypatch):
    """Wherever in the installation it happens."""
    put(model("first"), "x")
    before = files(state), slots.read("x")
    source = model("second")
    fsync, failures = os.fsync, 0
    for turn in range(100):
        calls = 0

        def full(descriptor, turn=turn):
            nonlocal calls
            calls += 1
            if calls == turn + 1:
                raise OSError(28, "No space left on device")
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", full)
        try:
            put(source, "x")
        except EdgeferError as error:
            failures += 1
            assert "No space left on device; the model in use stays whole" in str(error)
        else:
            break
        finally:
            monkeypatch.setattr(os, "fsync", fsync)
        if opened("x") == "first":
            assert (files(state), slots.read("x")) == before
        else:  # after the record was renamed
            assert opened("x") == "second" and slots.read("x").previous.name == "first"
            break
    assert failures >= 5


def as_nobody(arguments, folder):
    """A command by a user who owns nothing; its exit code and what it says."""
    program = (
        "import os, sys; from edgefer.commands.console import main\n"
        # What is loaded here that user may not be allowed to read.
        "main(['models', 'verify', 'edgefer-s']), main(['models', 'install', '/nowhere']), os.write(2, b'loaded\\n')\n"
        "os.environ['EDGEFER_STATE'] = sys.argv[1]; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(main(sys.argv[2:]))"
    )
    environment = {**os.environ, "EDGEFER_STATE": str(folder.parent / "warm")}
    command = [sys.executable, "-c", program, str(folder), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done.returncode, done.stderr.partition("loaded\n")[2]


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")


@pytest.fixture
def open_state(monkeypatch):
    """A state that everybody may pass through to; pytest closes its own folders."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        monkeypatch.setenv("EDGEFER_STATE", f"{folder}/state")
        yield Path(folder, "state")


@needs_root
def test_what_root_installs_belongs_to_the_owner_of_the_state(state, model):
    """As the service has it, whose user systemd makes up."""
    state.mkdir()
    os.chown(state, 61234, 61234)
    put(model("first"), "x")
    put(model("second"), "x")
    roll_back("x")
    assert {path.lstat().st_uid for path in [state, *state.rglob("*")]} == {61234}


@needs_root
def test_a_folder_of_another_user_is_told_in_one_line(open_state, model):
    state = open_state
    put(model("first"), "x")
    before = files(state), slots.read("x")
    code, said = as_nobody(["models", "install", "edgefer-s", "--as", "x"], state)
    assert code == 1 and "cannot be written: Permission denied" in said and said.count("\n") == 1
    code, said = as_nobody(["models", "rollback", "x"], state)
    assert code == 1 and said.count("\n") == 1
    assert (files(state), slots.read("x")) == before
    assert as_nobody(["models", "verify", "x"], state) == (0, ""), "who may read it may use it"


@needs_root
def test_a_state_that_cannot_be_read_is_refused_and_not_passed_over(open_state, model):
    """The model that ships would be another one."""
    put(model("first"), "default")
    (open_state / "models").chmod(0o700)
    code, said = as_nobody(["models", "verify", "default"], open_state)
    assert code == 4 and "cannot be read: Permission denied" in said and said.count("\n") == 1


def test_a_run_under_way_goes_on_while_models_are_installed(state, model):
    """Through two updates, after which its files are gone."""
    put(model("first"), "default")
    program = "import sys; from edgefer.commands.console import main; sys.exit(main(sys.argv[1:]))"
    command = ["run", "--source", "demo", "--realtime", "--model", "default", "--output", "jsonl"]
    running = subprocess.Popen(
        [sys.executable, "-c", program, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert '"faces"' in running.stdout.readline()
    for name in ("second", "third"):
        put(model(name), "default")
    for _ in range(20):
        assert '"faces"' in running.stdout.readline()
    running.terminate()
    said = running.communicate()[1]
    assert running.returncode == 0 and "Traceback" not in said
    assert opened("default") == "third" and slots.read("edgefer-s").trial == "new"


def test_links_in_the_state_lead_nowhere(state, model, tmp_path):
    """The owner of the folder is a service, and root installs."""
    target = tmp_path / "elsewhere"
    (target / "7").mkdir(parents=True)
    put(model("first"))
    (state / "models" / "x").symlink_to(target)
    with pytest.raises(EdgeferError, match="models/x: is a link"):
        put(model("second"), "x")
    (state / "models" / "x").unlink()
    (state / "models").rename(tmp_path / "moved")
    (state / "models").symlink_to(tmp_path / "moved")
    with pytest.raises(EdgeferError, match="models: is a link"):
        put(model("second"), "x")
    assert [each.name for each in target.iterdir()] == ["7"]


def test_a_model_that_ships_is_installed_by_its_name(state):
    put("edgefer-nano", "default")
    assert opened("default") == "edgefer-nano"


def test_a_program_keeps_the_models_it_began_with(state, model, tmp_path):
    """One that has a window of time is opened again for each stream."""
    put(store.SHIPPED / "micro", "movements")
    with edgefer.Reader(["edgefer-nano", "movements"], profile="generic") as reader:
        put(store.SHIPPED / "edgefer-clip", "movements")
        kinds = [type(each).__name__ for each in reader._opened().recognizers()]
    assert kinds == ["FrameRecognizer", "MicroRecognizer"]
    assert opened("movements") == "edgefer-clip"
