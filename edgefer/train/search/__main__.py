"""`python -m edgefer.train.search`: search the options of the 3D-CNN (Table 1 of Haddad et al.) by cross-validation.

python -m edgefer.train.search run --storage journal:FILE --data TREE --layout ckplus --out FOLDER --trials 800 --jobs 2
python -m edgefer.train.search run --storage postgresql://USER@HOST/DATABASE …        the same on each of many machines
python -m edgefer.train.search show --storage journal:FILE
python -m edgefer.train.search plot --storage journal:FILE --out PNG

A run may be ended or killed at any time; the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.train.protocols.__main__ import add_set, add_sizes, augmentation_of, clips_of, sizes_of
from edgefer.train.protocols.folds import side_by_side
from edgefer.train.protocols.paper import PRUNED_BELOW, TRIALS
from edgefer.train.protocols.plan import Plan, divide


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    logging.basicConfig(format="edgefer: %(message)s", level=logging.WARNING)
    arguments = _parser().parse_args(argv)
    try:
        import optuna
        import sqlalchemy.exc
    except ImportError as error:
        print(f"edgefer: {error.name} is not installed: pip install 'edgefer[search]'", file=sys.stderr)
        return UsageError.exit_code
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    from edgefer.train.search.study import reason

    try:
        return arguments.execute(arguments)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        print(f"edgefer: the storage failed: {reason(error)}; the same command goes on", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    run = actions.add_parser("run", help="do trials until there are enough")
    _storage(run)
    add_set(run)
    run.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="of the trials' folds")
    run.add_argument("--trials", type=int, default=TRIALS, help="of the study, in all (default: %(default)s)")
    run.add_argument(
        "--below", type=float, default=PRUNED_BELOW, help="percent; a trial that cannot reach it ends (%(default)s)"
    )
    run.add_argument(
        "--epoch", choices=("last", "best"), default="last",
        help="a fold's accuracy is that after its last epoch, or as in the paper its best (default: %(default)s)",
    )  # fmt: skip
    run.add_argument("--jobs", type=int, default=1, help="processes (default: %(default)s)")
    add_sizes(run)
    run.set_defaults(execute=_run)
    show = actions.add_parser("show", help="the trials, one line of JSON each, and a summary")
    _storage(show)
    show.set_defaults(execute=_show)
    plot = actions.add_parser("plot", help="draw the trials and which options matter")
    _storage(plot)
    plot.add_argument("--out", type=Path, required=True, metavar="PNG")
    plot.set_defaults(execute=_plot)
    return parser


def _storage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--storage", required=True, help="journal:FILE, or postgresql://USER@HOST/DATABASE")
    parser.add_argument("--study", default="haddad", help="name of the study (default: %(default)s)")


def _run(arguments: argparse.Namespace) -> int:
    from edgefer.train.search.objective import objective
    from edgefer.train.search.study import SYNTHETIC, open_study, summary, turns_of, work

    clips = clips_of(arguments, arguments.out)
    divide(arguments.protocol, clips.subjects)
    plan = Plan(
        clips=clips.digest,
        protocol=arguments.protocol,
        parameters={},
        augmentation=augmentation_of(arguments),
        **sizes_of(arguments),
    )
    plan.copies("")
    study = open_study(arguments.storage, arguments.study, create=True, below=arguments.below)
    if clips.synthetic:
        study.set_user_attr(SYNTHETIC, True)
    if arguments.jobs > 1:
        side_by_side(["-m", "edgefer.train.search", *sys.argv[1:], "--jobs", "1"], arguments.jobs)
        print(summary(study))
        return 0
    turns = turns_of(arguments.storage, arguments.study)
    try:
        work(study, objective(plan, clips, arguments.out, arguments.epoch), arguments.trials, turns)
    finally:
        turns.close()
    print(summary(study))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from edgefer.train.search.study import open_study, summary, words_of

    study = open_study(arguments.storage, arguments.study)
    for trial in study.get_trials(deepcopy=False):
        print(json.dumps(words_of(trial)))
    print(summary(study), file=sys.stderr)
    return 0


def _plot(arguments: argparse.Namespace) -> int:
    from edgefer.train.search.plot import draw
    from edgefer.train.search.study import open_study, summary

    study = open_study(arguments.storage, arguments.study)
    print(f"{summary(study)}; drawn in {draw(study, arguments.out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
