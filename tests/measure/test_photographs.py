"""Sets of photographs in the layouts their authors distribute: codes, faces, and what is said of the rest."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest
from portrait import FACE_CENTRE, FACE_SIDE, portrait

from edgefer.errors import UsageError
from edgefer.geometry import Box
from edgefer.labels import BASIC7, FERPLUS8
from edgefer.measure.datasets import LAYOUTS, load
from edgefer.measure.datasets.base import FolderImages, cut
from edgefer.measure.datasets.ckplus import load_ckplus
from edgefer.measure.datasets.photographs import CODES

KDEF_CODES = ("AF", "AN", "DI", "HA", "NE", "SA", "SU")
KDEF_NAMES = ("fear", "anger", "disgust", "happiness", "neutral", "sadness", "surprise")


def picture(path, seed, size=(40, 30)):
    """A small grey picture of nobody, another one for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    path.write_bytes(cv2.imencode(path.suffix.lower(), image)[1].tobytes())
    return image


def person(root, name, angles=("FL", "HL", "S", "HR", "FR"), seed=0):
    """A KDEF folder: AF01 with 35 pictures, or fewer angles."""
    for code in KDEF_CODES:
        for angle in angles:
            seed += 1
            picture(root / name / f"{name}{code}{angle}.JPG", [seed, *name.encode()])


def labels_of(data):
    return [(BASIC7 if data.labels == "basic7" else FERPLUS8)[index] for index in data.truth]


def said(data, root):
    return {problem.removeprefix(f"{root}/") for problem in data.problems}


def test_kdef_names_tell_session_person_expression_and_angle(tmp_path):
    person(tmp_path / "KDEF", "AF01")
    person(tmp_path / "KDEF", "BM35")
    data = load(tmp_path)
    assert data.labels == "basic7" and data.split == "all"
    assert len(data) == 70
    assert Counter(labels_of(data)) == dict.fromkeys(KDEF_NAMES, 10)
    assert Counter(data.tags["angle"].tolist()) == dict.fromkeys(
        ("full-left", "half-left", "straight", "half-right", "full-right"), 14
    )
    assert set(zip(data.tags["session"].tolist(), data.tags["subject"].tolist(), strict=True)) == {
        ("A", "F01"),
        ("B", "M35"),
    }
    names = [path.name for path in data.images.paths]
    assert data.truth[names.index("AF01SUHL.JPG")] == BASIC7.index("surprise")
    assert data.tags["angle"][names.index("BM35DIS.JPG")] == "straight"


def test_kdef_lists_what_is_missing_foreign_named_twice_or_damaged(tmp_path):
    person(tmp_path, "AF31")
    (tmp_path / "AF31" / "AF31SAHL.JPG").rename(tmp_path / "AF31" / "AF31V.JPG")
    picture(tmp_path / "AF31" / "AF36ANS.JPG", 1)
    picture(tmp_path / "copy" / "AF31ANS.JPG", 2)
    (tmp_path / "AF31" / "AF31HAS.JPG").write_bytes(b"\xff\xd8 no more")
    (tmp_path / "AF31" / "Thumbs.db").write_bytes(b"left by a file manager")
    (tmp_path / "AF31" / ".DS_Store").write_bytes(b"hidden")
    data = load(tmp_path)
    found = said(data, tmp_path)
    assert {
        "AF31/AF31V.JPG: not named as in KDEF",
        "AF31/AF36ANS.JPG: not named as in KDEF",
        f"copy/AF31ANS.JPG: has the name of {tmp_path}/AF31/AF31ANS.JPG, which is read",
        "AF31/AF31HAS.JPG: of an unknown kind; expected a picture: JPEG, PNG, WebP, TIFF, BMP, HEIC or AVIF",
        "AF31/Thumbs.db: not an image by its name",
        f"{tmp_path}: AF31SAHL.JPG: missing",
        f"{tmp_path}: BM35: all 35 pictures missing",
    } <= found
    assert data.dropped == {"not named as in KDEF": 2, "named twice": 1, "unreadable": 1, "not images": 1}
    assert len(data) == 33
    assert sum("all 35 pictures missing" in line for line in found) == 139


def test_a_set_can_be_reduced_to_some_angles_or_people(tmp_path):
    person(tmp_path, "AF01")
    person(tmp_path, "AM02")
    data = load(tmp_path, where={"angle": ["straight", "half-left"], "subject": ["M02"]})
    assert len(data) == len(data.images) == 14
    assert set(data.tags["angle"].tolist()) == {"straight", "half-left"}
    assert data.dropped == {"outside angle straight or half-left": 42, "outside subject M02": 14}
    picture(tmp_path / "classes" / "fear" / "a.png", 1)
    with pytest.raises(UsageError, match="its rows have no tags to choose by"):
        load(tmp_path / "classes", where={"angle": ["straight"]})
    with pytest.raises(UsageError, match="no row has angle 'up'; available: full-left, full-right"):
        load(tmp_path, where={"angle": ["up"]})
    with pytest.raises(UsageError, match="its rows have no 'age'; available: angle, gender, person"):
        load(tmp_path, where={"age": ["30"]})


def test_jaffe_names_tell_woman_and_expression(tmp_path):
    names = ["KA.AN1.39.tiff", "KA.FE4.48.tiff", "YM.SU1.58.tiff", "UY.NE3.139.tiff", "TM.HA2.181.tiff"]
    for seed, name in enumerate(names):
        picture(tmp_path / name, seed)
    picture(tmp_path / "KA.XX1.40.tiff", 9)
    (tmp_path / "README_FIRST.txt").write_text("terms of use")
    data = load(tmp_path)
    assert sorted(zip((path.name for path in data.images.paths), data.tags["subject"].tolist(), strict=True)) == [
        (name, name[:2]) for name in sorted(names)
    ]
    assert sorted(labels_of(data)) == ["anger", "fear", "happiness", "neutral", "surprise"]
    assert said(data, tmp_path) >= {
        "KA.XX1.40.tiff: not named as in JAFFE",
        "README_FIRST.txt: not an image by its name",
        f"{tmp_path}: 208 of the 213 pictures missing",
    }


def test_fei_is_neutral_and_smiling_and_its_original_images_tell_nothing(tmp_path):
    for seed, name in enumerate(("1a.jpg", "1b.jpg", "2a.jpg", "200b.jpg")):
        picture(tmp_path / "frontalimages_manuallyaligned_part1" / name, seed)
    picture(tmp_path / "originalimages_part1" / "1-01.jpg", 7)
    picture(tmp_path / "frontalimages_manuallyaligned_part1" / "201a.jpg", 8)
    data = load(tmp_path)
    assert Counter(labels_of(data)) == {"neutral": 2, "happiness": 2}
    assert set(data.tags["subject"].tolist()) == {"1", "2", "200"}
    found = said(data, tmp_path)
    assert "originalimages_part1/1-01.jpg: not named as in FEI" in found
    assert "frontalimages_manuallyaligned_part1/201a.jpg: not named as in FEI" in found
    assert f"{tmp_path}: 2b.jpg: missing" in found and f"{tmp_path}: 200a.jpg: missing" in found
    assert f"{tmp_path}: person 3: both pictures missing" in found


def test_cafe_takes_maudlin_for_sadness_and_both_smiles_for_happiness(tmp_path):
    names = ("027_a1", "027_d1", "027_f1", "027_h1", "027_ht1", "027_m4", "027_n1", "041_s2")
    for seed, name in enumerate(names):
        picture(tmp_path / f"{name}.pgm", seed)
    data = load(tmp_path)
    found = dict(zip((path.stem for path in data.images.paths), labels_of(data), strict=True))
    expected = ["anger", "disgust", "fear", "happiness", "happiness", "sadness", "neutral", "surprise"]
    assert found == dict(zip(names, expected, strict=True))
    assert set(data.tags["subject"].tolist()) == {"027", "041"}


def film(root, subject, number, frames, emotion=None, seed=0):
    """A CK+ film of numbered frames; `emotion` is the text of its label file."""
    stem = f"{subject}_{number}"
    for frame in range(1, frames + 1):
        path = root / "cohn-kanade-images" / subject / number / f"{stem}_{frame:08d}.png"
        picture(path, [seed, frame, *stem.encode()])
    if emotion is not None:
        path = root / "Emotion" / subject / number / f"{stem}_{frames:08d}_emotion.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(emotion)


def test_ckplus_takes_the_last_frame_as_peak_and_the_first_as_neutral(tmp_path):
    for number, emotion in enumerate(range(1, 8), start=1):
        film(tmp_path, "S005", f"{number:03d}", 5, f"   {emotion}.0000000e+00\n")
    film(tmp_path, "S010", "001", 4, "   3.0000000e+00\n")
    film(tmp_path, "S010", "002", 4)
    (tmp_path / "Emotion" / "S010" / "002").mkdir()
    data = load(tmp_path)
    assert data.labels == "ferplus8"
    peaks = data.take(np.flatnonzero(data.tags["frame"] == "peak"))
    assert labels_of(peaks) == [
        *("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise"),
        "disgust",
    ]
    assert [path.name[-12:] for path in peaks.images.paths] == ["00000005.png"] * 7 + ["00000004.png"]
    first = data.take(np.flatnonzero(data.tags["frame"] == "first"))
    assert set(labels_of(first)) == {"neutral"}
    assert {path.name[-12:] for path in first.images.paths} == {"00000001.png"}
    assert set(data.tags["subject"].tolist()) == {"S005", "S010"}
    assert data.dropped == {"films without an emotion": 1}
    assert "the last frame of each film" in data.rule

    seven = load(tmp_path, labels="basic7")
    assert seven.dropped == {"films without an emotion": 1, "contempt, not in basic7": 1}
    three = load_ckplus(tmp_path, "ferplus8", 0.0, peaks=3)
    assert len(three) == 8 * 4
    assert "the last 3 frames" in three.rule


def test_ckplus_lists_films_whose_label_cannot_be_trusted(tmp_path):
    film(tmp_path, "S005", "001", 5, "   3.0000000e+00\n")
    film(tmp_path, "S005", "002", 5, "3.0 4.0\n")
    film(tmp_path, "S005", "003", 5, "8.0\n")
    film(tmp_path, "S005", "004", 5, "happy\n")
    film(tmp_path, "S005", "005", 5, "5.0\n")
    emotion = tmp_path / "Emotion" / "S005"
    (emotion / "005" / "S005_005_00000004_emotion.txt").write_text("6.0\n")
    film(tmp_path, "S005", "006", 5, "5.0\n")
    (tmp_path / "cohn-kanade-images" / "S005" / "006" / "S005_006_00000005.png").unlink()
    film(tmp_path, "S005", "007", 5, "5.0\n")
    picture(tmp_path / "cohn-kanade-images" / "S005" / "007" / "S005_007_00000006.png", 3)
    film(tmp_path, "S005", "008", 1, "5.0\n")
    (emotion / "009").mkdir()
    (emotion / "009" / "S005_009_00000003_emotion.txt").write_text("5.0\n")
    picture(tmp_path / "cohn-kanade-images" / "S005" / "001" / "other.png", 4)
    (emotion / "001" / "notes.txt").write_text("3.0")
    data = load(tmp_path)
    assert {path.parent.name for path in data.images.paths} == {"001", "007"}
    start = "Emotion/S005"
    assert said(data, tmp_path) >= {
        f"{start}/002/S005_002_00000005_emotion.txt: expected one number from 0 to 7",
        f"{start}/003/S005_003_00000005_emotion.txt: expected one number from 0 to 7",
        f"{start}/004/S005_004_00000005_emotion.txt: expected one number from 0 to 7",
        "cohn-kanade-images/S005/005: labelled by S005_005_00000004_emotion.txt, S005_005_00000005_emotion.txt",
        f"{start}/006/S005_006_00000005_emotion.txt: the frame it is named after is missing",
        f"{start}/007/S005_007_00000005_emotion.txt: named after frame 00000005, not the last; the film is "
        "taken to end there",
        "cohn-kanade-images/S005/008: has 1 frames; expected more than 1",
        f"{start}/009/S005_009_00000003_emotion.txt: labels a film that is not there",
        "cohn-kanade-images/S005/001/other.png: not named as in CK+",
        f"{start}/001/notes.txt: not named as in CK+",
    }
    assert data.dropped["films labelled twice"] == 1
    assert data.dropped["labels that cannot be read"] == 3


def test_a_set_without_its_parts_says_which_one_it_needs(tmp_path):
    film(tmp_path, "S005", "001", 3)
    with pytest.raises(UsageError, match="expected a folder Emotion next to cohn-kanade-images"):
        load(tmp_path)
    with pytest.raises(UsageError, match="no file is named as in JAFFE"):
        load(tmp_path, layout="jaffe")
    with pytest.raises(UsageError, match="expected a folder cohn-kanade-images"):
        load(tmp_path / "cohn-kanade-images", layout="ckplus")
    with pytest.raises(UsageError, match="ckplus has no splits; leave --split out"):
        load(tmp_path, "test")
    with pytest.raises(UsageError, match="unknown layout 'kedf'; available: classes, kdef, jaffe"):
        load(tmp_path, layout="kedf")


def test_one_picture_under_two_labels_counts_under_none_and_a_copy_counts_once(tmp_path):
    person(tmp_path, "AF01", angles=("S",))
    first = tmp_path / "AF01" / "AF01AFS.JPG"
    (tmp_path / "AF01" / "AF01ANS.JPG").write_bytes(first.read_bytes())
    (tmp_path / "AF01" / "AF01NEHL.JPG").write_bytes((tmp_path / "AF01" / "AF01NES.JPG").read_bytes())
    data = load(tmp_path)
    assert data.dropped == {"labelled in two ways": 2, "the same picture again": 1}
    assert sorted(labels_of(data)) == ["disgust", "happiness", "neutral", "sadness", "surprise"]
    assert {
        "AF01/AF01AFS.JPG: labelled fear, and the same picture anger in AF01ANS.JPG",
        f"AF01/AF01NES.JPG: the same picture as {tmp_path}/AF01/AF01NEHL.JPG",
    } <= said(data, tmp_path)


def test_class_folders_go_before_the_names_of_the_files_unless_the_layout_is_named(tmp_path):
    picture(tmp_path / "fear" / "KA.AN1.39.tiff", 1)
    assert labels_of(load(tmp_path)) == ["fear"]
    assert labels_of(load(tmp_path, layout="jaffe")) == ["anger"]


def test_the_face_is_cut_out_and_where_none_is_found_the_place_of_the_others(tmp_path):
    """Three photographs of one face in different light, and one without any."""
    image = portrait()
    versions = {
        "AF01ANS.JPG": image,
        "AF01HAS.JPG": cv2.convertScaleAbs(image, alpha=0.8, beta=20),
        "AF01NES.JPG": cv2.convertScaleAbs(image, alpha=0.9, beta=5),
        "AF01SAFL.JPG": np.full_like(image, 128),
    }
    for name, content in versions.items():
        (tmp_path / name).write_bytes(cv2.imencode(".jpg", content)[1].tobytes())
    data = load(tmp_path)
    sides = {path.name: data.images[row].shape for row, path in enumerate(data.images.paths)}
    for name, shape in sides.items():
        assert shape[0] == shape[1] == pytest.approx(FACE_SIDE, rel=0.15), name
    middle = np.array([box.centre for box in data.images.boxes]).mean(axis=0)
    assert middle == pytest.approx(FACE_CENTRE, abs=15)
    assert any("AF01SAFL.JPG: no face found; cut out where" in line for line in data.problems)
    assert "in 1 pictures without one" in data.rule
    wide = load(tmp_path, margin=0.1)
    assert wide.images[0].shape[0] == pytest.approx(data.images[0].shape[0] * 1.2, abs=2)


def test_a_crop_repeats_the_edge_outside_the_image():
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert cut(image, Box(-1, -1, 2, 2)).tolist() == [[0, 0, 1], [0, 0, 1], [4, 4, 5]]
    assert cut(image, Box(3, 2, 5, 4)).tolist() == [[11, 11], [11, 11]]
    assert cut(image, Box(0, 0, 2, 2)).flags.c_contiguous  # as the kernels want it


def test_images_of_files_take_slices_and_rows(tmp_path):
    images = [picture(tmp_path / f"{seed}.png", seed) for seed in range(4)]
    files = FolderImages([tmp_path / f"{seed}.png" for seed in range(4)])
    assert np.array_equal(files[np.int64(2)], images[2])
    assert [np.array_equal(got, images[row]) for row, got in zip((1, 2), files[1:3], strict=True)] == [True] * 2
    assert np.array_equal(files[np.array([3, 0])][0], images[3])


@pytest.mark.parametrize("kind", list(CODES))
def test_every_code_gives_a_label_that_all_models_know(kind):
    assert set(CODES[kind].expressions.values()) <= set(BASIC7)
    assert kind in LAYOUTS
