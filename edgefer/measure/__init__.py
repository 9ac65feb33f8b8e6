"""How good a model is: data sets, accuracy and the statistics behind it; here the arguments that name a data set."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefer.measure.datasets import Dataset


def add_data(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Which data set, and which of its rows."""
    parser.add_argument(
        "--data",
        metavar="D",
        required=required,
        help="fer2013.csv, a FER+ csv, an npz, a folder with one folder a class (happiness, happy, 3_happy, …), or "
        "that of KDEF, JAFFE, FEI, CAFE or CK+",
    )
    parser.add_argument(
        "--split", choices=("train", "val", "test"), help="rows that count (default: val; a folder's images all)"
    )
    parser.add_argument(
        "--layout",
        metavar="L",
        help="what a folder holds: classes, kdef, jaffe, fei, cafe, ckplus (default: told by its names)",
    )
    parser.add_argument(
        "--where",
        metavar="TAG=VALUE[,VALUE]",
        type=tag_values,
        action="append",
        default=[],
        help="only some rows of a set of people, as angle=straight,half-left or subject=F01",
    )
    parser.add_argument("--keep-duplicates", action="store_true", help="count rows that are byte-equal to a train row")


def tag_values(text: str) -> tuple[str, list[str]]:
    """`angle=straight,half-left` to the tag and its values."""
    name, equals, values = text.partition("=")
    if not name or not equals or not all(values.split(",")):
        raise argparse.ArgumentTypeError(f"expected TAG=VALUE[,VALUE], as in angle=straight, got {text!r}")
    return name, values.split(",")


def load_data(args: argparse.Namespace, labels: str, margin: float, truth: str | None = None) -> Dataset:
    """The rows that the arguments of `add_data` name, see datasets.load."""
    from edgefer.measure import datasets  # brings OpenCV, which no --help needs

    return datasets.load(
        args.data,
        args.split,
        labels,
        keep_duplicates=args.keep_duplicates,
        layout=args.layout,
        where=dict(args.where),
        margin=margin,
        truth=truth,
    )
