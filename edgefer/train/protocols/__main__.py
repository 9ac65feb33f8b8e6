"""`python -m edgefer.train.protocols`: cross-validation by person over a set of sequences.

python -m edgefer.train.protocols run --data TREE --layout ckplus --protocol loso --network ckplus --out RUN
python -m edgefer.train.protocols compare RUN RUN
python -m edgefer.train.protocols tables --ckplus TREE --oulu TREE --out FOLDER

The same command again does what is missing and prints the result; so does the same command twice at once.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.measure.datasets.sequences import READERS
from edgefer.train.clips.parameters import BATCH, EPOCHS, PRESETS, RATE, SIDE, Parameters, preset
from edgefer.train.protocols import paper
from edgefer.train.protocols.faces import Clips, load
from edgefer.train.protocols.folds import PLAN, Fold, Run, decoded, side_by_side
from edgefer.train.protocols.plan import Plan, frames_digest
from edgefer.train.protocols.results import Result, compare, result
from edgefer.train.protocols.tables import NEEDED, Study, confusion_table, markdown

#: Of networks.NETWORKS, which Keras stands before.
ON_FRAMES = ("edge", "recurrent")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.execute(arguments)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """The arguments of a network and its training that are smaller on small machines."""
    parser.add_argument(
        "--width",
        type=_share,
        default=1.0,
        metavar="SHARE",
        help="of the paper's filters and hidden units, as 1/16 (default: 1)",
    )
    parser.add_argument("--side", type=int, default=SIDE, help="of a frame, pixels (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=BATCH, help="default: %(default)s")
    parser.add_argument("--rate", type=float, default=RATE, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")


def _share(text: str) -> float:
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"expected a share, as 1/16 or 0.25, got {text!r}") from None


def sizes_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `add_sizes` asked for.

    Raises:
        UsageError: a number is out of range.
    """
    for name, low in (("side", 16), ("epochs", 1), ("batch", 2), ("seed", 0)):
        if getattr(arguments, name) < low:
            raise UsageError(f"--{name}: expected {low} or more, got {getattr(arguments, name)}")
    for name in ("width", "rate"):
        if not 0 < getattr(arguments, name) <= 1:
            raise UsageError(f"--{name}: expected above 0 and at most 1, got {getattr(arguments, name):g}")
    return {name: getattr(arguments, name) for name in ("width", "side", "epochs", "batch", "rate", "seed")}


def add_set(parser: argparse.ArgumentParser) -> None:
    """The arguments of a set of sequences."""
    parser.add_argument("--data", type=Path, required=True, metavar="TREE", help="as its authors distribute it")
    parser.add_argument("--layout", required=True, choices=READERS)
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the reader: light=Weak")
    parser.add_argument("--protocol", default="loso", help="loso, or 10-fold or another number (default: %(default)s)")
    parser.add_argument("--augmentation", help="ckplus, oulu-casia or none (default: that of the layout)")


def clips_of(arguments: argparse.Namespace, folder: Path) -> Clips:
    """The clips of what `add_set` asked for."""
    options: dict[str, object] = {}
    for each in arguments.option:
        name, equals, value = each.partition("=")
        if not equals or name in options:
            raise UsageError(f"--option: expected NAME=VALUE, each name once, got {each!r}")
        options[name] = {"true": True, "false": False}.get(value.lower(), value)
    try:
        return load(arguments.data, arguments.layout, folder, options)
    except TypeError as error:
        raise UsageError(f"--option: {error}") from None


def augmentation_of(arguments: argparse.Namespace) -> str:
    """Named, or that of the layout where the paper has one."""
    return arguments.augmentation or (arguments.layout if arguments.layout in PRESETS else "none")


def parameters_of(words: str) -> Parameters:
    """A preset by its name, or options in a JSON file.

    Raises:
        UsageError: neither.
    """
    if not words.endswith(".json"):
        return preset(words)
    try:
        return Parameters(**json.loads(Path(words).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{words}: expected a file with the options of Table 1: {error}") from None


def _network_of(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.network not in ON_FRAMES:
        return {"parameters": parameters_of(arguments.network).words()}
    if arguments.frames is None:
        raise UsageError(
            f"{arguments.network}: stands on a frame network; expected --frames with a run of edgefer-nano"
        )
    return {"network": arguments.network, "parameters": {}, "frames": frames_digest(arguments.frames)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.protocols",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    run = actions.add_parser("run", help="cross-validate one network")
    add_set(run)
    run.add_argument(
        "--network",
        default="ckplus",
        help=f"the 3D-CNN with the options {', '.join(PRESETS)} or of FILE.json; or {', '.join(ON_FRAMES)} "
        "(default: %(default)s)",
    )
    run.add_argument("--frames", type=Path, metavar="RUN", help="of edgefer-nano, which edge and recurrent stand on")
    run.set_defaults(execute=_run)
    two = actions.add_parser(
        "compare", help="the difference of two finished runs over the same folds, and its p-values"
    )
    two.add_argument("runs", nargs=2, type=Path, metavar="RUN")
    two.set_defaults(execute=_compare)
    tables = actions.add_parser("tables", help="Tables 4 to 8 and Fig. 2 of the paper, with what is measured")
    tables.add_argument("--ckplus", type=Path, metavar="TREE")
    tables.add_argument("--oulu", type=Path, metavar="TREE")
    tables.add_argument("--frames", type=Path, metavar="RUN", help="of edgefer-nano, for rows of our edge network")
    tables.add_argument("--only", default=",".join(NEEDED), metavar="N,N", help="default: %(default)s")
    tables.add_argument("--storage", help="of a search, for Fig. 2: see python -m edgefer.train.search")
    tables.add_argument("--study", default="haddad", help="name of the search (default: %(default)s)")
    tables.add_argument("--done", action="store_true", help="print what is done; train nothing")
    tables.set_defaults(execute=_tables)
    for each in (run, tables):
        each.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="of folds that are done")
        each.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
        each.add_argument("--quiet", action="store_true", help="print nothing")
        add_sizes(each)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    clips = clips_of(arguments, arguments.out)
    plan = Plan(
        clips=clips.digest,
        protocol=arguments.protocol,
        augmentation=augmentation_of(arguments),
        **_network_of(arguments),
        **sizes_of(arguments),
    )
    plan.copies("")
    run = Run(arguments.out, plan, clips, frames=arguments.frames)
    _work(arguments, run.work)
    folds = run.done()
    if not arguments.quiet:
        print(_page(run, folds, result(folds, len(clips.labels))))
    # one of several processes has done its part, though the others may not be at the end of theirs
    return 0 if arguments.quiet or len(folds) == len(run.divisions) else 1


def _work(arguments: argparse.Namespace, work) -> None:
    if arguments.jobs <= 1:
        work()
        return
    command = ["-m", "edgefer.train.protocols", *sys.argv[1:], "--jobs", "1", "--quiet"]
    side_by_side(command, arguments.jobs)


def _page(run: Run, folds: Sequence[Fold], told: Result) -> str:
    plan, clips = run.plan, run.clips
    head = [
        *(["Synthetic: these faces are made, so are these figures.", ""] if clips.synthetic else []),
        f"{plan.network}, {plan.protocol}: {len(clips)} sequences of {len(set(clips.subjects.tolist()))} people; "
        f"{_sizes(plan)}, copies: {plan.augmentation}",
        *(["; ".join(f"{name} {value}" for name, value in plan.parameters.items())] if plan.parameters else []),
        *([f"{clips.unseen} sequences without a face that is found: cut out at the middle"] if clips.unseen else []),
        "",
    ]
    rows = [["fold", "people", "sequences", "last epoch, %", "best epoch, %"]]
    for fold, last, best in zip(folds, told.accuracies, told.best, strict=True):
        people = ", ".join(fold.subjects)
        rows.append([fold.name, people, str(len(fold.rows)), f"{last:.2f}", f"{best:.2f}"])
    rows.append(["all", "", str(int(told.confusion.sum())), f"{told.overall:.2f}", f"{told.overall_best:.2f}"])
    under = [
        "",
        f"Mean of the folds {told.mean:.2f} %. A fold's best epoch, which the paper reports, is chosen on its test.",
        "",
        *confusion_table(told.confusion, clips.labels),
    ]
    if len(folds) < len(run.divisions):
        under.append(f"\n{len(run.divisions) - len(folds)} of {len(run.divisions)} folds are not done.")
    return "\n".join([*head, *markdown(rows), *under])


def _sizes(plan: Plan) -> str:
    size = "" if plan.frames else f"width {plan.width:g}, side {plan.side}, "
    return f"{size}{plan.epochs} epochs at {plan.rate:g}"


def _compare(arguments: argparse.Namespace) -> int:
    first, second = (_read(folder) for folder in arguments.runs)
    told = compare(first, second)
    print(f"{first.mean:.2f} % against {second.mean:.2f} %, mean of {len(first.names)} folds")
    low, high = told.folds.low, told.folds.high
    print(f"difference {told.folds.difference:+.2f} points, 95 % from {low:+.2f} to {high:+.2f}")
    print(f"paired t: p {told.folds.p:.3g} two-sided, {told.one_sided:.3g} one-sided, as in the paper: {told.words}")
    print(f"McNemar on {told.rows.pairs} sequences that only one gets right: p {told.rows.p:.3g}")
    return 0


def _read(folder: Path) -> Result:
    if not (folder / PLAN).exists():
        raise UsageError(f"{folder / PLAN}: no such file; expected the folder of a run")
    names = sorted(path for path in folder.glob("*.json") if path.name != PLAN)
    folds = [decoded(path, Fold) for path in names]
    if not folds:
        raise UsageError(f"{folder}: no fold is finished; the command that began the run does them")
    return result(folds, 1 + max(place for fold in folds for epoch in (fold.truth, *fold.predicted) for place in epoch))


def _tables(arguments: argparse.Namespace) -> int:
    tables = [each for each in arguments.only.split(",") if each]
    for each in tables:
        if each not in NEEDED:
            raise UsageError(f"--only: expected some of {', '.join(NEEDED)}, got {each!r}")
    trees = {"ckplus": arguments.ckplus, "oulu-casia": arguments.oulu}
    sets = {layout: load(tree, layout, arguments.out) for layout, tree in trees.items() if tree is not None}
    study = Study(arguments.out, sets, sizes_of(arguments), arguments.frames)
    if not arguments.done:
        _work(arguments, lambda: study.work(tables))
    if not arguments.quiet:
        print(study.text(tables))
        print(_figure_2(arguments))
    return 0


def _figure_2(arguments: argparse.Namespace) -> str:
    told = (
        f"Fig. 2: the paper tries more than {paper.TRIALS} configurations, ends those that cannot reach "
        f"{paper.PRUNED_BELOW} % LOSO, converges after {paper.CONVERGES}, and reaches {paper.BEST} %."
    )
    if not arguments.storage:
        return f"{told} Not run: no --storage of a search was given."
    from edgefer.train.search.plot import draw
    from edgefer.train.search.study import open_study, summary

    study = open_study(arguments.storage, arguments.study)
    picture = draw(study, arguments.out / "figure-2.png")
    return f"{told}\nHere: {summary(study)}; drawn in {picture}"


if __name__ == "__main__":
    sys.exit(main())
