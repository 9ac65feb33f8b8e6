"""The clip of `make test-arm`, and whether two machines read the same from it.

    python arm_clip.py write CLIP.avi
    python arm_clip.py compare HERE.jsonl THERE.jsonl

The clip is losslessly coded, so that every machine sees the same pixels.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2

from edgefer.sources.demo import FPS, HEIGHT, WIDTH, Demo

FRAMES = 20
STRIDE = 3  # of the demo's frames: the face moves three times as fast
# The networks answer alike but for the last bits of a float head (arm_images.py). Boxes are snapped to a grid for that;
# where such a bit moves one over a step all the same, points change by as much as they are unsteady.
BOX_TOLERANCE_PX = 1.5
SCORE_TOLERANCE = 0.015


def write(path: str) -> None:
    demo = Demo()
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"FFV1"), FPS, (WIDTH, HEIGHT))
    for index in range(FRAMES):
        writer.write(demo.render(index * STRIDE).bgr())
    writer.release()


def compare(here: str, there: str) -> None:
    """Raises SystemExit at the first difference."""
    for path in (here, there):
        if not Path(path).is_file():
            raise SystemExit(f"arm_clip: no {path}: the run before failed")
    box_px = score = 0.0
    readings = [[json.loads(line) for line in Path(path).read_text().splitlines()] for path in (here, there)]
    if [len(part) for part in readings] != [FRAMES, FRAMES]:
        raise SystemExit(f"arm_clip: expected {FRAMES} frames, got {[len(part) for part in readings]}")
    for ours, theirs in zip(*readings, strict=True):
        frame = ours["frame"]
        for key in ("track", "expression"):
            seen = [[face[key] for face in reading["faces"]] for reading in (ours, theirs)]
            if seen[0] != seen[1] or len(seen[0]) != 1:
                raise SystemExit(f"arm_clip: frame {frame}: {key} of the face {seen[0]} here, {seen[1]} there")
        face, other = ours["faces"][0], theirs["faces"][0]
        box_px = max(box_px, *(abs(a - b) for a, b in zip(face["box"], other["box"], strict=True)))
        score = max(score, *(abs(value - other["scores"][name]) for name, value in face["scores"].items()))
        if box_px > BOX_TOLERANCE_PX or score > SCORE_TOLERANCE:
            raise SystemExit(f"arm_clip: frame {frame}: here {face}, there {other}")
    print(f"{FRAMES} frames agree: boxes within {box_px:.1f} px, scores within {score:.4f}")


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](*sys.argv[2:])
