"""Fits the numbers of the classic chain on photographs with 68 landmarks.

Stage by stage, each on what the stages before it find with the numbers just fitted. No expression is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.geometry import Box
from edgefer.preprocess.points import chain as stages
from edgefer.preprocess.points import eyes as irises
from edgefer.preprocess.points import features, patterns
from edgefer.preprocess.points import fitted as numbers
from edgefer.preprocess.points.face import EYES_PX, MIDDLE, gradients, levelled
from edgefer.support.progress import progress_bar
from edgefer.train.geometry.agreement import Sample

#: A draft farther than this off somewhere, in parts of the inter-ocular distance, teaches nothing about the rest.
_LOST = 0.45
_EYES_RIGHT = 0.12
#: Choices are ranked as if right ones lay so far from the truth, in parts of the inter-ocular distance.
_PAIR_WIDTH, _EYE_WIDTH, _CORNER_WIDTH = 0.05, 0.03, 0.035
#: Two circles stand above the centres of the eyes by this part.
_IRIS_UP = 0.02


def fit(samples: Sequence[Sample], out: Path) -> dict[str, float]:
    """Fits all numbers and writes them.

    Returns:
        What was reached on the same faces, percent, by words.
    """
    found = dict.fromkeys(numbers.Fitted._fields, np.zeros(0)) | {
        "pair": np.zeros(7 + 56),
        "eye": np.zeros(patterns.FEATURES),
        "eye_corners": np.zeros((4, 2)),
        "settle": np.zeros((2, 37, 36)),
    }
    reached: dict[str, float] = {}
    samples = [shaken(sample, number) for number, sample in enumerate(samples)]
    chains = [_faces(sample) for sample in progress_bar(samples, "finding circles", len(samples))]
    work = [(chain, sample) for chain, sample in zip(chains, samples, strict=True) if _has_circles(chain)]
    found["pair"], reached["pairs within 12 %"] = _fit_pairs(work)
    _use(found, out)
    found["eye"], reached["eyes within 12 %"] = _fit_eyes(work)
    _use(found, out)
    right = []
    for chain, sample in progress_bar(work, "finding edges", len(work)):
        if _found_edges(chain) and _eye_error(chain, sample) < _EYES_RIGHT:
            right.append((chain, sample))
    found |= _fit_parts(right, reached)
    _use(found, out)
    _fit_settling(work, found, reached, out)
    return reached


def shaken(sample: Sample, number: int) -> Sample:
    """A sample whose box is a little off, as other detectors place it; every fourth stays as it is."""
    if number % 4 == 0:
        return sample
    draw = np.random.default_rng(number)
    x0, y0 = (
        sample.box.x0 + 0.03 * sample.box.width * draw.normal(),
        sample.box.y0 + 0.03 * sample.box.width * draw.normal(),
    )
    side = sample.box.width * float(np.exp(0.06 * draw.normal()))
    return sample._replace(box=Box(x0, y0, x0 + side, y0 + side))


def _use(found: dict[str, Any], out: Path) -> None:
    """Writes what there is, and lets the chain use it from now on."""
    arrays: dict[str, Any] = {name: np.asarray(value, np.float32) for name, value in found.items()}
    np.savez(out, **arrays)
    numbers.FILE = out
    numbers.fitted.cache_clear()


def _faces(sample: Sample) -> stages.Chain:
    chain = stages.Chain(sample.box, sample.landmarks[30].astype(np.float64))
    stages.find_face(chain, sample.image)
    assert chain.even is not None
    chain.windows = irises.search_windows(chain.even.inward(chain.nose))
    chain.circles = tuple(irises.circles(chain.even.image, window) for window in chain.windows)
    return chain


def _has_circles(chain: stages.Chain) -> bool:
    return all(len(found.votes) for found in chain.circles)


def _eye_centres(marks: np.ndarray) -> np.ndarray:
    """Of 68 landmarks: between the corners of each eye, at the mean height of its six points."""
    eyes = (marks[36:42], marks[42:48])
    return np.array([[(eye[0, 0] + eye[3, 0]) / 2, eye[:, 1].mean()] for eye in eyes])


def _outer(marks: np.ndarray) -> float:
    return float(np.linalg.norm(marks[45] - marks[36]))


def _fit_pairs(work: list[tuple[stages.Chain, Sample]]) -> tuple[np.ndarray, float]:
    rows, errors = [], []
    for chain, sample in work:
        assert chain.even is not None
        marks = chain.even.inward(sample.landmarks)
        outer, (left, right) = _outer(marks), chain.circles
        wanted = np.array([marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)]) - (0, _IRIS_UP * outer)
        a = np.repeat(left.centres, len(right.votes), axis=0)
        b = np.tile(right.centres, (len(left.votes), 1))
        away = np.maximum(np.linalg.norm(a - wanted[0], axis=1), np.linalg.norm(b - wanted[1], axis=1))
        rows.append(irises.pair_features(chain.even.image, chain.even.inward(chain.nose), left, right))
        errors.append(away / outer)
    return rank(rows, errors, _PAIR_WIDTH, epochs=200)


def _fit_eyes(work: list[tuple[stages.Chain, Sample]]) -> tuple[np.ndarray, float]:
    rows, errors = [], []
    for chain, sample in progress_bar(work, "looking at eyes", len(work)):
        assert chain.even is not None
        chain.eyes = irises.choose(chain.even.image, chain.even.inward(chain.nose), *chain.circles)
        assert chain.eyes is not None
        level = levelled(chain.even, chain.eyes.centres)
        slopes, marks = gradients(level.image), level.inward(sample.landmarks)
        for side, wanted in enumerate(_eye_centres(marks)):
            mirror = 1 - 2 * side
            start = MIDDLE + ((side - 0.5) * EYES_PX, stages.EYE_DROP)
            rows.append(patterns.pattern_features(slopes, start, mirror))
            errors.append(_shift_errors(start, mirror, wanted, _outer(marks)))
    return rank(rows, errors, _EYE_WIDTH)


def _shift_errors(start: np.ndarray, mirror: int, wanted: np.ndarray, outer: float) -> np.ndarray:
    return np.linalg.norm(np.rint(start + patterns.SHIFTS * (mirror, 1)) - wanted, axis=1) / outer


def _found_edges(chain: stages.Chain) -> bool:
    chain.brows = []
    try:
        stages.find_eyes(chain)
        stages.find_brows(chain)
        stages.find_lip(chain)
    except stages.StageFailed:
        return False
    return True


def _eye_error(chain: stages.Chain, sample: Sample) -> float:
    assert chain.level is not None and chain.boxes is not None
    marks = chain.level.inward(sample.landmarks)
    return float(np.linalg.norm(chain.boxes - _eye_centres(marks), axis=1).max()) / _outer(marks)


def _fit_parts(right: list[tuple[stages.Chain, Sample]], reached: dict[str, float]) -> dict[str, np.ndarray]:
    """Offsets of the eyes' corners; from an edge's ends to the corners of brows and lips; the patterns of these."""
    brows, lips, eyes = [], [], []
    for chain, sample in right:
        assert chain.level is not None and chain.boxes is not None and chain.lip is not None
        marks = chain.level.inward(sample.landmarks)
        points = chain.level.inward(features.from_landmarks(sample.landmarks))
        for side, (eye, brow, corner) in enumerate(zip(*stages.split(points), strict=True)):
            mirror, centre, nose = 1 - 2 * side, chain.boxes[side], points[stages.NOSE]
            eyes.append((eye - centre) * (mirror, 1) / EYES_PX)
            ends = stages.in_parts(chain.brows[side].ends, centre, mirror)
            brows.append((chain, centre, mirror, ends, brow, _outer(marks)))
            ends = stages.in_parts(chain.lip.ends, nose, mirror)
            lips.append((chain, nose, mirror, ends, np.array([corner, points[-1]]), _outer(marks)))
    found = {"eye_corners": np.median(eyes, axis=0)}
    for edges, which, place, pattern in (
        (brows, 0, "outer", "brow_outer"),
        (brows, 1, "inner", "brow_inner"),
        (lips, 0, "corner", "lip"),
    ):
        terms = np.array([stages.end_terms(ends) for _, _, _, ends, _, _ in edges])
        wanted = np.array([(to[which] - origin) * (mirror, 1) / EYES_PX for _, origin, mirror, _, to, _ in edges])
        found[place] = np.linalg.lstsq(terms, wanted, rcond=None)[0]
        rows, errors = [], []
        for (chain, origin, mirror, _, to, outer), term in zip(edges, terms, strict=True):
            assert chain.gradients is not None
            start = origin + term @ found[place] * (mirror, 1) * EYES_PX
            rows.append(patterns.pattern_features(chain.gradients, start, mirror))
            errors.append(_shift_errors(start, mirror, to[which], outer))
        found[pattern], reached[f"{pattern} within 12 %"] = rank(rows, errors, _CORNER_WIDTH)
    for edges, name in ((brows, "above"), (lips, "below")):
        terms = np.array([stages.height_terms(ends) for _, _, _, ends, _, _ in edges])
        heights = np.array([(to[-1, 1] - origin[1]) / EYES_PX for _, origin, _, _, to, _ in edges])
        found[name] = np.linalg.lstsq(terms, heights, rcond=None)[0]
    return found


def _fit_settling(
    work: list[tuple[stages.Chain, Sample]], found: dict[str, Any], reached: dict[str, float], out: Path
) -> None:
    chains, drafts, wanted = [], [], []
    for chain, sample in progress_bar(work, "drafting", len(work)):
        if not _found_edges(chain):
            continue
        assert chain.level is not None
        chains.append(chain)
        drafts.append(stages.draft(chain, chain.level.inward(chain.nose)))
        wanted.append(chain.level.inward(features.from_landmarks(sample.landmarks)))
    truth, first = np.array(wanted), np.array(drafts)
    outer = features.interocular(truth)[:, np.newaxis]
    near = (np.linalg.norm(first - truth, axis=2) / outer).max(axis=1) < _LOST
    found["settle"][0] = _moves(first[near], truth[near])
    _use(found, out)
    again = [stages.search_again(chain, stages.settled(draft, 0)) for chain, draft in zip(chains, first, strict=True)]
    second = np.array(again)
    found["settle"][1] = _moves(second[near], truth[near])
    _use(found, out)
    final = np.array([stages.settled(points, 1) for points in second])
    for name, points in (("draft", first), ("end", final)):
        within = (np.linalg.norm(points - truth, axis=2) / outer).max(axis=1) <= 0.12
        reached[f"all 18 within 12 %, {name}"] = 100 * float(within.mean())


def _moves(points: np.ndarray, truth: np.ndarray, ridge: float = 0.03) -> np.ndarray:
    """From the coordinates of points and 1 to what takes each to the truth, by least squares: shape (37, 36).

    Every face counts a second time in the mirror: a face has no better side.
    """
    both, wanted = (np.concatenate([each, _mirrored(each)]) for each in (points, truth))
    parts = (both - MIDDLE).reshape(len(both), -1) / EYES_PX
    terms = np.concatenate([parts, np.ones((len(parts), 1))], axis=1)
    moves = (wanted - both).reshape(len(both), -1) / EYES_PX
    return np.linalg.solve(terms.T @ terms + ridge * np.eye(terms.shape[1]), terms.T @ moves)


def _mirrored(points: np.ndarray) -> np.ndarray:
    """F1 to F18 (N, 18, 2) of levelled faces, in the mirror."""
    swapped = points[:, [4, 5, 7, 6, 0, 1, 3, 2, 8, 13, 12, 14, 10, 9, 11, 16, 15, 17]].copy()
    swapped[..., 0] = 2 * MIDDLE[0] - swapped[..., 0]
    return swapped


def rank(
    rows: list[np.ndarray], errors: list[np.ndarray], width: float, epochs: int = 90, rate: float = 0.08
) -> tuple[np.ndarray, float]:
    """Weights by which the choice of least error ranks first: a softmax over the choices of each row, by Adam.

    Args:
        rows: float (choices, features) each; their numbers of choices may differ. errors: (choices,) each.
        width: a choice is wanted as by a bell of this width over its error.

    Returns:
        float64, shape (features,), and the percentage of rows whose first choice has an error of 0.12 at most.
    """
    most, count = max(map(len, rows)), rows[0].shape[1]
    some = np.concatenate(rows[::7]).astype(np.float64)
    mean, deviation = some.mean(axis=0), some.std(axis=0) + 1e-6
    choices = np.zeros((len(rows), most, count), np.float32)
    absent = np.full((len(rows), most), -1e9, np.float32)
    wanted = np.zeros((len(rows), most), np.float32)
    for number, (row, error) in enumerate(zip(rows, errors, strict=True)):
        choices[number, : len(row)] = (row - mean) / deviation
        absent[number, : len(row)] = 0
        wanted[number, : len(row)] = np.exp(-0.5 * (error / width) ** 2) + 1e-9
    wanted /= wanted.sum(axis=1, keepdims=True)
    flat = choices.reshape(-1, count)
    weights, momentum, square = (np.zeros(count, np.float32) for _ in range(3))
    for epoch in range(epochs):
        scores = (flat @ weights).reshape(absent.shape) + absent
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        slope = (scores - wanted).ravel() @ flat / len(rows) + 1e-3 * weights
        momentum = 0.9 * momentum + 0.1 * slope
        square = 0.99 * square + 0.01 * slope**2
        weights = weights - rate * (0.98**epoch + 0.05) * momentum / (np.sqrt(square) + 1e-8)
    first = ((flat @ weights).reshape(absent.shape) + absent).argmax(axis=1)
    right = [error[choice] <= 0.12 for error, choice in zip(errors, first, strict=True)]
    return (weights / deviation).astype(np.float64), 100 * float(np.mean(right))
