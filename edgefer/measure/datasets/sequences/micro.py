"""Sequences with micro-expressions, whose codes are in a workbook: CASME II, SAMM, SAMM Long Videos, CAS(ME)².

* CASME II: `CASME2_RAW_selected/sub01/EP02_01f/img46.jpg` (or `CASME2-RAW`, or `Cropped` with `reg_img46.jpg`), 200
  frames a second; `CASME2-coding-20140508.xlsx`. Yan et al., 2014.
* SAMM: `006/006_1_2/006_05562.jpg`, 200 frames a second; `SAMM_Micro_FACS_Codes_v2.xlsx`. Davison et al., 2018.
* SAMM Long Videos: `SAMM_longvideos/006_1/006_1_0001.jpg`, 200 frames a second, with micro- and macro-expressions;
  `SAMM_LongVideos_V3_Release.xlsx`. Yap, Kendrick and Yap, 2020.
* CAS(ME)²: `rawpic/s15/15_0101disgustingteeth/img1.jpg`, 30 frames a second; `CAS(ME)^2code_final.xlsx`, without heads
  of columns; its second and third sheets give subjects and films their numbers. Qu et al., 2018.

Numbers in a workbook are those in the frames' names. A row whose frames are not there is listed and does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from edgefer.errors import UsageError
from edgefer.measure.datasets.base import FolderImages
from edgefer.measure.datasets.sequences.base import (
    Event,
    FrameSequence,
    SequenceSet,
    file_of,
    folder_of,
    label_of,
    numbered,
    units_of,
)
from edgefer.measure.datasets.sequences.spreadsheet import Cell, read_workbook

CASME2_LABELS = ("happiness", "disgust", "repression", "surprise", "sadness", "fear", "others")
SAMM_LABELS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise", "other")
#: In CAS(ME)², an expression is one of these, as its film intends it.
CASME_SQUARED_LABELS = ("positive", "negative", "surprise", "others")

Row = Mapping[str, Cell]
Numbers = tuple[Cell, Cell, Cell]
#: A row about a film: where it stands, the film, onset, apex and offset, action units, label, whether it is micro.
Coded = tuple[str, str, Numbers, Cell, str, bool]


def load_casme2(root: Path) -> SequenceSet:
    """CASME II: one micro-expression a sequence.

    Raises:
        UsageError: a folder or the workbook is missing, or it has other columns.
    """
    images = folder_of(root, ["CASME2_RAW_selected", "CASME2-RAW", "CASME2_RAW", "Cropped"], "CASME II")
    sheet = file_of(root, ["CASME2-coding*.xlsx"], "CASME II")
    found = SequenceSet(root, CASME2_LABELS)
    columns = ("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units", "Estimated Emotion")
    for where, row in _table(sheet, columns):
        subject, name = f"sub{_code(row['Subject'], 2)}", _code(row["Filename"])
        numbers = row["OnsetFrame"], row["ApexFrame"], row["OffsetFrame"]
        label = label_of(str(row["Estimated Emotion"]))
        _add(found, where, images / subject / name, subject, label, numbers, row["Action Units"])
    return _checked(found)


def load_samm(root: Path) -> SequenceSet:
    """SAMM: one micro-expression a sequence; folders of subjects are in `root` or in its `SAMM`.

    Raises:
        UsageError: the workbook or the folders are missing.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder")
    sheet = file_of(root, ["SAMM_Micro_FACS_Codes*.xlsx", "SAMM_*_Micro_FACS_Codes*.xlsx"], "SAMM")
    found = SequenceSet(root, SAMM_LABELS)
    columns = ("Subject", "Filename", "Onset Frame", "Apex Frame", "Offset Frame", "Action Units", "Estimated Emotion")
    images = None
    for where, row in _table(sheet, columns):
        subject, name = _code(row["Subject"], 3), _code(row["Filename"])
        if images is None:
            images = folder_of(root, [subject], "SAMM").parent
        numbers = row["Onset Frame"], row["Apex Frame"], row["Offset Frame"]
        label = label_of(str(row["Estimated Emotion"]))
        _add(found, where, images / subject / name, subject, label, numbers, row["Action Units"])
    return _checked(found)


def load_samm_long(root: Path) -> SequenceSet:
    """SAMM Long Videos: films with the intervals of their micro- and macro-expressions.

    Raises:
        UsageError: the folder or the workbook is missing.
    """
    images = folder_of(root, ["SAMM_longvideos"], "SAMM Long Videos")
    sheet = file_of(root, ["SAMM_LongVideos_V*_Release.xlsx"], "SAMM Long Videos")
    columns = ("Subject", "Filename", "Onset", "Apex", "Offset", "Type", "Action Units")
    found = SequenceSet(root, SAMM_LABELS)
    coded: list[Coded] = []
    for where, row in _table(sheet, columns):
        # 006_1_2 is the second expression of the film 006_1
        film = "_".join(_code(row["Filename"]).split("_")[:2])
        micro = str(row["Type"]).strip().lower().startswith("micro")
        coded.append((where, film, (row["Onset"], row["Apex"], row["Offset"]), row["Action Units"], "", micro))
    films = {folder.name: folder for folder in sorted(images.iterdir()) if folder.is_dir()}
    return _long(found, films, coded, lambda name: name.split("_")[0], 200.0)


def load_casme_squared(root: Path) -> SequenceSet:
    """CAS(ME)²: films with the intervals of their micro- and macro-expressions.

    Raises:
        UsageError: the folder or the workbook is missing, or the workbook lacks a sheet.
    """
    images = folder_of(root, ["rawpic"], "CAS(ME)²")
    sheet = file_of(root, ["CAS(ME)^2code_final*.xlsx", "code_final.xlsx"], "CAS(ME)²")
    sheets = read_workbook(sheet)
    if len(sheets) < 3:
        raise UsageError(f"{sheet}: has {len(sheets)} sheets; expected the codes, the subjects and the films")
    people = {_code(row[2]): _code(row[1]) for row in sheets[1] if len(row) > 2 and row[1] and row[2] is not None}
    codes = {_code(row[1]): _code(row[0], 4) for row in sheets[2] if len(row) > 1 and row[1]}
    folders: dict[str, Path] = {}
    for folder in sorted(entry for entry in images.glob("*/*") if entry.is_dir()):
        folders[f"{folder.parent.name}/{folder.name.partition('_')[2][:4]}"] = folder
    found = SequenceSet(root, CASME_SQUARED_LABELS)
    coded: list[Coded] = []
    for number, row in enumerate(sheets[0], start=1):
        where = f"{sheet}: row {number}"
        if len(row) < 8 or row[0] is None or _code(row[0]) not in people:
            if any(cell is not None for cell in row):
                found.drop(where, "rows that cannot be read", "names no subject of the second sheet")
            continue
        film = codes.get(_code(row[1]).split("_")[0], "")
        micro = str(row[7]).strip().lower().startswith("micro")
        name = f"{people[_code(row[0])]}/{film}"
        label = label_of(str(row[6])) if row[6] is not None else ""
        coded.append((where, name, (row[2], row[3], row[4]), row[5], label, micro))
    return _long(found, folders, coded, lambda name: name.split("/")[0], 30.0)


def _long(
    found: SequenceSet, films: Mapping[str, Path], coded: list[Coded], subject_of: Callable[[str], str], fps: float
) -> SequenceSet:
    """Films with several events each."""
    frames = {name: numbered(folder) for name, folder in films.items()}
    events: dict[str, list[Event]] = {name: [] for name in films}
    for where, name, numbers, units, label, micro in coded:
        if name not in films:
            found.drop(where, "films that are not there", f"the film {name} is not there")
            continue
        event = _event(frames[name], numbers, label if label in found.labels else "", units, micro)
        if isinstance(event, str):
            found.drop(where, "rows whose frames are missing", event)
        else:
            events[name].append(event)
    for name, folder in films.items():
        if frames[name]:
            ordered = tuple(sorted(events[name], key=lambda event: event.onset))
            images = FolderImages(list(frames[name].values()))
            found.sequences.append(FrameSequence(name, subject_of(name), "", images, fps, ordered))
        else:
            found.drop(folder, "folders without images")
    return _checked(found)


def _add(found: SequenceSet, where: str, folder: Path, subject: str, label: str, numbers: Numbers, units: Cell) -> None:
    """One row of CASME II or SAMM, whose sequence has a folder of its own."""
    frames = numbered(folder) if folder.is_dir() else {}
    name = f"{subject}/{folder.name}"
    if not frames:
        found.drop(where, "sequences that are not there", f"{folder}: no such folder, or without images")
    elif label not in found.labels:
        found.drop(where, "rows that cannot be read", f"unknown emotion {label!r}; expected {', '.join(found.labels)}")
    else:
        event = _event(frames, numbers, label, units, True)
        if isinstance(event, str):
            found.drop(where, "rows whose frames are missing", event)
            return
        images = FolderImages(list(frames.values()))
        found.sequences.append(FrameSequence(name, subject, label, images, 200.0, (event,)))


def _event(frames: Mapping[int, Path], numbers: Numbers, label: str, units: Cell, micro: bool) -> Event | str:
    """The event of a row, or what is wrong with it."""
    place = {number: index for index, number in enumerate(frames)}
    whole = all(number.is_integer() for number in numbers if isinstance(number, float))
    onset, apex, offset = (int(number) if whole and isinstance(number, float) else None for number in numbers)
    offset = offset or apex  # an offset of 0 was not seen before the film's end
    if onset is None or offset is None:
        return f"expected numbers of frames, got {numbers[0]!r}, {numbers[1]!r}, {numbers[2]!r}"
    for what, number in (("onset", onset), ("apex", apex), ("offset", offset)):
        if number is not None and number not in place:
            return f"the frame {number} of its {what} is not there"
    if not onset <= (offset if apex is None else apex) <= offset:
        return f"onset {onset}, apex {apex} and offset {offset} are not in order"
    return Event(place[onset], None if apex is None else place[apex], place[offset], label, units_of(units), micro)


def _table(sheet: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, Row]]:
    """The rows below the first one that holds all these heads, in the first sheet; each with its place.

    Raises:
        UsageError: no row holds them; names the first that is missing.
    """
    rows = read_workbook(sheet)[0]
    best: list[str] = []
    for row in rows:
        heads = [str(cell).strip() if cell is not None else "" for cell in row]
        if all(column in heads for column in columns):
            break
        best = max(best, heads, key=lambda names: sum(column in names for column in columns))
    else:
        missing = next(column for column in columns if column not in best)
        raise UsageError(f"{sheet}: no column {missing!r}; expected {', '.join(columns)}")
    at = {column: heads.index(column) for column in columns}
    first = rows.index(row) + 1
    for index, row in enumerate(rows[first:], start=first + 1):
        values = {column: row[place] if place < len(row) else None for column, place in at.items()}
        if values[columns[0]] is not None and values[columns[1]] is not None:
            yield f"{sheet}: row {index}", values


def _code(cell: Cell, digits: int = 0) -> str:
    """A name or number as text; Excel keeps 006 as 6."""
    text = f"{cell:g}" if isinstance(cell, float) else str(cell).strip()
    return text.zfill(digits) if text.isdigit() else text


def _checked(found: SequenceSet) -> SequenceSet:
    if not found.sequences:
        first = f"; {found.problems[0]}" if found.problems else ""
        raise UsageError(f"{found.source}: no row of its workbook has frames here{first}")
    return found
