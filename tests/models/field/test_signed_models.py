"""Signed models: whether this device takes one."""

from __future__ import annotations

import shutil
import sys
import time

import pytest
import tiny_model

pytest.importorskip("nacl", reason="needs PyNaCl, the extra `sign`")

from edgefer import assemble
from edgefer.commands.console import main
from edgefer.errors import ModelError
from edgefer.models import directory, keys, minisign, place, slots, store
from edgefer.models.field import signing
from edgefer.models.field.install import How, install, roll_back
from edgefer.models.keys import Trust
from edgefer.models.release import Release

OLD, NEW, OTHER = (minisign.new_key() for _ in range(3))
TODAY = time.strftime("%Y-%m-%d", time.gmtime())


@pytest.fixture
def state(state):
    """A device that trusts OLD."""
    trust(OLD)
    return state


def trust(*trusted, device=""):
    with place.locked():
        keys.write(Trust(keys=tuple(key.public.text for key in trusted), device=device))


@pytest.fixture
def signed(tmp_path):
    """Makes a signed model directory."""

    def make(version, key=OLD, name="tiny", new_key=None, **fields):
        path = tiny_model.make_directory(tmp_path / f"{name}-{version}", name=name)
        signing.sign(path, Release(version=version, **{"signed": TODAY, **fields}), key, new_key)
        return path

    return make


def put(source, slot="x", **how):
    return install(source, assemble.verify_model, How(slot, "pi4", **how))


def version():
    return slots.read("x").current.version


def test_a_model_signed_by_a_trusted_key_is_installed_and_opened_without_keys(state, signed):
    put(signed(3))
    assert version() == 3 and directory.load(store.find("x")).release.version == 3
    trust()
    assert directory.load(store.find("x")).name == "tiny", "it was checked when it was installed"
    assert main(["models", "verify", "x"]) == 0


def test_the_state_may_be_named_from_the_current_folder(state, signed, monkeypatch):
    """The self-test runs in another folder, and needs the keys."""
    monkeypatch.chdir(state.parent)
    monkeypatch.setenv("EDGEFER_STATE", state.name)
    assert main(["models", "install", str(signed(3)), "--as", "x"]) == 0
    assert version() == 3


def test_no_other_key_and_no_model_without_a_signature_is_taken(state, signed, tmp_path):
    with pytest.raises(ModelError, match=f"is of key {OTHER.public.title}, which this device does not trust"):
        put(signed(3, OTHER))
    with pytest.raises(ModelError, match="is not signed, and this device takes models signed by"):
        put(tiny_model.make_directory(tmp_path / "plain"))
    stripped = signed(4)
    (stripped / "model.sig").unlink()
    with pytest.raises(ModelError, match="is not signed"):
        put(stripped)
    assert slots.read("x") is None


def test_without_a_key_a_signed_model_is_refused_and_a_plain_one_taken_at_any_version(state, signed, tmp_path):
    """A signature that is not checked is not accepted; rules of versions are those of signed models."""
    trust()
    with pytest.raises(ModelError, match=r"it trusts: none"):
        put(signed(3))
    for turn in (5, 4, 5):
        path = signed(turn)
        (path / "model.sig").unlink()
        put(path)
    assert version() == 0


def test_versions_only_rise(state, signed):
    put(signed(5))
    with pytest.raises(ModelError, match="version 5 was accepted here, and this one is lower; --allow-downgrade"):
        put(signed(4))
    put(signed(4), allow_downgrade=True)
    assert version() == 4
    with pytest.raises(ModelError, match="version 5 was accepted here"):
        put(signed(3))
    put(signed(6))
    assert version() == 6


def test_a_version_is_one_model(state, signed, tmp_path):
    put(signed(5))
    other = tiny_model.make_directory(tmp_path / "other", name="other")
    signing.sign(other, Release(version=5, signed=TODAY), OLD)
    for allowed in (False, True):
        with pytest.raises(ModelError, match="another model was accepted here as version 5"):
            put(other, allow_downgrade=allowed)


def test_the_version_is_remembered_after_a_rollback_and_what_was_given_up_is_not_taken_again(state, signed):
    put(signed(5))
    put(signed(6))
    roll_back("x")
    assert version() == 5
    with pytest.raises(ModelError, match=r"given up on this device \(rolled back by hand\)"):
        put(signed(6))
    with pytest.raises(ModelError, match="version 6 was accepted here"):
        put(signed(4))
    put(signed(7))
    assert version() == 7


def test_what_failed_is_taken_once_more_and_no_more(state, signed):
    """The power may have gone in its first minute."""
    from edgefer.models.field.install import give_up

    put(signed(5))
    for turn in range(2):
        put(signed(6))
        assert version() == 6
        give_up("x", slots.read("x"), "it did not live")
        assert version() == 5, turn
    with pytest.raises(ModelError, match=r"given up on this device \(it did not live\)"):
        put(signed(6))
    put(signed(6), allow_downgrade=True)
    assert version() == 6


def test_devices_of_another_class_and_other_slots_are_refused(state, signed):
    put(signed(1, devices=("pi4", "pi5")))
    with pytest.raises(ModelError, match="of class pi5 or kiosk; this one is of class pi4"):
        put(signed(2, devices=("pi5", "kiosk")))
    trust(OLD, device="kiosk")
    put(signed(2, devices=("pi5", "kiosk")))
    with pytest.raises(ModelError, match="of class pi4; this one is of class kiosk"):
        put(signed(3, devices=("pi4",)))
    with pytest.raises(ModelError, match="is signed for slot default, not for x"):
        put(signed(4, slot="default"))
    put(signed(4, slot="default"), "edgefer-s")


def test_after_its_last_day_a_model_is_not_installed_and_goes_on_if_it_was(state, signed, monkeypatch):
    path = signed(1, signed="2026-01-01", expires="2026-03-31")
    last = 1774915200  # 2026-03-31
    monkeypatch.setattr(time, "time", lambda: last + 86400.0)
    with pytest.raises(ModelError, match="until 2026-03-31, and today is 2026-04-01"):
        put(path)
    monkeypatch.setattr(time, "time", lambda: last + 86399.0)
    put(path)
    monkeypatch.setattr(time, "time", lambda: last + 1e8)
    assert main(["models", "verify", "x"]) == 0


def test_a_clock_before_the_day_of_signing_is_told_and_that_day_counts(state, signed, monkeypatch, caplog):
    """A board without a battery starts in 1970."""
    monkeypatch.setattr(time, "time", lambda: 100.0)
    put(signed(1, signed="2026-01-01", expires="2026-03-31"))
    assert "the clock of this device says 1970-01-01, and it is no earlier than 2026-01-01" in caplog.text
    put(signed(2, signed="2026-06-01"))
    with pytest.raises(ModelError, match="until 2026-05-31, and today is 2026-06-01"):
        put(signed(3, signed="2026-05-01", expires="2026-05-31"))


def test_a_day_of_signing_far_ahead_of_a_clock_that_can_be_right_is_refused(state, signed, monkeypatch):
    """Taken for certain it would be behind the last day of every release to come."""
    now = time.time()
    ahead = lambda days: time.strftime("%Y-%m-%d", time.gmtime(now + days * 86400))  # noqa: E731
    put(signed(1, signed=ahead(1)))
    with pytest.raises(ModelError, match=f"was signed on {ahead(4)}, and today is {TODAY}.*; set the clock, or sign"):
        put(signed(2, signed=ahead(4)))
    assert version() == 1
    put(signed(3, expires=ahead(30)))
    monkeypatch.setattr(time, "time", lambda: now - 40 * 86400)  # behind what is certain: wrong
    put(signed(4, signed=ahead(4), expires=ahead(30)))


def test_a_device_that_took_a_day_far_ahead_for_certain_is_told_its_clock_is_right(state, signed, monkeypatch):
    first = signed(1, signed="2062-11-28", expires="2063-01-01")
    with monkeypatch.context() as wrong:
        wrong.setattr(time, "time", lambda: 100.0)
        put(first)
    later = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86400))
    second = signed(2, expires=later)
    with pytest.raises(ModelError, match="and today is 2062-11-28; get a newer one, or .*: --trust-clock"):
        put(second)
    assert main(["models", "install", str(second), "--as", "x", "--trust-clock"]) == 0
    put(signed(3, expires=later))
    assert version() == 3
    with pytest.raises(ModelError, match="was signed on 2062-11-28"):
        put(signed(4, signed="2062-11-28"), trust_clock=True)
    over = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 50 * 86400))
    for trusted in (False, True):
        with pytest.raises(ModelError, match="get a newer one$"):  # no clock makes that one good
            put(signed(5, signed="2026-01-02", expires=over), trust_clock=trusted)


@pytest.mark.parametrize(("day", "told"), [("2030-01-02", False), ("2030-01-01", True), ("2062-11-28", True)])
def test_a_maker_whose_clock_is_far_from_the_day_before_is_told(signed, caplog, day, told):
    path = signed(1, signed="2030-01-02")
    assert not caplog.records
    signing.sign(path, Release(version=2, signed=day), OLD)
    assert (f"was signed last on 2030-01-02, and today is {day}" in caplog.text) == told


def test_a_key_is_changed_by_the_old_one_and_the_new_one_together(state, signed):
    put(signed(1))
    with pytest.raises(ModelError, match="does not trust"):
        put(signed(2, NEW))
    put(signed(2, OLD, new_key=NEW))
    assert keys.read().keys == (NEW.public.text,)
    put(signed(3, NEW))
    with pytest.raises(ModelError, match=f"it trusts: {NEW.public.title}"):
        put(signed(4, OLD))
    assert main(["models", "verify", "x"]) == 0
    roll_back("x")
    assert directory.load(store.find("x")).release.version == 1, "a model of the old key stays in use"


def test_a_device_that_already_has_the_new_key_takes_the_model_that_brings_it(state, signed):
    trust(NEW)
    put(signed(2, OLD, new_key=NEW))
    assert keys.read().keys == (NEW.public.text,)


@pytest.mark.parametrize("case", ["old alone", "new alone", "the wrong way round", "another's", "untrusted pair"])
def test_half_a_change_of_keys_is_refused(state, signed, case):
    path = signed(2, OLD, new_key=NEW)
    content = (path / "model.toml").read_bytes()
    by = {key: minisign.sign(content, key, "x") for key in (OLD, NEW, OTHER)}
    signatures = {
        "old alone": by[OLD],
        "new alone": by[NEW],
        "the wrong way round": by[NEW] + by[OLD],
        "another's": by[OLD] + by[OTHER],
        "untrusted pair": by[OLD] + by[NEW],
    }
    (path / "model.sig").write_bytes(signatures[case])
    if case == "untrusted pair":
        trust(OTHER)
    before = keys.read()
    with pytest.raises(ModelError, match=r"model\.sig "):
        put(path)
    assert keys.read() == before and slots.read("x") is None


def test_files_of_two_releases_do_not_mix(state, signed):
    """Each is whole and signed by itself."""
    first, second = signed(1), signed(2)
    for name in ("model.sig", "model.toml"):
        mixed = first.with_name(f"mixed-{name}")
        shutil.copytree(second, mixed)
        shutil.copy(first / name, mixed / name)
        with pytest.raises(ModelError):
            put(mixed)
    assert slots.read("x") is None


def test_every_single_byte_of_manifest_and_signature_counts(state, signed):
    """Of a directory that is to be installed, and of one that is."""
    source = signed(1)
    put(source)
    for path in (source, store.find("x")):
        for name in ("model.toml", "model.sig"):
            file = path / name
            whole = file.read_bytes()
            for at in range(len(whole)):
                file.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
                with pytest.raises(ModelError):
                    directory.load(path)
            file.write_bytes(whole)
            assert directory.load(path).release.version == 1
    for added in (b"\n", b" ", b"x"):
        (source / "model.sig").write_bytes(whole + added)
        with pytest.raises(ModelError, match=r"model\.sig"):
            directory.load(source)


def test_what_is_signed_goes_on_without_its_signature_when_it_is_written_again(signed):
    path = signed(1)
    directory.write(path, directory.load(path, admit=lambda *_: None))
    assert not (path / "model.sig").exists() and directory.load(path).release.version == 1


# -- the commands


def test_a_key_is_made_where_standard_input_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["models", "keygen", str(tmp_path / "fleet")]) == 0
    assert (tmp_path / "fleet.pub").is_file()


def test_the_way_of_a_key_and_a_model_by_commands(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    tiny_model.make_directory(tmp_path / "m")
    assert main(["models", "keygen", "fleet"]) == 0
    assert (tmp_path / "fleet.key").stat().st_mode & 0o777 == 0o600
    assert main(["models", "keygen", "fleet"]) == 2
    assert main(["models", "sign", "m", "--key", "fleet.key", "--version", "7", "--for", "kiosk"]) == 0
    assert main(["models", "install", "m", "--as", "default"]) == 4
    assert main(["models", "trust", "fleet.pub"]) == 0
    assert main(["models", "install", "m", "--as", "default"]) == 4
    assert main(["models", "trust", "fleet.pub", "--device", "kiosk"]) == 0
    assert main(["models", "install", "m", "--as", "default"]) == 0
    assert main(["models", "trust"]) == 0
    said = capfd.readouterr()
    number = signing.secret_key("fleet.key", b"").public.title
    assert said.out.splitlines()[-1] == f"this device takes models signed by {number}; its class is kiosk"
    assert "edgefer-s: tiny version 7 is installed" in said.out
    assert said.err.count("\n") == 3 and "fleet.key: is there already" in said.err
    assert main(["models", "trust", "--none"]) == 0
    assert "without a signature" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sign", "m", "--key", "absent", "--version", "1"], "absent"),
        (["sign", "m", "--key", "m/model.toml", "--version", "1"], "expected a secret key of minisign"),
        (["sign", "m", "--key", "k.key", "--version", "0"], "--version"),
        (
            ["sign", "m", "--key", "k.key", "--version", "1", "--expires", "2026-02-30"],
            "models sign: day is out of range",
        ),
        (["sign", "m", "--key", "k.key", "--version", "1", "--for", "A B"], "models sign: "),
        (["trust", "k.key"], "k.key: expected a public key"),
        (["trust", "absent.pub"], "absent.pub: cannot be read"),
        (["trust", "--device", "A B"], "expected a class"),
        (["keygen", "nowhere/k"], "nowhere/k.key: cannot be written"),
    ],
)
def test_wrong_usage_is_one_line(tmp_path, monkeypatch, capfd, arguments, words):
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    tiny_model.make_directory(tmp_path / "m")
    signing.keygen("k", b"")
    assert main(["models", *arguments]) in (1, 2)
    said = capfd.readouterr()
    assert words in said.err and (said.out, said.err.count("\n")) == ("", 1)
