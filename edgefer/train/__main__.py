"""`python -m edgefer.train`: every model of the five papers, trained or not; `all` trains what has a recipe.

python -m edgefer.train                list
python -m edgefer.train all [NAME …]   list, then train and export what is not run yet of these models, or all
python -m edgefer.train short [NAME …] train and export short forms of these models, or of all: minutes each
python -m edgefer.train.tricks         what each trick gives a small network, in equal, short training
python -m edgefer.train explain RUN …  draw what the filters of a trained network respond to
python -m edgefer.train.sketch         networks for emotion sketches, with actions of their own
python -m edgefer.train.clips          networks for clips: expression over time, the order of frames
python -m edgefer.train.protocols      cross-validation by person of networks for clips, and its tables
python -m edgefer.train.search         search the options of the 3D-CNN
python -m edgefer.train.micro          micro-expressions: films, CNN and LSTM, figures, Table 4 of Breuer and Kimmel
python -m edgefer.train.units          networks for action units, likewise
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgefer.errors import INTERRUPTED, EdgeferError, ModelError, UsageError
from edgefer.models import directory, store
from edgefer.support.packages import require
from edgefer.train import explain, lanes, recipes, runs, short
from edgefer.train.recipes import ELSEWHERE, MAKERS, RECIPES, REPEATED, SHIPPED, Runs, Step, in_order, repetition
from edgefer.train.runs import is_made
from edgefer.train.settings import TrainingSettings, find_data, read_json

OnRecord = dict[str, runs.Record]


def status(name: str, on_record: OnRecord) -> tuple[bool, str]:
    """Whether a model is trained, and its accuracy or what it will cost, in words."""
    runs = RECIPES[name]
    cost = "not run yet: epochs " + ", ".join(f"{count} at {side} px" for side, count in recipes.epochs(runs).items())
    if name in store.shipped():
        try:
            metrics = directory.load_frame(store.find(name)).metrics
        except ModelError as error:
            return False, f"refused: {error}"
        words = f"trained: {metrics.accuracy_int8:.2f} % on {metrics.rows} rows of {metrics.split}, int8"
        return True, words + ("" if metrics.ece is None else f", ECE {metrics.ece:.2f} %")
    done = finished(runs)
    if done is not None and name not in SHIPPED:
        words = f"trained: {done['val_accuracy_float32']:.2f} % on {done['val_rows']} rows of val, float32"
        return True, words + ("" if follows(runs) else ", with other settings than its recipe")
    if done is None and name in on_record:
        kept = on_record[name]
        return True, f"trained: {kept.accuracy:.2f} % on {kept.rows} rows of val, float32; on record"
    return False, cost


def finished(runs: Runs) -> dict[str, Any] | None:
    """done.json of the last of some runs, where it is finished."""
    path = Path(runs[-1][0]) / "done.json"
    return read_json(path) if path.exists() else None


def follows(runs: Runs) -> bool:
    """Whether the last of some runs has the settings of its recipe."""
    run, settings = runs[-1]
    return TrainingSettings.read(Path(run) / "settings.json") == settings


def is_done(name: str, number: int, on_record: OnRecord) -> bool:
    """Whether a model's run is made: the first in whatever form `status` takes, others here or on record."""
    if number == 1:
        return status(name, on_record)[0]
    runs = repetition(name, number)
    return finished(runs) is not None or Path(runs[-1][0]).name in on_record


def missing_repetitions(name: str, on_record: OnRecord) -> list[int]:
    """Which of a model's further runs are not made yet."""
    numbers = range(2, REPEATED.get(name, 1) + 1)
    return [number for number in numbers if not is_done(name, number, on_record)]


def missing_data(name: str) -> str:
    """The data that a model needs and that is not here; empty where it is."""
    data = RECIPES[name][-1][1].data
    return "" if find_data(data).exists() else data


def steps(name: str, number: int = 1) -> list[Step]:
    """What trains a model, and exports its first run.

    Not exported are runs on a division, which are for the tables alone. A network with a spatial transformer
    has no int8 form.
    """
    runs = repetition(name, number)
    last, settings = runs[-1]
    fits = [step for run, settings in (*_absent(runs), *runs) for step in _fitted(run, settings)]
    if settings.division or number > 1:
        return fits
    if settings.stl:
        return [*fits, recipes.export_step(last, "--precision", "float32")]
    out = () if name in SHIPPED else ("--out", f"build/models/{name}")
    return [*fits, recipes.export_step(last, *out)]


def _fitted(run: str, settings: TrainingSettings) -> list[Step]:
    """What trains a run, its lessons first where they are not here."""
    absent = settings.lessons in recipes.LESSONS and not (Path(settings.lessons) / "done.json").exists()
    lessons = [recipes.lessons_step(settings.lessons)] if absent else []
    return [*lessons, recipes.fit_step(run, settings)]


def _absent(runs: Runs) -> Runs:
    """The runs of other recipes that some are started from or taught by and that are not here, in order.

    A model may ship, or be on record, while the runs that led to it are not here.
    """
    own = dict(runs)
    absent: dict[str, TrainingSettings] = {}
    for _, settings in runs:
        for needed in recipes.taught_by(settings):
            if needed in own or needed not in MAKERS:
                continue
            others = repetition(*MAKERS[needed])
            whole = needed == settings.start and not settings.quantisation_aware
            if is_made(needed, dict(others)[needed], whole):
                continue
            before = others[: [run for run, _ in others].index(needed) + 1]
            absent |= dict((*_absent(before), *before))
    return tuple(absent.items())


def list_models(on_record: OnRecord) -> None:
    """Print every model, and what is not run yet."""
    waiting: Counter[bool] = Counter()
    for name in RECIPES:
        trained, words = status(name, on_record)
        more = len(missing_repetitions(name, on_record))
        folds = "folds" if "fold" in RECIPES[name][-1][1].division else "such runs"
        needed = "" if trained and not more else missing_data(name)
        print(
            f"{name:<32} {words}"
            + (f"; {more} more {folds} not run yet" if more else "")
            + (f"; needs {needed}, which is neither here nor under EDGEFER_DATA" if needed else "")
        )
        waiting[bool(needed)] += (not trained) + more
    for name, (command, needed) in ELSEWHERE.items():
        words = f"not run yet: needs {needed}" if needed else "trained, and ships"
        print(f"{name:<32} {words}; by python -m {command}")
    print(
        f"\n{waiting.total()} trainings are not run yet, {waiting[True]} of them for want of data. "
        "`make train-all` makes the others; "
        "`python -m edgefer.train all NAME` those of one model and its teachers."
    )


def train(names: Iterable[str], on_record: OnRecord) -> int:
    """Train and export what is not run yet of these models; what fails is named at the end.

    Returns:
        Exit code: 0, or that of the first command that failed.
    """
    failed: dict[str, int] = {}
    for name, number in in_order(names):
        if is_done(name, number, on_record):
            continue
        label = name if number == 1 else f"{name}-{number}"
        if missing_data(name):
            print(f"\n{label}: left out, needs {missing_data(name)}", flush=True)
            continue
        code = run_all(steps(name, number))
        if code == INTERRUPTED:
            return code
        if code:
            failed[label] = code
    return _failures(failed)


def train_short(names: Iterable[str], kept: Path) -> int:
    """Train and export the short forms of these models, and keep what they gave.

    Returns:
        As of `train`. A refused export is no failure: it is what the record then says.
    """
    failed: dict[str, int] = {}
    for label, (run, settings) in short.short_runs(names).items():
        if not find_data(settings.data).exists():
            print(f"\n{label}: left out, needs {settings.data}", flush=True)
            continue
        if (kept / f"{label}.json").exists() and finished(((run, settings),)):
            continue
        code = run_all([recipes.fit_step(run, settings)])
        if code == INTERRUPTED:
            return code
        if code:
            failed[label] = code
            continue
        runs.keep_short(Path(run), _exported(run, settings) if settings.seed == 1 else "", kept)
    return _failures(failed)


def run_all(commands: Iterable[Step]) -> int:
    """Run commands one after the other; returns the exit code of the first that fails, or 0.

    Raises:
        UsageError: Keras is not there, without which none of them does anything.
    """
    require("keras")
    return next((code for step in commands if (code := step.run().returncode)), 0)


def _exported(run: str, settings: TrainingSettings) -> str:
    """Export a short form: precision and accuracy of what was written, or why it was refused."""
    step, out = short.short_export(run, settings)
    done = step.run(stderr=subprocess.PIPE, text=True)
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return done.stderr.splitlines()[-1].removeprefix("edgefer: ")
    if settings.stl:
        return f"float32 {json.loads(out.with_suffix('.json').read_text())['metrics']['accuracy']:.2f}"
    return f"int8 {directory.load_frame(out).metrics.accuracy_int8:.2f}"


def _failures(failed: dict[str, int]) -> int:
    """Name what failed; returns the first of the exit codes, or 0."""
    for label, code in failed.items():
        print(f"edgefer: {label} failed with exit code {code}; its own message is above", file=sys.stderr)
    return next(iter(failed.values()), 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgefer.train", description=__doc__.split("\n")[0])
    parser.set_defaults(action="list", names=[], records=runs.RECORDS)
    actions = parser.add_subparsers(metavar="ACTION")
    for name, summary in (
        ("list", "list every model, trained or not (what is done without an action)"),
        ("all", "list, then train and export what is not run yet"),
        ("short", "train and export short forms, minutes each"),
    ):
        action = actions.add_parser(name, help=summary, description=summary)
        action.set_defaults(action=name)
        action.add_argument(
            "--records",
            type=Path,
            default=runs.RECORDS,
            metavar="DIR",
            help="what is kept of finished runs (default: %(default)s)",
        )
        if name != "list":
            action.add_argument("names", nargs="*", metavar="NAME", help="models; default: all")
        if name == "all":
            lanes.add_arguments(action)
    action = actions.add_parser("explain", help=explain.SUMMARY, description=explain.SUMMARY)
    action.set_defaults(action="explain")
    explain.add_arguments(action)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Command line; exit code 0, or that of the first training that failed."""
    parser = _parser()
    options = parser.parse_args(argv)
    for name in options.names:
        if name not in RECIPES:
            parser.error(f"unknown model {name!r}; available: {', '.join(RECIPES)}")
    names = options.names or list(RECIPES)
    try:
        if options.action == "explain":
            return explain.execute(options)
        if options.action == "short":
            return train_short(names, options.records / "short")
        if options.action == "all" and options.lanes is None and (options.minutes is not None or options.pack):
            raise UsageError("--minutes and --pack: go with --lanes N; without it each run has the time it takes")
        if options.action == "all" and options.lanes is not None:
            return lanes.run(names, options.lanes, options.minutes, options.pack)
        on_record = runs.read_records(options.records)
        list_models(on_record)
        return train(names, on_record) if options.action == "all" else 0
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
