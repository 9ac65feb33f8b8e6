"""Whether every shipped network says the same of the same images on two machines.

    python arm_images.py write IMAGES.npy
    python arm_images.py read IMAGES.npy RESULTS.npz
    python arm_images.py compare HERE.npz THERE.npz

The images are faces cut out of the demo. They are made on one machine, and each reads them through its own
kernels, which give the same bits, and its own LiteRT, which has other routines for each processor.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

import edgefer
from edgefer import manifest
from edgefer.interpreter import Interpreter
from edgefer.manifest import SELF_TEST_TOLERANCE
from edgefer.preprocess import Preprocess
from edgefer.sources.demo import CYCLE_S, FPS, Demo

IMAGES = 200
SIDE = 160  # pixels, wider than any network's input
MODELS = Path(edgefer.__file__).parent / "models"


def write(path: str) -> None:
    """Faces all over the demo's cycle, nearer and farther, shifted, every other one mirrored."""
    demo = Demo()
    rng = np.random.default_rng(3)
    images = np.empty((IMAGES, SIDE, SIDE), np.uint8)
    for i in range(IMAGES):
        grey = demo.render(round(i * CYCLE_S * FPS / IMAGES)).grey
        half = rng.uniform(80, 160)
        x, y = rng.uniform(0.3, 0.7, 2) * grey.shape[::-1]
        left, top = max(0, round(x - half)), max(0, round(y - half))
        crop = grey[top : round(y + half), left : round(x + half)]
        images[i] = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[:, :: 1 - i % 2 * 2]
    np.save(path, images)


def read(images: str, results: str) -> None:
    """What each network is given and what it answers, int8."""
    found = {}
    for folder in sorted(MODELS.iterdir()):
        spec, content = manifest.read(folder)
        preprocess, network = Preprocess(spec.input), Interpreter(content, spec)
        pairs = [(tensor.copy(), network.run(tensor)[0]) for tensor in map(preprocess, np.load(images))]
        for side, tensors in zip(("inputs", "outputs"), zip(*pairs, strict=True), strict=True):
            found[f"{folder.name} {side}"] = np.stack(tensors)
    np.savez(results, **found)


def compare(here: str, there: str) -> None:
    """Raises SystemExit where a network's inputs differ at all, or its answers by over SELF_TEST_TOLERANCE.

    Another label is the best one only where both were as near to each other as that.
    """
    ours, theirs = np.load(here), np.load(there)
    if sorted(ours) != sorted(theirs) or not len(ours):
        raise SystemExit(f"arm_images: expected {sorted(ours)}, got {sorted(theirs)}")
    for name in sorted({key.rsplit(" ", 1)[0] for key in ours}):
        if not np.array_equal(ours[f"{name} inputs"], theirs[f"{name} inputs"]):
            raise SystemExit(f"arm_images: {name}: the kernels give other inputs")
        a, b = (side[f"{name} outputs"].astype(int) for side in (ours, theirs))
        rows, best = np.arange(len(a)), b.argmax(axis=1)
        apart, lead = np.abs(a - b).max(axis=1), a.max(axis=1) - a[rows, best]
        said = (
            f"{name}: {int((apart == 0).sum())} of {len(a)} images alike, levels within {int(apart.max())},"
            f" {int((lead > 0).sum())} with another label, by {int(lead.max())} levels at most"
        )
        if max(apart.max(), lead.max()) > SELF_TEST_TOLERANCE:
            raise SystemExit(f"arm_images: {said}; {SELF_TEST_TOLERANCE} levels are allowed")
        print(said)


if __name__ == "__main__":
    {"write": write, "read": read, "compare": compare}[sys.argv[1]](*sys.argv[2:])
