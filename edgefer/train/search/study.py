"""A study that any number of processes work on, each killed at any time, without a trial lost or done twice.

A process takes a trial in its turn (`turns.py`), after a look at trials whose process is gone: they fail, and their
configurations are put in line once more. So a study of N trials ends with N that were completed or pruned, and every
other one failed and has another in its place.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from edgefer.errors import UsageError
from edgefer.support.redact import scrub
from edgefer.train.search.turns import FileTurns, JournalLock, ServerTurns, Turns, alone

log = logging.getLogger(__name__)

JOURNAL, SERVER = "journal:", "postgresql:"
#: Attributes of a trial: who works on it; the number of the one that it does again.
WORKER, AGAIN = "worker", "again"
#: Attribute of a study whose sequences show faces that were made by us.
SYNTHETIC = "synthetic"
#: Failures of one process one after the other, from which on something is wrong with more than a configuration.
_MOST_FAILURES = 3


def open_study(
    address: str, name: str, create: bool = False, below: float | None = None, seed: int | None = None
) -> Study:
    """A study.

    Args:
        address: journal:FILE for one machine, postgresql://USER@HOST/DATABASE for many; a password in PGPASSWORD or
            ~/.pgpass is in no list of processes.
        create: where it is not there.
        below: trials that report less are pruned.

    Raises:
        UsageError: another address, no such study, or a server that does not answer.
    """
    storage = _storage(address, create)
    sampler = optuna.samplers.TPESampler(seed=seed)
    pruner = optuna.pruners.NopPruner() if below is None else optuna.pruners.ThresholdPruner(lower=below)
    try:
        if create:
            return optuna.create_study(
                storage=storage,
                study_name=name,
                sampler=sampler,
                pruner=pruner,
                direction="maximize",
                load_if_exists=True,
            )
        return optuna.load_study(storage=storage, study_name=name, sampler=sampler, pruner=pruner)
    except KeyError:
        known = ", ".join(optuna.get_all_study_names(storage)) or "none"
        raise UsageError(f"{scrub(address)}: no study {name!r}; there: {known}") from None


def _storage(address: str, create: bool) -> optuna.storages.BaseStorage:
    path = _journal(address)
    if path is not None:
        if not create and not path.exists():
            raise UsageError(f"{path}: no such journal")
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path), JournalLock(path)))
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with alone(_engine(address)):
            return optuna.storages.RDBStorage(_url(address), engine_kwargs={"pool_pre_ping": True})
    except ImportError:
        raise UsageError("PostgreSQL needs psycopg: pip install 'edgefer[search]'") from None
    except SQLAlchemyError as error:
        raise UsageError(f"{scrub(address)}: {reason(error)}") from None


def reason(error: Exception) -> str:
    """What a server says, on one line and without a password."""
    return scrub(str(getattr(error, "orig", None) or error).strip().splitlines()[0])


def turns_of(address: str, name: str) -> Turns:
    """The locks of this process at a study.

    Raises:
        UsageError: see open_study.
    """
    path = _journal(address)
    if path is not None:
        return FileTurns(path)
    return ServerTurns(_engine(address), name)


def _journal(address: str) -> Path | None:
    """The file of a journal; None of a server's address."""
    if address.startswith(JOURNAL) and address != JOURNAL:
        return Path(address[len(JOURNAL) :])
    if address.startswith(SERVER):
        return None
    raise UsageError(f"{scrub(address)}: expected journal:FILE or postgresql://USER@HOST/DATABASE")


def _engine(address: str) -> Any:
    import sqlalchemy

    return sqlalchemy.create_engine(_url(address), poolclass=sqlalchemy.pool.NullPool)


def _url(address: str) -> str:
    return "postgresql+psycopg:" + address[len(SERVER) :]


def work(study: Study, objective: Callable[[Trial], float], trials: int, turns: Turns) -> int:
    """Do trials until the study has so many that were completed or pruned, or are in work.

    Args:
        objective: the value of a trial; it may raise optuna.TrialPruned.

    Returns:
        How many this process did.

    Raises:
        RuntimeError: three trials of this process failed one after the other; the cause is the last one's.
    """
    done = failures = 0
    while (trial := take(study, trials, turns)) is not None:
        state, value, cause = TrialState.FAIL, None, None
        try:
            value = objective(trial)
            state = TrialState.COMPLETE
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except Exception as error:
            cause = error
            log.warning("trial %d failed: %s: %s", trial.number, type(error).__name__, error)
            trial.set_user_attr("error", f"{type(error).__name__}: {error}")
        try:
            study.tell(trial, value, state)
        except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
            log.warning("trial %d was taken for lost, and is done again", trial.number)
            continue
        done += 1
        failures = failures + 1 if cause else 0
        if failures == _MOST_FAILURES:
            raise RuntimeError(f"{failures} trials failed one after the other, the last by: {cause}") from cause
    return done


def take(study: Study, trials: int, turns: Turns) -> Trial | None:
    """The next trial; None where there are enough."""
    with turns.turn():
        _revive(study, turns)
        states = Counter(trial.state for trial in study.get_trials(deepcopy=False))
        if states[TrialState.COMPLETE] + states[TrialState.PRUNED] + states[TrialState.RUNNING] >= trials:
            return None
        trial = study.ask()
        trial.set_user_attr(WORKER, turns.worker)
    return trial


def _revive(study: Study, turns: Turns) -> None:
    """Puts the configurations of trials whose process is gone in line once more; each of them once."""
    seen = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get(AGAIN) for trial in seen}
    for trial in seen:
        if trial.state is not TrialState.RUNNING or turns.alive(trial.user_attrs.get(WORKER, "0")):
            continue
        # in this order: a process killed in between leaves a trial that still runs, and the next one goes on here
        if trial.number not in again:
            study.enqueue_trial(trial.params, user_attrs={AGAIN: trial.number})
        study.tell(trial.number, state=TrialState.FAIL)


def title(study: Study) -> str:
    """The study's name, and whether its faces are made."""
    return f"{study.study_name} (synthetic)" if study.user_attrs.get(SYNTHETIC) else study.study_name


def summary(study: Study) -> str:
    """One line."""
    trials = study.get_trials(deepcopy=False)
    states = Counter(trial.state for trial in trials)
    told = ", ".join(f"{states[state]} {state.name.lower()}" for state in TrialState if states[state])
    best = best_trial(trials)
    if best is None:
        return f"{title(study)}: {told or 'no trials'}"
    return f"{title(study)}: {told}; best {best.value:.2f} % by trial {best.number}"


def best_trial(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The completed one with the greatest value, the first of equals."""
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    return max(complete, key=lambda trial: (trial.value, -trial.number), default=None)


def words_of(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial is told by: number, state, value and its configuration."""
    return {"number": trial.number, "state": trial.state.name.lower(), "value": trial.value, **trial.params}
