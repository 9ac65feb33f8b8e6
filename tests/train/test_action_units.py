"""Action units from the files of CK+ and from a csv."""

from __future__ import annotations

import pytest

from edgefer.errors import UsageError
from edgefer.measure.datasets.ckplus import read_action_units


def film(root, name, frames=3, codes=None, coded_frame=None):
    """A film without pixels, which are not read, and its FACS file."""
    subject, number = name.split("_")
    folder = root / "cohn-kanade-images" / subject / number
    folder.mkdir(parents=True)
    for frame in range(1, frames + 1):
        (folder / f"{name}_{frame:08d}.png").touch()
    if codes is not None:
        facs = root / "FACS" / subject / number
        facs.mkdir(parents=True)
        (facs / f"{name}_{coded_frame or frames:08d}_facs.txt").write_text(codes)


def test_ckplus_gives_the_units_of_each_peak(tmp_path):
    film(tmp_path, "S005_001", 3, "   9.0000000e+00   4.0000000e+00\n   1.7000000e+01   2.0000000e+00\n")
    film(tmp_path, "S010_002", 2, "   1.2000000e+01   0.0000000e+00\n\n")
    film(tmp_path, "S010_003", 2)
    film(tmp_path, "S010_004", 2, "12\n")
    film(tmp_path, "S010_005", 2, "12 6\n")
    film(tmp_path, "S010_006", 2, "12 1\n12 2\n")
    film(tmp_path, "S010_007", 2, "12 1\n", coded_frame=9)
    found = read_action_units(tmp_path)
    assert [path.name for path in found.paths] == ["S005_001_00000003.png", "S010_002_00000002.png"]
    assert found.units == [9, 12, 17]
    assert found.present.tolist() == [[True, False, True], [False, True, False]]
    assert found.intensity.tolist() == [[4, 0, 2], [0, 0, 0]]
    assert [problem.rpartition(": ")[2] for problem in found.problems] == [
        "not coded",
        *["expected lines of an action unit and an intensity from 0 to 5"] * 3,
        "the frame it is named after is missing",
    ]


def test_a_csv_gives_the_same_without_intensities(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.png").touch()
    path = tmp_path / "units.csv"
    path.write_text("image,AU12,AU1\na.png,1,0\nsub/b.png,1,1\nc.png,0,1\n")
    found = read_action_units(path)
    assert found.units == [1, 12]
    assert found.present.tolist() == [[False, True], [True, True]]
    assert found.intensity.max() == 0
    assert found.problems == [f"{path}:4: {tmp_path}/c.png is not there"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ":1: expected the columns image"),
        ("image,happy\na.png,1\n", ":1: expected the columns image"),
        ("image,AU1\na.png,2\n", ":2: expected a path and 1 times 0 or 1"),
        ("image,AU1\na.png\n", ":2: expected a path and 1 times 0 or 1"),
        ("image,AU1\na.png,1\n", "no picture is coded"),
    ],
)
def test_a_malformed_csv_is_named_by_its_line(tmp_path, text, words):
    path = tmp_path / "units.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_action_units(path)


def test_an_absent_part_is_named(tmp_path):
    film(tmp_path, "S005_001")
    with pytest.raises(UsageError, match="expected a folder FACS"):
        read_action_units(tmp_path)
