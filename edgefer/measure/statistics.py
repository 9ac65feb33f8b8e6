"""How sure a figure is: calibration of scores, and paired tests of two models or two sets of runs.

Written from the equations on NumPy and `math`, so that `edgefer eval` needs nothing more; the tests hold
every p-value against SciPy's. Accuracies go in as any numbers of one unit, percent or shares; differences,
means and intervals come out in it. All tests are two-sided.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np

from edgefer.labels import softmax

Values = Sequence[float] | np.ndarray

BINS = 15
CONFIDENCE = 0.95


# calibration ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibration:
    """What the scores say, compared with what happened.

    Attributes:
        ece: expected calibration error, percent: mean distance of confidence and accuracy over the bins,
            weighted by their rows.
        ece_by_chance: what it would be on the mean on so many rows if each score were exactly the chance of its class.
        nll: mean negative log-likelihood of the truth, nats.
        brier: mean squared distance of the scores from the truth, 0 to 2.
        edges: float64, shape (bins + 1,): the bins of confidence, equally wide; a bin holds its upper edge.
        rows: int64, shape (bins,).
        confidence, accuracy: float64, shape (bins,), means in a bin, 0 to 1; nan in an empty one.
    """

    ece: float
    ece_by_chance: float
    nll: float
    brier: float
    edges: np.ndarray
    rows: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def calibration(scores: np.ndarray, truth: np.ndarray, bins: int = BINS) -> Calibration:
    """Calibration of the top class.

    Args:
        scores: float, shape (N, classes), rows sum to one.
        truth: int, shape (N,).

    Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equations 2 and 3.
    """
    scores = np.asarray(scores, np.float64)
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    rows = np.bincount(bin_of, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(bin_of, confidence, bins) / rows
        accuracy = np.bincount(bin_of, right, bins) / rows
    variance = np.bincount(bin_of, confidence * (1 - confidence), bins)
    distance = np.where(rows > 0, np.abs(accuracy - mean), 0.0)
    told = scores[np.arange(len(truth)), truth]
    wanted = np.eye(scores.shape[1])[truth]
    return Calibration(
        ece=100 * float(rows @ distance) / len(truth),
        # of a sum of chances, its mean distance from what it should be, as of a normal distribution
        ece_by_chance=100 * float(np.sqrt(2 / np.pi * variance).sum()) / len(truth),
        # the smallest float32 above zero: a score that was rounded to zero stands for at most that
        nll=float(-np.log(np.maximum(told, np.finfo(np.float32).tiny)).mean()),
        brier=float(np.square(scores - wanted).sum(axis=1).mean()),
        edges=edges,
        rows=rows,
        confidence=mean,
        accuracy=accuracy,
    )


def tempered(scores: np.ndarray, temperature: float) -> np.ndarray:
    """The scores another temperature would have given: proportional to scores ** (1 / temperature).

    softmax(z / T) raised to the power T is proportional to exp(z), so what a manifest's temperature T did is
    undone with temperature 1 / T.
    """
    with np.errstate(divide="ignore"):
        logits = np.log(np.asarray(scores, np.float64))
    return softmax(logits, 1 / temperature)


def calibrated(logits: np.ndarray, temperature: float, offsets: Sequence[float] = ()) -> np.ndarray:
    """The scores, float64, that a model with this temperature and these offsets gives."""
    scaled = np.asarray(logits, np.float64) / temperature
    return softmax(scaled + np.asarray(offsets) if len(offsets) else scaled)


def uncalibrated(scores: np.ndarray, temperature: float, offsets: Sequence[float] = ()) -> np.ndarray:
    """The scores that a model would have given without its temperature and offsets."""
    return tempered(scores * np.exp(-np.asarray(offsets)) if len(offsets) else scores, 1 / temperature)


TEMPERATURES = np.arange(0.25, 4, 0.01).round(2)
ECE_RULE = (
    f"top class, {BINS} bins of equal width; each half of the rows (every second one) is judged "
    "with what was fitted on the other half"
)


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature, to a hundredth, that minimises NLL.

    It is fitted to the class and not to the distribution of the votes, so that a score says how often the
    label is right. What voters disagree about is more than what the network doubts: fitted to the votes, the
    scores of ferplus-sobel were too low by 4.8 points.

    Args:
        logits: float, shape (N, classes). truth: int, shape (N,).

    Reference: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    logits = logits.astype(np.float64)
    return float(min(TEMPERATURES, key=lambda t: calibration(softmax(logits, 1 / t), truth).nll))


OFFSET = 0.15  # nats: standard deviation that an offset is expected to have; few rows of a class move it little
ROUNDS = 50


def fit_offsets(logits: np.ndarray, truth: np.ndarray) -> tuple[float, tuple[float, ...]]:
    """Temperature, and an offset a class in nats, that are likeliest together; both to a hundredth.

    Networks that learn from votes say some classes more seldom than majorities do. An offset is held near zero by a
    normal distribution with the standard deviation OFFSET. By Newton's method: with one over the temperature as
    unknown the function is convex. The temperature stays within TEMPERATURES; at a bound the offsets are the likeliest
    there.

    Args:
        logits: float, shape (N, classes). truth: int, shape (N,).

    Reference: Alexandari, Kundaje and Shrikumar, Maximum Likelihood with Bias-Corrected Calibration is Hard-To-Beat
    at Label Shift Adaptation, ICML 2020, section 3. The prior is ours.
    """
    logits = logits.astype(np.float64)
    rows, classes = logits.shape
    wanted = np.eye(classes)[truth]
    # by rows and classes, what an unknown moves: the inverse temperature the logits, an offset its own class
    moved = np.concatenate([logits[..., None], np.broadcast_to(np.eye(classes), (rows, classes, classes))], axis=2)
    held = np.array([0, *[OFFSET**-2] * classes])
    low, high = 1 / TEMPERATURES[-1], 1 / TEMPERATURES[0]
    unknown = np.array([1 / fit_temperature(logits, truth), *np.zeros(classes)])
    for _ in range(ROUNDS):
        scores = softmax(moved @ unknown)
        slope = np.einsum("nc,ncp->p", scores - wanted, moved) + held * unknown
        mean = np.einsum("nc,ncp->np", scores, moved)
        curve = np.einsum("nc,ncp,ncq->pq", scores, moved, moved) - mean.T @ mean + np.diag(held)
        # one that would leave its range stays: a step meant for all of them is no step for the rest
        outward = (slope[0] > 0 and unknown[0] <= low) or (slope[0] < 0 and unknown[0] >= high)
        free = slice(1 if outward else 0, None)
        before, unknown = unknown, unknown.copy()
        unknown[free] -= np.linalg.lstsq(curve[free, free], slope[free], rcond=None)[0]
        unknown[0] = np.clip(unknown[0], low, high)
        if np.abs(unknown - before).max() < 1e-6:
            break
    return round(1 / float(unknown[0]), 2), tuple(unknown[1:].round(2).tolist())


def cross_fitted(logits: np.ndarray, truth: np.ndarray, offsets: bool = True) -> np.ndarray:
    """Scores, float64 of the logits' shape, of which none is of a fit that its row had a part in: ECE_RULE.

    Args:
        offsets: whether they are fitted, or the temperature alone.

    Raises:
        ValueError: one row has no other to be judged with.
    """
    if len(logits) < 2:
        raise ValueError(f"cross_fitted: expected two rows or more, got {len(logits)}")
    scores = np.empty(logits.shape)
    for half in (0, 1):
        others = logits[1 - half :: 2], truth[1 - half :: 2]
        scores[half::2] = calibrated(
            logits[half::2], *(fit_offsets(*others) if offsets else (fit_temperature(*others),))
        )
    return scores


def cross_fitted_ece(logits: np.ndarray, truth: np.ndarray, offsets: bool = True) -> float:
    """ECE of those scores, percent."""
    return calibration(cross_fitted(logits, truth, offsets), truth).ece


# repeated runs --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spread:
    """Repeated runs as the papers print them, and their spread (deviation with n - 1; nan for one run)."""

    count: int
    average: float
    least: float
    most: float
    deviation: float


def spread(values: Values) -> Spread:
    """Average, least, most and standard deviation of some runs or folds."""
    values = np.asarray(values, np.float64)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return Spread(len(values), float(values.mean()), float(values.min()), float(values.max()), deviation)


# paired tests ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """A first model against a second on the same rows, folds or seeds.

    Attributes:
        test: its name.
        pairs: that the test rests on: rows, or folds; those that tell nothing left out where it says so.
        statistic: of the test.
        p: two-sided; the chance of a difference this large if there were none.
        difference: first less second: in percent points for McNemar, otherwise in the unit given.
        low, high: confidence interval of the difference, 95 %.
        effect: size without a unit; its name in `effect_name`.
    """

    test: str
    pairs: int
    statistic: float
    p: float
    difference: float
    low: float
    high: float
    effect: float
    effect_name: str

    def json(self) -> dict:
        """Plain numbers by name; infinite and undefined ones as None."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }


def share_interval(count: float, rows: float, z: float | None = None) -> tuple[float, float]:
    """The 95 % interval of a share, 0 to 1, of which `count` of `rows` were seen, one or more.

    Args:
        z: deviations on either side; None for those of a normal distribution.

    Reference: Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) if z is None else z
    middle = (count + z * z / 2) / (rows + z * z)
    half = z * math.sqrt(count * (rows - count) / rows + z * z / 4) / (rows + z * z)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def people_interval(right: np.ndarray, people: np.ndarray) -> tuple[float, float]:
    """The 95 % interval, 0 to 1, of the share of rows that are right, where people have several rows each.

    Rows of one person are alike and tell less than as many people would: the interval is that of so many fewer rows,
    with Student's quantile of the people. Of one person alone it is that of the rows, and says nothing of others.

    Args:
        right: bool, shape (N,). people: str, shape (N,), who is seen in a row.

    Reference: Korn and Graubard, Confidence intervals for proportions with small expected number of positive counts
    estimated from survey data, 1998; the variance is that of a ratio of sums over people.
    """
    _, person = np.unique(people, return_inverse=True)
    rows, hits = np.bincount(person), np.bincount(person, right)
    number, share = len(rows), float(np.mean(right))
    if number < 2:
        return share_interval(int(hits.sum()), len(right))
    if 0 < share < 1:
        variance = number / (number - 1) * float(np.square(hits - share * rows).sum()) / len(right) ** 2
        alike = max(1.0, variance * len(right) / (share * (1 - share)))
    else:
        alike = len(right) / number  # nothing varies: as if each person had one row
    z = student_quantile(0.5 + CONFIDENCE / 2, number - 1)
    return share_interval(float(hits.sum()) / alike, len(right) / alike, z)


def mcnemar(first: np.ndarray, second: np.ndarray) -> Comparison:
    """Exact test of two models on the same rows: are the rows that only one gets right shared out evenly?

    Args:
        first, second: bool, shape (N,): which rows each got right.

    Returns:
        pairs are the rows only one got right; the statistic is how many of them the first did. The effect is
        the odds ratio, its share over the second's.

    Reference: McNemar, 1947; exact by the binomial distribution with probability one half. Interval of a
    difference of paired shares: Agresti and Min, 2005, Wald with half a row added to each cell.
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"mcnemar: expected two arrays of one length, got {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    told, rows = only_first + only_second, len(first)
    tail = sum(math.comb(told, k) for k in range(min(only_first, only_second) + 1))
    b, c, n = only_first + 0.5, only_second + 0.5, rows + 2
    middle, half = ((b - c) / n, NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * math.sqrt(b + c - (b - c) ** 2 / n) / n)
    return Comparison(
        "McNemar, exact",
        told,
        float(only_first),
        # whole numbers up to the division, which Python rounds correctly at any size
        min(1.0, 2 * tail / 2**told),
        100 * (only_first - only_second) / rows,
        max(100 * (middle - half), -100.0),
        min(100 * (middle + half), 100.0),
        only_first / only_second if only_second else math.inf if only_first else 1.0,
        "odds ratio",
    )


def paired_t(first: Values, second: Values) -> Comparison:
    """Student's test of paired values, as accuracies by fold or by seed.

    The folds of one cross-validation share most of their training rows, so their differences vary less than
    those of new data would: p is too small there. Runs of different seeds on one split say nothing of other
    data either.

    Returns:
        The effect is Cohen's d of the differences: their mean over their standard deviation.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1 or len(first) < 2:
        raise ValueError(f"paired_t: expected two arrays of one length above 1, got {first.shape}, {second.shape}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError(f"paired_t: expected finite values, got {first.tolist()} and {second.tolist()}")
    # accuracies that are equal differ in their last bits once computed in two ways
    values = np.round(first - second, 9)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    error, freedom = spread / math.sqrt(len(values)), len(values) - 1
    if error > 0:
        statistic, p = mean / error, 2 * student_tail(abs(mean / error), freedom)
    else:
        statistic, p = (math.copysign(math.inf, mean), 0.0) if mean else (0.0, 1.0)
    half = student_quantile(0.5 + CONFIDENCE / 2, freedom) * error
    effect = mean / spread if spread else statistic
    return Comparison("paired t", len(values), statistic, p, mean, mean - half, mean + half, effect, "Cohen's d")


def holm(values: Sequence[float]) -> list[float]:
    """The p of several tests, in their order, each as large as it must be where all are looked at together.

    Reference: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979: the least times their number, the
    next times one less, and none below one before it.
    """
    corrected, least = [0.0] * len(values), 0.0
    for place, index in enumerate(sorted(range(len(values)), key=lambda index: values[index])):
        least = corrected[index] = max(least, min(1.0, (len(values) - place) * values[index]))
    return corrected


# distributions --------------------------------------------------------------------------------------------


def student_tail(t: float, freedom: int) -> float:
    """The chance of a value above t >= 0 under Student's distribution with whole degrees of freedom.

    Reference: Abramowitz and Stegun 26.7.3 and 26.7.4; what is subtracted from one leaves some 1e-15.
    """
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    # sum of cos^k times (k - 1)/k ((k - 3)/(k - 2)) …, over odd or even k below the freedom
    power, total = (1.0 if freedom % 2 == 0 else cosine), 0.0
    for k in range(freedom % 2, freedom - 1, 2):
        total += power
        power *= cosine * cosine * (k + 1) / (k + 2)
    inside = sine * total if freedom % 2 == 0 else 2 / math.pi * (angle + sine * total)
    return max(0.0, 1 - inside) / 2


def student_quantile(share: float, freedom: int) -> float:
    """The value that a share (0.5 to below 1) of Student's distribution lies below, by bisection."""
    low, high = 0.0, 1.0
    while student_tail(high, freedom) > 1 - share:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, freedom) > 1 - share else (low, middle)
    return (low + high) / 2
