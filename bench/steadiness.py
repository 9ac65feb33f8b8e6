"""How still landmarks are on a still face, and how far behind on a moving one.

    python bench/steadiness.py [--model M] [--frames N]

The sample portrait stands or moves before a noisy camera of 30 frames a second: each frame is the picture, moved by
parts of a pixel, with a sensor's noise of 3 grey levels. Jitter is the root mean square distance of the points from
their means; lag is how long ago the face was where its points are, on the mean. Sizes and speeds count in the distance
between the outer corners of the eyes.
"""

from __future__ import annotations

import argparse
import sys

import cv2
import numpy as np
from common import table

from edgefer import defaults
from edgefer.detect import DETECTORS, open_detector
from edgefer.landmarks.base import LANDMARKERS
from edgefer.landmarks.points import eye_distance
from edgefer.loop.marks import Marks
from edgefer.sources.demo import portrait_path
from edgefer.track import Tracker
from edgefer.values import Frame

FPS, NOISE, SETTLED = 30, 3.0, 20
SIZES_PX = (30, 60, 110)
SPEEDS = (0.1, 0.3, 1.0, 2.0)


def moved(picture: np.ndarray, shift_px: float, random: np.random.Generator) -> np.ndarray:
    """The picture, moved to the right and noisy."""
    height, width = picture.shape
    placed = cv2.warpAffine(
        picture, np.array([[1, 0, shift_px], [0, 1, 0]]), (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    return np.clip(placed + random.normal(0, NOISE, placed.shape), 0, 255).astype(np.uint8)


def follow(landmarker, picture: np.ndarray, speed_px: float, frames: int) -> np.ndarray:
    """The points of each frame, less the way that the face has gone."""
    random = np.random.default_rng(0)
    tracker = Tracker(open_detector(DETECTORS.default, min_face_px=40))
    marks = Marks(landmarker.another(), always=True, interval_ms=defaults.COVER_INTERVAL_MS)
    found = []
    for index in range(frames):
        shift = speed_px * index / FPS
        frame = Frame(index, moved(picture, shift, random), round(index * 1e9 / FPS), 0)
        faces = tracker.update(frame)
        marks.update(frame, faces, tracker)
        if index >= SETTLED and faces and faces[0].landmarks is not None:
            found.append(faces[0].landmarks - (shift, 0))
    return np.array(found)


def jitter(points: np.ndarray) -> float:
    return float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=2).mean()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=defaults.LANDMARK_MODEL, help="landmark network: a name or a directory")
    parser.add_argument("--frames", type=int, default=90, help="of each motion (default 90)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    landmarker = LANDMARKERS.choose(LANDMARKERS.default).make(model=options.model, threads=1)
    portrait = cv2.imread(str(portrait_path()), cv2.IMREAD_GRAYSCALE)
    rows = []
    for size_px in SIZES_PX:
        picture = cv2.resize(portrait, None, fx=size_px / 112, fy=size_px / 112, interpolation=cv2.INTER_AREA)
        picture = cv2.copyMakeBorder(picture, 0, 0, 0, 8 * size_px, cv2.BORDER_REPLICATE)
        still = follow(landmarker, picture, 0.0, options.frames)
        size = eye_distance(still[0])
        row = [f"{size:.0f} px", f"{jitter(still) / size:.2%}"]
        for speed in SPEEDS:
            behind = still.mean(axis=0) - follow(landmarker, picture, speed * size, options.frames).mean(axis=0)
            row.append(f"{1e3 * float(behind[:, 0].mean()) / (speed * size):.0f} ms")
        rows.append(row)
    header = ["eye distance", "jitter", *(f"lag at {speed:g}/s" for speed in SPEEDS)]
    print(table(header, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
