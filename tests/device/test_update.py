"""The first minute of a new model: what counts as well, what counts as a failure, and what is used then."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import tiny_model

from edgefer import assemble
from edgefer.commands.console import main
from edgefer.device import doctor, update
from edgefer.device.update import FirstMinute
from edgefer.errors import ModelError, SourceError
from edgefer.models import directory, place, slots, store
from edgefer.models.field.install import How, install

PROGRAM = "import sys; from edgefer.commands.console import main; sys.exit(main(sys.argv[1:]))"
QUICK = "import edgefer.device.update as update; update.MINUTE_S = 0.5; " + PROGRAM


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Two models in the slot x, the second on trial."""
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path / "state"))
    for name in ("first", "second"):
        install(tiny_model.make_directory(tmp_path / name, name=name), assemble.verify_model, How("x"))
    return tmp_path


def opened():
    return directory.load(store.find("x")).name


def trial():
    return slots.read("x").trial


def minute():
    return FirstMinute(["x", "edgefer-face", "/no/slot", "default"], assemble.verify_model)


def crash():
    """A run that begins and says nothing more."""
    run = minute()
    run.__enter__()
    for _, file in run._trials.values():
        os.close(file)  # as the system does


def test_a_minute_of_readings_ends_the_trial(installed, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with minute() as run:
        assert trial() == "begun"
        run.beat(0)
        now[0] += 1000  # without a reading nothing is known
        run.beat(1)
        now[0] += 59.9
        run.beat(2)
        assert run._told is None
        now[0] += 0.2
        run.beat(3)
    assert (opened(), trial()) == ("second", "")
    crash()
    with minute():
        assert opened() == "second", "what happens later is not the model's fault"


def test_a_run_that_did_not_live_through_it_returns_to_the_model_before(installed, caplog):
    crash()
    assert opened() == "second"
    with minute():
        assert (opened(), trial()) == ("first", "")
    assert "slot x: second is given up: a run did not live through its first minute; back to first" in caplog.text
    (line,) = slots.described()
    assert line == ("x: first; the one after it was given up: a run did not live through its first minute", True)
    (check,) = doctor._installed()
    assert check.state == "warn" and check.advice == "install a mended version"
    crash()
    with minute():
        assert opened() == "first"


def test_it_returns_to_what_ships(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path / "state"))
    install(tiny_model.make_directory(tmp_path / "m"), assemble.verify_model, How("default"))
    crash()
    with minute():
        assert store.find("default") == store.SHIPPED / "edgefer-s"


def test_without_a_model_before_the_new_one_goes_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path / "state"))
    install(tiny_model.make_directory(tmp_path / "m"), assemble.verify_model, How("x"))
    crash()
    with minute():
        assert opened() == "tiny" and trial() == "begun"
    assert "there is no model before it" in caplog.text


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), SourceError("no camera")], ids=str)
def test_a_run_that_ends_sooner_leaves_it_on_trial(installed, error):
    try:
        with minute():
            if error is not None:
                raise error
    except type(error or ValueError()):
        pass
    assert (opened(), trial()) == ("second", "new")


def test_a_run_beside_another_says_nothing_of_it(installed):
    with minute() as run:
        with minute() as other:
            assert not other._trials and opened() == "second"
        assert trial() == "begun"
        run.beat(1)


def test_a_model_that_is_refused_is_given_up_at_once_and_another_is_not(installed):
    with pytest.raises(ModelError), minute():
        raise ModelError("of another path")
    assert (opened(), trial()) == ("second", "new")
    (store.find("x") / "model.tflite").write_bytes(b"worn")
    with pytest.raises(ModelError), minute():
        opened()
    assert opened() == "first"


@pytest.mark.parametrize("source", ["units", "edgefer-face"])
def test_a_model_that_no_run_can_use_alone_is_given_up(installed, monkeypatch, capfd, source):
    """As an earlier edgefer installed it; in a slot of its own it stays."""
    with monkeypatch.context() as patch:
        patch.setattr("edgefer.models.field.install.check_role", lambda *_: None)
        install(source, assemble.verify_model, How("default"))
    install("units", assemble.verify_model, How("y"))
    command = ["run", "--source", "demo", "--frames", "1", "--output", "jsonl", "-q", "--model"]
    assert main([*command, "default"]) in (2, 4)
    assert slots.read("edgefer-s").current is None and slots.read("edgefer-s").why
    assert main([*command, "default"]) == 0
    assert main([*command, "y"]) == 2
    assert slots.read("y").trial == "new" and slots.read("y").why == ""


def test_also_a_model_that_wore_out_later(installed, monkeypatch):
    monkeypatch.setattr(update, "MINUTE_S", 0.0)
    with minute() as run:
        run.beat(1)
    assert trial() == ""
    (store.find("x") / "model.tflite").write_bytes(b"worn")
    with pytest.raises(ModelError), minute():
        opened()
    assert opened() == "first"


def test_an_installation_in_between_begins_a_trial_of_its_own(installed, monkeypatch):
    monkeypatch.setattr(update, "MINUTE_S", 0.0)
    with minute() as run:
        install(tiny_model.make_directory(installed / "third", name="third"), assemble.verify_model, How("x"))
        run.beat(1)
    assert (opened(), trial()) == ("third", "new")


def test_a_folder_that_cannot_be_written_is_no_reason_not_to_run(installed, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(slots, "write_record", refuse)
    with minute() as run:
        run.beat(1)
    assert opened() == "second" and "the new model is not watched" in caplog.text


@contextlib.contextmanager
def another_installation():
    """Under way for the length of a block."""
    done = threading.Event()
    busy = threading.Event()

    def hold():
        with place.locked():
            busy.set()
            done.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    busy.wait(20)
    try:
        yield
    finally:
        done.set()
        holder.join()


def test_a_start_does_not_wait_for_a_long_installation(installed, monkeypatch, caplog):
    monkeypatch.setattr(update, "_WAIT_S", 0.1)
    with another_installation(), minute():
        assert opened() == "second"
    assert "another process has been changing the models" in caplog.text


def next_told(run, threads):
    """The next thread that says it, when it has ended."""
    deadline = time.monotonic() + 5
    while run._told in (None, *threads):
        assert time.monotonic() < deadline
        run.beat(1)
    run._told.join(20)
    return run._told


def test_what_a_minute_has_shown_is_said_again_until_it_is_kept(installed, monkeypatch, caplog):
    """By a run that may live for weeks; the loop does not wait for it."""
    for name, seconds in (("MINUTE_S", 0.0), ("_WAIT_S", 0.05), ("_AGAIN_S", 0.3)):
        monkeypatch.setattr(update, name, seconds)
    with minute() as run:
        with another_installation():
            threads = []
            for _ in range(3):
                threads.append(next_told(run, threads))
                run.beat(2)
                assert run._told is threads[-1], "not at once"
            assert trial() == "begun"
            assert caplog.text.count("what was found of the new model is not kept yet") == 1
        next_told(run, threads)
        assert trial() == ""
    assert (opened(), trial()) == ("second", "")


def test_what_a_minute_has_shown_is_said_at_the_end_where_there_was_no_room_for_it(installed, monkeypatch):
    monkeypatch.setattr(update, "MINUTE_S", 0.0)
    with minute() as run:
        with monkeypatch.context() as patch:
            patch.setattr(slots, "write_record", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
            run.beat(1)
            run._told.join(20)
        assert trial() == "begun"
    assert (opened(), trial()) == ("second", "")


def test_a_run_killed_in_its_first_minute_is_followed_by_one_with_the_old_model(tmp_path, monkeypatch, capfd):
    """With the default model, in processes of their own."""
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path / "state"))
    assert main(["models", "install", str(tiny_model.make_directory(tmp_path / "m")), "--as", "default"]) == 0
    command = ["run", "--source", "demo", "--realtime", "--model", "default", "--output", "jsonl", "-q"]
    running = subprocess.Popen([sys.executable, "-c", PROGRAM, *command], stdout=subprocess.PIPE)
    assert b'"faces"' in running.stdout.readline()
    assert slots.read("edgefer-s").trial == "begun"
    running.send_signal(signal.SIGKILL)
    running.communicate()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command[:-1], "--frames", "1"], capture_output=True, text=True
    )
    assert done.returncode == 0 and '"faces"' in done.stdout
    assert "slot edgefer-s: tiny is given up: a run did not live through its first minute" in done.stderr
    assert store.find("default") == store.SHIPPED / "edgefer-s"


def test_a_run_that_is_well_says_so(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path / "state"))
    assert main(["models", "install", str(tiny_model.make_directory(tmp_path / "m")), "--as", "default"]) == 0
    command = ["run", "--source", "demo", "--realtime", "--frames", "60", "--model", "default", "--output", "jsonl"]
    done = subprocess.run([sys.executable, "-c", QUICK, *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert slots.read("edgefer-s").trial == "" and store.find("default") != store.SHIPPED / "edgefer-s"
