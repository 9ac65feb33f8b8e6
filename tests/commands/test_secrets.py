"""No password, token or key leaves the program, whichever way an address came in and whatever fails."""

from __future__ import annotations

import json
import logging
import threading

import cv2
import numpy as np
import pytest
from tiny_model import make_directory

from edgefer.commands import console, info
from edgefer.commands.console import main
from edgefer.errors import SourceError
from edgefer.sources.base import Source
from edgefer.support import redact
from edgefer.values import Frame

SECRET = "hunter2x"
URL = f"rtsp://admin:{SECRET}@127.0.0.1:9/live?channel=1&token={SECRET}t"


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(redact, "_known", set())


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(make_directory(tmp_path_factory.mktemp("models") / "tiny"))


WRONG = {
    "unknown option": ["run", "--sorce", URL],
    "stray argument": ["run", URL],
    "path with slashes": ["run", "--source", f"rtsp://u:pa/ss{SECRET}@"],
    "without a scheme": ["run", "--source", f"admin:{SECRET}@192.0.2.7/live"],
    "path-style parameters": ["run", "--source", f"192.0.2.7/user=a&password={SECRET}&channel=1"],
    "unknown scheme": ["run", "--source", URL.replace("rtsp", "gopher")],
    "no host": ["run", "--source", f"rtsp:///live?pwd={SECRET}"],
    "control characters": ["run", "--source", URL + "\n"],
    "film by its kind": ["run", "--source", f"film:{URL}"],
    "unknown option of a source": ["run", "--source", f"stream:{URL},speed=2"],
    "option without its range": ["run", "--source", f"camera:{URL},fps=0"],
    "output": ["run", "--source", "demo", "--output", f"csv:none/{URL}"],
    "video": ["run", "--source", "demo", "--output", f"video:{URL}"],
    "model": ["run", "--source", "demo", "--model", URL],
    "detector": ["run", "--source", "demo", "--detector", f"yunet:{URL}"],
    "profile": ["run", "--profile", URL],
    "bench": ["bench", "--source", f"http://127.0.0.1:9/x?user=a&pwd={SECRET}", "--model", "MODEL"],
    "eval": ["eval", "--data", URL],
    "check": ["config", "check", URL],
    "unknown command": [URL],
    "verify": ["models", "verify", URL],
}


@pytest.mark.parametrize("verbose", [False, True], ids=["short", "verbose"])
@pytest.mark.parametrize("arguments", WRONG.values(), ids=WRONG.keys())
def test_no_message_about_an_address_shows_its_secrets(capsys, monkeypatch, tmp_path, model, arguments, verbose):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edgefer.sources.network.stream.open_stream", _refuse)
    arguments = [argument.replace("MODEL", model) for argument in arguments]
    assert main([*arguments, *(["--verbose"] if verbose else [])]) in (1, 2, 3, 4)
    said = capsys.readouterr()
    assert said.err.startswith(("edgefer: ", "refused  "))
    assert SECRET not in said.out + said.err


def _refuse(options) -> Source:
    """A library that repeats the address in an error of its own, here as its bytes decode."""
    try:
        raise OSError(f"[Errno 401] {options.url!r}: Authorization: Basic {SECRET}; password {SECRET}")
    except OSError as error:
        logging.getLogger("edgefer.sources").warning("refused: %s", error)
        raise SourceError(f"{options.url}: {error}") from error


class Grey(Source):
    """Two grey frames from an address."""

    live = True
    size = (64, 64)

    def __init__(self, name: str) -> None:
        self.name = name
        self._left = 2

    def read(self) -> Frame | None:
        self._left -= 1
        return None if self._left < 0 else Frame(1 - self._left, np.zeros((64, 64), np.uint8), 0, 0)


def test_readings_table_and_summary_call_a_stream_by_its_name_without_secrets(capsys, monkeypatch, tmp_path, model):
    monkeypatch.setattr(
        "edgefer.sources.network.stream.open_stream", lambda options: Grey(redact.url_name(options.url))
    )
    log = tmp_path / "log.jsonl"
    arguments = ["run", "--source", URL, "--model", model, "--output", "table", "--output", f"jsonl:{log}", "-v"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err + log.read_text()
    names = {json.loads(line)["source"] for line in log.read_text().splitlines()}
    assert names == {"rtsp://***@127.0.0.1:9/live?channel=1&***"}


PROFILES = {
    "wrong type": f'device = ["{URL}"]',
    "not closed": f'device = "{URL}',
    "long": f'device = ["{"x" * 50}", "{URL}"]',
    "cut": f'device = ["{"x" * 30}", "{URL}"]',
    "pair": f'password = "{SECRET}"',
}


@pytest.mark.parametrize("line", PROFILES.values(), ids=PROFILES.keys())
def test_a_wrong_profile_is_told_without_its_secrets(capsys, tmp_path, line):
    path = tmp_path / "p.toml"
    path.write_text(f"[camera]\n{line}\n")
    for command in (["config", "check", str(path)], ["config", "show", "--profile", str(path)]):
        assert main(command) == 2
        assert SECRET not in "".join(capsys.readouterr())


def test_the_settings_in_effect_are_shown_without_passwords(capsys, tmp_path):
    """And say so; without any they read back to the same, which test_console holds."""
    path = tmp_path / "p.toml"
    path.write_text(f'[camera]\ndevice = "{URL}"\n')
    assert main(["config", "show", "--profile", str(path)]) == 0
    shown = capsys.readouterr().out
    assert SECRET not in shown
    assert 'device = "rtsp://***@127.0.0.1:9/live?channel=1&***"' in shown
    assert shown.startswith("# Passwords and the like are not shown: replace each ***.\n")


def test_a_profiles_camera_may_be_an_address_and_is_named_without_its_password(capsys, tmp_path, monkeypatch, model):
    monkeypatch.setattr("edgefer.sources.network.stream.open_stream", _refuse)
    path = tmp_path / "p.toml"
    path.write_text(f'[camera]\ndevice = "{URL}"\n')
    assert main(["run", "--profile", str(path), "--model", model, "--verbose"]) == 3
    said = capsys.readouterr()
    assert "127.0.0.1" in said.err and SECRET not in said.err


def test_errors_that_nobody_else_tells_lose_their_secrets_too(capsys, monkeypatch):
    """Of a thread, a destructor, and of the program itself: one line each, and more with --verbose."""

    class Unlucky:
        def __del__(self):
            raise ValueError(URL)

    def execute(args):
        Unlucky()
        thread = threading.Thread(target=_refuse, args=(Unlucky,))
        thread.run = lambda: (_ for _ in ()).throw(OSError(URL))
        thread.start()
        thread.join()
        raise RuntimeError(URL)

    monkeypatch.setattr(info, "execute", execute)
    assert console.main(["info"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["edgefer"] * 2
    assert "unexpected OSError in thread" in lines[0] and "unexpected RuntimeError" in lines[1]
    assert console.main(["info", "--verbose"]) == 1
    said = capsys.readouterr().err
    assert said.count("Traceback") == 3
    assert SECRET not in said and SECRET not in "".join(lines)


def test_a_films_name_is_no_address(capsys, tmp_path, model):
    """What looks like a password in the name of a file is part of its name."""
    path = tmp_path / "a:b@c.png"
    cv2.imwrite(str(path), np.zeros((64, 64), np.uint8))
    log = tmp_path / "log.jsonl"
    assert main(["run", "--source", str(path), "--model", model, "--output", f"jsonl:{log}", "-q"]) == 0
    assert json.loads(log.read_text().splitlines()[0])["source"] == str(path)
