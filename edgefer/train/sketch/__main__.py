"""`python -m edgefer.train.sketch`: networks that read emotion sketches, trained, exported and put into tables.

python -m edgefer.train.sketch fit NETWORK --out RUN …     one training of VGG11, ResNet50 or CapsNet
python -m edgefer.train.sketch own --out RUN …             our own small network
python -m edgefer.train.sketch tables                      tables I to V of the paper, with ours
python -m edgefer.train.sketch export RUN --out DIR        a model directory of it
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path

from edgefer.errors import INTERRUPTED, EdgeferError
from edgefer.models import store


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgefer.train.sketch", description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _fit_arguments(actions.add_parser("fit", help="train a network of the paper, on digits or on sketches"))
    _own_arguments(actions.add_parser("own", help="train our own small network"))
    _export_arguments(actions.add_parser("export", help="write a model directory of our own network"))
    _tables_arguments(actions.add_parser("tables", help="print tables I to V, the paper's and ours"))
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


def _own_arguments(parser: argparse.ArgumentParser) -> None:
    from edgefer.train.sketch.own import OwnTraining

    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    parser.add_argument(
        "--landmarks",
        nargs="+",
        default=["build/labels/fer.npz"],
        help="landmarks of FER-2013; the first file says which rows count, each epoch draws among all",
    )
    for each in fields(OwnTraining)[1:]:
        if each.default is True:
            parser.add_argument(f"--{each.name}", action=argparse.BooleanOptionalAction, default=True)
        else:
            parser.add_argument(f"--{each.name.replace('_', '-')}", type=type(each.default), default=each.default)
    parser.set_defaults(execute=_own)


def _own(args: argparse.Namespace) -> int:
    from edgefer.train.sketch.own import OwnTraining, fit_own
    from edgefer.train.sketch.rows import load_faces, same_rows

    values = {each.name: getattr(args, each.name) for each in fields(OwnTraining)}
    training = OwnTraining(**{**values, "landmarks": tuple(args.landmarks)})
    first = load_faces("train", training.data, Path(args.landmarks[0]), training.rule)
    others = [same_rows(first, Path(path)) for path in args.landmarks[1:]]
    val = load_faces("val", training.data, Path(args.landmarks[0]))
    print(f"train: {first.counts}\nval: {val.counts}", flush=True)
    print(json.dumps(fit_own(training, [first, *others], val, args.out), indent=2))
    return 0


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="directory of a finished run of our own network")
    parser.add_argument("--out", type=Path, default=store.SHIPPED / "sketch", help="default: %(default)s")
    parser.add_argument("--own-landmarks", type=Path, help="landmarks of FER-2013 by our landmark network")
    _data(parser)
    parser.set_defaults(execute=_export)


def _export(args: argparse.Namespace) -> int:
    from edgefer.train.sketch.export import export
    from edgefer.train.sketch.rows import load_faces, same_rows

    train, val = (load_faces(split, args.data, args.landmarks) for split in ("train", "val"))
    others = {}
    if args.own_landmarks:
        others["same rows, landmarks of our network"] = same_rows(val, args.own_landmarks)
    done = export(args.run, args.out, train, val, others)
    print(f"{args.out}: {done.metrics.accuracy_int8:.2f} % on {done.metrics.rows} rows of val, int8")
    return 0


def _tables_arguments(parser: argparse.ArgumentParser) -> None:
    from edgefer.train.sketch.tables import RECORDS

    parser.add_argument("--records", type=Path, default=RECORDS, help="folder of records (default: %(default)s)")
    parser.add_argument("--no-times", action="store_true", help="leave out Table I, which is timed on this machine")
    _data(parser)
    parser.set_defaults(execute=_tables)


def _tables(args: argparse.Namespace) -> int:
    from edgefer.train.sketch import tables

    if not args.no_times:
        print(tables.table_i(args.data), end="\n\n")
    print(tables.from_records(tables.read_records(args.records)), end="")
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
