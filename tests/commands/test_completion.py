"""Scripts by which shells complete: what bash offers in each place, and that the others are read."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from edgefer import config
from edgefer.commands.completion import SHELLS
from edgefer.commands.console import COMMANDS, main
from edgefer.detect.registry import DETECTORS
from edgefer.models import store
from edgefer.recognize.registry import KINDS
from edgefer.sinks.registry import OUTPUTS

needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture
def offered(capsys, tmp_path):
    """What bash offers for the last of these words, among two files."""
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    (tmp_path / "clip one.mp4").write_text("")
    (tmp_path / "mine.toml").write_text("")

    def offer(*words: str) -> list[str]:
        ask = f'COMP_WORDS=("$@") COMP_CWORD={len(words) - 1}; _edgefer; printf "%s\\n" "${{COMPREPLY[@]}}"'
        command = ["bash", "-c", f"{script}\n{ask}", "bash", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=20)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split("\n")[:-1] if done.stdout.strip() else []

    return offer


@needs_bash
def test_bash_offers_commands_actions_and_options(offered):
    assert offered("edgefer", "") == list(COMMANDS)
    assert offered("edgefer", "do") == ["doctor"]
    assert offered("edgefer", "models", "") == [
        "list",
        "show",
        "verify",
        "install",
        "rollback",
        "trust",
        "keygen",
        "sign",
        "pack",
    ]
    assert offered("edgefer", "run", "--out") == ["--output"]
    assert offered("edgefer", "annotate", "--sh") == ["--shard"]
    assert offered("edgefer", "config", "init", "--o") == ["--output"]
    assert offered("edgefer", "--v") == ["--version"]


@needs_bash
def test_bash_offers_the_names_of_what_can_be_chosen(offered):
    assert offered("edgefer", "run", "--model", "edgefer-") == [
        n for n in store.shipped(*KINDS.names()) if n.startswith("edgefer-")
    ]
    assert offered("edgefer", "models", "show", "edgefer-s") == ["edgefer-s"]
    assert offered("edgefer", "config", "init", "") == config.shipped_profiles()
    assert offered("edgefer", "config", "check", "pi") == [n for n in config.shipped_profiles() if n.startswith("pi")]
    assert offered("edgefer", "run", "--profile", "m") == ["mine.toml"]
    assert [name.rstrip(":") for name in offered("edgefer", "run", "--detector", "")] == DETECTORS.names()
    assert [name.rstrip(":") for name in offered("edgefer", "run", "clip.mp4", "--output", "")] == OUTPUTS.names()
    assert offered("edgefer", "run", "--output", "vid") == ["video:"]
    assert offered("edgefer", "eval", "--split", "") == ["train", "val", "test"]
    assert offered("edgefer", "completion", "") == list(SHELLS)


@needs_bash
def test_bash_offers_files_where_they_may_stand(offered):
    assert offered("edgefer", "run", "cl") == ["clip one.mp4"]
    assert offered("edgefer", "annotate", "cl") == offered("edgefer", "annotate", "--output", "cl") == ["clip one.mp4"]
    assert offered("edgefer", "run", "--output", "csv", ":", "mi") == ["mine.toml"]
    assert sorted(offered("edgefer", "run", "--output", "csv", ":")) == ["clip one.mp4", "mine.toml"]
    assert offered("edgefer", "eval", "--data", "mi") == ["mine.toml"]
    assert offered("edgefer", "run", "--frames", "") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_reads_its_script(capsys, tmp_path, shell):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in (*COMMANDS, *store.shipped(), *config.shipped_profiles(), "verify"):
        assert word in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        assert subprocess.run([shell, "-n", str(tmp_path / "script")], timeout=20).returncode == 0


def test_another_shell_is_refused(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
