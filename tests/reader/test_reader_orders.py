"""Photographs of one size: the same readings alone and in any order, from Python and from the command line.

`PYTHONPATH=tests python tests/reader/test_reader_orders.py 120` reads so many; the suite does a short form.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgefer
from edgefer.commands import console as cli
from edgefer.sinks.lines import reading_values
from edgefer.sources.demo import portrait_path

try:
    PORTRAIT = portrait_path()
except Exception:
    pytest.skip("the demo's portrait needs matplotlib", allow_module_level=True)
WIDTH, HEIGHT = 200, 220


def photograph(seed: int) -> np.ndarray:
    """The portrait at another size, place, angle and light, on noise: uint8 (HEIGHT, WIDTH, 3)."""
    rng = np.random.default_rng(seed)
    image = cv2.imread(str(PORTRAIT))
    assert image is not None
    turn = cv2.getRotationMatrix2D((252, 196), rng.uniform(-12, 12), rng.uniform(0.28, 0.42))
    turn[:, 2] += (rng.uniform(80, 120) - 252, rng.uniform(90, 120) - 196)
    background = rng.integers(60, 120, (HEIGHT, WIDTH, 3), np.uint8)
    seen = cv2.warpAffine(image, turn, (WIDTH, HEIGHT), dst=background, borderMode=cv2.BORDER_TRANSPARENT)
    return cv2.convertScaleAbs(seen, alpha=rng.uniform(0.6, 1.2))


def write_photographs(folder: Path, count: int) -> list[str]:
    """Their paths; every tenth has no face at all, which the one before it must not lend it."""
    paths = []
    for index in range(count):
        image = photograph(index)
        if index % 10 == 9:
            image = cv2.GaussianBlur(image[::-1], (0, 0), 9)
        paths.append(str(folder / f"{index}.png"))
        cv2.imwrite(paths[-1], image)
    return paths


def differing(folder: Path, count: int) -> dict[str, int]:
    """Of each way to read them, how many photographs have other faces than alone."""
    paths = write_photographs(folder, count)
    alone = {path: edgefer.read(path) for path in paths}
    assert 0.5 * count < sum(len(faces) > 0 for faces in alone.values()) < count
    shuffled = random.Random(0).sample(paths, count)
    differ = {}
    for name, order in {"in order": paths, "backwards": paths[::-1], "shuffled": shuffled}.items():
        with edgefer.stream(order) as readings:
            differ[name] = sum(reading.faces != alone[path] for path, reading in zip(order, readings, strict=True))
    with edgefer.stream(folder) as readings:
        differ["as a folder"] = sum(
            reading.faces != alone[str(folder / reading.image)] for reading in readings if reading.image
        )
    output = folder / "readings.jsonl"
    assert cli.main(["run", *shuffled, "-q", "--output", f"jsonl:{output}"]) == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    expected = [reading_values(edgefer.Reading(0, 0.0, "", 0.0, alone[path]))["faces"] for path in shuffled]
    differ["command line"] = sum(line["faces"] != faces for line, faces in zip(lines, expected, strict=True))
    return differ


def test_a_photograph_reads_alike_alone_and_in_any_company(tmp_path):
    assert differing(tmp_path, 20) == dict.fromkeys(
        ("in order", "backwards", "shuffled", "as a folder", "command line"), 0
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as where:
        for way, number in differing(Path(where), int(sys.argv[1])).items():
            print(f"{way}: {number} of {sys.argv[1]} differ")
