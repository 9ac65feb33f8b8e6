"""`python -m edgefer.train`: every model of the five papers, trained or owed; `all` trains what has a recipe.

python -m edgefer.train                list
python -m edgefer.train all [NAME …]   list, then train and export what is owed of these models, or of all
python -m edgefer.train short [NAME …] train and export short forms of these models, or of all: minutes each
python -m edgefer.train tables         keep what finished runs left, write reproduction.md and frontier.md
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from edgefer.errors import INTERRUPTED, EdgeferError, ModelError
from edgefer.models import directory, store
from edgefer.train import frontier, report, short
from edgefer.train.recipes import (
    MAKERS,
    OWED,
    RECIPES,
    REPEATED,
    SHIPPED,
    Runs,
    epochs,
    in_order,
    repetition,
)
from edgefer.train.settings import Settings, find_data


def standing(name: str) -> tuple[bool, str]:
    """Whether a model is there and sound, and its accuracy or what it will cost, in words."""
    runs = RECIPES[name]
    cost = "owed: epochs " + ", ".join(f"{count} at {side} px" for side, count in epochs(runs).items())
    if name not in store.shipped():
        done = finished(runs)
        if done is None or name in SHIPPED:
            return False, cost + _on_record(name)
        return (
            True,
            f"trained: {done['val_accuracy_float32']:.2f} % on {done['val_rows']} rows of val, float32"
            + ("" if follows(runs) else ", with other settings than its recipe"),
        )
    try:
        metrics = directory.load(store.find(name)).metrics
    except ModelError as error:
        return False, f"owed: {error}"
    words = f"trained: {metrics.accuracy_int8:.2f} % on {metrics.rows} rows of {metrics.split}, int8"
    return True, words + ("" if metrics.ece is None else f", ECE {metrics.ece:.2f} %")


def _on_record(name: str) -> str:
    """What the project knows of a run whose weights are not here."""
    run = report.runs_on_record().get(name)
    return f"; on record: {run.accuracy:.2f} % on {run.rows} rows of val, float32" if run else ""


def finished(runs: Runs) -> dict | None:
    """done.json of the last of some runs, where it is finished."""
    path = Path(runs[-1][0]) / "done.json"
    return json.loads(path.read_text()) if path.exists() else None


def follows(runs: Runs) -> bool:
    """Whether the last of some runs has the settings of its recipe."""
    run, settings = runs[-1]
    return Settings.read(Path(run) / "settings.json") == settings


def owed_repetitions(name: str) -> list[int]:
    """Which of a model's further runs are still to be made."""
    numbers = range(2, REPEATED.get(name, 1) + 1)
    return [number for number in numbers if finished(repetition(name, number)) is None]


def missing(name: str) -> str:
    """The data that a model needs and that is not here; empty where it is."""
    data = RECIPES[name][-1][1].data
    return "" if find_data(data).exists() else data


def commands(name: str, number: int = 1) -> list[str]:
    """What trains a model, and exports its first run.

    Not exported are runs on a division, which are for the tables alone. A network with a spatial transformer
    has no int8 form.
    """
    runs = repetition(name, number)
    last, settings = runs[-1]
    runs = (*_before(runs[0][1].start), *runs)
    trained = [settings.command(run) for run, settings in runs]
    if settings.division or number > 1:
        return trained
    out = "" if name in SHIPPED else f" --out build/models/{name}"
    form = " --precision float32" if settings.stl else out
    return [*trained, f"python -m edgefer.train.export {last}{form}"]


def _before(start: str) -> Runs:
    """The runs of another recipe that lead to one that is to be started from; none where that one is here.

    A model may ship while the runs that led to it are not here.
    """
    if start not in MAKERS or (Path(start) / "checkpoint.npz").exists():
        return ()
    runs = repetition(*MAKERS[start])
    return runs[: [run for run, _ in runs].index(start) + 1]


def listing() -> None:
    """Print every model, and what is owed."""
    owed = Counter()
    for name in RECIPES:
        trained, words = standing(name)
        more = len(owed_repetitions(name))
        folds = "folds" if "fold" in RECIPES[name][-1][1].division else "such runs"
        needed = "" if trained and not more else missing(name)
        print(
            f"{name:<32} {words}"
            + (f"; {more} more {folds} owed" if more else "")
            + (f"; needs {needed}, which is neither here nor under EDGEFER_DATA" if needed else "")
        )
        owed[bool(needed)] += (not trained) + more
    for name, paper in OWED.items():
        print(f"{name:<32} owed: {paper}; has no recipe yet")
    print(
        f"\n{owed[False] + owed[True]} runs are owed, {owed[True]} of them for want of data. "
        "`make train-all` makes the others; "
        "`python -m edgefer.train all NAME` those of one model and its teachers."
    )


def train(names: list[str]) -> int:
    """Train and export what is owed of these models; what fails is named at the end.

    Returns:
        Exit code: 0, or that of the first command that failed.
    """
    failed: dict[str, int] = {}
    for name, number in in_order(names):
        done = standing(name)[0] if number == 1 else finished(repetition(name, number)) is not None
        if done:
            continue
        label = name if number == 1 else f"{name}-{number}"
        if missing(name):
            print(f"\n{label}: left out, needs {missing(name)}", flush=True)
            continue
        code = run_all(commands(name, number))
        if code == INTERRUPTED:
            return code
        if code:
            failed[label] = code
    return _failures(failed)


def train_short(names: list[str]) -> int:
    """Train and export the short forms of these models, and keep what they gave.

    Returns:
        As of `train`. A refused export is no failure: it is what the record then says.
    """
    failed: dict[str, int] = {}
    for label, (run, settings) in short.runs(names).items():
        if not find_data(settings.data).exists():
            print(f"\n{label}: left out, needs {settings.data}", flush=True)
            continue
        if (report.SHORT_RECORDS / f"{label}.json").exists() and finished(((run, settings),)):
            continue
        code = run_all([settings.command(run)])
        if code == INTERRUPTED:
            return code
        if code:
            failed[label] = code
            continue
        exported = _exported(run, settings) if settings.seed == 1 else ""
        short.record(Path(run), exported, report.SHORT_RECORDS)
    return _failures(failed)


def run_all(lines: list[str]) -> int:
    """Run commands one after the other; returns the exit code of the first that fails, or 0."""
    for command in lines:
        print(f"\n$ {command}", flush=True)
        code = _process(command).returncode
        if code:
            return code
    return 0


def _exported(run: str, settings: Settings) -> str:
    """Export a short form: precision and accuracy of what was written, or why it was refused."""
    command, out = short.export(run, settings)
    print(f"\n$ {command}", flush=True)
    done = _process(command, stderr=subprocess.PIPE, text=True)
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return done.stderr.splitlines()[-1].removeprefix("edgefer: ")
    if settings.stl:
        return f"float32 {json.loads(out.with_suffix('.json').read_text())['metrics']['accuracy']:.2f}"
    return f"int8 {directory.load(out).metrics.accuracy_int8:.2f}"


def _process(command: str, **options) -> subprocess.CompletedProcess:
    """Run one of our commands: any backend trains, but only TensorFlow converts."""
    backend = {"KERAS_BACKEND": "tensorflow"} if "train.export" in command else {}
    words = [sys.executable, *command.split()[1:]]
    return subprocess.run(words, check=False, env={**os.environ, **backend}, **options)


def _failures(failed: dict[str, int]) -> int:
    """Name what failed; returns the first of the exit codes, or 0."""
    for label, code in failed.items():
        print(f"edgefer: {label} failed with exit code {code}; its own message is above", file=sys.stderr)
    return next(iter(failed.values()), 0)


def main(argv: list[str] | None = None) -> int:
    """Command line; exit code 0, or that of the first training that failed."""
    parser = argparse.ArgumentParser(prog="python -m edgefer.train", description=__doc__.split("\n")[0])
    parser.add_argument("action", nargs="?", choices=("list", "all", "short", "tables"), default="list")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to train; default: all")
    options = parser.parse_args(argv)
    if options.names and options.action not in ("all", "short"):
        parser.error(f"{options.action} takes no names; all and short do")
    for name in options.names:
        if name not in RECIPES:
            parser.error(f"unknown model {name!r}; available: {', '.join(RECIPES)}")
    try:
        code = 0
        if options.action in ("list", "all"):
            listing()
        if options.action == "all":
            code = train(options.names or list(RECIPES))
        if options.action == "short":
            code = train_short(options.names or list(RECIPES))
        if options.action != "list" and code != INTERRUPTED:
            print(report.tables())
            frontier.write()
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


if __name__ == "__main__":
    sys.exit(main())
