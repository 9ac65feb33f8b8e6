"""`python -m edgefer.train.geometry`: the eighteen-point system of Khan's paper: its chain, its network, its study.

python -m edgefer.train.geometry chain --faces faces.zip --landmarks faces.npz --out F   fits the chain's numbers
python -m edgefer.train.geometry agree --faces faces.zip                                 the chain against landmarks
python -m edgefer.train.geometry points --split val --out classic.npz                    the chain on FER-2013
python -m edgefer.train.geometry export --classic classic.npz --out DIR                  trains and writes a model
python -m edgefer.train.geometry compare --classic classic.npz                           models on the same rows
python -m edgefer.train.geometry study                                                   the expressiveness study
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.train.geometry.mlp import EPOCHS

SEED = 1
PAPER_WORDS = "MLP 12-12-7-7, sigmoid and softmax"
OWN_WORDS = "MLP 12-64-32-7, rectified and softmax; our own training on the paper's twelve distances"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgefer.train.geometry", description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    action = actions.add_parser("chain", help="fit the numbers of the classic chain on every second face")
    _photographs(action)
    action.add_argument("--out", type=Path, required=True, help="the npz to write")
    action.set_defaults(execute=_chain)
    action = actions.add_parser("agree", help="the classic chain against landmarks")
    _photographs(action, required=False)
    action.add_argument("--part", choices=("even", "odd"), default="odd", help="rows (default: those not fitted on)")
    action.add_argument("--detector", default="haar", help="whose boxes are used (default: %(default)s)")
    action.set_defaults(execute=_agree)
    action = actions.add_parser("points", help="run the classic chain on FER-2013")
    _rows(action, classic=False)
    action.add_argument("--split", choices=("train", "val"), required=True)
    action.add_argument("--limit", type=int, help="most rows, drawn at random")
    action.add_argument("--out", type=Path, required=True, help="the npz to write, or to add to")
    action.set_defaults(execute=_points)
    action = actions.add_parser("export", help="train for both sources of points and write a model directory")
    _rows(action, required=False)
    action.add_argument("--people", type=Path, metavar="FOLDER", help="a set of people, as KDEF, instead of FER-2013")
    action.add_argument(
        "--division", default="holdout", help="of a set of people (default: %(default)s, which is 90:10)"
    )
    action.add_argument("--own", action="store_true", help="our own network instead of the paper's")
    action.add_argument("--name", default="khan")
    action.add_argument("--points", choices=("classic", "landmarks"), default="landmarks", help="what a run uses")
    action.add_argument("--epochs", type=int, default=EPOCHS)
    action.add_argument("--out", type=Path, required=True)
    action.set_defaults(execute=_export)
    action = actions.add_parser("calibrate", help="fit the temperature of a model directory again")
    action.add_argument("model", type=Path, help="of the kind geometry")
    _rows(action)
    action.set_defaults(execute=_calibrate)
    action = actions.add_parser("compare", help="shipped models on the same val rows")
    _rows(action)
    action.add_argument("--models", nargs="+", default=["khan"], help="of the kind geometry")
    action.add_argument("--beside", default="edgefer-s", help="a model of face crops")
    action.set_defaults(execute=_compare)
    action = actions.add_parser("study", help="two groups by expressiveness, a model each")
    _rows(action, required=False)
    action.add_argument("--epochs", type=int, default=EPOCHS)
    action.set_defaults(execute=_study)
    return parser


def _photographs(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument("--faces", type=Path, required=True, help="zip of photographs with labels.csv")
    words = "theirs, by python -m edgefer.train.teachers" + (
        "" if required else " (default: of the network that ships)"
    )
    parser.add_argument("--landmarks", type=Path, required=required, help=words)


def _rows(parser: argparse.ArgumentParser, classic: bool = True, required: bool = True) -> None:
    parser.add_argument("--data", default="fer2013_train_val.npz", help="FER-2013 with FER+ (default: %(default)s)")
    parser.add_argument(
        "--landmarks",
        type=Path,
        default=Path("build/labels/fer.npz"),
        help="its landmarks, by python -m edgefer.train.teachers or .sketch landmarks (default: %(default)s)",
    )
    if classic:
        parser.add_argument("--classic", type=Path, required=required, help="what `points` wrote")


def _chain(args: argparse.Namespace) -> int:
    from edgefer.train.geometry import agreement, fitting, rows

    samples = agreement.frontal_faces(rows.read_photographs(args.faces), rows.read_marks(args.landmarks), "even")
    for words, share in fitting.fit(samples, args.out).items():
        print(f"{words:<40}{share:>6.1f} %")
    return 0


def _agree(args: argparse.Namespace) -> int:
    from edgefer.train.geometry import agreement, rows

    photographs, marks = rows.read_photographs(args.faces), args.landmarks and rows.read_marks(args.landmarks)
    samples = agreement.frontal_faces(photographs, marks, args.part, detector=args.detector)
    print(
        f"frontal faces of {agreement.LEAST_PX} px and more, {args.part} rows, boxes of {args.detector}, "
        f"landmarks of {args.landmarks or 'the network that ships'}"
    )
    print(agreement.table(agreement.agree(samples)))
    return 0


def _points(args: argparse.Namespace) -> int:
    from edgefer.measure.datasets import SPLITS
    from edgefer.train.geometry import rows

    rows.find_points(args.data, rows.read_marks(args.landmarks), SPLITS.index(args.split), args.limit, args.out)
    return 0


def _export(args: argparse.Namespace) -> int:
    from edgefer.train.geometry import calibrate, export, mlp, people, rows

    if (args.classic is None) == (args.people is None):
        raise UsageError("export: expected --classic, what `points` wrote of FER-2013, or --people and a folder")
    sources, network = {}, rows.SHIPPED
    for name, classic in (("classic", args.classic), ("landmarks", None)):
        if args.people is not None:
            train, val = people.load_people(args.people, name, args.division)
        else:
            marks = rows.read_marks(args.landmarks)
            network = marks.network
            train, val = (rows.load_rows(args.data, split, marks, classic) for split in ("train", "val"))
        trained = (
            mlp.fit_own(train.points, train.truth, SEED)
            if args.own
            else mlp.fit_paper(train.points, train.truth, SEED, epochs=args.epochs)
        )
        sources[name] = export.Source(trained, train, val)
        print(f"{name}: train {train.counts}\n{name}: val {val.counts}", flush=True)
    own = " --own" if args.own else ""
    data = "--landmarks own.npz --classic classic.npz"
    if args.people:
        data = f"--people {args.people.name} --division {args.division}"
    command = f"python -m edgefer.train.geometry export{own} {data} --name {args.name} --out {args.name}"
    manifest = export.export(
        args.out,
        args.name,
        OWN_WORDS if args.own else PAPER_WORDS,
        f"{export.PAPER}; the distances alone" if args.own else export.PAPER,
        sources,
        args.points,
        command,
        SEED,
        f"{args.people.name}, {args.division}" if args.people else export.DATA,
        network,
    )
    manifest = calibrate.calibrate(args.out, {name: source.val for name, source in sources.items()})
    for name, part in (("classic", manifest.classic), ("landmarks", manifest.landmarks)):
        figures = part.metrics
        print(f"{name}: {figures.accuracy:.2f} % of {figures.rows}; most frequent label {figures.chance:.2f} %")
    return 0


def _calibrate(args: argparse.Namespace) -> int:
    from edgefer.train.geometry import calibrate, rows

    marks, points = rows.read_marks(args.landmarks), {"classic": args.classic, "landmarks": None}
    val = {name: rows.load_rows(args.data, "val", marks, classic) for name, classic in points.items()}
    print(f"{args.model}: temperature {calibrate.calibrate(args.model, val).output.temperature:g}")
    return 0


def _compare(args: argparse.Namespace) -> int:
    from edgefer.train.geometry import compare

    print(compare.compared(args.data, args.landmarks, args.classic, args.models, args.beside))
    return 0


def _study(args: argparse.Namespace) -> int:
    from edgefer.train.geometry import mlp, rows, study

    marks = rows.read_marks(args.landmarks)
    train, val = (rows.load_rows(args.data, split, marks, args.classic) for split in ("train", "val"))
    print(f"points: {'classic chain' if args.classic else 'landmarks'}\ntrain: {train.counts}\nval: {val.counts}\n")
    whole = mlp.fit_paper(train.points, train.truth, SEED, epochs=args.epochs)
    print(study.study(train, val, whole, SEED, args.epochs))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    args = _parser().parse_args(argv)
    np.seterr(all="raise", under="ignore")
    try:
        return args.execute(args)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
