"""Data sets: which rows count and why the others do not, and what is said of damaged files."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.labels import BASIC7, FERPLUS8
from edgefer.measure.datasets import VOTE_COLUMNS, load, vote_classes, vote_distributions
from edgefer.measure.datasets.fer2013 import crossentropy_targets

DATA = Path(os.environ.get("EDGEFER_DATA", Path(__file__).parents[2] / "../shared/data"))
NPZ = DATA / "fer2013" / "fer2013_train_val.npz"
needs_npz = pytest.mark.skipif(not NPZ.is_file(), reason=f"needs {NPZ.name} (set EDGEFER_DATA)")

USAGE = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
PLAIN = {  # votes in the order of VOTE_COLUMNS, class or reason by majority, class or reason by plurality
    "one voice": ([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], "neutral", "neutral"),
    "over half": ([6, 0, 0, 4, 0, 0, 0, 0, 0, 0], "neutral", "neutral"),
    "just half": ([5, 0, 0, 5, 0, 0, 0, 0, 0, 0], "without a majority", "neutral"),
    "half once single votes are off": ([1, 0, 0, 4, 1, 1, 1, 2, 0, 0], "sadness", "sadness"),
    "unknown counts in the sum": ([4, 0, 0, 0, 0, 0, 0, 0, 4, 0], "without a majority", "neutral"),
    "unknown on top": ([0, 0, 2, 0, 0, 0, 0, 0, 8, 0], "voted unknown", "voted unknown"),
    "unknown on top without a majority": ([0, 3, 3, 0, 0, 0, 0, 0, 4, 0], "voted unknown", "voted unknown"),
    "not a face": ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], "voted not a face", "voted not a face"),
    "single votes only": ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], "without votes that count", "without votes that count"),
    "contempt": ([0, 0, 0, 0, 2, 0, 0, 8, 0, 0], "contempt", "contempt"),
}


def faces(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48), np.uint8)


def pixels(image) -> str:
    return " ".join(map(str, image.reshape(-1).tolist()))


def write_fer2013(path, rows, header="emotion,pixels,Usage"):
    """rows: (emotion, image, split)."""
    lines = [f"{emotion},{pixels(image)},{USAGE[split]}" for emotion, image, split in rows]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def write_ferplus(path, rows):
    """rows: (votes, split)."""
    lines = ["Usage,Image name," + ",".join(VOTE_COLUMNS)]
    for index, (votes, split) in enumerate(rows):
        lines.append(f"{USAGE[split]},fer{index:07d}.png,{','.join(map(str, votes))}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def fer2013(tmp_path):
    """Eight rows: four train, three val of which one is a train row again, one test."""
    images = faces(8)
    images[5] = images[2]
    splits = ["train"] * 4 + ["val"] * 3 + ["test"]
    rows = [(index % 7, image, split) for index, (image, split) in enumerate(zip(images, splits, strict=True))]
    return write_fer2013(tmp_path / "fer2013.csv", rows), images


@pytest.mark.parametrize("case", list(PLAIN))
def test_votes_become_a_class_or_a_reason(case):
    votes, majority, plurality = PLAIN[case]
    for rule, expected in (("majority", majority), ("plurality", plurality)):
        classes, reasons = vote_classes(np.array([votes]), rule)
        assert (FERPLUS8[classes[0]] if classes[0] >= 0 else reasons[0]) == expected


def test_distributions_leave_single_votes_and_no_face_out():
    votes = np.array([[6, 1, 2, 0, 0, 0, 0, 0, 3, 0], [0, 0, 0, 0, 0, 0, 0, 1, 9, 0]])
    got = vote_distributions(votes)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [[0.75, 0, 0.25, 0, 0, 0, 0, 0], [0.125] * 8])


@pytest.mark.parametrize(
    ("votes", "shares"),
    [
        ([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], {0: 1}),
        ([6, 0, 0, 4, 0, 0, 0, 0, 0, 0], {0: 0.6, 3: 0.4}),
        ([8, 0, 0, 2, 0, 0, 0, 0, 0, 0], {0: 1}),  # three quarters are held already
        ([5, 0, 0, 3, 2, 0, 0, 0, 0, 0], {0: 0.625, 3: 0.375}),
        ([4, 1, 0, 3, 1, 1, 0, 0, 0, 0], {0: 4 / 7, 3: 3 / 7}),  # single votes do not count
        ([4, 2, 2, 2, 0, 0, 0, 0, 0, 0], {}),  # equal votes go together: four classes are too many
        ([2, 2, 2, 2, 2, 0, 0, 0, 0, 0], {}),
        ([5, 0, 0, 0, 0, 0, 0, 0, 5, 0], {}),  # just half
        ([5, 0, 0, 2, 0, 0, 0, 0, 3, 0], {}),  # unknown ends the taking: half is held
        ([6, 0, 0, 2, 0, 0, 0, 0, 3, 0], {0: 1}),
        ([3, 0, 0, 0, 0, 0, 0, 0, 6, 0], {}),
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 9], {}),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], {}),
    ],
    ids=str,
)
def test_crossentropy_targets_are_the_leading_expressions(votes, shares):
    expected = [shares.get(place, 0) for place in range(8)]
    np.testing.assert_allclose(crossentropy_targets(np.array([votes])), [expected], rtol=1e-6)
    classes, reasons = vote_classes(np.array([votes]), "crossentropy")
    assert classes[0] == (np.argmax(expected) if shares else -1)
    assert bool(reasons[0]) == (not shares)


@pytest.mark.parametrize(("split", "places"), [("train", [0, 1, 2, 3]), (None, [4, 6]), ("test", [7])])
def test_fer2013_rows_are_split_and_duplicates_of_train_dropped(fer2013, split, places):
    path, images = fer2013
    data = load(path, split)
    assert data.labels == "basic7"
    assert data.truth.tolist() == [place % 7 for place in places]
    assert np.array_equal(data.images, images[places])
    assert data.split == (split or "val")
    assert data.dropped["duplicates of train"] == (split is None)
    assert data.distributions is None
    assert len(load(path, "val", keep_duplicates=True)) == 3


def test_columns_may_come_in_any_order_with_blanks_in_the_header(tmp_path):
    image = faces(1)[0]
    path = tmp_path / "other.csv"
    path.write_text(f"\ufeffemotion, Usage, pixels\r\n3,PublicTest,{pixels(image)}\r\n", newline="")
    data = load(path)
    assert np.array_equal(data.images[0], image)
    assert BASIC7[data.truth[0]] == "happiness"


def test_ferplus_votes_are_paired_with_the_pixels_beside(fer2013):
    path, images = fer2013
    votes = [entry[0] for entry in list(PLAIN.values())]
    chosen = [votes[0], votes[1], votes[0], votes[0], votes[9], votes[0], votes[2], votes[5]]
    splits = ["train"] * 4 + ["val"] * 3 + ["test"]
    ferplus = write_ferplus(path.with_name("fer2013new.csv"), list(zip(chosen, splits, strict=True)))
    data = load(ferplus)
    assert data.labels == "ferplus8"
    assert [FERPLUS8[label] for label in data.truth] == ["contempt"]
    assert np.array_equal(data.images, images[[4]])
    assert data.dropped == {"duplicates of train": 1, "without a majority": 1}
    assert data.counts() == "1 of 3 rows count; dropped: 1 duplicates of train, 1 without a majority"
    assert "majority" in data.rule
    assert len(load(ferplus, rule="plurality")) == 2
    with pytest.raises(UsageError, match="no row of split test counts: 0 of 1 rows count; .*1 voted unknown"):
        load(ferplus, "test")
    seven = load(ferplus, "train", labels="basic7")
    assert [BASIC7[label] for label in seven.truth] == ["neutral"] * 4
    with pytest.raises(UsageError, match="contempt, not in basic7"):
        load(ferplus, "val", labels="basic7")


def test_ferplus_may_bring_its_own_pixels(tmp_path):
    image = faces(1)[0]
    path = tmp_path / "both.csv"
    path.write_text(f"Usage,pixels,{','.join(VOTE_COLUMNS)}\nPrivateTest,{pixels(image)},0,9,0,0,0,0,0,0,1,0\n")
    data = load(path, "test")
    assert np.array_equal(data.images[0], image)
    assert FERPLUS8[data.truth[0]] == "happiness"


def test_rows_that_do_not_pair_are_an_error(fer2013):
    path, _ = fer2013
    ferplus = path.with_name("fer2013new.csv")
    splits = ["train"] * 4 + ["val"] * 3 + ["test"]
    rows = [([10] + [0] * 9, split) for split in splits]
    write_ferplus(ferplus, rows[:-1])
    with pytest.raises(UsageError, match=r"fer2013.csv:9: has no row to pair with"):
        load(ferplus)
    write_ferplus(ferplus, [*rows, rows[0]])
    with pytest.raises(UsageError, match=r"fer2013new.csv:10: has no row to pair with"):
        load(ferplus)
    rows[3] = (rows[3][0], "val")
    write_ferplus(ferplus, rows)
    with pytest.raises(UsageError, match=r"fer2013new.csv:5: Usage is not that of fer2013.csv:5"):
        load(ferplus)
    path.unlink()
    with pytest.raises(UsageError, match=r"put it there"):
        load(ferplus)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda line: line.replace(",PublicTest", ",Publictest"), "Usage: expected one of Training"),
        (lambda line: line.replace(",PublicTest", ""), "expected 3 fields, got 2"),
        (lambda line: line + ",x", "expected 3 fields, got 4"),
        (lambda line: line[: len(line) // 2], "expected 3 fields, got 2"),
        (lambda line: "7" + line[1:], "emotion: expected a number from 0 to 6, got '7'"),
        (lambda line: "-1" + line[1:], "emotion: expected a number from 0 to 6, got '-1'"),
        (lambda line: "x" + line[1:], "emotion: expected a number from 0 to 6, got 'x'"),
        (lambda line: line.replace(",", ",256 ", 1), "pixels: expected numbers from 0 to 255, got '256'"),
        (lambda line: line.replace(",", ",x ", 1), "pixels: expected numbers from 0 to 255, got 'x'"),
        (lambda line: line.replace(",", ",7 ", 1), "pixels: expected 2304 numbers, got 2305"),
        (lambda line: line[:2] + line[line.rindex(",") :], "pixels: expected 2304 numbers, got 0"),
        (lambda line: line[:2] + "1 " * 80000 + line[-11:], "field larger than field limit"),
    ],
)
def test_a_malformed_line_is_named_by_file_and_number(fer2013, change, words):
    path, _ = fer2013
    lines = path.read_text().splitlines()
    lines[5] = change(lines[5])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UsageError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:6: ")
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "expected the columns emotion, pixels and Usage"),
        ("a.csv", b"a,b,c\n1,2,3\n", "expected the columns emotion, pixels and Usage"),
        ("a.csv", b"emotion,pixels,Usage\n", "holds no row of split val"),
        ("a.csv", b"emotion,pixels,Usage\n\xff\xfe\n", "a.csv:2: expected 3 fields, got 1"),
        ("a.npz", b"", "not a readable npz"),
        ("a.npz", b"PK\x03\x04 nonsense", "not a readable npz"),
        ("a.txt", b"hello", "expected a .csv or .npz file or a folder"),
    ],
)
def test_a_file_of_another_kind_is_an_error(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        load(tmp_path / name)
    assert len(str(caught.value).splitlines()) == 1


def test_a_path_split_or_rule_that_is_not_there_is_an_error(fer2013, tmp_path):
    for name in ("absent.csv", "absent.npz", "absent"):
        with pytest.raises(UsageError, match="absent"):
            load(tmp_path / name)
    with pytest.raises(UsageError, match="unknown split 'dev'; available: train, val, test"):
        load(fer2013[0], "dev")
    with pytest.raises(UsageError, match="unknown rule 'all'; available: majority, plurality, crossentropy"):
        load(fer2013[0], rule="all")


def pack(path, images, **changes):
    """An npz as the packed FER-2013 is: four rows, two train, two val, the last a duplicate."""
    coded = [cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1] for image in images]
    votes = np.zeros((4, 10), np.int16)
    votes[[0, 1, 2, 3], [0, 1, 2, 3]] = 9
    arrays = {
        "webp": np.concatenate(coded),
        "offset": np.cumsum([0, *map(len, coded)]),
        "emotion": np.array([6, 3, 5, 4], np.int8),
        "split": np.array([0, 0, 1, 1], np.int8),
        "votes": votes,
        "votes_known": np.array([True, False, True, True]),
        "duplicate_of_train": np.array([False, False, False, True]),
        **changes,
    }
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_the_npz_gives_votes_or_emotions_by_the_label_set(tmp_path):
    images = faces(4)
    path = pack(tmp_path / "a.npz", images)
    train, val = load(path, "train"), load(path)
    assert (train.truth.tolist(), train.dropped) == ([0], {"with votes not known": 1})
    assert (val.truth.tolist(), val.dropped) == ([2], {"duplicates of train": 1})
    assert np.array_equal(val.images, images[[2]])
    assert len(load(path, keep_duplicates=True)) == 2
    seven = load(path, "train", labels="basic7")
    assert seven.truth.tolist() == [6, 3]
    assert seven.labels == "basic7"
    with pytest.raises(UsageError, match="holds no row of split test; available: train, val"):
        load(path, "test")


def test_an_npz_of_test_rows_needs_no_marks_of_duplicates_or_unknown_votes(tmp_path):
    path = pack(tmp_path / "a.npz", faces(4), split=np.full(4, 2, np.int8), votes_known=None, duplicate_of_train=None)
    assert load(path, "test").truth.tolist() == [0, 1, 2, 3]


def test_marks_of_an_npz_may_be_numbers(tmp_path):
    """As numbers they were taken for rows: the first two of the split, whatever they held."""
    images = faces(4)
    marks = {"votes_known": np.array([1, 0, 1, 1], np.uint8), "duplicate_of_train": np.array([0, 0, 0, 1], np.int8)}
    told, numbers = pack(tmp_path / "a.npz", images), pack(tmp_path / "b.npz", images, **marks)
    for split in ("train", "val"):
        for labels in ("ferplus8", "basic7"):
            one, other = load(told, split, labels), load(numbers, split, labels)
            assert (one.truth.tolist(), one.dropped) == (other.truth.tolist(), other.dropped)
            assert np.array_equal(one.images, other.images)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("emotion", np.full(4, 9, np.int8), "emotion of row .: expected 0 to 6, got 9"),
        ("emotion", np.full(4, -1, np.int8), "emotion of row .: expected 0 to 6, got -1"),
        ("emotion", np.zeros((4, 2), np.int8), "emotion: expected whole numbers"),
        ("emotion", np.int8(3), "emotion: expected whole numbers"),
        ("votes", np.full((4, 10), np.nan), "votes: expected whole numbers"),
        ("votes", np.zeros(4, np.int16), "votes: expected whole numbers"),
        ("votes", np.zeros((4, 8), np.int16), "votes: expected the columns neutral"),
        ("split", np.zeros((4, 2), np.int8), "split: expected whole numbers"),
        ("offset", np.zeros(5), "offset: expected whole numbers"),
        ("votes_known", np.ones(4), "votes_known: expected bool"),
    ],
)
def test_an_npz_of_other_arrays_is_one_line(tmp_path, name, array, message):
    path = pack(tmp_path / "a.npz", faces(4), **{name: array})
    with pytest.raises(UsageError, match=message):
        load(path, labels="basic7")


def test_a_damaged_npz_is_an_error_and_a_damaged_image_is_named(tmp_path):
    images = faces(4)
    whole = pack(tmp_path / "a.npz", images).read_bytes()
    with pytest.raises(UsageError, match="split missing"):
        load(pack(tmp_path / "b.npz", images, split=None))
    with pytest.raises(UsageError, match="different lengths"):
        load(pack(tmp_path / "b.npz", images, emotion=np.zeros(3, np.int8)))
    for cut in (len(whole) // 2, len(whole) - 30):
        (tmp_path / "b.npz").write_bytes(whole[:cut])
        with pytest.raises(UsageError, match="not a readable npz"):
            load(tmp_path / "b.npz")
    with np.load(tmp_path / "a.npz") as archive:
        webp, offset = archive["webp"].copy(), archive["offset"]
    webp[offset[2] : offset[3]] = 0
    data = load(pack(tmp_path / "c.npz", images, webp=webp, offset=offset), keep_duplicates=True)
    assert data.problems == ["row 2: not a readable 48x48 image"]
    assert data.dropped["unreadable"] == 1
    assert np.array_equal(data.images, images[[3]])


def image_file(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


def test_a_folder_is_read_by_class_and_everything_left_out_is_named(tmp_path):
    images = faces(4)
    image_file(tmp_path / "neutral" / "a.png", images[0])
    image_file(tmp_path / "Happiness" / "deep" / "b.png", images[1])
    image_file(tmp_path / "fear" / "c.jpg", images[2])
    whole = (tmp_path / "neutral" / "a.png").read_bytes()
    (tmp_path / "neutral" / "cut.png").write_bytes(whole[: len(whole) // 2])
    jpeg = (tmp_path / "fear" / "c.jpg").read_bytes()
    (tmp_path / "fear" / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (tmp_path / "fear" / "empty.png").write_bytes(b"")
    (tmp_path / "fear" / "text.png").write_text("not an image")
    (tmp_path / "fear" / "notes.txt").write_text("hello")
    (tmp_path / "fear" / ".hidden.png").write_text("left by a file manager")
    (tmp_path / "anger").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "labels.csv").write_text("a,b")
    data = load(tmp_path)
    assert data.split == "all"
    assert [FERPLUS8[label] for label in data.truth] == ["happiness", "fear", "neutral"]
    assert np.array_equal(data.images[0], images[1])
    assert np.array_equal(data.images[2], images[0])
    assert data.dropped == {"outside the class folders": 1, "unreadable": 4, "not images": 1}
    said = {problem.removeprefix(f"{tmp_path}/") for problem in data.problems}
    assert said == {
        "neutral/cut.png: damaged image: ends early",
        "fear/cut.jpg: damaged image: ends early, 58% of the picture missing",
        "fear/empty.png: the file is empty",
        "fear/text.png: the file holds text; expected a picture: JPEG, PNG, WebP, TIFF, BMP, HEIC or AVIF",
        "fear/notes.txt: not an image by its name",
        "__MACOSX: not a class; left by an archive or a disk",
        "labels.csv: not in a class folder",
        "anger: empty",
        "surprise: missing",
        "sadness: missing",
        "disgust: missing",
        "contempt: missing",
    }
    (tmp_path / "neutral" / "a.png").unlink()
    with pytest.raises(UsageError, match="cannot be read any more"):
        data.images[2]


def test_a_folder_of_which_nothing_counts_says_why(tmp_path):
    (tmp_path / "empty" / "happy").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds no row of split all; .*happy: empty$"):
        load(tmp_path / "empty")
    image_file(tmp_path / "floats" / "happy" / "a.tiff", np.full((48, 48), 0.5, np.float32))
    kind = "a.tiff: TIFF of 32-bit floating point, which does not say what is white; convert it to JPEG or PNG$"
    with pytest.raises(UsageError, match=f"0 of 1 rows count; dropped: 1 unreadable; .*{kind}"):
        load(tmp_path / "floats")


def test_a_suffix_may_be_in_capital_letters(tmp_path):
    path = write_fer2013(tmp_path / "data.csv", [(3, faces(1)[0], "val")])
    assert load(path.rename(tmp_path / "DATA.CSV")).truth.tolist() == [3]
    packed = pack(tmp_path / "a.npz", faces(4))
    assert len(load(packed.rename(tmp_path / "A.NPZ"))) == 1


DISK = {
    "FER-2013": ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    "AffectNet": ("anger", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"),
    "CK+": ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"),
    "capital letters": ("Anger", "Disgust", "Fear", "Happiness", "NEUTRAL", "Sadness", "Surprise"),
    "numbered": ("0_angry", "1-disgust", "2 fear", "3.happy", "06_neutral", "4sad", "5_surprise"),
    "in other words": ("angry", "contemptuous", "disgusted", "scared", "joy", "neutrality", "sad", "surprised"),
    "short": ("ang", "con", "dis", "fea", "hap", "neu", "sad", "sur"),
}
TRUE = {"a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "n": "neutral", "c": "contempt", "j": "happiness"}
TRUE |= {"sa": "sadness", "sc": "fear", "su": "surprise"}


@pytest.mark.parametrize("names", DISK.values(), ids=DISK.keys())
def test_class_folders_are_read_by_the_names_that_data_sets_give_them(tmp_path, names):
    for seed, name in enumerate(names):
        image_file(tmp_path / name / "a.png", np.full((4, 4), seed, np.uint8))
    data = load(tmp_path)
    read = {int(image[0, 0]): FERPLUS8[label] for image, label in zip(data.images, data.truth, strict=True)}
    words = [name.lstrip("0123456789_-. ").lower() for name in names]
    assert read == {seed: TRUE.get(word[:1]) or TRUE[word[:2]] for seed, word in enumerate(words)}
    assert not data.dropped
    for name in names:
        assert name in FERPLUS8 or f"{name} is " in data.rule


REFUSED = {
    "a folder that is no class": (("happy", "bored"), r"'bored': no class, .*left out; .*happiness \(happy"),
    "a feeling without a class": (("happy", "calm", "sad"), "'calm': no class"),
    "many": (("happy", *(f"x{i}" for i in range(8))), "'x0', 'x1', 'x2', 'x3', 'x4' and 3 more: no class"),
    "numbers": (tuple("1234567"), "numbers name other classes in each data set .*got '1', '2'"),
    "a number among names": (("happy", "2"), "numbers name other classes"),
    "two of one class": (("happy", "Happiness"), "Happiness and happy both mean happiness; put them into one"),
    "no class at all": (("Desktop", "Music"), "expected class folders named .*; found 'Desktop', 'Music'"),
    "a class in a class": (("happy", "happy/sad"), "a folder of sadness within one of happiness"),
    "splits in a class": (("happy", "happy/train"), "a folder of train within one of happiness"),
    "two folders of a split": (("val/happy", "validation/happy"), "val and validation are both val"),
}


@pytest.mark.parametrize(("names", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_folders_that_are_no_class_are_refused_by_name(tmp_path, names, words):
    for name in names:
        image_file(tmp_path / name / "a.png", faces(1)[0])
    with pytest.raises(UsageError, match=words) as error:
        load(tmp_path)
    assert "\n" not in str(error.value)


def test_a_class_that_the_labels_lack_is_counted_apart(tmp_path):
    for name in ("happy", "contempt"):
        image_file(tmp_path / name / "a.png", faces(1)[0])
    data = load(tmp_path, labels="basic7")
    assert (len(data), data.dropped) == (1, {"contempt, not in basic7": 1})


def test_splits_bear_the_names_that_data_sets_give_them(tmp_path):
    for index, name in enumerate(("Training", "PublicTest", "PrivateTest")):
        image_file(tmp_path / name / "fear" / "a.png", np.full((4, 4), index, np.uint8))
    assert [int(load(tmp_path, split).images[0][0, 0]) for split in ("train", "val", "test")] == [0, 1, 2]


def test_a_folder_may_be_divided_into_splits(tmp_path):
    images = faces(2)
    image_file(tmp_path / "train" / "fear" / "a.png", images[0])
    image_file(tmp_path / "test" / "fear" / "b.png", images[1])
    assert np.array_equal(load(tmp_path, "test").images[0], images[1])
    with pytest.raises(UsageError, match="has no folder val; available: train, test"):
        load(tmp_path)


def test_a_folder_without_classes_or_splits_says_what_it_expected(tmp_path):
    image_file(tmp_path / "a.png", faces(1)[0])
    with pytest.raises(UsageError, match="expected class folders named neutral .*happiness .*found none"):
        load(tmp_path)
    with pytest.raises(UsageError, match="has no folder test; leave --split out"):
        load(tmp_path, "test")


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (480, 640)], ids=str)
def test_folder_images_may_have_any_size_and_colour(tmp_path, shape):
    image_file(tmp_path / "fear" / "a.png", np.full((*shape, 3), (10, 200, 30), np.uint8))
    image = load(tmp_path).images[0]
    assert image.shape == shape
    assert image.dtype == np.uint8
    assert abs(int(image[0, 0]) - 127) <= 1  # 127.5 by BT.601; decoders round it either way


@needs_npz
def test_the_packed_fer2013_gives_the_counts_its_readme_states():
    data = load(NPZ, "val")
    assert data.dropped["duplicates of train"] == 280
    assert len(data) + sum(data.dropped.values()) == 3589
    assert data.images.shape == (len(data), 48, 48)
    assert np.array_equal(data.distributions.argmax(axis=1), data.truth)
    assert data.problems == []
    cut = load(NPZ, "val", rule="crossentropy")
    assert np.array_equal(cut.distributions.argmax(axis=1), cut.truth)
    np.testing.assert_allclose(cut.distributions.sum(axis=1), 1, rtol=1e-6)
    assert len(data) < len(cut) < 3589 - 280


@needs_npz
def test_csv_and_npz_of_the_same_rows_agree(tmp_path):
    """120 val rows written out as the two csv files of their authors, read back as votes and as emotions."""
    with np.load(NPZ) as archive:
        arrays = {name: archive[name] for name in archive.files}
    usable = arrays["votes_known"] & ~arrays["duplicate_of_train"] & (arrays["split"] == 1)
    rows = np.flatnonzero(usable)[:120]
    decoded = [
        cv2.imdecode(arrays["webp"][arrays["offset"][row] : arrays["offset"][row + 1]], cv2.IMREAD_GRAYSCALE)
        for row in rows
    ]
    emotions = arrays["emotion"][rows].tolist()
    write_fer2013(tmp_path / "fer2013.csv", [(e, i, "val") for e, i in zip(emotions, decoded, strict=True)])
    votes = arrays["votes"][rows].tolist()
    ferplus = write_ferplus(tmp_path / "fer2013new.csv", [(ballot, "val") for ballot in votes])
    packed = load(NPZ, "val")
    data = load(ferplus)
    assert 60 < len(data) < 120
    assert np.array_equal(data.images, packed.images[: len(data)])
    assert np.array_equal(data.truth, packed.truth[: len(data)])
    assert np.array_equal(data.distributions, packed.distributions[: len(data)])
    assert load(tmp_path / "fer2013.csv").truth.tolist() == emotions


def test_reading_says_nothing_on_the_terminal(fer2013, capfd):
    load(fer2013[0])
    assert capfd.readouterr() == ("", "")


def test_a_damaged_image_is_told_by_us_alone_and_a_tail_after_an_image_is_no_damage(tmp_path, capfd):
    """libpng would write to the terminal; cameras append kilobytes of their own behind a JPEG."""
    image = faces(1)[0]
    png = bytearray(cv2.imencode(".png", image)[1].tobytes())
    png[len(png) // 2] ^= 255
    (tmp_path / "fear").mkdir()
    (tmp_path / "fear" / "damaged.png").write_bytes(png)
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    (tmp_path / "fear" / "tail.jpg").write_bytes(jpeg + bytes(5000))
    data = load(tmp_path)
    assert len(data) == 1 and data.dropped == {"unreadable": 1}
    assert np.array_equal(data.images[0], cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE))
    assert capfd.readouterr() == ("", "")
