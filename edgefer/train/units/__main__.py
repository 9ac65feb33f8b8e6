"""`python -m edgefer.train.units`: networks that read action units.

python -m edgefer.train.units make --data DATA --labels LABELS --out FACES    crops to learn from and to judge with
python -m edgefer.train.units fit FACES --start WEIGHTS --out RUN             our own network
python -m edgefer.train.units export RUN --faces FACES                        a model directory of it
python -m edgefer.train.units measure FACES                                   a shipped model's table
python -m edgefer.train.units paper FACES --out RUN                           the paper's heads, beside its figures
python -m edgefer.train.units relative FACES --out RUN                        a study: against the face at rest
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path

from edgefer.errors import INTERRUPTED, EdgeferError
from edgefer.models import store

DATA = Path(os.environ.get("EDGEFER_DATA", "../shared/data"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgefer.train.units", description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    make = actions.add_parser("make", help="make crops of made and of real faces")
    make.add_argument("--data", type=Path, default=DATA, help="default: %(default)s")
    make.add_argument("--labels", type=Path, required=True, help="folder that edgefer.train.teachers wrote")
    make.add_argument("--out", type=Path, required=True, help="folder for them")
    make.set_defaults(execute=_make)
    _fit_arguments(actions.add_parser("fit", help="train our own network"))
    export = actions.add_parser("export", help="write a model directory of a run")
    export.add_argument("run", type=Path)
    export.add_argument("--faces", type=Path, required=True, help="folder of crops")
    export.add_argument("--out", type=Path, default=store.SHIPPED / "units", help="default: %(default)s")
    export.set_defaults(execute=_export)
    _paper_arguments(actions.add_parser("paper", help="train the paper's heads and print them beside its figures"))
    relative = actions.add_parser("relative", help="read units against the same face at rest, and print the table")
    relative.add_argument("faces", type=Path, help="folder of crops")
    relative.add_argument("--out", type=Path, required=True, help="directory of the run")
    _relative_arguments(relative)
    measure = actions.add_parser("measure", help="print how well a model reads units, by unit")
    measure.add_argument("faces", type=Path, help="folder of crops")
    measure.add_argument("--model", default="units", help="default: %(default)s")
    measure.add_argument("--part", choices=("val", "test"), default="test", help="default: %(default)s")
    measure.set_defaults(execute=_measure)
    return parser


def _make(args: argparse.Namespace) -> int:
    from edgefer.train.units.material import make

    make(args.data, args.labels, args.out)
    return 0


def _fit_arguments(parser: argparse.ArgumentParser) -> None:
    from edgefer.train.units.fit import UnitsTraining

    parser.add_argument("faces", type=Path, help="folder of crops")
    parser.add_argument("--out", type=Path, required=True, help="directory of the run")
    for each in fields(UnitsTraining):
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=type(each.default), default=each.default)
    parser.set_defaults(execute=_fit)


def _fit(args: argparse.Namespace) -> int:
    import json

    from edgefer.train.units.fit import UnitsTraining, fit_units
    from edgefer.train.units.material import load

    training = UnitsTraining(**{each.name: getattr(args, each.name) for each in fields(UnitsTraining)})
    parts = {name: load(args.faces, name) for name in ("made_train", "made_val", "real_train", "real_val")}
    print(json.dumps(fit_units(training, parts, args.out), indent=2))
    return 0


def _export(args: argparse.Namespace) -> int:
    import json

    from edgefer.train.units.export import export
    from edgefer.train.units.fit import UnitsTraining
    from edgefer.train.units.material import load

    kinds = ("made_train", "made_val", "made_test", "real_train", "real_test")
    done = json.loads((args.run / "done.json").read_text())["training"]
    plain = UnitsTraining()
    options = " ".join(
        f"--{each.name.replace('_', '-')} {done[each.name]}"
        for each in fields(UnitsTraining)
        if each.name != "start" and done[each.name] != getattr(plain, each.name)
    )
    command = (
        "python -m edgefer.train.teachers --data DATA --out LABELS && "
        "python -m edgefer.train.units make --data DATA --labels LABELS --out FACES && "
        f"python -m edgefer.train.units fit FACES --start LANDMARKS/deep80/averaged.weights.h5 {options} --out RUN && "
        "python -m edgefer.train.units export RUN --faces FACES"
    ).replace("  ", " ")
    _, table = export(args.run, args.out, {name: load(args.faces, name) for name in kinds}, command)
    print(table)
    return 0


def _paper_arguments(parser: argparse.ArgumentParser) -> None:
    from edgefer.train.units.paper import PaperTraining

    parser.add_argument("faces", type=Path, help="folder of crops")
    parser.add_argument("--out", type=Path, required=True, help="directory of the run; a finished one is printed")
    parser.add_argument("--data", type=Path, default=DATA, help="default: %(default)s")
    for each in fields(PaperTraining):
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=type(each.default), default=each.default)
    parser.set_defaults(execute=_paper)


def _paper(args: argparse.Namespace) -> int:
    import json

    from edgefer.train.units.material import load, tags
    from edgefer.train.units.paper import PaperTraining, run, table

    kept = args.out / "paper.json"
    if not kept.exists():
        training = PaperTraining(**{each.name: getattr(args, each.name) for each in fields(PaperTraining)})
        made, test, real = (load(args.faces, name) for name in ("made_train", "made_test", "real_train"))
        run(training, made, test, real, tags(args.data), args.out)
    print(table(json.loads(kept.read_text())))
    return 0


def _relative_arguments(parser: argparse.ArgumentParser) -> None:
    from edgefer.train.units.relative import RelativeTraining

    for each in fields(RelativeTraining):
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=type(each.default), default=each.default)
    parser.set_defaults(execute=_relative)


def _relative(args: argparse.Namespace) -> int:
    from edgefer.train.units.material import load
    from edgefer.train.units.relative import RelativeTraining, run

    training = RelativeTraining(**{each.name: getattr(args, each.name) for each in fields(RelativeTraining)})
    print(run(training, {part: load(args.faces, f"made_{part}") for part in ("train", "val", "test")}, args.out))
    return 0


def _measure(args: argparse.Namespace) -> int:
    from edgefer.train.units.measured import measured

    print(measured(args.model, args.faces, args.part), end="")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Command line; exit code 0, or that of the error."""
    try:
        args = _parser().parse_args(argv)
        code: int = args.execute(args)
        return code
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
