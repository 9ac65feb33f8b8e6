"""`python -m edgefer.train.clips`: networks that judge clips, whose classes may lie in the order of frames.

python -m edgefer.train.clips films --out DIR …        films of moving faces, cropped as the runtime crops
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgefer.errors import INTERRUPTED, EdgeferError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.clips", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _films_arguments(actions.add_parser("films", help="make films of moving faces, cropped as the runtime crops"))
    return parser


def _films_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="directory to write")
    parser.add_argument("--data", type=Path, required=True, help="directory with faces/faces.zip")
    parser.add_argument("--labels", type=Path, required=True, help="directory that edgefer.train.teachers wrote")
    parser.add_argument("--part", default="train", help="train, val or test (%(default)s); none shares a face")
    parser.add_argument("--photographs", type=int, default=600, help="of the part, at most (%(default)s)")
    parser.add_argument("--drawn", type=int, default=150, help="drawn faces besides the photographs (%(default)s)")
    parser.add_argument("--each", type=int, default=1, help="films of each face (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(execute=_films)


def _films(args: argparse.Namespace) -> int:
    from edgefer.train.clips import films

    faces, real = films.identities(args.data, args.labels, args.part, args.photographs, args.drawn)
    count = films.write(args.out, faces, real, args.each, args.seed)
    print(f"{args.out}: {count} films of {real} photographs and {len(faces) - real} drawn faces")
    return 0


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        return int(args.execute(args))
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
