"""`edgefer explain` is a verb of the training as well."""

from __future__ import annotations

import re

from edgefer.commands.console import main
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
