"""P(j, u) of Breuer and Kimmel on planted labels, and the images that are coded."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefer.commands.console import main
from edgefer.errors import EdgeferError, UsageError
from edgefer.measure.datasets import Dataset
from edgefer.measure.datasets.base import FolderImages
from edgefer.measure.datasets.ckplus import ActionUnits

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from edgefer.train.explain.network import Filters, Survey  # noqa: E402
from edgefer.train.explain.units import correlate, matched  # noqa: E402
from edgefer.train.settings import TrainingSettings, build  # noqa: E402

UNITS = [1, 12, 25]
PRESENT = np.array(  # of six images
    [[1, 0, 0], [1, 0, 1], [1, 1, 0], [0, 1, 1], [0, 1, 1], [0, 0, 1]], bool
)


def survey(answers, rectified=True):
    """Of filters that gave these answers, images down, filters across."""
    answers = np.asarray(answers, np.float32)
    image = keras.Input((8, 8, 1))
    maps = keras.layers.Conv2D(answers.shape[1], 3)(image)
    model = keras.Model(image, maps)
    filters = Filters("conv", model, image, maps, model, model.layers[1] if rectified else None, None)
    return Survey(filters, answers, np.zeros((*answers.shape, 2), np.int64))


ANSWERS = np.array(
    [  # 0: images 0 1 2 | 1: images 3 4 2 | 2: images 5 0 2 | 3: dead | 4: image 3, then zeros
        [9, 0, 8, 0, 0],
        [8, 0, 0, 0, 0],
        [7, 5, 7, 0, 0],
        [1, 9, 0, 0, 2],
        [0, 8, 0, 0, 0],
        [0, 1, 9, 0, 0],
    ]
)


def test_p_is_the_share_of_the_strongest_images_that_show_the_unit():
    found = correlate(survey(ANSWERS), UNITS, PRESENT, 3)
    expected = [[3, 1, 1], [1, 3, 2], [2, 1, 1], [0, 0, 0], [0, 1, 1]]
    assert np.allclose(found.p, np.array(expected) / 3)
    assert found.accepted.tolist() == [True, True, False, False, False]
    assert found.judged.tolist() == [True, True, True, False, True]
    assert [UNITS[column] for column in found.best[:3]] == [1, 12, 1]
    assert np.allclose(found.shares, [3 / 6, 3 / 6, 4 / 6])


def test_the_counts_of_the_paper_are_told():
    found = correlate(survey(ANSWERS), UNITS, PRESENT, 3)
    text = "\n".join(found.lines())
    assert "2 of 4 active filters have an action unit that all of their 3 strongest images show" in text
    assert "2 rejected" in text
    assert "AU12  lip corner puller       50.0 %  1\n" in text and "66.7 %  -" in text
    content = found.content()
    assert (content["accepted"], content["rejected"], content["n"]) == (2, 2, 3)
    assert content["correlation"][1] == {"filter": 1, "active_on": 4, "best_unit": 12, "p": 1.0, "units": [12]}
    json.dumps(content)


def test_images_that_leave_a_filter_at_zero_are_none_of_its_strongest():
    """Filter 4 answers to one image; that it shows a unit is no P of 1."""
    assert correlate(survey(ANSWERS), UNITS, PRESENT, 3).p[4].max() == pytest.approx(1 / 3)
    # of a linear map the order of all answers counts, whatever their sign
    assert correlate(survey(ANSWERS - 10, rectified=False), UNITS, PRESENT, 1).p[4].tolist() == [0, 1, 1]


def test_of_equally_good_units_the_rarest_is_the_best():
    found = correlate(survey(ANSWERS), UNITS, PRESENT, 1)
    # image 3 shows 12 and 25; 25 is on more images
    assert found.p[1].tolist() == [0, 1, 1] and UNITS[found.best[1]] == 12


def test_chance_is_how_often_random_images_have_a_unit_in_common():
    """Of the 20 triples of six images four have one: 0 1 2, 2 3 4, 1 3 4, and those of 1 3 4 5 for AU25."""
    triples = {(0, 1, 2), (2, 3, 4), (1, 3, 4), (1, 3, 5), (1, 4, 5), (3, 4, 5)}
    found = correlate(survey(ANSWERS), UNITS, PRESENT, 3)
    # 10,000 draws: a deviation of sqrt(0.3 * 0.7 / 10000) = 0.0046, four of them
    assert found.chance == pytest.approx(len(triples) / 20, abs=0.019)


def test_the_table_has_a_line_for_each_filter(tmp_path):
    path = correlate(survey(ANSWERS), UNITS, PRESENT, 3).write(tmp_path / "units.csv")
    lines = list(csv.DictReader(path.open()))
    assert [line["best_unit"] for line in lines] == ["AU1", "AU12", "AU1", "", "AU12"]
    assert [line["dead"] for line in lines] == ["0", "0", "0", "1", "0"]
    assert [line["accepted"] for line in lines] == ["1", "1", "0", "0", "0"]
    assert (lines[0]["AU1"], lines[0]["AU25"], lines[2]["active_on"]) == ("1.0000", "0.3333", "3")
    with pytest.raises(EdgeferError, match="cannot write"):
        correlate(survey(ANSWERS), UNITS, PRESENT, 3).write(tmp_path)


def test_the_picture_shades_by_p_the_best_first():
    picture = correlate(survey(ANSWERS), UNITS, PRESENT, 3).picture(["title"], [0, 1, 2, 4])
    left, top, width, height = 110, 56, 40, 20
    shades = [
        [int(picture[top + height * row + 2, left + width * column + 2].sum()) for column in range(3)]
        for row in range(1, 5)
    ]
    p = np.array([[3, 1, 1], [1, 3, 2], [2, 1, 1], [0, 1, 1]])  # 0, 1, 2, 4
    order = np.argsort(p, axis=None)
    assert (np.diff(np.ravel(shades)[order]) <= 0).all() and shades[0][0] < shades[2][0] < shades[3][0]


def coded(paths, present=None):
    present = np.ones((len(paths), 1), bool) if present is None else present
    return ActionUnits(paths, [12], present, present.astype(np.uint8), ["a problem"])


def test_rows_meet_their_codes_by_their_files():
    images = FolderImages([Path(f"/faces/{name}.png") for name in "abcd"])
    data = Dataset("faces", "all", "basic7", "every row", images, np.array([0, 1, 2, 3]))
    codes = coded([Path(f"/faces/../faces/{name}.png") for name in "dxb"], np.array([[True], [True], [False]]))
    rows, present = matched(data, codes, 2)
    assert [path.stem for path in rows.images.paths] == ["b", "d"] and rows.truth.tolist() == [1, 3]
    assert present.tolist() == [[False], [True]]
    assert rows.dropped == {"not coded": 2} and rows.problems == ["a problem"]
    with pytest.raises(UsageError, match="2 of the 4 pictures of faces are coded; expected 3 or more"):
        matched(data, codes, 3)


def test_rows_without_files_cannot_be_coded():
    data = Dataset("fer.npz", "val", "basic7", "every", np.zeros((2, 48, 48), np.uint8), np.zeros(2, int))
    with pytest.raises(UsageError, match="fer.npz is not a folder of pictures"):
        matched(data, coded([Path("a.png")]), 1)


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A run with a spatial transformer, which counts here as any other, and faces with their codes."""
    folder = tmp_path_factory.mktemp("units")
    settings = TrainingSettings(architecture="rtnn", input="grey", stl=True, labels="basic7", stages=((64, 1),))
    keras.utils.set_random_seed(1)
    build(settings, size=64).save_weights(folder / "best.weights.h5")
    (folder / "settings.json").write_text(json.dumps(asdict(settings)))
    rng = np.random.default_rng(0)
    lines = ["image,AU1,AU12"]
    for label in ("neutral", "happiness"):
        (folder / "faces" / label).mkdir(parents=True)
        for number in range(4):
            image = cv2.resize(rng.integers(0, 256, (6, 6), dtype=np.uint8), (64, 64))
            cv2.imwrite(str(folder / "faces" / label / f"{number}.png"), image)
            lines.append(f"faces/{label}/{number}.png,1,{int(label == 'happiness')}")
    (folder / "units.csv").write_text("\n".join(lines[:-1]) + "\n")
    return folder


def test_the_command_writes_table_and_picture(moved, tmp_path, capsys):
    words = ["explain", str(moved), "--data", str(moved / "faces"), "--method", "units", "--out", str(tmp_path)]
    assert main([*words, "--units", str(moved / "units.csv"), "--top", "3", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rows"] == 7 and said["dropped"] == {"not coded": 1}
    assert said["layer"] == "module4_separable1" and said["units"] == {"AU1": 1.0, "AU12": 3 / 7}
    # every image shows AU1
    judged = said["active"]
    enough = sum(entry["active_on"] >= 3 for entry in said["correlation"])
    assert said["chance"] == 1 and said["accepted"] == enough and said["rejected"] == judged - enough
    assert len(said["dead"]) + judged == said["filters"] == 128
    names = sorted(Path(name).name for name in said["files"])
    assert names == ["units-module4_separable1.csv", "units-module4_separable1.png"]
    assert len((tmp_path / names[0]).read_text().splitlines()) == 129
    assert cv2.imread(str(tmp_path / names[1])).shape[0] > 100
    assert main([*words, "--units", str(moved / "units.csv"), "--top", "3"]) == 0
    assert "rows      7 of 8 rows count; dropped: 1 not coded" in capsys.readouterr().out


def test_peak_frames_of_ckplus_meet_their_facs_files(moved, tmp_path, capsys):
    rng = np.random.default_rng(1)
    for subject, emotion in (("S005", 5), ("S010", 3)):
        film, name = f"{subject}/001", f"{subject}_001_00000002"
        for folder in ("cohn-kanade-images", "Emotion", "FACS"):
            (tmp_path / folder / film).mkdir(parents=True)
        for frame in (1, 2):
            image = rng.integers(0, 256, (60, 80), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "cohn-kanade-images" / film / f"{name[:-1]}{frame}.png"), image)
        (tmp_path / "Emotion" / film / f"{name}_emotion.txt").write_text(f"   {emotion}.0000000e+00\n")
        (tmp_path / "FACS" / film / f"{name}_facs.txt").write_text(f"   {emotion + 7}.0 0.0\n   25.0 0.0\n")
    words = ["--data", str(tmp_path), "--units", str(tmp_path), "--method", "units", "--top", "2", "--json"]
    assert main(["explain", str(moved), *words, "--out", str(tmp_path / "out")]) == 0
    said = json.loads(capsys.readouterr().out)
    # the first frames are not coded
    assert said["rows"] == 2 and said["dropped"] == {"not coded": 2}
    assert said["units"] == {"AU10": 0.5, "AU12": 0.5, "AU25": 1.0}


@pytest.mark.parametrize("options", [["--method", "units"], ["--units", "units.csv"]], ids=str)
def test_the_method_and_the_codes_go_together(moved, tmp_path, capsys, options):
    assert main(["explain", str(moved), "--data", "faces", "--out", str(tmp_path), *options]) == 2
    assert "--method units and --units FILE go together" in capsys.readouterr().err
