"""How well the classic chain agrees with landmarks: the share of faces, point by point, and the stages that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgefer import detect
from edgefer.detect.photograph import find_faces
from edgefer.geometry import Box
from edgefer.measure.evaluate import CONFIDENT, confidence, open_landmarker
from edgefer.preprocess.points import chain, features
from edgefer.recognize.geometry import NOSE_TIP
from edgefer.support.progress import progress_bar
from edgefer.train.geometry.rows import Marks, Photographs

#: Smallest face that counts, side of the detector's box, pixels.
LEAST_PX = 120
#: A face is frontal where the tip of its nose lies so near to the middle between the outer corners of the eyes, in
#: parts of half their distance: about 15 degrees of yaw.
FRONTAL = 0.24
#: A point agrees within this part of the inter-ocular distance, that of the outer corners of the eyes.
WITHIN = 0.12


class Sample(NamedTuple):
    """One face.

    Attributes:
        image: its picture, uint8 (H, W). box: of the detector.
        landmarks: float (68, 2), what the points are judged by.
        own: float (68, 2), those of the network that ships, by which a run finds the nose and doubts a point; None
            where it is not confident of them.
    """

    image: np.ndarray
    box: Box
    landmarks: np.ndarray
    own: np.ndarray | None = None


def turned_aside(landmarks: np.ndarray) -> float:
    """How far the tip of the nose lies aside of the middle between the eyes, in parts of half their distance."""
    left, right = landmarks[36], landmarks[45]
    across = right - left
    return float(2 * ((landmarks[30] - left) @ across / (across @ across) - 0.5))


def frontal_faces(
    photographs: Photographs, marks: Marks | None, part: str, least_px: float = LEAST_PX, detector: str = "haar"
) -> list[Sample]:
    """The frontal faces of at least that size in photographs of one face each, with the box of a detector.

    Args:
        marks: of every photograph; None takes those of the network that ships, found from the detector's box.
        part: "even" or "odd" rows: the one the chain's numbers are fitted on, the other they are judged on.
    """
    finder = detect.open_detector(detector)
    find = open_landmarker("agree")
    rows = range(0 if part == "even" else 1, len(photographs.images), 2)
    samples = []
    for row in progress_bar(rows, "finding faces", len(rows)):
        image = photographs.images[row]
        if marks is not None and not marks.score[row] > marks.least:
            continue
        found = find_faces(finder, image, least_px / 2, lying=False)
        if not found or found[0].box.width < least_px:
            continue
        box = Box(*found[0].box)
        marked = find(image, box)
        own = marked.points if marked is not None and confidence(marked) >= CONFIDENT else None
        landmarks = own if marks is None else marks.points[row]
        if landmarks is not None and np.isfinite(landmarks).all() and abs(turned_aside(landmarks)) <= FRONTAL:
            samples.append(Sample(image, box, landmarks, own))
    return samples


class Agreement(NamedTuple):
    """The chain against landmarks.

    Attributes:
        errors: float64, shape (N, 18): distance of each point, in parts of the inter-ocular distance; nan where a stage
            failed.
        failed: the stage that failed of each face, "landmarks" where the network is not confident of them, or an
            empty text.
    """

    errors: np.ndarray
    failed: list[str]

    @property
    def right(self) -> np.ndarray:
        """bool, shape (N,): all points found, each within WITHIN."""
        return (np.nan_to_num(self.errors, nan=np.inf) <= WITHIN).all(axis=1)


def agree(samples: Sequence[Sample]) -> Agreement:
    """Runs the chain on every face as a run does, with the landmarks of the network that ships."""
    errors, failed = [], []
    for sample in progress_bar(samples, "finding points", len(samples)):
        wanted = features.from_landmarks(sample.landmarks)
        if sample.own is None:
            failed.append("landmarks")
            errors.append(np.full(features.COUNT, np.nan))
            continue
        found = chain.find(sample.image, sample.box, sample.own[NOSE_TIP], sample.own)
        failed.append(found.failed)
        if found.points is None:
            errors.append(np.full(features.COUNT, np.nan))
        else:
            errors.append(np.linalg.norm(found.points - wanted, axis=1) / features.interocular(wanted))
    return Agreement(np.array(errors).reshape(-1, features.COUNT), failed)


def table(agreement: Agreement) -> str:
    """The agreement as text, a line a point."""
    found = np.isfinite(agreement.errors).all(axis=1)
    stages = Counter(stage for stage in agreement.failed if stage)
    wrong = int((found & ~agreement.right).sum())
    count = len(found)
    lines = [
        f"{count} faces",
        f"all 18 points within {100 * WITHIN:.0f} % of the inter-ocular distance: "
        f"{100 * agreement.right.mean():.1f} % ({int(agreement.right.sum())})",
        f"a stage failed, and is named: {100 * (count - found.sum()) / count:.1f} % "
        f"({', '.join(f'{stage} {number}' for stage, number in stages.items()) or 'none'})",
        f"found, and a point farther off: {100 * wrong / count:.1f} % ({wrong})",
        "",
        f"{'point':<46}{'median':>8}{'p95':>8}{'within':>9}",
    ]
    for index, name in enumerate(features.NAMES):
        errors = 100 * agreement.errors[found, index]
        middle, high = np.percentile(errors, [50, 95])
        share = 100 * (errors <= 100 * WITHIN).mean()
        lines.append(f"F{index + 1:<3}{name:<42}{middle:>6.1f} %{high:>6.1f} %{share:>7.1f} %")
    return "\n".join(lines)
