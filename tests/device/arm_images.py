"""Whether every shipped network gives the same output for the same images on two machines.

    python arm_images.py write IMAGES.npy COUNT
    python arm_images.py read IMAGES.npy RESULTS.npz
    python arm_images.py compare HERE.npz THERE.npz

The images are faces cut out of the demo. They are made on one machine, and each reads them through its own
kernels and its own LiteRT. Both give the same bits on every processor: LiteRT where XNNPACK computes, as it
does by default, not where its own kernels do.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

import edgefer
from edgefer.models import directory
from edgefer.models.interpreter import Interpreter
from edgefer.preprocess.crop import Preprocess
from edgefer.sources.demo import CYCLE_S, FPS, Demo

SIDE = 160  # pixels, wider than any network's input
MODELS = Path(edgefer.__file__).parent / "models" / "shipped"


def write(path: str, count: str) -> None:
    """Faces all over the demo's cycle, nearer and farther, shifted, every other one mirrored."""
    demo = Demo()
    rng = np.random.default_rng(3)
    images = np.empty((int(count), SIDE, SIDE), np.uint8)
    for i in range(len(images)):
        grey = demo.render(round(i * CYCLE_S * FPS / len(images))).grey
        half = rng.uniform(80, 160)
        x, y = rng.uniform(0.3, 0.7, 2) * grey.shape[::-1]
        left, top = max(0, round(x - half)), max(0, round(y - half))
        crop = grey[top : round(y + half), left : round(x + half)]
        images[i] = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[:, :: 1 - i % 2 * 2]
    np.save(path, images)


def read(images: str, results: str) -> None:
    """What each network is given and what it answers, int8."""
    tensors_of = {}
    for folder in sorted(MODELS.iterdir()):
        spec, content = directory.read(folder)
        preprocess, network = Preprocess(spec.input), Interpreter(content, spec)
        pairs = [(tensor.copy(), network.run(tensor)[0]) for tensor in map(preprocess, np.load(images))]
        for side, tensors in zip(("inputs", "outputs"), zip(*pairs, strict=True), strict=True):
            tensors_of[f"{folder.name} {side}"] = np.stack(tensors)
    np.savez(results, **tensors_of)


def compare(here: str, there: str) -> None:
    """Raises SystemExit where a network is given or answers anything else."""
    ours, theirs = np.load(here), np.load(there)
    if sorted(ours) != sorted(theirs) or not len(ours):
        raise SystemExit(f"arm_images: expected {sorted(ours)}, got {sorted(theirs)}")
    for name in sorted(ours):
        apart = np.abs(ours[name].astype(int) - theirs[name]).reshape(len(ours[name]), -1).max(axis=1)
        if apart.any():
            raise SystemExit(
                f"arm_images: {name}: {int((apart > 0).sum())} of {len(apart)} images differ, by up to"
                f" {int(apart.max())} levels; does LiteRT compute with XNNPACK on both machines?"
            )
    print(f"{len(apart)} images alike: {', '.join(sorted({key.split()[0] for key in ours}))}")


if __name__ == "__main__":
    {"write": write, "read": read, "compare": compare}[sys.argv[1]](*sys.argv[2:])
