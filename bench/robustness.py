"""What blur, small size, low light, noise and compression do to the shipped networks, and what the gate says of it.

    python bench/robustness.py                edgefer-s and edgefer-nano on val of FER+
    python bench/robustness.py --rows 600     on fewer rows

Every val row is altered on its own 48x48 pixels, then judged as a face crop. The share of rows that the quality gate
calls uncertain is measured on the same pixels. Scores and classes of unaltered rows give the confidence above which a
model is right in 95 of 100, over all classes and of each; the mean with the scores of the mirror images, what flip
averaging is worth. Kept in bench/results/robustness.json;
`python -m tools.robustness` writes the page.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from common import RESULTS, machine

from edgefer.errors import EdgeferError
from edgefer.geometry import Box
from edgefer.measure import datasets
from edgefer.measure.evaluate import open_recognizer
from edgefer.support.progress import progress_bar
from edgefer.track.quality import QualityGate
from edgefer.train.settings import TrainingSettings, find_data

MODELS = ("edgefer-s", "edgefer-nano")
WHOLE = 48  # side of the rows, pixels
PRECISION = 0.95
LEAST_ROWS = 20  # a threshold of a class rests on so many answers or more


def blur(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image


def shrink(image: np.ndarray, side: float, rng: np.random.Generator) -> np.ndarray:
    return cv2.resize(image, (int(side), int(side)), interpolation=cv2.INTER_AREA) if side < WHOLE else image


def darken(image: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Less light on a sensor whose noise stays as it is."""
    return noisy((image * share).astype(np.uint8), 2.0, rng) if share < 1 else image


def noisy(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.rint(image + rng.normal(0, sigma, image.shape)), 0, 255).astype(np.uint8)


def compress(image: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    if quality > 100:
        return image
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1], cv2.IMREAD_GRAYSCALE)


#: What is done to a row, in words with its unit, and how much of it, from nothing on.
ALTERATIONS: dict[str, tuple[Callable[..., np.ndarray], Sequence[float]]] = {
    "blur: Gaussian deviation, pixels of 48": (blur, (0, 0.5, 1, 1.5, 2, 3)),
    "size: side of the face, pixels": (shrink, (48, 36, 28, 22, 16, 12)),
    "light: share that is left": (darken, (1, 0.5, 0.3, 0.2, 0.1, 0.05)),
    "noise: deviation, levels": (noisy, (0, 5, 10, 20, 30, 40)),
    "JPEG: quality (101: none)": (compress, (101, 80, 50, 30, 15, 8)),
}


def measure(rows: int) -> dict[str, Any]:
    """The figures: by alteration its severities, the gate's share of uncertain rows, and accuracies by model.

    Raises:
        UsageError: the data is not there.
    """
    data = datasets.load(find_data(TrainingSettings.data), "val")
    chosen = np.arange(len(data))[: rows or None]
    data = data.take(chosen)
    judges, gate = {name: open_recognizer(name) for name in MODELS}, QualityGate()
    curves: dict[str, Any] = {}
    confidence: dict[str, Any] = {}
    mirrored: dict[str, float] = {}
    for words, (alter, severities) in ALTERATIONS.items():
        curves[words] = {"severity": list(severities), "uncertain": [], "accuracy": {name: [] for name in MODELS}}
        for severity in severities:
            rng = np.random.default_rng(1)
            images = [alter(image, severity, rng) for image in data.images]
            doubts = [bool(gate.measure(image, whole(image)).reasons) for image in images]
            curves[words]["uncertain"].append(100 * float(np.mean(doubts)))
            for name, judge in judges.items():
                scores = np.stack([scored(judge, image) for image in progress_bar(images, name, len(images))])
                right = scores.argmax(axis=1) == data.truth
                curves[words]["accuracy"][name].append(100 * float(right.mean()))
                if name not in confidence:
                    confidence[name] = thresholded(scores.max(axis=1), right) | {
                        "classes": by_class(scores, right, judge.labels)
                    }
                    both = scores + np.stack([scored(judge, np.ascontiguousarray(image[:, ::-1])) for image in images])
                    mirrored[name] = 100 * float((both.argmax(axis=1) == data.truth).mean())
        print(words, json.dumps(curves[words]), flush=True)
    figures = {"least_rows": LEAST_ROWS, "curves": curves, "confidence": confidence, "mirrored": mirrored}
    return {"machine": machine(), "rows": len(data), "rule": data.rule, **figures}


def whole(image: np.ndarray) -> Box:
    """The box of a face crop."""
    return Box(0.0, 0.0, float(image.shape[1]), float(image.shape[0]))


def scored(judge: Any, image: np.ndarray) -> np.ndarray:
    """The scores of a face crop."""
    judge.prepare_crop(image)
    return np.array(judge.infer())


def thresholded(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Risk over coverage: at each share of rows kept, the most confident first, the accuracy and the least confidence.

    `threshold` is as of `_threshold`, 1 where there is none; `coverage` is the share of rows from it on.
    """
    order = np.argsort(-confidence, kind="stable")
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    limit = _threshold(confidence, right, 1) or 1.0
    places = [max(0, round(share * len(order)) - 1) for share in np.linspace(0.1, 1, 10)]
    return {
        "threshold": limit,
        "coverage": 100 * float((confidence >= limit).mean()),
        "curve": [[100 * (p + 1) / len(order), 100 * float(accuracy[p])] for p in places],
    }


def by_class(scores: np.ndarray, right: np.ndarray, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of each class that is answered: the confidence from which PRECISION of these answers are right.

    `rows` is the number of answers, `threshold` as of `_threshold`, None where there is none with LEAST_ROWS answers
    above it, `coverage` the share of the class's answers above it. `crossed` is what was right, in percent, of
    `crossed_rows` answers above the thresholds of others: the even rows by that of the odd ones, and the other way.
    """
    confidence, answers, found = scores.max(axis=1), scores.argmax(axis=1), {}
    for index, label in enumerate(labels):
        own = np.flatnonzero(answers == index)
        if not len(own):
            continue
        threshold = _threshold(confidence[own], right[own], LEAST_ROWS)
        above = np.zeros(len(own), bool) if threshold is None else confidence[own] >= threshold
        crossed = []
        for parity in (0, 1):
            mine, other = own[own % 2 == parity], own[own % 2 != parity]
            limit = _threshold(confidence[other], right[other], LEAST_ROWS // 2)
            if limit is not None:
                crossed.append(right[mine][confidence[mine] >= limit])
        judged = np.concatenate([*crossed, np.zeros(0, bool)])
        found[label] = {
            "rows": len(own),
            "threshold": threshold,
            "coverage": 100 * float(above.mean()),
            "crossed": 100 * float(judged.mean()) if len(judged) else None,
            "crossed_rows": len(judged),
        }
    return found


def _threshold(confidence: np.ndarray, right: np.ndarray, least: int) -> float | None:
    """The least confidence, in hundredths, from which PRECISION are right, of so many rows or more.

    In hundredths, as it is printed and typed: what lies between would be cut off, and with it some right answers.
    """
    for limit in np.arange(1, 101) / 100:
        kept = right[confidence >= limit]
        if len(kept) < least:
            return None
        if kept.mean() >= PRECISION:
            return float(limit)
    return None


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python bench/robustness.py", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=0, help="judge the first of them alone; default: all")
    try:
        result = measure(parser.parse_args(argv).rows)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    (RESULTS / "robustness.json").write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
