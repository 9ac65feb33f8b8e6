"""Keeps what finished runs left, judges them on the other sets, and writes the pages that show it.

    python -m tools.collect         every finished run of a recipe
    python -m tools.collect RUN …   these runs as well, even where they were not made by their recipe

A run that was not made by the recipe of its name is kept only where it is named, and the page then says what
differs. Breuer and Kimmel's Table 3 sets a run against the set that another one learns from.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from edgefer.errors import EdgeferError
from edgefer.measure import datasets
from edgefer.train.recipes import OWNERS, RECIPES
from edgefer.train.runs import judged_on, keep, unlike_recipe
from edgefer.train.settings import TrainingSettings, find_data
from tools import RECORDS, frontier, reproduction
from tools.papers import CROSS_RECIPES


def collect(records: Path = RECORDS, named: Iterable[Path] = ()) -> list[str]:
    """Keep what finished runs of recipes left, and those that are named; judge them on the other sets.

    Returns:
        What could not be kept or judged, and why.

    Raises:
        UsageError: a run that is named is not finished.
    """
    missing = []
    for run in map(Path, OWNERS):
        if not (run / "done.json").exists():
            continue
        unlike = unlike_recipe(run.name, TrainingSettings.read(run / "settings.json"))
        if unlike:
            missing.append(f"{run}: not kept{unlike}; `python -m tools.collect {run}` keeps it")
        else:
            keep(run, records)
    for run in named:
        keep(run, records)
    for trained, recipe in CROSS_RECIPES.items():
        run, settings = Path(RECIPES[recipe][-1][0]), RECIPES[recipe][-1][1]
        for tested in CROSS_RECIPES.keys() - {trained}:
            name, data = f"{trained}-on-{tested}", RECIPES[CROSS_RECIPES[tested]][-1][1].data
            if not (run / "done.json").exists():
                missing.append(f"{name}: {run} is not there or not finished")
            elif not find_data(data).exists():
                missing.append(f"{name}: {data} is neither here nor under EDGEFER_DATA")
            else:
                judged = judged_on(run, datasets.load(find_data(data), labels=settings.labels))
                (records / "cross").mkdir(parents=True, exist_ok=True)
                (records / "cross" / f"{name}.json").write_text(json.dumps(judged, indent=2) + "\n")
    return missing


def main(argv: list[str] | None = None) -> int:
    """Command line; prints the tables, and below them what is missing and why."""
    parser = argparse.ArgumentParser(prog="python -m tools.collect", description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="finished runs to keep as well")
    try:
        missing = collect(named=parser.parse_args(argv).runs)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    reproduction.main([])
    frontier.main([])
    content = reproduction.PAGE.read_text()
    print("\n".join([content[content.index("\n## ") + 1 :], *missing]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
