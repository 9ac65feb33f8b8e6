"""Pictures that a folder has twice: in train and in what is judged, or with two classes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.labels import FERPLUS8
from edgefer.measure.datasets import load

FACES = np.random.default_rng(5).integers(0, 256, (6, 48, 48), np.uint8)


def put(root, **faces):
    """Pictures by folder and number: `train_fear=[0, 1]` is train/fear/0.png and 1.png."""
    for name, numbers in faces.items():
        folder = root.joinpath(*name.split("_"))
        folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (folder / f"{number}.png").write_bytes(cv2.imencode(".png", FACES[number])[1].tobytes())


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_picture_of_train_does_not_count_unless_it_is_asked_for(tmp_path, split):
    # whatever class train has it in, and also where the labels lack that class
    put(tmp_path, **{"train_fear": [0], "train_contempt": [1], f"{split}_fear": [0, 2], f"{split}_sad": [1]})
    data = load(tmp_path, split, "basic7")
    assert data.counts() == "1 of 3 rows count; dropped: 2 duplicates of train"
    assert np.array_equal(data.images[0], FACES[2])
    assert len(load(tmp_path, split, "basic7", keep_duplicates=True)) == 3
    assert len(load(tmp_path, "train")) == 2


def test_a_folder_of_rows_that_are_all_in_train_is_one_line(tmp_path):
    put(tmp_path, train_fear=[0], val_fear=[0])
    with pytest.raises(UsageError, match="no row of split val counts: 0 of 1 rows count; dropped: 1 duplicates of"):
        load(tmp_path)


def test_a_picture_with_two_classes_counts_with_neither_and_is_named(tmp_path):
    put(tmp_path, happy=[0, 1, 2], sad=[0, 3], fear=[1, 4])
    data = load(tmp_path)
    assert [FERPLUS8[label] for label in data.truth] == ["fear", "happiness", "sadness"]
    assert data.dropped == {"labelled in two ways": 4}
    said = [problem.replace(f"{tmp_path}/", "") for problem in data.problems if "missing" not in problem]
    assert said == [
        "fear/1.png: labelled fear, and the same picture happiness in happy/1.png",
        "happy/0.png: labelled happiness, and the same picture sadness in sad/0.png",
    ]
