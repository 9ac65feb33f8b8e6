"""`python -m edgefer.train.units`: networks that read action units.

python -m edgefer.train.units make --data DATA --labels LABELS --out FACES    crops to learn from and to judge with
python -m edgefer.train.units fit FACES --start WEIGHTS --out RUN             our own network
python -m edgefer.train.units relative FACES --out REST                       the one against the face at rest
python -m edgefer.train.units export RUN --rest REST --faces FACES            a model directory of both
python -m edgefer.train.units measure FACES                                   a shipped model's tables
python -m edgefer.train.units paper FACES --out RUN                           the paper's heads, beside its figures
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path

from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.models import store
from edgefer.models.directory import MANIFEST_NAME

DATA = Path(os.environ.get("EDGEFER_DATA", "../shared/data"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgefer.train.units", description=__doc__.split("\n")[0])
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    make = actions.add_parser("make", help="make crops of made and of real faces")
    make.add_argument("--data", type=Path, default=DATA, help="default: %(default)s")
    make.add_argument("--labels", type=Path, required=True, help="folder that edgefer.train.teachers wrote")
    make.add_argument("--out", type=Path, required=True, help="folder for them")
    make.add_argument("--sets", type=int, default=1, help="films of each person in training; default: %(default)s")
    make.add_argument("--processes", type=int, default=1, help="that make films; default: %(default)s")
    make.set_defaults(execute=_make)
    _fit_arguments(actions.add_parser("fit", help="train our own network"))
    export = actions.add_parser("export", help="write a model directory of a run")
    export.add_argument("run", type=Path, help="or a model directory, whose network of one picture is kept")
    export.add_argument("--rest", type=Path, help="run of the network against the face at rest; default: none")
    export.add_argument("--faces", type=Path, required=True, help="folder of crops")
    _films_arguments(export)
    export.add_argument("--out", type=Path, default=store.SHIPPED / "units", help="default: %(default)s")
    export.set_defaults(execute=_export)
    _paper_arguments(actions.add_parser("paper", help="train the paper's heads and print them beside its figures"))
    relative = actions.add_parser("relative", help="train the network against the face at rest")
    relative.add_argument("faces", type=Path, help="folder of crops")
    relative.add_argument("--out", type=Path, required=True, help="directory of the run")
    _relative_arguments(relative)
    measure = actions.add_parser("measure", help="print how well a model reads units, by unit")
    measure.add_argument("faces", type=Path, help="folder of crops")
    measure.add_argument("--model", default="units", help="default: %(default)s")
    _films_arguments(measure)
    measure.add_argument("--part", choices=("val", "test"), default="test", help="default: %(default)s")
    measure.set_defaults(execute=_measure)
    return parser


def _films_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=DATA, help="for films: default: %(default)s")
    parser.add_argument("--labels", type=Path, help="for films: folder that edgefer.train.teachers wrote")


def _make(args: argparse.Namespace) -> int:
    from edgefer.train.units import material, shots

    material.make(args.data, args.labels, args.out)
    shots.make(args.data, args.labels, args.out, sets=args.sets, processes=args.processes)
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

    from edgefer.train.units.against import Films
    from edgefer.train.units.export import export, export_rest
    from edgefer.train.units.fit import WEIGHTS, UnitsTraining, chain
    from edgefer.train.units.material import load

    if args.rest and not args.labels:
        raise UsageError("export --rest: needs --labels, the folder that edgefer.train.teachers wrote, for its films")
    films = Films(args.rest, args.faces, args.data, args.labels) if args.rest else None
    if films and (args.run / MANIFEST_NAME).exists():
        print(export_rest(args.run, args.out, films)[1])
        return 0
    kinds = ("made_train", "made_val", "made_test", "real_train", "real_test")
    runs = chain(args.run)
    names = ["RUN"] if len(runs) == 1 else [f"RUN{number}" for number in range(1, len(runs) + 1)]
    fits = []
    for number, (run, name) in enumerate(zip(runs, names, strict=True)):
        done = json.loads((run / "done.json").read_text())["training"]
        begin = f"--further {names[number - 1]}/{WEIGHTS}" if number else "--start LANDMARKS/deep80/averaged.weights.h5"
        options = [
            f"--{each.name.replace('_', '-')} {done[each.name]}"
            for each in fields(UnitsTraining)
            if each.name not in ("start", "further") and done.get(each.name, each.default) != each.default
        ]
        fits.append(" ".join(["python -m edgefer.train.units fit FACES", begin, *options, "--out", name]))
    command = " && ".join(
        [
            "python -m edgefer.train.teachers --data DATA --out LABELS",
            "python -m edgefer.train.units make --data DATA --labels LABELS --out FACES"
            + (f" --sets {films.sets()}" if films and films.sets() > 1 else ""),
            *fits,
            *([films.command()] if films else []),
            f"python -m edgefer.train.units export {names[-1]} --faces FACES"
            + (f" --rest {films.names()[-1]} --labels LABELS" if films else ""),
        ]
    )
    _, table = export(args.run, args.out, {name: load(args.faces, name) for name in kinds}, command, films)
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
    import json

    from edgefer.train.units.relative import RelativeTraining, run
    from edgefer.train.units.shots import load

    training = RelativeTraining(**{each.name: getattr(args, each.name) for each in fields(RelativeTraining)})
    train, val = load(args.faces, "train", training.sets), load(args.faces, "val")
    print(json.dumps(run(training, train, val, args.out), indent=2))
    return 0


def _measure(args: argparse.Namespace) -> int:
    from edgefer.train.units.measured import measured

    print(measured(args.model, args.faces, args.part, args.data, args.labels), end="")
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
