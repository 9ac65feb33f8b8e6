"""`python -m edgefer.train`: every model of the five papers, trained or owed; `all` trains what has a recipe.

python -m edgefer.train          list
python -m edgefer.train all      list, then train and export each model that is owed and has a recipe
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from edgefer import manifest, recognize
from edgefer.errors import ModelError
from edgefer.train.recipes import OWED, RECIPES, REPEATED, SHIPPED, Runs, epochs, repetition


def standing(name: str) -> tuple[bool, str]:
    """Whether a model is there and sound, and its accuracy or what it will cost, in words."""
    runs = RECIPES[name]
    cost = "owed: epochs " + ", ".join(f"{count} at {side} px" for side, count in epochs(runs).items())
    if name not in recognize.shipped():
        done = finished(runs)
        if done is None or name in SHIPPED:
            return False, cost
        return (
            True,
            f"trained: {done['val_accuracy_float32']:.2f} % on {done['val_rows']} rows of val, float32",
        )
    try:
        metrics = manifest.load(recognize.find(name)).metrics
    except ModelError as error:
        return False, f"owed: {error}"
    return True, f"trained: {metrics.accuracy_int8:.2f} % on {metrics.rows} rows of {metrics.split}"


def finished(runs: Runs) -> dict | None:
    """done.json of the last of some runs, where it is finished."""
    path = Path(runs[-1][0]) / "done.json"
    return json.loads(path.read_text()) if path.exists() else None


def owed_repetitions(name: str) -> list[int]:
    """Which of a model's further runs are still to be made."""
    numbers = range(2, REPEATED.get(name, 1) + 1)
    return [number for number in numbers if finished(repetition(name, number)) is None]


def commands(name: str) -> list[str]:
    """What trains and exports a model. One with a spatial transformer has no int8 form to export."""
    runs = RECIPES[name]
    last, settings = runs[-1]
    out = "" if name in SHIPPED else f" --out build/models/{name}"
    export = [] if settings.stl else [f"python -m edgefer.train.export {last}{out}"]
    return [settings.command(run) for run, settings in runs] + export


def main(argv: list[str] | None = None) -> int:
    """Command line; exit code 0, or that of the first training that failed."""
    parser = argparse.ArgumentParser(prog="python -m edgefer.train", description=__doc__.split("\n")[0])
    parser.add_argument("action", nargs="?", choices=("list", "all"), default="list")
    options = parser.parse_args(argv)

    for name in RECIPES:
        more = len(owed_repetitions(name))
        print(f"{name:<26} {standing(name)[1]}" + (f"; {more} more such runs owed" if more else ""))
    for name, paper in OWED.items():
        print(f"{name:<26} owed: {paper}; has no recipe yet")
    if options.action == "list":
        return 0
    for name in RECIPES:
        owed = [] if standing(name)[0] else commands(name)
        for number in owed_repetitions(name):
            owed += [settings.command(run) for run, settings in repetition(name, number)]
        for command in owed:
            print(f"\n$ {command}", flush=True)
            code = subprocess.run([sys.executable, *command.split()[1:]], check=False).returncode
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
