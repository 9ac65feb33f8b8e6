"""`edgefer eval`: a model's accuracy on a data set."""

from __future__ import annotations

import argparse

from edgefer import defaults
from edgefer.commands.arguments import add_data, whole_number
from edgefer.commands.console import Commands


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    parser = commands.add(
        "eval",
        "measure a model's accuracy on a data set",
        "eval --data fer2013.csv --split val\n"
        "eval --model ferplus-sobel --data faces/ --confusion confusion.png\n"
        "eval --data fer2013_train_val.npz --json",
        execute,
    )
    add_data(parser)
    parser.add_argument(
        "--model", metavar="M", help="shipped model or model directory (default: the default model)"
    )
    parser.add_argument(
        "--labels", metavar="SET", help="label set to judge in, ferplus8 or basic7 (default: the model's)"
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=whole_number(1, 64),
        default=1,
        help="threads of the network (default: %(default)s)",
    )
    parser.add_argument("--confusion", metavar="PNG", help="write the confusion matrix as a picture")
    parser.add_argument(
        "--reliability", metavar="PNG", help="write the accuracy over the confidence as a picture"
    )
    parser.add_argument(
        "--compare", metavar="M", help="judge another model on the same rows and test the difference"
    )
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Prints the report."""
    from edgefer.measure import evaluate

    model = args.model if args.model is not None else defaults.MODEL
    print(
        evaluate.command(
            args.data,
            model,
            split=args.split,
            labels=args.labels,
            threads=args.threads,
            confusion=args.confusion,
            keep_duplicates=args.keep_duplicates,
            layout=args.layout,
            where=dict(args.where),
            as_json=args.json,
            reliability=args.reliability,
            compare=args.compare,
        )
    )
    return 0
