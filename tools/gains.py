"""Of the page of the papers' tables: what rows gain over the first of a table, and how many seeds would decide it."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from edgefer.measure.statistics import CONFIDENCE, paired_t, spread, student_quantile
from edgefer.train.recipes import RECIPES
from edgefer.train.runs import Record, repetitions_of
from tools import table
from tools.papers import TABLES, Row, Table

NOT_RUN = "not run yet"


def gain_of(entry: Table, row: Row, prefix: str, runs: dict[str, Record]) -> str:
    """Ours over the base row, the paper's own, and Student's p over the seeds that both have."""
    if not row.recipe or row.recipe == entry.base:
        return ""
    base = next(other for other in entry.rows if other.recipe == entry.base)
    printed = float(row.printed[0]) - float(base.printed[0])
    ours = {run.seed: run.accuracy for run in repetitions_of(runs, prefix + row.recipe)}
    theirs = {run.seed: run.accuracy for run in repetitions_of(runs, prefix + entry.base)}
    gain, p = paired_gain(ours, theirs)
    return f"{gain} ({printed:+.2f}; {p})" if p else f"{gain} ({printed:+.2f})"


def paired_gain(ours: dict[int | None, float], theirs: dict[int | None, float]) -> tuple[str, str]:
    """Average gain over the seeds that both have, and Student's p; accuracies by seed."""
    both = sorted(seed for seed in set(ours) & set(theirs) if seed is not None)
    if not both:
        return NOT_RUN, ""
    first, second = [ours[seed] for seed in both], [theirs[seed] for seed in both]
    gain = spread(first).average - spread(second).average
    return f"{gain:+.2f}", f"{paired_t(first, second).p:.2g}" if len(both) > 1 else "one seed"


READING = """## What the gains say so far

With equal training of both rows, what the paper adds is worth a part of what it prints, or nothing:

{gains}

Accuracies of one network differ by up to {deviation:.2f} (standard deviation; {name}, {seeds} seeds), so one run of
each row cannot tell such a gain from none. The last column is how many runs of each row would: for a p of Student's
paired test below 0.05, four times in five, if the gain is as found here and the runs differ by that much. The paper
has four of each and no p. `python -m edgefer.train all NAME` makes four."""

#: The chance to reach a p below 0.05 from which seeds decide.
POWER = 0.8


def power(effect: float, seeds: int) -> float:
    """The chance that Student's paired test has a two-sided p below 0.05, over two seeds or more.

    Args:
        effect: mean of the differences over their standard deviation.

    By the noncentral t distribution: a normal value over the root of a mean square, whose density is summed up.
    """
    freedom = seeds - 1
    limit, middle = student_quantile(0.5 + CONFIDENCE / 2, freedom), abs(effect) * math.sqrt(seeds)
    reach = 12 / math.sqrt(2 * freedom)  # standard deviations of that root, about
    edges = np.linspace(max(1 - reach, 0.0), 1 + reach, 4001)
    roots = (edges[1:] + edges[:-1]) / 2
    logs = (freedom - 1) * np.log(roots) - freedom * np.square(roots) / 2
    density = np.exp(logs - logs.max())
    below = np.vectorize(NormalDist().cdf)
    return float(density @ (below(middle - limit * roots) + below(-middle - limit * roots)) / density.sum())


def seeds_needed(effect: float) -> int:
    """The fewest seeds with which `power` is POWER; `effect` is not zero."""
    normal = NormalDist()
    # what it would take if the deviation were known; Student's test needs no fewer
    known = (normal.inv_cdf(0.5 + CONFIDENCE / 2) + normal.inv_cdf(POWER)) / abs(effect)
    seeds = max(2, math.floor(known**2))
    while power(effect, seeds) < POWER:
        seeds += 1
    return seeds


def section(runs: dict[str, Record]) -> list[str]:
    """Of the page: the gains of rows that add gradients, and how many seeds would decide whether there are any."""
    repeated = {name: [run.accuracy for run in repetitions_of(runs, name)] for name in RECIPES}
    spreads = {name: spread(own) for name, own in repeated.items() if len(own) >= 3}
    if not spreads:
        return []
    name = max(spreads, key=lambda each: spreads[each].deviation)
    deviation, lines = spreads[name].deviation, []
    for entry in (entry for entry in TABLES if entry.base):
        base = {run.seed: run.accuracy for run in repetitions_of(runs, entry.base)}
        for row in (row for row in entry.rows if row.recipe not in ("", entry.base)):
            own = {run.seed: run.accuracy for run in repetitions_of(runs, row.recipe)}
            both = [seed for seed in set(own) & set(base) if seed is not None]
            if not both:
                continue
            gain = float(np.mean([own[seed] - base[seed] for seed in both]))
            # each of the two rows deviates
            needed = f"{seeds_needed(gain / (math.sqrt(2) * deviation)):,}" if gain else "no number"
            printed = gain_of(entry, row, "", runs).partition("(")[2].partition(";")[0]
            lines.append([row.name, printed, f"{gain:+.2f}", str(len(both)), needed])
    header = ["row", "paper's gain", "here", "seeds of both", "seeds that would decide"]
    words = READING.format(gains=table(header, lines), deviation=deviation, name=name, seeds=spreads[name].count)
    return [words] if lines else []
