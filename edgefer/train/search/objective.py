"""What a trial is worth: the cross-validated accuracy of its configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import structs
from optuna import TrialPruned
from optuna.trial import Trial

from edgefer.train.protocols.faces import Clips
from edgefer.train.protocols.folds import Fold, Run
from edgefer.train.protocols.plan import Plan
from edgefer.train.search.space import suggest

LAST, BEST = "last", "best"
_WAIT_S = 1.0


def objective(plan: Plan, clips: Clips, folder: Path, epoch: str = LAST) -> Callable[[Trial], float]:
    """A function of a trial to its accuracy, percent of all sequences.

    After each fold the trial reports what it can still reach, all sequences that are left being right: where that is
    below the study's bound it is pruned, and no trial is that could have reached it. Folds are kept, so a trial that is
    done again goes on where it was.

    Args:
        plan: of every trial, but for its parameters.
        folder: of the runs.
        epoch: "last", or "best" of each fold, as the paper reports.
    """

    def accuracy(trial: Trial) -> float:
        own = structs.replace(plan, parameters=suggest(trial).words())
        run = Run(folder / own.digest, own, clips)

        told = 0

        def after(_: Fold) -> None:
            nonlocal told
            folds = run.done()
            if len(folds) > told:  # those that were done before are told of together
                told = len(folds)
                trial.report(_reachable(folds, len(clips), epoch), told)
            if trial.should_prune():
                raise TrialPruned

        run.work(after)
        while len(run.done()) < len(run.divisions):  # the same configuration is in work elsewhere
            time.sleep(_WAIT_S)
            run.work()
        return _reachable(run.done(), len(clips), epoch)

    return accuracy


def _reachable(folds: Sequence[Fold], rows: int, epoch: str) -> float:
    """Percent of the rows that are right when those that are not judged yet will be."""
    wrong = sum(len(fold.rows) - fold.right(None if epoch == BEST else -1) for fold in folds)
    return 100 * (rows - wrong) / rows
