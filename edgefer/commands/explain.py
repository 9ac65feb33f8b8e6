"""`edgefer explain`: the one command that needs the training side, of which it is a verb as well."""

from __future__ import annotations

import argparse

from edgefer.commands.console import Commands


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    from edgefer.train import explain

    parser = commands.add(
        "explain",
        explain.SUMMARY,
        "explain runs/edgefer-s --data fer2013_train_val.npz --out filters\n"
        "explain runs/breuer-grey --data faces/ --method deconvolution --filters 0,7,12-20 --out filters\n"
        "explain runs/breuer-ckplus --data CK+ --method units --units CK+ --out filters",
        execute,
    )
    explain.add_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Writes the pictures and prints the report.

    Raises:
        UsageError: among others, Keras is not installed.
    """
    from edgefer.train import explain

    return explain.execute(args)
