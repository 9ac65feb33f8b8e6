"""`python -m edgefer.train.sketch`: networks that read emotion sketches, trained, exported and put into tables.

python -m edgefer.train.sketch fit NETWORK --out RUN …     one training of VGG11, ResNet50 or CapsNet
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path

from edgefer.errors import INTERRUPTED, EdgeferError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgefer.train.sketch", description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _fit_arguments(actions.add_parser("fit", help="train a network of the paper, on digits or on sketches"))
    return parser


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="fer2013_train_val.npz", help="FER-2013 with FER+ (default: %(default)s)")
    parser.add_argument(
        "--landmarks",
        type=Path,
        default=Path("build/labels/fer.npz"),
        help="its landmarks, by python -m edgefer.train.teachers (default: %(default)s)",
    )


def _fit_arguments(parser: argparse.ArgumentParser) -> None:
    from edgefer.train.sketch.paper import Training

    parser.add_argument("network", help="vgg11, resnet50 or capsnet")
    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    for each in fields(Training)[1:]:
        parser.add_argument(f"--{each.name}", type=type(each.default), default=each.default)
    _data(parser)
    parser.set_defaults(execute=_fit)


def _fit(args: argparse.Namespace) -> int:
    from edgefer.train.sketch.paper import Training, fit

    training = Training(**{each.name: getattr(args, each.name) for each in fields(Training)})
    done = fit(training, args.out, args.data, args.landmarks)
    print(json.dumps({name: value for name, value in done.items() if not isinstance(value, dict)}, indent=2))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line; exit code 0, or that of the error."""
    try:
        args = _parser().parse_args(argv)
        return args.execute(args)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
