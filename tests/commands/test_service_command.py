"""`edgefer service`: the unit, and what is said where it cannot be installed."""

from __future__ import annotations

import os

import pytest

from edgefer.commands import service
from edgefer.commands.console import main
from edgefer.device import unit


@pytest.fixture
def systemctl(tmp_path, monkeypatch):
    """A systemctl that notes what it is asked, and a folder for units; the process is taken for root's."""
    noted = tmp_path / "noted"
    tool = tmp_path / "bin" / "systemctl"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" >> {noted}\n[ "$1" = show ] && cat {tmp_path}/state || true\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(unit, "FOLDER", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return noted


def test_print_shows_the_unit(capsys):
    assert main(["service", "print", "--profile", "pi4"]) == 0
    assert "Type=notify" in capsys.readouterr().out


def test_install_writes_the_unit_and_starts_it(systemctl, tmp_path, capsys):
    assert main(["service", "install", "--profile", "pi4"]) == 0
    main(["service", "print", "--profile", "pi4"])
    assert capsys.readouterr().out.endswith((tmp_path / unit.NAME).read_text())
    assert [line.split()[0] for line in systemctl.read_text().splitlines()] == ["daemon-reload", "enable", "restart"]


def test_uninstall_takes_it_away(systemctl, tmp_path):
    main(["service", "install", "--profile", "pi4"])
    assert main(["service", "uninstall"]) == 0
    assert not (tmp_path / unit.NAME).exists()
    assert "disable --now edgefer.service" in systemctl.read_text()
    assert main(["service", "uninstall"]) == 0


@pytest.mark.parametrize(
    ("state", "code", "said"),
    [
        ("LoadState=not-found\nActiveState=inactive", 1, "service install"),
        ("LoadState=loaded\nActiveState=active\nSubState=running\nStatusText=running: 30 fps", 0, "running: 30 fps"),
        ("LoadState=loaded\nActiveState=failed\nSubState=failed\nNRestarts=5\nResult=watchdog", 1, "5 time(s)"),
    ],
)
def test_status_says_how_it_does(systemctl, tmp_path, capsys, state, code, said):
    (tmp_path / "state").write_text(state + "\n")
    assert main(["service", "status"]) == code
    assert said in capsys.readouterr().out


def test_who_is_not_root_is_told_so(systemctl, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["service", "install", "--profile", "pi4"]) == 2
    assert "needs root" in capsys.readouterr().err


def test_without_systemd_it_says_what_can_be_done(monkeypatch, capsys):
    monkeypatch.setattr(service.shutil, "which", lambda name: None)
    assert main(["service", "status"]) == 2
    assert "edgefer service print" in capsys.readouterr().err


def test_a_failing_systemctl_is_one_line(systemctl, tmp_path, capsys):
    (tmp_path / "bin" / "systemctl").write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2; exit 1\n")
    assert main(["service", "install", "--profile", "pi4"]) == 1
    assert "daemon-reload: Failed to connect to bus" in capsys.readouterr().err


def test_a_profile_that_a_run_would_refuse_is_refused(systemctl, tmp_path, capsys):
    (tmp_path / "bad.toml").write_text("[camera]\nfps = 'many'\n")
    assert main(["service", "install", "--profile", str(tmp_path / "bad.toml")]) == 2
    assert "fps" in capsys.readouterr().err
    assert not systemctl.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[camera]\ndevice = 'http://[bad/'", "expected a URL with a host"),
        ("[[output]]\nkind = 'mqtt'\nurl = 'mqtt://[::1'", "expected a broker's name or address"),
        ("[[output]]\nkind = 'mqtt'\nurl = 'mqtt://a:x'", "expected a port"),
    ],
)
def test_an_address_that_is_none_is_one_line(tmp_path, capsys, text, said):
    profile = tmp_path / "p.toml"
    profile.write_text(text)
    assert main(["service", "print", "--profile", str(profile)]) in (2, 3)
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and said in told.err
