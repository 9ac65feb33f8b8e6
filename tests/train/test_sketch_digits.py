"""Digits for transfer: IDX files and npm's JSON files, on small ones of the true layout."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.train.sketch.digits import load_digits, read_idx

IMAGES = np.random.default_rng(1).integers(0, 256, (30, 28, 28), np.uint8)
LABELS = (np.arange(30) % 10).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    """As the page of MNIST describes: magic number, then the size of each axis, most significant byte first."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, part: str = "train", pack=gzip.compress, ending: str = ".gz") -> None:
    (folder / f"{part}-images-idx3-ubyte{ending}").write_bytes(pack(idx(IMAGES)))
    (folder / f"{part}-labels-idx1-ubyte{ending}").write_bytes(pack(idx(LABELS)))


@pytest.mark.parametrize("packed", [True, False], ids=["gzip", "plain"])
def test_idx_files_are_read(tmp_path, packed):
    write_idx(tmp_path, **({} if packed else {"pack": bytes, "ending": ""}))
    write_idx(tmp_path, "t10k")
    for part in ("train", "test"):
        digits = load_digits(tmp_path, part)
        np.testing.assert_array_equal(digits.images, IMAGES)
        np.testing.assert_array_equal(digits.truth, LABELS)


def test_npm_s_digits_are_read_from_the_package_or_its_folder(tmp_path):
    folder = tmp_path / "package" / "src" / "digits"
    folder.mkdir(parents=True)
    for digit in range(10):
        # it keeps 255 as 1 and rounds the rest, as its files do
        values = [round(float(level) / 255, 4) for level in IMAGES[digit == LABELS].ravel()]
        (folder / f"{digit}.json").write_text(json.dumps({"data": values}))
    for path in (tmp_path, tmp_path / "package", folder):
        digits = load_digits(path)
        assert digits.images.shape == (30, 28, 28) and digits.truth.tolist() == sorted(LABELS.tolist())
        np.testing.assert_array_equal(digits.images[:3], IMAGES[LABELS == 0])


def test_rows_are_drawn_by_the_seed(tmp_path):
    write_idx(tmp_path)
    first, again, other = (load_digits(tmp_path, rows=8, seed=seed).truth for seed in (1, 1, 2))
    assert len(first) == 8 and first.tolist() == again.tolist() != other.tolist()


def test_what_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(UsageError, match="expected train-images-idx"):
        load_digits(tmp_path)
    write_idx(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    for content, said in [
        (idx(LABELS)[:-1], "expected 38 bytes by its head, got 37"),
        (b"\0\0\x0d\x01" + idx(LABELS)[4:], "begins with 00 00 08, got 00 00 0d"),
        (b"", "got nothing"),
        (gzip.compress(idx(LABELS))[:20], "cannot read it"),
    ]:
        labels.write_bytes(content)
        with pytest.raises(UsageError, match=said):
            read_idx(labels)
    labels.write_bytes(idx(LABELS[:-1]))
    with pytest.raises(UsageError, match=r"\(30, 28, 28\) and \(29,\)"):
        load_digits(tmp_path)
    (tmp_path / "0.json").write_text('{"data": [0, 1, 2]}')
    with pytest.raises(UsageError, match=r"0\.json: expected 784 numbers"):
        load_digits(tmp_path)
