"""What each trick gives a small network: `python -m edgefer.train.tricks [NAME …]`.

One network, edgefer-nano on the votes of FER+, trained equally shortly with one setting changed at a time, the same
seeds for all, so that what a trick gives is the mean of the differences from the plain run of the same seed. Likewise
RTNN, and the network of Breuer and Kimmel, on the classes of FER-2013, to see what of their recipes keeps them below
what is published for them. Each run takes some minutes of one core; what is on record is left out, and a run that was
stopped goes on. `python -m tools.tricks` writes the page.
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


#: The plain run of RTNN, whose accuracy falls behind what is published for it.
RTNN = replace(
    PLAIN, architecture="rtnn", input="grey", labels="basic7", size=48, stages=((48, 12),), weight_decay=0.01
)
#: That of the network of Breuer and Kimmel.
BREUER = replace(
    RTNN,
    architecture="breuer",
    size=48,
    stages=((48, 12),),
    rate=1e-3,
    dropout=0.5,
    weight_decay=0.02,
    precision="bfloat16",
)


@dataclass(frozen=True)
class Trick:
    """What differs from the plain run, in words and as settings; and which plain run that is."""

    words: str
    changed: dict[str, Any] = field(default_factory=dict)
    plain: TrainingSettings = PLAIN


#: By the names of the runs; of each plain run the first is that run itself.
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
    "sam": Trick("sharpness-aware minimisation, radius 0.05: two gradients a step", {"sam": 0.05}),
    "randaugment": Trick("two operations of RandAugment in place of our alterations", {"randaugment": 2}),
    "stem-fine": Trick(
        "a stem of 8 channels at full size; the first stage halves it", {"architecture": "nano-stem-fine"}
    ),
    "stem-wide": Trick("a stem of 32 channels", {"architecture": "nano-stem-wide"}),
    "stem-deep": Trick("four convolutions behind the stem in place of two", {"architecture": "nano-stem-deep"}),
    "stem-short": Trick("one convolution behind the stem in place of two", {"architecture": "nano-stem-short"}),
    "rtnn": Trick("the plain run", plain=RTNN),
    "rtnn-half": Trick("half of the images altered", {"altered": 0.5}, RTNN),
    "rtnn-unaltered": Trick("mirrored images alone", {"altered": 0.0}, RTNN),
    "rtnn-moved": Trick("images moved, turned and stretched alone, as in the papers", {"moved_alone": True}, RTNN),
    "rtnn-slower": Trick("a third of the rate", {"rate": 1e-3}, RTNN),
    "rtnn-faster": Trick("three times the rate", {"rate": 9e-3}, RTNN),
    "rtnn-undecayed": Trick("no weight decay", {"weight_decay": 0.0}, RTNN),
    "rtnn-decayed": Trick("five times the weight decay", {"weight_decay": 0.05}, RTNN),
    "rtnn-dropout": Trick("a quarter of the last features dropped", {"dropout": 0.25}, RTNN),
    "rtnn-longer": Trick("twice the epochs", {"stages": ((48, 24),)}, RTNN),
    "breuer": Trick("the plain run", plain=BREUER),
    "breuer-half": Trick("half of the images altered", {"altered": 0.5}, BREUER),
    "breuer-moved": Trick("images moved, turned and stretched alone, as in the paper", {"moved_alone": True}, BREUER),
}


def run_of(name: str, seed: int) -> tuple[str, TrainingSettings]:
    """The name of a run, and its settings."""
    return f"{name}-{seed}", replace(TRICKS[name].plain, **TRICKS[name].changed, seed=seed)


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
