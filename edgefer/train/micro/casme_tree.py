"""A tree like CASME II's, of faces that we make: folders, names and coding sheet as its authors give them out.

So reader and protocol run as they do on CASME II, which needs a signed agreement. Its figures are synthetic.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import cv2
import numpy as np

from edgefer.train.data.synthetic import units
from edgefer.train.data.synthetic.films import film
from edgefer.train.data.synthetic.script import MICRO_S, Camera, Event
from edgefer.train.data.synthetic.warp import Face, Identity
from edgefer.train.micro.films import moved_by

FPS = 200
#: Action units of each emotion of the sheet.
EMOTIONS: dict[str, dict[int, float]] = {
    "happiness": {6: 0.8, 12: 1.0},
    "disgust": {9: 1.0, 4: 0.6},
    "surprise": {1: 1.0, 2: 1.0, 5: 0.6},
    "repression": {15: 1.0, 17: 0.7},
    "others": {4: 1.0, 7: 0.8},
}
#: Largest step of a point, eye distances; film before and after the movement, s.
MOVES, BESIDE_S = (0.015, 0.03), 0.12
#: A laboratory: a still head, even light, little noise.
LABORATORY = Camera(0.2, 0.3, 0.0, 1.5, 0)
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_HEAD = ("Subject", "Filename", "", "OnsetFrame", "ApexFrame", "OffsetFrame", "", "Action Units", "Estimated Emotion")


def write_casme2(root: Path, identities: Sequence[Identity], side: int = 112, seed: int = 0) -> int:
    """Write a sequence of each emotion for each face; subjects are sub01, sub02, … in their order.

    Returns:
        The number of sequences.
    """
    rows: list[tuple[object, ...]] = [_HEAD]
    for number, identity in enumerate(identities, start=1):
        face = Face(identity, room=1.1, seed=number)
        for place, (emotion, shown) in enumerate(EMOTIONS.items(), start=1):
            rng = np.random.default_rng((seed, number, place))
            lasts = float(rng.uniform(0.15, MICRO_S[1]))
            full = {unit: units.FULL * share for unit, share in shown.items()}
            event = Event(BESIDE_S, BESIDE_S + float(rng.uniform(0.3, 0.5)) * lasts, BESIDE_S + lasts, full)
            event = moved_by(event, float(rng.uniform(*MOVES)))
            taken = film(face, [event], lasts + 2 * BESIDE_S, FPS, side, int(rng.integers(1 << 31)), LABORATORY)
            folder = root / "Cropped" / f"sub{number:02d}" / f"EP{place:02d}_01"
            folder.mkdir(parents=True, exist_ok=True)
            for index, frame in enumerate(taken.frames, start=1):
                (folder / f"reg_img{index}.jpg").write_bytes(cv2.imencode(".jpg", frame)[1].tobytes())
            numbers = [round(t * FPS) + 1 for t in (event.onset_s, event.apex_s, event.offset_s)]
            codes = "+".join(str(unit) for unit in shown)
            rows.append((f"{number:02d}", folder.name, "", *numbers, "", codes, emotion))
    _write_workbook(root / "CASME2-coding-20140508.xlsx", rows)
    return len(rows) - 1


def _write_workbook(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """The least that is an Excel workbook: one sheet, its strings in a table of their own."""
    strings: list[str] = []

    def cell(place: str, value: object) -> str:
        if isinstance(value, str):
            strings.append(value)
            return f'<c r="{place}" t="s"><v>{len(strings) - 1}</v></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    lines = [
        f'<row r="{r}">' + "".join(cell(f"{chr(65 + c)}{r}", v) for c, v in enumerate(row) if v != "") + "</row>"
        for r, row in enumerate(rows, start=1)
    ]
    target = '<Relationship Id="rId1" Target="worksheets/sheet1.xml"/>'
    tab = '<sheet name="Sheet1" sheetId="1" r:id="rId1"/>'
    items = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        sheet = f"<worksheet {_MAIN}><sheetData>{''.join(lines)}</sheetData></worksheet>"
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
        archive.writestr("xl/workbook.xml", f'<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets>{tab}</sheets></workbook>')
        archive.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{target}</Relationships>")
        archive.writestr("xl/sharedStrings.xml", f"<sst {_MAIN}>{items}</sst>")
