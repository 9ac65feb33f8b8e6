"""`edgefer explain` is a verb of the training as well."""

from __future__ import annotations

import re

import cv2
import pytest
from portrait import portrait

from edgefer.commands.console import main
from edgefer.recognize import geometry
from edgefer.train.__main__ import main as train


def test_both_take_the_same_arguments(capsys):
    helps = []
    for command in (main, train):
        try:
            command(["explain", "--help"])
        except SystemExit as leaving:  # argparse's own parser leaves after its help
            assert not leaving.code
        helps.append(set(re.findall(r"--[a-z-]+|\bRUN\b", capsys.readouterr().out)))
    own = {"--verbose", "--model", "--image"}  # a model's points are drawn without the training side
    assert helps[0] - own == helps[1] >= {"RUN", "--data", "--method", "--units", "--out"}


@pytest.mark.parametrize("nose", [None, (60.0, 120.0)], ids=["none", "elsewhere"])
def test_the_nose_of_a_cascade_is_the_one_that_is_drawn(nose, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(geometry, "nose_cascade", lambda file: lambda grey, box: nose)
    picture = tmp_path / "portrait.png"
    cv2.imwrite(str(picture), portrait())
    asked = ["explain", "--model", "khan,points=classic,nose=nose.xml", "--image", str(picture), "--out", str(tmp_path)]
    assert main(asked) == 0
    reason = "none was found" if nose is None else "it does not lie within the face's box"
    assert f"failed at nose: {reason}; uncertain" in capsys.readouterr().out


def test_each_face_is_a_line_whatever_the_photograph_is_called_and_a_file_is_no_folder(tmp_path, capsys):
    picture = tmp_path / "two\nlines.png"
    cv2.imwrite(str(picture), portrait())
    asked = ["explain", "--model", "khan", "--image", str(picture), "--out"]
    assert main([*asked, str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "two\\nlines-1.png: all 18 points found" in said
    for out in (picture, picture / "in it"):
        assert main([*asked, str(out)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "expected a folder, got a file" in said
