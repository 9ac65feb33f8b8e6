"""`python -m edgefer.train.micro`: micro-expressions.

python -m edgefer.train.micro fields --data DATA --labels LABELS --part train --films 400 --out DIRECTORY
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgefer.errors import EdgeferError


def _fields(arguments: argparse.Namespace) -> int:
    from edgefer.train.data.synthetic.identities import PARTS, photographs
    from edgefer.train.micro import material

    faces = photographs(arguments.data, arguments.labels, arguments.part)
    seed = arguments.seed * len(PARTS) + PARTS.index(arguments.part)
    for number, path in enumerate(material.write(faces, arguments.films, arguments.out, seed), 1):
        print(f"{number}/{arguments.films} {path}", flush=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.micro", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    acts = parser.add_subparsers(required=True)
    fields = acts.add_parser("fields", help="make films and write their fields of motion")
    fields.set_defaults(act=_fields)
    fields.add_argument("--data", type=Path, required=True, help="directory with faces/faces.zip")
    fields.add_argument("--labels", type=Path, required=True, help="directory that edgefer.train.teachers wrote")
    fields.add_argument("--part", default="train", help="photographs to take: train, val or test (%(default)s)")
    fields.add_argument("--films", type=int, default=400)
    fields.add_argument("--out", type=Path, required=True)
    fields.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        return int(arguments.act(arguments))
    except EdgeferError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
