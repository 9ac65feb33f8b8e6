"""`edgefer explain`: what the filters of a trained network respond to.

The one command that needs the training side.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from edgefer.commands.arguments import add_data, whole_number
from edgefer.commands.console import Commands


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    parser = commands.add(
        "explain",
        "draw what the filters of a trained network respond to; needs the train extra",
        "explain runs/edgefer-s --data fer2013_train_val.npz --out filters\n"
        "explain runs/breuer-grey --data faces/ --method deconvolution --filters 0,7,12-20 --out filters\n"
        "explain runs/breuer-ckplus --data CK+ --method units --units CK+ --out filters",
        execute,
    )
    parser.add_argument("run", metavar="RUN", help="directory of a training run")
    add_data(parser)
    parser.add_argument(
        "--method",
        choices=("guided", "deconvolution", "patches", "gradcam", "units"),
        default="guided",
        help="what to draw: what excites a filter in the images it answers most to, by one of two rules, or "
        "the patches it sees; what speaks for each class; or the action units of each filter "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--layer", metavar="L", help="a convolution (default: the last one that is rectified)"
    )
    parser.add_argument(
        "--filters",
        metavar="N[,N|N-N]",
        type=_numbers,
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


def _numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part.strip(), re.ASCII)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise argparse.ArgumentTypeError(f"expected numbers and ranges, as in 0,7,12-20, got {text!r}")
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(numbers))


def execute(args: argparse.Namespace) -> int:
    """Writes the pictures and prints the report.

    Raises:
        UsageError: among others, Keras is not installed.
    """
    from edgefer import defaults
    from edgefer.errors import UsageError
    from edgefer.measure import datasets
    from edgefer.models import directory, store
    from edgefer.support.quiet import native_stderr

    try:
        with native_stderr("Keras"):
            import keras  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"explain needs Keras with a backend, and {error.name} is missing; install the train extra: "
            "pip install 'edgefer[train]'"
        ) from None
    from edgefer.train.data.action_units import read_action_units
    from edgefer.train.explain.network import Network
    from edgefer.train.explain.report import explain

    if (args.units is None) == (args.method == "units"):
        raise UsageError("--method units and --units FILE go together")
    coded = read_action_units(Path(args.units)) if args.units else None
    network = Network.open(Path(args.run))
    data = datasets.load(
        args.data,
        args.split,
        network.settings.labels,
        keep_duplicates=args.keep_duplicates,
        layout=args.layout,
        where=dict(args.where),
        # a run has no manifest yet; all of them learn from the crops of FER-2013, as the shipped model did
        margin=directory.load(store.find(defaults.MODEL)).input.crop_margin,
    )
    found = explain(network, data, args.method, args.out, args.layer, args.top, args.filters, coded)
    print(found.json() if args.json else found.text())
    return 0
