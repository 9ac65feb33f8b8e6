"""Sets of sequences in trees with their true names: what is read, what is listed, and what a wrong tree is told."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import cv2
import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.measure.datasets.sequences import landmarks, last_frames, load_sequences
from edgefer.measure.datasets.sequences.base import units_of
from edgefer.measure.datasets.sequences.spreadsheet import read_workbook
from edgefer.train.data.splits import leave_one_subject_out, subject_folds

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def picture(path: Path, grey: int = 99) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((12, 16), grey, np.uint8))
    return path


def workbook(path: Path, *sheets: list[list]) -> None:
    """A workbook as Excel writes it: strings in a table of their own, empty cells left out, tabs named by relations."""
    strings: list[str] = []

    def cell(place: str, value: object) -> str:
        if isinstance(value, str):
            strings.append(value)
            return f'<c r="{place}" t="s"><v>{len(strings) - 1}</v></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    with zipfile.ZipFile(path, "w") as archive:
        for number, rows in enumerate(sheets, start=1):
            lines = [
                f'<row r="{r}">'
                + "".join(cell(f"{chr(65 + c)}{r}", v) for c, v in enumerate(row) if v is not None)
                + "</row>"
                for r, row in enumerate(rows, start=1)
                if row
            ]
            text = f"<worksheet {MAIN}><sheetData>{''.join(lines)}</sheetData></worksheet>"
            archive.writestr(f"xl/worksheets/sheet{number}.xml", text)
        tabs = "".join(f'<sheet name="S{n}" sheetId="{n}" r:id="rId{n}"/>' for n in range(1, len(sheets) + 1))
        archive.writestr("xl/workbook.xml", f'<workbook {MAIN} xmlns:r="{OFFICE}"><sheets>{tabs}</sheets></workbook>')
        parts = "".join(
            f'<Relationship Id="rId{n}" Target="worksheets/sheet{n}.xml"/>' for n in range(1, len(sheets) + 1)
        )
        archive.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{parts}</Relationships>")
        items = "".join(
            f"<si><r><t>{escape(text[:2])}</t></r><r><t>{escape(text[2:])}</t></r></si>" for text in strings
        )
        archive.writestr("xl/sharedStrings.xml", f"<sst {MAIN}>{items}</sst>")


def test_a_workbook_gives_text_numbers_and_gaps_in_their_places(tmp_path):
    workbook(tmp_path / "a.xlsx", [["Subject", None, "<&>"], [], [1, 2.5, None, "EP02_01f"]], [["s15"]])
    first, second = read_workbook(tmp_path / "a.xlsx")
    assert first == [["Subject", None, "<&>"], [], [1.0, 2.5, None, "EP02_01f"]] and second == [["s15"]]
    (tmp_path / "b.xlsx").write_bytes(b"\xd0\xcf\x11\xe0 the older format")
    with pytest.raises(UsageError, match="b.xlsx: not a readable Excel workbook"):
        read_workbook(tmp_path / "b.xlsx")
    with pytest.raises(UsageError, match="c.xlsx: no such file"):
        read_workbook(tmp_path / "c.xlsx")


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("4+L10+12C", {4: 0, 10: 0, 12: 3}),
        (12.0, {12: 0}),
        ("AU1B+AU2E", {1: 2, 2: 5}),
        ("R14 or 7?", {14: 0, 7: 0}),
        (None, {}),
    ],
)
def test_action_units_are_read_with_sides_and_intensities(text, units):
    assert units_of(text) == units


def ckplus(root: Path, people: int = 2, films: int = 2, frames: int = 4) -> Path:
    for person in range(people):
        for film in range(1, films + 1):
            stem, inside = f"S{person + 5:03d}_{film:03d}", f"S{person + 5:03d}/{film:03d}"
            for frame in range(1, frames + 1):
                picture(root / f"cohn-kanade-images/{inside}/{stem}_{frame:08d}.png", frame)
                points = root / f"Landmarks/{inside}/{stem}_{frame:08d}_landmarks.txt"
                points.parent.mkdir(parents=True, exist_ok=True)
                points.write_text("   2.1e+02   1.9e+02\n" * 67 + "   1.5e+00   2.5e+00\n")
            for kind, text in (
                ("Emotion", f"   {film}.0000000e+00\n"),
                ("FACS", "   4.0e+00   2.0e+00\n   17.0e+00   0.0e+00\n"),
            ):
                file = root / f"{kind}/{inside}/{stem}_{frames:08d}_{kind.lower()}.txt"
                file.parent.mkdir(parents=True, exist_ok=True)
                if kind == "FACS" or film < 3:
                    file.write_text(text)
    return root


def test_ckplus_gives_frames_emotion_units_and_landmarks(tmp_path):
    found = load_sequences(ckplus(tmp_path, films=3), "ckplus")
    assert [s.name for s in found.sequences] == [
        f"S{p:03d}/{f:03d}" for p in (5, 6) for f in (1, 2, 3)
    ] and not found.problems
    one = found.sequences[0]
    assert (one.subject, one.label, len(one), one.frames[3][0, 0]) == ("S005", "anger", 4, 4)
    assert one.events[0].units == {4: 2, 17: 0} and (one.events[0].onset, one.events[0].apex) == (0, 3)
    assert landmarks(one.points[2])[67].tolist() == [1.5, 2.5]
    labelled = found.labelled()
    assert len(labelled) == 4 and labelled.dropped["sequences without a label"] == 2
    assert labelled.truth.tolist() == [0, 1, 0, 1] and labelled.subjects.tolist() == ["S005", "S005", "S006", "S006"]
    one.points[2].write_text("1 2\n")
    with pytest.raises(UsageError, match="landmarks.txt: expected 68 lines of x and y"):
        landmarks(one.points[2])


def test_oulu_casia_gives_a_camera_and_a_light(tmp_path):
    for camera, light, person in (("VL", "Strong", 1), ("VL", "Weak", 1), ("NI", "Strong", 2)):
        for expression in ("Anger", "Happiness"):
            for frame in range(3):
                picture(tmp_path / f"OriginalImg/{camera}/{light}/P{person:03d}/{expression}/{frame:03d}.jpeg")
    picture(tmp_path / "OriginalImg/VL/Strong/other/Anger/000.jpeg")
    found = load_sequences(tmp_path, "oulu-casia")
    assert [(s.subject, s.label, s.fps) for s in found.sequences] == [
        ("P001", "anger", 25.0),
        ("P001", "happiness", 25.0),
    ]
    assert found.problems == [f"{tmp_path}/OriginalImg/VL/Strong/other: expected P001 to P080"]
    assert load_sequences(tmp_path, "oulu-casia", camera="NI").sequences[0].tags == {"camera": "NI", "light": "Strong"}
    with pytest.raises(UsageError, match="unknown light 'Bright'; available: Strong, Weak, Dark"):
        load_sequences(tmp_path, "oulu-casia", light="Bright")
    with pytest.raises(UsageError, match="PreProcess_Img/VL_Acropped/Strong: no such folder"):
        load_sequences(tmp_path, "oulu-casia", cropped=True)


def test_folders_tell_label_and_subject_by_their_names(tmp_path):
    for place in ("anna/happy/01", "anna/sad/01", "ben/02"):
        for frame in (1, 2, 10):
            picture(tmp_path / place / f"f{frame}.png", frame)
    found = load_sequences(tmp_path, "folders", fps=50)
    assert [(s.subject, s.label, s.fps) for s in found.sequences] == [
        ("anna", "happiness", 50), ("anna", "sadness", 50), ("ben", "", 50),
    ]  # fmt: skip
    assert [frame[0, 0] for frame in found.sequences[0].frames] == [1, 2, 10], "by number, not by letters"
    with pytest.raises(UsageError, match="no folder of it holds frames"):
        (tmp_path / "empty").mkdir()
        load_sequences(tmp_path / "empty", "folders")


CASME2 = [
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
]


def test_casme2_counts_frames_from_the_first_and_lists_rows_without_frames(tmp_path):
    for frame in range(46, 87, 10):
        picture(tmp_path / f"CASME2_RAW_selected/sub01/EP02_01f/img{frame}.jpg")
    rows = [
        ["01", "EP02_01f", None, 46, 56, 86, None, "12", "happiness"],
        [1, "EP02_01f", None, 46, "/", 86, None, "4+L7", "Repression"],
        ["01", "EP02_01f", None, 46, 60, 86, None, "12", "happiness"],
        ["02", "EP01", None, 1, 2, 3, None, "12", "happiness"],
        ["01", "EP02_01f", None, 86, 56, 46, None, "12", "happiness"],
        ["01", "EP02_01f", None, 46, 56, 86, None, "12", "bored"],
    ]
    workbook(tmp_path / "CASME2-coding-20140508.xlsx", [CASME2, *rows])
    found = load_sequences(tmp_path, "casme2")
    one, two = found.sequences
    assert (one.subject, one.label, one.fps, len(one)) == ("sub01", "happiness", 200.0, 5)
    assert (one.events[0].onset, one.events[0].apex, one.events[0].offset, one.events[0].micro) == (0, 1, 4, True)
    assert two.label == "repression" and two.events[0].apex is None and two.events[0].units == {4: 0, 7: 0}
    start = f"{tmp_path}/CASME2-coding-20140508.xlsx: row"
    assert found.problems == [
        f"{start} 4: the frame 60 of its apex is not there",
        f"{start} 5: {tmp_path}/CASME2_RAW_selected/sub02/EP01: no such folder, or without images",
        f"{start} 6: onset 86, apex 56 and offset 46 are not in order",
        f"{start} 7: unknown emotion 'bored'; expected happiness, disgust, repression, surprise, sadness, fear, others",
    ]


SAMM = ["Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro",
        "Action Units", "Estimated Emotion", "Objective Classes", "Notes"]  # fmt: skip


def test_samm_finds_its_heads_below_the_notes(tmp_path):
    for frame in (5562, 5563, 5564):
        picture(tmp_path / f"SAMM/006/006_1_2/006_{frame:05d}.jpg")
    row = [6, "006_1_2", 1, 5562, 5563, 5564, 3, "Micro - 1/2", "AU12A", "Contempt", 5]
    workbook(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", [["SAMM"], *[[]] * 12, SAMM, row])
    (one,) = load_sequences(tmp_path, "samm").sequences
    assert (one.subject, one.label, one.events[0].units, one.events[0].apex) == ("006", "contempt", {12: 1}, 1)


def test_samm_long_videos_give_films_with_intervals(tmp_path):
    for film in ("006_1", "007_3"):
        for frame in range(1, 9):
            picture(tmp_path / f"SAMM_longvideos/{film}/{film}_{frame:04d}.jpg")
    heads = [
        "Subject",
        "Filename",
        "Inducement Code",
        "Onset",
        "Apex",
        "Offset",
        "Duration",
        "Type",
        "Action Units",
        "Notes",
    ]
    rows = [[6, "006_1_2", 1, 5, 6, 7, 3, "Micro - 1/2", "4"], [6, "006_1_1", 1, 1, 2, 0, 3, "Macro", "12"],
            [9, "009_1_1", 1, 1, 2, 3, 3, "Macro", "12"]]  # fmt: skip
    workbook(tmp_path / "SAMM_LongVideos_V3_Release.xlsx", [["SAMM"], *[[]] * 8, heads, *rows])
    found = load_sequences(tmp_path, "samm-long")
    assert [(s.name, s.subject, len(s.events)) for s in found.sequences] == [("006_1", "006", 2), ("007_3", "007", 0)]
    first, second = found.sequences[0].events
    assert (first.onset, first.offset, first.micro) == (0, 1, False) and (
        second.onset,
        second.offset,
        second.micro,
    ) == (4, 6, True)
    assert "row 13: the film 009_1 is not there" in found.problems[0]


def test_casme_squared_names_films_by_its_other_sheets(tmp_path):
    for number in range(1, 12):
        picture(tmp_path / f"rawpic/s15/15_0101disgustingteeth/img{number}.jpg", number)
    codes = [[1, "disgustingteeth_1", 2, 4, 6, "4+7", "negative", "macro-expression", "disgust"],
             [1, "disgustingteeth_2", 8, 10, 0, 12, "negative", "micro-expression", "disgust"],
             [7, "disgustingteeth_2", 8, 10, 0, 12, "negative", "micro-expression", "disgust"]]  # fmt: skip
    workbook(tmp_path / "CAS(ME)^2code_final.xlsx", codes, [["15", "s15", 1]], [[101, "disgustingteeth"]])
    found = load_sequences(tmp_path, "casme-squared")
    (film,) = found.sequences
    assert (film.name, film.subject, film.fps, film.frames[10][0, 0] > 9) == ("s15/0101", "s15", 30.0, True)
    macro, micro = film.events
    assert (macro.onset, macro.apex, macro.offset, macro.micro, macro.label) == (1, 3, 5, False, "negative")
    assert (micro.onset, micro.apex, micro.offset, micro.micro, micro.units) == (7, 9, 9, True, {12: 0})
    assert "row 3: names no subject of the second sheet" in found.problems[0]


@pytest.mark.parametrize(
    ("layout", "missing"),
    [
        ("ckplus", "cohn-kanade-images: no such folder; CK\\+ has cohn-kanade-images there"),
        ("oulu-casia", "OriginalImg/VL/Strong: no such folder; Oulu-CASIA has"),
        ("casme2", "CASME2_RAW_selected: no such folder; CASME II has"),
        ("samm", "SAMM_Micro_FACS_Codes\\*.xlsx: no such file; SAMM has its codes there"),
        ("samm-long", "SAMM_longvideos: no such folder"),
        ("casme-squared", "rawpic: no such folder"),
    ],
)
def test_a_wrong_tree_names_the_first_missing_path(tmp_path, layout, missing):
    picture(tmp_path / "holiday" / "1.jpg")
    with pytest.raises(UsageError, match=missing):
        load_sequences(tmp_path, layout)
    with pytest.raises(UsageError, match="nowhere.*: no such"):
        load_sequences(tmp_path / "nowhere", layout)


def test_a_missing_part_or_column_is_named(tmp_path):
    picture(tmp_path / "cohn-kanade-images/S005/001/S005_001_00000001.png")
    with pytest.raises(UsageError, match="Emotion: no such folder"):
        load_sequences(tmp_path, "ckplus")
    picture(tmp_path / "CASME2-RAW/sub01/EP02_01f/img1.jpg")
    with pytest.raises(UsageError, match=r"CASME2-coding\*.xlsx: no such file"):
        load_sequences(tmp_path, "casme2")
    workbook(tmp_path / "CASME2-coding-20140508.xlsx", [CASME2[:5]])
    with pytest.raises(UsageError, match="no column 'OffsetFrame'; expected Subject, Filename"):
        load_sequences(tmp_path, "casme2")
    with pytest.raises(UsageError, match="unknown layout 'ck'; available: ckplus, oulu-casia"):
        load_sequences(tmp_path, "ck")


def test_the_last_ten_frames_are_taken_and_the_last_stands_for_missing_ones():
    assert last_frames(14).tolist() == [*range(4, 14)] and last_frames(10).tolist() == [*range(10)]
    assert last_frames(4).tolist() == [0, 1, 2, 3, 3, 3, 3, 3, 3, 3] and last_frames(1).tolist() == [0] * 10


def test_no_fold_of_sequences_mixes_subjects():
    """Whatever the numbers of people, of their sequences, and of folds."""
    rng = np.random.default_rng(0)
    for trial in range(60):
        people = int(rng.integers(2, 40))
        k = int(rng.integers(2, people + 1))
        subjects = np.repeat([f"S{n:03d}" for n in range(people)], rng.integers(1, 9, people))
        truth = rng.integers(0, 7, len(subjects))
        splits = subject_folds(truth, subjects, k, seed=trial)
        splits += [split for _, split in leave_one_subject_out(subjects)]
        for split in splits:
            assert not set(subjects[split.train]) & set(subjects[split.test])
            assert sorted([*split.train, *split.test]) == [*range(len(subjects))]
        assert sorted(np.concatenate([split.test for split in splits[:k]])) == [*range(len(subjects))]
        assert sorted(np.concatenate([split.test for split in splits[k:]])) == [*range(len(subjects))]


@pytest.mark.parametrize("place", [3, 4, 5])
@pytest.mark.parametrize("number", [math.nan, math.inf, 41.5])
def test_a_number_of_a_frame_that_is_none_is_listed(place, number, tmp_path):
    for frame in range(40, 60):
        picture(tmp_path / f"CASME2_RAW_selected/sub01/EP02_01f/img{frame}.jpg")
    row = [1, "EP02_01f", None, 41.0, 45.0, 50.0, None, "4", "happiness"]
    wrong = list(row)
    wrong[place] = number
    workbook(tmp_path / "CASME2-coding-20140508.xlsx", [CASME2, row, wrong])
    found = load_sequences(tmp_path, "casme2")
    assert len(found) == 1 and found.dropped["rows whose frames are missing"] == 1
    assert "row 3: expected numbers of frames" in found.problems[0]


def test_a_damaged_workbook_is_one_line(tmp_path):
    """Cut off, or with other bytes at any place: whatever zip, zlib and XML make of it."""
    path = tmp_path / "w.xlsx"
    workbook(path, [["a", 1.0]])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for number in range(600):
        content = bytearray(whole[: rng.integers(len(whole))] if number % 4 == 0 else whole)
        for place in rng.integers(0, max(1, len(content)), 3) if content else ():
            content[place] = rng.integers(256)
        path.write_bytes(content)
        try:
            read_workbook(path)
        except UsageError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 500


def test_two_frames_of_one_number_are_refused(tmp_path):
    """Which of them was read was left to the order of the folder on its disk."""
    for name in ("img1.jpg", "img2.jpg", "reg_img2.jpg"):
        picture(tmp_path / "P1" / "happy" / name)
    with pytest.raises(UsageError, match=r"img2\.jpg and reg_img2\.jpg are both frame 2; keep one"):
        load_sequences(tmp_path, "folders")
