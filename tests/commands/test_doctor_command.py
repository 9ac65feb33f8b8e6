"""`edgefer doctor`: the page, its exit code, and the reading that it tries."""

from __future__ import annotations

import json

import pytest

from edgefer.commands import doctor
from edgefer.commands.console import main
from edgefer.config import load_profile
from edgefer.device.findings import Check
from edgefer.errors import SourceError
from edgefer.sources.demo import portrait_path

try:
    portrait_path()
    HAS_PORTRAIT = True
except Exception:
    HAS_PORTRAIT = False


def test_the_page_has_a_line_a_check_and_json_has_the_same(capsys, monkeypatch):
    found = [Check("a", "ok", "fine"), Check("b", "warn", "slow", "hurry", "sudo hurry")]
    monkeypatch.setattr(doctor, "_checks", lambda profile: iter(found))
    monkeypatch.setenv("COLUMNS", "100")
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["ok    a            fine", "warn  b            slow; hurry", " " * 19 + "$ sudo hurry"]
    assert lines[3:] == ["", "1 ok, 1 to look at, 0 failed"]
    assert main(["doctor", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["passed"] is True
    assert content["checks"][1] == {
        "name": "b",
        "state": "warn",
        "found": "slow",
        "advice": "hurry",
        "command": "sudo hurry",
    }


def test_a_failure_is_exit_code_1(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "_checks", lambda profile: iter([Check("a", "fail", "rtsp://u:secret@h", "mend")]))
    for arguments in (["doctor"], ["doctor", "--json"]):
        assert main(arguments) == 1
        assert "secret" not in capsys.readouterr().out


def test_in_a_narrow_terminal_the_advice_stands_on_a_line_of_its_own(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    first, second = doctor.line(Check("a", "warn", "x" * 20, "what to do about it")).splitlines()
    assert first.endswith("x") and second.strip() == "what to do about it"


@pytest.mark.skipif(not HAS_PORTRAIT, reason="the demo's portrait needs matplotlib")
def test_the_portrait_is_read_and_timed():
    (check,) = doctor.reading(load_profile("generic"))
    assert check.state in ("ok", "warn")
    assert "a face in 45 of 45 frames" in check.found


def test_without_the_portrait_the_reading_is_not_tried(monkeypatch):
    def absent(*args):
        raise SourceError("demo: the portrait is not installed; pip install 'edgefer[demo]'")

    monkeypatch.setattr("edgefer.sources.demo.portrait_path", absent)
    (check,) = doctor.reading(load_profile("generic"))
    assert (check.state, check.advice) == ("warn", "pip install 'edgefer[demo]'")
