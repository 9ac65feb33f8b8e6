"""docs/models-in-the-field.md: its commands, one after the other, do what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import tiny_model

pytest.importorskip("nacl", reason="needs PyNaCl, the extra `sign`")

from edgefer.commands.console import main
from edgefer.models import slots

PAGE = Path(__file__).parents[2] / "docs" / "models-in-the-field.md"


def commands():
    """The lines of the shell blocks, without their comments."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.S)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]


def test_every_command_of_the_page_works(tmp_path, monkeypatch, capfd):
    """With files in the place of addresses; what systemd does is left to it."""
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    tiny_model.make_directory(tmp_path / "front", name="front")
    later = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 1e7))
    ran, versions = 0, []
    for line in commands():
        words = line.removeprefix("sudo ").replace("https://models.example/", "").replace("2027-12-31", later).split()
        if words[0] == "edgefer":
            if "trust" in words:  # the models without a signature were those of the first block
                shutil.rmtree(tmp_path / "state")
            assert main(words[1:]) == 0, f"{line}: {capfd.readouterr().err}"
        elif words[0] == "tar":
            subprocess.run(words, check=True)
        else:
            assert words[0] == "systemctl", line
            continue
        ran += 1
        if "install" in words and "default" in words:
            versions.append(slots.read("edgefer-s").current.version)
    assert ran >= 18
    assert versions == [0, 7, 8, 9]
