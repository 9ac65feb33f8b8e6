"""`python -m edgefer.train.data.synthetic`: a sheet of moving faces, or a tree of films like CK+'s or Oulu-CASIA's.

python -m edgefer.train.data.synthetic --out sheet.png
python -m edgefer.train.data.synthetic --ckplus DIRECTORY --people 30                             drawn faces
python -m edgefer.train.data.synthetic --ckplus DIRECTORY --people 30 --data DATA --labels LABELS photographs
python -m edgefer.train.data.synthetic --oulu DIRECTORY --people 30 --seed 1                      other drawn faces
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgefer.errors import EdgeferError


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.data.synthetic",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="PNG", help="write the sheet")
    what.add_argument("--ckplus", type=Path, metavar="DIRECTORY", help="write a tree like CK+'s")
    what.add_argument("--oulu", type=Path, metavar="DIRECTORY", help="write a tree like Oulu-CASIA's")
    parser.add_argument("--people", type=int, default=30, help="faces in the tree (%(default)s)")
    parser.add_argument("--data", type=Path, help="directory with faces/faces.zip; drawn faces where it is not given")
    parser.add_argument("--labels", type=Path, help="directory that edgefer.train.teachers wrote")
    parser.add_argument("--part", default="train", help="photographs to take: train, val or test (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        if arguments.out:
            from edgefer.train.data.synthetic.sheet import write_sheet

            write_sheet(arguments.out)
            return 0
        from edgefer.train.data.synthetic.drawn import drawn
        from edgefer.train.data.synthetic.identities import photographs
        from edgefer.train.data.synthetic.tree import write_ckplus, write_oulu

        if arguments.data is None:
            faces = [drawn(1000 * arguments.seed + number) for number in range(arguments.people)]
        elif arguments.labels is None:
            parser.error("--data needs --labels")
        else:
            faces = photographs(arguments.data, arguments.labels, arguments.part)[: arguments.people]
        write, root = (write_ckplus, arguments.ckplus) if arguments.ckplus else (write_oulu, arguments.oulu)
        films = write(root, faces, seed=arguments.seed)
    except EdgeferError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{root}: {films} films of {len(faces)} faces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
