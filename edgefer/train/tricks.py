"""What each trick gives a small network: `python -m edgefer.train.tricks [NAME …]`.

One network, edgefer-nano on the votes of FER+, trained equally shortly with one setting changed at a time, the same
seeds for all, so that what a trick gives is the mean of the differences from the plain run of the same seed. Each run
takes some minutes of one core; what is on record is left out, and a run that was stopped goes on.
`python -m tools.tricks` writes the page.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.train.runs import RECORDS, keep
from edgefer.train.settings import TrainingSettings

FOLDER = "tricks"
#: The plain run.
PLAIN = TrainingSettings(
    architecture="edgefer-nano", rows=14336, size=32, stages=((32, 8),), dropout=0.0, weight_decay=0.02
)


@dataclass(frozen=True)
class Trick:
    """One setting that differs from the plain run, in words."""

    words: str
    changed: dict[str, Any] = field(default_factory=dict)


#: By the names of the runs; the first is the plain run.
TRICKS = {
    "plain": Trick("the plain run: votes as targets, grey and Sobel, alterations, averaged weights"),
    "majority": Trick("one class an image in place of the votes", {"rule": "majority"}),
    "grey": Trick("grey alone, without Sobel's two planes", {"input": "grey"}),
    "unaltered": Trick("mirrored images alone, without other alterations", {"altered": 0.0}),
    "last": Trick("the last weights in place of their average", {"average": 0.0}),
    "mixed": Trick("a quarter of the batches with mixup, a quarter with cutmix", {"mixup": 0.25, "cutmix": 0.25}),
    "smoothed": Trick("a tenth of each target spread over all classes", {"smoothing": 0.1}),
    "taught": Trick("edgefer-s as teacher, 0.7 of each target", {"teachers": "edgefer-s", "distil": 0.7}),
    "longer": Trick("twice the epochs", {"stages": ((32, 16),)}),
}


def run_of(name: str, seed: int) -> tuple[str, TrainingSettings]:
    """The name of a run, and its settings."""
    return f"{name}-{seed}", replace(PLAIN, **TRICKS[name].changed, seed=seed)


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.tricks", description=__doc__.split("\n")[0], epilog=f"names: {', '.join(TRICKS)}"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="tricks (default: all)")
    parser.add_argument("--seeds", default="1,2,3", help="separated by commas (default: %(default)s)")
    parser.add_argument("--records", type=Path, default=RECORDS, help="where what they gave is kept")
    options = parser.parse_args(argv)
    try:
        return _train(options.names or list(TRICKS), options.seeds, options.records / FOLDER)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def _train(names: list[str], seeds: str, records: Path) -> int:
    """Trains what is not on record, a seed after the other.

    Raises:
        UsageError: a name is not known, or the seeds are no numbers.
    """
    unknown = [name for name in names if name not in TRICKS]
    if unknown:
        raise UsageError(f"unknown trick {unknown[0]!r}; available: {', '.join(TRICKS)}")
    if not all(seed.isdecimal() for seed in seeds.split(",")):
        raise UsageError(f"--seeds: expected whole numbers separated by commas, got {seeds!r}")
    from edgefer.train.fit import fit

    for seed in map(int, seeds.split(",")):
        for name in names:
            run, settings = run_of(name, seed)
            if (records / f"{run}.json").exists():
                continue
            print(run, flush=True)
            fit(settings, Path("runs", FOLDER, run))
            keep(Path("runs", FOLDER, run), records)
    return 0


if __name__ == "__main__":
    sys.exit(main())
