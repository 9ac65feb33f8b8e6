"""What the eighteen points of a face cost: by the classic chain and from landmarks, and the dense layers behind them.

python bench/geometry.py [--rounds 200]

One thread. The portrait of the demo, as the detector and the landmark network give it; best and median of the rounds,
with OpenCV's corner score of a 640x480 image in the same rounds for scale.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np

from edgefer import recognize
from edgefer.geometry import Box
from edgefer.preprocess.points import chain, features
from edgefer.sources.demo import portrait_path

#: The face of the portrait and the tip of its nose.
BOX, NOSE = Box(152.1, 104.5, 377.8, 330.2), np.array([266.3, 235.3])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    image = cv2.imread(str(portrait_path()), cv2.IMREAD_GRAYSCALE)
    marks = np.random.default_rng(1).uniform(0, 200, (68, 2))
    scene = np.random.default_rng(2).integers(0, 256, (480, 640), np.uint8)
    recognizer = recognize.open("khan")
    points = chain.find(image, BOX, NOSE).points
    assert points is not None
    work: dict[str, Callable[[], object]] = {
        "classic chain, box to 18 points": lambda: chain.find(image, BOX, NOSE),
        "68 landmarks to 18 points": lambda: features.from_landmarks(marks),
        "18 points to scores": lambda: recognizer.judge(points),
        "cv2.cornerMinEigenVal, 640x480": lambda: cv2.cornerMinEigenVal(scene, 3),
    }
    spent: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(args.rounds):
        for name, call in work.items():
            begin = time.perf_counter()
            call()
            spent[name].append(1e3 * (time.perf_counter() - begin))
    print(f"{'':<36}{'best ms':>9}{'median ms':>11}")
    for name, times in spent.items():
        print(f"{name:<36}{min(times):>9.2f}{float(np.median(times)):>11.2f}")


if __name__ == "__main__":
    main()
