"""What the filters of a trained network respond to: `edgefer explain`, and `python -m edgefer.train explain`.

A filter is shown by the images of a data set that it answers most to, each at the one unit of its map that
answers most, as Breuer and Kimmel do (A Deep Learning Perspective on the Origin of Facial Expressions, 2017,
section 3.1).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from edgefer import defaults
from edgefer.errors import UsageError
from edgefer.measure import add_data, load_data
from edgefer.support.quiet import native_stderr
from edgefer.support.typed import numbers, whole_number

SUMMARY = "draw what the filters of a trained network respond to; needs the train extra"


def add_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Which run, which data, what to draw; a run and its data may be left out where `required` is False."""
    parser.add_argument("run", metavar="RUN", nargs=None if required else "?", help="directory of a training run")
    add_data(parser, required)
    parser.add_argument(
        "--method",
        choices=("guided", "deconvolution", "patches", "gradcam", "units"),
        default="guided",
        help="what to draw: what excites a filter in the images it answers most to, by one of two rules, or "
        "the patches it sees; what speaks for each class; or the action units of each filter "
        "(default: %(default)s)",
    )
    parser.add_argument("--layer", metavar="L", help="a convolution (default: the last one that is rectified)")
    parser.add_argument(
        "--filters",
        metavar="N[,N|N-N]",
        type=numbers,
        help="filters to draw, as 0,7,12-20 (default: the first 16 that are active, of units 64)",
    )
    parser.add_argument(
        "--top",
        metavar="N",
        type=whole_number(1, 100),
        default=9,
        help="images a filter or class (default: %(default)s)",
    )
    parser.add_argument(
        "--units",
        metavar="FILE",
        help="for units: a csv with the columns image, AU1, AU2, …, each 0 or 1, or the folder of CK+",
    )
    parser.add_argument(
        "--out", metavar="DIR", required=True, help="folder for the pictures, made where it is not there"
    )
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Write the pictures and print the report.

    Raises:
        UsageError: among others, Keras is not installed.
    """
    try:
        with native_stderr("Keras"):
            import keras  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"explain needs Keras with a backend, and {error.name} is missing; install the train extra: "
            "pip install 'edgefer[train]'"
        ) from None
    from edgefer.measure.datasets.ckplus import read_action_units
    from edgefer.models import directory, store
    from edgefer.train.explain.explanation import explain
    from edgefer.train.explain.network import Network

    if (args.units is None) == (args.method == "units"):
        raise UsageError("--method units and --units FILE go together")
    coded = read_action_units(Path(args.units)) if args.units else None
    network = Network.open(Path(args.run))
    # a run has no manifest yet; all of them learn from the crops of FER-2013, as the shipped model did
    margin = directory.load_frame(store.find(defaults.MODEL)).input.crop_margin
    data = load_data(args, network.settings.labels, margin)
    report = explain(network, data, args.method, args.out, args.layer, args.top, args.filters, coded)
    print(report.json() if args.json else report.text())
    return 0
