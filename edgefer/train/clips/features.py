"""What the frame network sees in each frame, computed once: the heads are trained on it, which takes minutes."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from edgefer import kernels
from edgefer.errors import UsageError
from edgefer.measure import datasets
from edgefer.support.atomic import replacing, write_bytes
from edgefer.train.clips.edge import CHANNELS, FEATURES, SIDE
from edgefer.train.clips.films import read
from edgefer.train.data.batches import Inputs, input_spec

BATCH = 240
#: Looks at a photograph, the first as it is; the others moved and grown by so much, in parts of its side, in other
#: light and with noise, grey levels.
LOOKS, LOOK_SHIFT, LOOK_SIZE, LOOK_LIGHT, LOOK_NOISE = 3, 0.02, 0.02, 0.04, 2.0


def of_frames(network: keras.Model, frames: np.ndarray, out: Path) -> None:
    """Writes the features of frames, uint8 (…, SIDE, SIDE), as float16 (…, 6, 6, 64), whole or not at all."""
    flat = frames.reshape(-1, SIDE, SIDE)
    inputs = Inputs(input_spec(CHANNELS, SIDE))
    with replacing(out) as scratch:
        features = np.lib.format.open_memmap(scratch, "w+", np.float16, (*frames.shape[:-2], *FEATURES))
        rows = features.reshape(-1, *FEATURES)
        for start in range(0, len(flat), BATCH):
            rows[start : start + BATCH] = network.predict_on_batch(inputs.stack(flat[start : start + BATCH]))
        features.flush()


def of_films(network: keras.Model, path: Path) -> None:
    """Writes `features.npy` beside the frames of a directory of films."""
    of_frames(network, read(path).frames, path / "features.npy")


def of_photographs(network: keras.Model, data: Path, split: str, most: int, out: Path, seed: int) -> str:
    """Writes LOOKS looks at photographs of FER-2013 with the distribution of their votes, for clips held still.

    Of val one look at rows with a majority, as every model is measured on.

    Args:
        most: rows of train, drawn by the seed.

    Returns:
        Which rows, in words.
    """
    rng, looks = np.random.default_rng(seed), LOOKS if split == "train" else 1
    rows = datasets.load(data, split, labels="ferplus8", rule="plurality" if split == "train" else "majority")
    if split == "train" and len(rows) > most:
        rows = rows.take(np.sort(rng.choice(len(rows), most, replace=False)))
    frames = np.empty((len(rows), looks, SIDE, SIDE), np.uint8)
    for row, image in enumerate(rows.images):
        frames[row, 0] = kernels.crop_resize(image, (0, 0, image.shape[1], image.shape[0]), (SIDE, SIDE))
        for look in range(1, looks):
            frames[row, look] = looked_at(image, rng)
    out.mkdir(parents=True, exist_ok=True)
    (out / "done").unlink(missing_ok=True)
    of_frames(network, frames, out / "features.npy")
    np.save(out / "frames.npy", frames)
    assert rows.distributions is not None  # the labels are those of the votes
    np.savez(out / "truth.npz", votes=rows.distributions, truth=rows.truth, rule=rows.rule)
    write_bytes(out / "done", b"")
    return f"{len(rows)} rows of {split}: {rows.rule}"


def looked_at(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A photograph as the next frame of a still face might show it: uint8 (SIDE, SIDE)."""
    side = image.shape[0]
    half = side / 2 * np.exp(rng.normal(0, LOOK_SIZE))
    x, y = side / 2 + side * rng.normal(0, LOOK_SHIFT, 2)
    look = kernels.crop_resize(image, (x - half, y - half, x + half, y + half), (SIDE, SIDE)).astype(np.float32)
    lit = look * np.exp(rng.normal(0, LOOK_LIGHT)) + rng.normal(0, LOOK_NOISE * rng.random(), look.shape)
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def load(path: Path) -> np.ndarray:
    """The features of a directory, float16. Raises: UsageError: they, or what they are of, are not there."""
    file = path / "features.npy"
    if not file.is_file() or not (path / "done").is_file():
        raise UsageError(f"{file}: not there; make it with `python -m edgefer.train.clips features`")
    return np.load(file, mmap_mode="r")
