"""Detection and tracking on real films: faces kept, identities, and the time against Haar on every frame.

    python bench/tracking.py [--detector haar] [--model FILE] [--every N] [--json FILE] [CLIP …]

Without a CLIP the films of the shared data are taken (EDGEFER_DATA, by default `../shared/data`). Decoding is
left out of all times. Haar is timed on a tenth of the same frames, in between, on one thread like ours. With
`--every 2` each second frame is dropped, as on a slow board. `gap` is the most frames in a row without a face
between two with one; a face that leaves for good leaves no gap.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from common import frames_of, machine, table
from peers import DATA

from edgefer.detect import DETECTORS, open_detector
from edgefer.track import Tracker
from edgefer.values import Frame


def longest_gap(seen: list[bool]) -> int:
    """Most frames in a row without a face, between frames with one."""
    runs = [(there, len(list(run))) for there, run in groupby(seen)]
    return max((length for there, length in runs[1:-1] if not there), default=0)


def measure(frames: list[Frame], detector) -> dict[str, object]:
    """What a fresh tracker says of a film, and the milliseconds it and the usual Haar take a frame."""
    haar = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    tracker = Tracker(detector)
    seen, identities, ours, theirs = [], set(), [], []
    for count, frame in enumerate(frames):
        began = time.perf_counter()
        faces = tracker.update(frame)
        ours.append((time.perf_counter() - began) * 1e3)
        seen.append(bool(faces))
        identities.update(face.track for face in faces)
        if count % 10 == 0:
            began = time.perf_counter()
            haar.detectMultiScale(frame.grey, scaleFactor=1.1, minNeighbors=4, minSize=(60, 60))
            theirs.append((time.perf_counter() - began) * 1e3)
    p50, p95 = np.percentile(ours, [50, 95])
    height, width = frames[0].grey.shape
    return {
        "frames": len(frames),
        "size": f"{width}x{height}",
        "frames_with_face": float(np.mean(seen)),
        "longest_gap": longest_gap(seen),
        "identities": len(identities),
        "searches": tracker.searches,
        "looks": tracker.looks,
        "mean_ms": float(np.mean(ours)),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "max_ms": float(max(ours)),
        "haar_ms": float(np.mean(theirs)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path, metavar="CLIP")
    parser.add_argument("--detector", default=DETECTORS.default, help=DETECTORS.shapes())
    parser.add_argument("--every", type=int, default=1, help="take one frame in so many (default 1)")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    clips = options.clips or sorted(path for path in (DATA / "videos").glob("*.m*"))
    if not clips:
        print("tracking: no films; name some, or set EDGEFER_DATA to the shared data", file=sys.stderr)
        return 3
    cv2.setNumThreads(1)
    detector = open_detector(options.detector)
    figures = {clip.name: measure(frames_of(str(clip))[:: options.every], detector) for clip in clips}
    header = ["film", "size", "frames", "with a face", "gap", "ids", "mean ms", "p50", "p95", "max", "Haar", "ratio"]
    rows = []
    for name, row in figures.items():
        seen = [row["size"], row["frames"], f"{row['frames_with_face']:.1%}", row["longest_gap"], row["identities"]]
        times = [f"{row[f'{key}_ms']:.2f}" for key in ("mean", "p50", "p95", "max", "haar")]
        rows.append([name, *seen, *times, f"{row['haar_ms'] / row['mean_ms']:.1f}x"])
    print(table(header, rows))
    if options.json:
        result = {"machine": machine(), "detector": options.detector, "every": options.every, "films": figures}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
