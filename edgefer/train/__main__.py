"""`python -m edgefer.train`: every model of the five papers, trained or owed; `all` trains what has a recipe.

python -m edgefer.train          list
python -m edgefer.train all      list, then train and export each model that is owed and has a recipe
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from edgefer import manifest, recognize
from edgefer.errors import ModelError
from edgefer.train.recipes import OWED, RECIPES


def standing(name: str) -> tuple[bool, str]:
    """Whether a model is there and sound, and its accuracy or what is wrong, in words."""
    if name not in recognize.shipped():
        return False, "owed"
    try:
        metrics = manifest.load(recognize.find(name)).metrics
    except ModelError as error:
        return False, f"owed: {error}"
    return True, f"trained: {metrics.accuracy_int8:.2f} % on {metrics.rows} rows of {metrics.split}"


def main(argv: list[str] | None = None) -> int:
    """Command line; exit code 0, or that of the first training that failed."""
    parser = argparse.ArgumentParser(prog="python -m edgefer.train", description=__doc__.split("\n")[0])
    parser.add_argument("action", nargs="?", choices=("list", "all"), default="list")
    options = parser.parse_args(argv)

    for name in RECIPES:
        print(f"{name:<20} {standing(name)[1]}")
    for name, paper in OWED.items():
        print(f"{name:<20} owed: {paper}; has no recipe yet")
    if options.action == "list":
        return 0
    for name, runs in RECIPES.items():
        if standing(name)[0]:
            continue
        commands = [settings.command(run) for run, settings in runs]
        for command in (*commands, f"python -m edgefer.train.export {runs[-1][0]}"):
            print(f"\n$ {command}", flush=True)
            code = subprocess.run([sys.executable, *command.split()[1:]], check=False).returncode
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
