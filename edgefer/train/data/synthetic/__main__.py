"""`python -m edgefer.train.data.synthetic --out sheet.png`: a sheet of moving faces to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgefer.train.data.synthetic.sheet import write_sheet


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m edgefer.train.data.synthetic", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")
    write_sheet(parser.parse_args().out)


if __name__ == "__main__":
    main()
