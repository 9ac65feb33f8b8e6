"""Small trees of sequences, and a learner that needs no Keras, for tests of protocols and of the search.

`python sequence_trees.py search|protocols ARGUMENTS` is that command with this learner. It writes a line into
$LEARNER_LOG for each fold that it begins and ends, and takes $LEARNER_S for each.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import types
from pathlib import Path

import cv2
import numpy as np

EMOTIONS = {"anger": 1, "fear": 4, "happiness": 5}
LEVELS = dict(zip(EMOTIONS, (60, 120, 180), strict=True))


def write_tree(root: Path, people: int, seed: int = 0, frames: int = 3) -> Path:
    """CK+'s layout: each person shows three expressions, each of another grey; every frame is a little brighter."""
    rng = np.random.default_rng(seed)
    for person in range(1, people + 1):
        for place, (label, number) in enumerate(EMOTIONS.items(), start=1):
            folder, stem = f"S{person:03d}/{place:03d}", f"S{person:03d}_{place:03d}"
            for frame in range(1, frames + 1):
                image = rng.normal(LEVELS[label] + frame, 10, (48, 48)).clip(0, 255).astype(np.uint8)
                path = root / "cohn-kanade-images" / folder / f"{stem}_{frame:08d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), image)
            path = root / "Emotion" / folder / f"{stem}_{frames:08d}_emotion.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"   {number:.7e}\n")
    return root


class NearestMean:
    """Tells a class by the nearest mean grey of those that teach; max pooling makes it tell the first class always."""

    def __init__(self, plan, clips, start=None, frames=None):
        self.plan, self.clips, self.start = plan, clips, start

    def fold(self, split):
        _log("begin", self.plan, self.clips, split)
        time.sleep(float(os.environ.get("LEARNER_S", "0")))
        grey = self.clips.frames.mean(axis=(1, 2, 3))
        truth = self.clips.truth
        classes = np.unique(truth[split.train])
        means = [grey[split.train][truth[split.train] == each].mean() for each in classes]
        told = classes[np.abs(grey[split.test][:, None] - means).argmin(axis=1)]
        if self.plan.parameters.get("pooling") == "max":
            told[:] = classes[0]
        _log("end", self.plan, self.clips, split)
        return np.stack([np.full_like(told, classes[-1]), told])

    def learn_all(self, path):
        _log("all", self.plan, self.clips, None)
        path.write_bytes(b"weights")


def _log(what, plan, clips, split):
    if "LEARNER_LOG" in os.environ:
        tested = "" if split is None else ",".join(np.unique(clips.subjects[split.test]))
        with open(os.environ["LEARNER_LOG"], "a") as file:
            file.write(f"{what} {os.getpid()} {plan.digest} {tested}\n")


def stand_in() -> types.ModuleType:
    """A module in the place of edgefer.train.protocols.learning."""
    module = types.ModuleType("edgefer.train.protocols.learning")
    module.Learner = NearestMean
    return module


if __name__ == "__main__":
    sys.modules["edgefer.train.protocols.learning"] = stand_in()
    command = importlib.import_module(f"edgefer.train.{sys.argv[1]}.__main__")
    sys.exit(command.main(sys.argv[2:]))
