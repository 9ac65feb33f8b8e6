"""Fig. 2 of Haddad et al. with our trials, and which options matter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from edgefer.errors import UsageError
from edgefer.support.atomic import replacing
from edgefer.train.clips.parameters import OPTIONS
from edgefer.train.protocols.paper import BEST, PRUNED_BELOW
from edgefer.train.search.study import title

_FEWEST = 10  # trials, from which on importances are told


def draw(study: Study, path: Path) -> Path:
    """Write a PNG: accuracy by trial; importance of each option; mean accuracy by value of each option.

    Raises:
        UsageError: no trial is completed or pruned.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.value is not None]
    if not trials:
        raise UsageError(f"study {study.study_name!r}: no trial is finished")
    figure = Figure(figsize=(11, 9), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, height_ratios=[1, 1.2])
    _history(figure.add_subplot(grid[0, :]), title(study), trials)
    _importances(figure.add_subplot(grid[1, 0]), trials)
    _values(figure.add_subplot(grid[1, 1]), trials)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as scratch:
        figure.savefig(scratch, dpi=100)
    return path


def importances(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """Share of the variance of accuracy that each option explains on its own, greatest first; dropout in quarters.

    Omega squared, 0 to 1: eta squared less what so many groups explain by chance. Trials that were pruned count with
    what they could still have reached; {} where there are too few.
    """
    values = np.array([trial.value for trial in trials], np.float64)
    if len(values) < _FEWEST or not values.var():
        return {}
    told = {}
    for name in (*OPTIONS, "dropout"):
        options = [trial.params.get(name) for trial in trials]
        groups = [int(4 * share) if isinstance(share, float) else str(share) for share in options]
        told[name] = _omega_squared(values, np.unique(groups, return_inverse=True)[1])
    return dict(sorted(told.items(), key=lambda item: -item[1]))


def _omega_squared(values: np.ndarray, group: np.ndarray) -> float:
    counts = np.bincount(group)
    means = np.bincount(group, values) / counts
    freedom = len(counts) - 1
    if not freedom or len(values) <= len(counts):
        return 0.0
    total, between = values.var() * len(values), float(counts @ np.square(means - values.mean()))
    within = (total - between) / (len(values) - len(counts))
    return max(0.0, (between - freedom * within) / (total + within))


def _history(axes: Any, name: str, trials: list[FrozenTrial]) -> None:
    for state, colour, marker, words in (
        (TrialState.PRUNED, "0.65", ".", "ended early: what it could still have reached"),
        (TrialState.COMPLETE, "tab:red", "x", "completed"),
    ):
        own = [trial for trial in trials if trial.state is state]
        axes.scatter([t.number for t in own], [t.value for t in own], c=colour, marker=marker, label=words, zorder=3)
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if complete:
        best = np.maximum.accumulate([trial.value for trial in complete])
        axes.step([trial.number for trial in complete], best, where="post", color="tab:blue", label="best so far")
    axes.axhline(PRUNED_BELOW, color="0.4", linestyle="--", linewidth=1, label=f"the paper's bound, {PRUNED_BELOW} %")
    axes.axhline(BEST, color="0.4", linestyle=":", linewidth=1, label=f"the paper's best on CK+, {BEST} %")
    axes.set(xlabel="trial", ylabel="accuracy, %", title=f"Search {name}: {len(complete)} of {len(trials)} completed")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)


def _importances(axes: Any, trials: list[FrozenTrial]) -> None:
    told = importances(trials)
    axes.set_title("share of the variance that an option explains")
    if not told:
        axes.text(0.5, 0.5, "too few trials", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    names = list(told)[::-1]
    bars = axes.barh(names, [told[name] for name in names], color="tab:blue")
    axes.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
    axes.margins(x=0.15)


def _values(axes: Any, trials: list[FrozenTrial]) -> None:
    """The mean of each value's trials, and how many they are."""
    rows = [(name, value) for name, values in OPTIONS.items() for value in values]
    places = [row for row, (name, value) in enumerate(rows) if _of(trials, name, value)]
    axes.set_title("mean accuracy by value, % (trials)")
    for row in places:
        own = _of(trials, *rows[row])
        mean = float(np.mean(own))
        axes.plot(mean, row, "o", color="tab:blue", markersize=4)
        axes.annotate(
            f"{mean:.1f} ({len(own)})", (mean, row), (5, 0), textcoords="offset points", va="center", fontsize=7
        )
    axes.set_yticks(range(len(rows)), [f"{name} {value}" for name, value in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.2)
    axes.grid(alpha=0.3)


def _of(trials: list[FrozenTrial], name: str, value: object) -> list[float]:
    return [trial.value for trial in trials if trial.params.get(name) == value and trial.value is not None]
