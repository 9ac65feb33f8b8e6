"""How often a face has to be recognized: what a lower rate costs in time and in agreement.

    python bench/rates.py [--frames N] [CLIP …]

First the time until smoothed scores have gone half of the way after an expression has changed at once, over all
moments at which it may change, at 30 frames a second. Then films, by default those of the shared data (EDGEFER_DATA):
readings at each rate compared with those of every frame.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from common import frames_of, table
from peers import DATA

from edgefer.assemble import Parts
from edgefer.config import Settings
from edgefer.geometry import Box
from edgefer.loop.smooth import Smoother
from edgefer.loop.turns import Turns
from edgefer.reader.options import settings_of
from edgefer.values import Face, Frame, Quality

RATES_HZ = (0.0, 15.0, 10.0, 6.0, 4.0, 2.0)
FPS, MOMENTS = 30, 120
GREY, FACE = np.zeros((8, 8), np.uint8), Face(1, Box(0, 0, 4, 4), Quality(60.0, 0.05, 120.0))


def delays(rate_hz: float, lag_ms: float) -> np.ndarray:
    """Milliseconds from a change of the scores from (1, 0) to (0, 1) until they pass the middle, by moment."""
    taken = []
    for moment in range(MOMENTS):
        change_s = 1.0 + moment / MOMENTS * 0.5
        turns, smoother, scores = Turns(rate_hz), Smoother(lag_ms), np.zeros(2)
        for index in range(4 * FPS):
            frame = Frame(index, GREY, round(index * 1e9 / FPS), 0)
            if turns.choose(frame, [FACE]):
                turns.took(FACE, frame)
                shown = np.array([0.0, 1.0] if index / FPS >= change_s else [1.0, 0.0])
                scores = smoother.update(1, shown, frame.media_ns)
            if index / FPS >= change_s and scores[1] >= 0.5:
                taken.append((index / FPS - change_s) * 1e3)
                break
    return np.array(taken)


def readings(frames: list[Frame], rate_hz: float) -> list:
    """The readings of a film at a rate."""
    pipeline = Parts(settings_of(rate_hz=rate_hz)).pipeline(None, live=False)
    return [pipeline.process(frame) for frame in frames]


def compared(every: list, some: list) -> tuple[int, float, float, float]:
    """Faces that both readings have; part with the same expression; mean distance of scores; part recognized."""
    same, apart, fresh = [], [], []
    for one, other in zip(every, some, strict=True):
        for a, b in zip(one.faces, other.faces, strict=False):
            same.append(a.expression == b.expression)
            apart.append(sum(abs(a.scores[label] - b.scores[label]) for label in a.scores) / 2)
            fresh.append(b.scores_age_ms == 0)
    return len(same), float(np.mean(same)), float(np.mean(apart)), float(np.mean(fresh))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path, metavar="CLIP")
    parser.add_argument("--frames", type=int, default=300, help="of each film (default 300)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clips = options.clips or sorted((DATA / "videos").glob("*.m*"))
    films = [frames_of(str(clip), options.frames) for clip in clips]
    every = [readings(film, 0.0) for film in films]
    rows = []
    for rate_hz in RATES_HZ:
        taken = delays(rate_hz, Settings().smoothing.lag_ms)
        row = [f"{rate_hz:g} a second" if rate_hz else "every frame", f"{taken.mean():.0f} ms", f"{taken.max():.0f} ms"]
        if films:
            found = [compared(one, readings(film, rate_hz)) for one, film in zip(every, films, strict=True)]
            faces = [count for count, *_ in found]
            same, apart, fresh = (np.average(column, weights=faces) for column in list(zip(*found, strict=True))[1:])
            row += [f"{fresh:.0%}", f"{same:.1%}", f"{apart:.3f}"]
        rows.append(row)
    header = ["rate", "half of the way, mean", "longest"]
    header += ["faces recognized", "same expression", "scores apart"] if films else []
    print(table(header, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
