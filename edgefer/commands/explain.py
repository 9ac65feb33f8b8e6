"""`edgefer explain`: the one command that needs the training side, which has the same as its own verb."""

from __future__ import annotations

import argparse


def execute(args: argparse.Namespace) -> int:
    """Write the pictures and print the report.

    Raises:
        UsageError: among others, Keras is not installed.
    """
    from edgefer.train.explain import command

    return command.execute(args)
