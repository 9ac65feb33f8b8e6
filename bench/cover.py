"""The gate on covered, tilted and turned faces: masks and sunglasses are drawn on photographs of faces.

    python bench/cover.py [--model M] [--detector D] [--every N] [--levels]

The photographs are those of `faces/faces.zip` that no training has seen, every twentieth; EDGEFER_DATA says where.
Each is judged bare, with a face mask, with sunglasses, and upside down, from two boxes: that of its own points by the
landmark teacher, and that of the detector, where it finds one. Masks and glasses are drawn by this file alone;
training draws others. A face counts as uncertain here by the reasons of its landmarks alone.
`--levels` prints the confidences at which thresholds may be chosen.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable

import cv2
import numpy as np
from common import table
from peers import DATA

from edgefer import defaults
from edgefer.detect import DETECTORS, open_detector
from edgefer.landmarks.base import LANDMARKERS, Landmarker, Landmarks
from edgefer.landmarks.cover import CoverGate
from edgefer.landmarks.points import face_square
from edgefer.track import Photographs
from edgefer.train.teachers import MeshTeacher, photographs
from edgefer.values import Face, Frame, Quality

Drawing = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def bare(image: np.ndarray, points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return image


def upside_down(image: np.ndarray, points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(image[::-1, ::-1])


def mask(image: np.ndarray, points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A folded mask from the bridge of the nose to below the chin, with its ribbons to the ears."""
    centre = points[30]
    outline = np.vstack([points[2:15], points[14] * 0.35 + points[28] * 0.65, points[28]])
    outline = np.vstack([outline, points[2] * 0.35 + points[28] * 0.65])
    outline = centre + (outline - centre) * random.uniform(1.0, 1.08)
    shade = random.choice([25, 60, 150, 190, 225]) + random.uniform(-15, 15)
    drawn = image.copy()
    for ear, cheek in ((0, 3), (16, 13)):
        cv2.line(drawn, _whole(points[ear]), _whole(points[cheek]), float(shade), 1, cv2.LINE_AA)
    cv2.fillPoly(drawn, [np.rint(outline).astype(np.int32)], float(shade), cv2.LINE_AA)
    for part in (0.35, 0.55, 0.75):
        left, right, middle = (points[a] * (1 - part) + points[b] * part for a, b in ((3, 6), (13, 10), (29, 8)))
        fold = np.rint([left, middle, right]).astype(np.int32)
        cv2.polylines(drawn, [fold], False, float(shade * 0.85), 1, cv2.LINE_AA)
    return drawn


def sunglasses(image: np.ndarray, points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Two dark lenses, a bridge, and bows to the ears."""
    across = points[45] - points[36]
    size = float(np.hypot(*across))
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    shade = random.uniform(8, 50)
    axes = size * random.uniform(0.24, 0.3), size * random.uniform(0.17, 0.23)
    drawn = image.copy()
    lenses = [points[start : start + 6].mean(axis=0) for start in (36, 42)]
    thickness = max(1, round(size / 25))
    for lens, ear in zip(lenses, (0, 16), strict=True):
        cv2.line(drawn, _whole(lens), _whole(points[ear]), shade, thickness, cv2.LINE_AA)
        cv2.ellipse(drawn, (_whole(lens), (round(2 * axes[0]), round(2 * axes[1])), angle), shade, -1, cv2.LINE_AA)
    cv2.line(drawn, _whole(lenses[0]), _whole(lenses[1]), shade, thickness, cv2.LINE_AA)
    return drawn


def _whole(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


#: Least probability by the teacher that its points are of a face.
SURE = 0.8
#: Percentiles that --levels prints.
LEVELS = (1, 3, 5, 10, 50, 90, 95, 97, 99)
DRAWINGS: list[Drawing] = [bare, mask, sunglasses, upside_down]


#: The landmarks of a face and the shape of its picture.
Row = tuple["Landmarks | None", tuple[int, ...]]
Rows = dict[tuple[str, str], list[Row]]


def look(every: int, landmarker: Landmarker, finder: Photographs) -> Rows:
    """Landmarks by drawing and by whose box was given."""
    teacher = MeshTeacher(DATA)
    random = np.random.default_rng(0)
    rows: Rows = {}
    for number, (_, image) in enumerate(photographs(DATA)):
        if number % every:
            continue
        points, score = teacher.label(image)
        if score < SURE:
            continue
        for drawing in DRAWINGS:
            frame = Frame(0, drawing(image, points, random), 0, 0, still=True)
            turned = np.array(image.shape[::-1]) - 1 - points if drawing is upside_down else points
            square = face_square(turned)
            own = Face(1, square, Quality(square.width, 1, 100))
            for box, faces in (("points", [own]), ("detector", finder.find(frame)[:1])):
                found = [(landmarker.find(frame, face), image.shape) for face in faces]
                rows.setdefault((drawing.__name__, box), []).extend(found)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=defaults.LANDMARK_MODEL, help="landmark network: a name or a directory")
    parser.add_argument("--detector", default=DETECTORS.default, help=DETECTORS.shapes())
    parser.add_argument("--every", type=int, default=20, help="take one photograph in so many (a multiple of 20)")
    parser.add_argument("--levels", action="store_true", help="print the confidences by region, too")
    options = parser.parse_args()
    if not (DATA / "faces" / "faces.zip").is_file():
        print("cover: no faces; set EDGEFER_DATA to the shared data", file=sys.stderr)
        return 3
    landmarker = LANDMARKERS.choose(LANDMARKERS.default).make(model=options.model, threads=1)
    finder = Photographs(open_detector(options.detector))
    gate = CoverGate()
    rows = look(options.every, landmarker, finder)
    printed = []
    for (drawing, box), found in rows.items():
        reasons = Counter(reason for row in found for reason in gate.reasons(*row))
        uncertain = np.mean([bool(gate.reasons(*row)) for row in found])
        unseen = sum(marks is None for marks, _ in found)
        told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        printed.append([drawing, box, len(found), f"{uncertain:.1%}", unseen, told])
    print(table(["drawn", "box of", "faces", "uncertain", "not seen", "reasons"], printed))
    if options.levels:
        print_levels(rows)
    return 0


def print_levels(rows: Rows) -> None:
    printed = []
    for (drawing, box), found in rows.items():
        seen = [marks for marks, _ in found if marks is not None and marks.seen is not None and marks.pose is not None]
        values = {
            "eyes": [max(marks.seen["right_eye"], marks.seen["left_eye"]) for marks in seen],
            "mouth": [marks.seen["mouth"] for marks in seen],
            "face": [marks.seen["face"] for marks in seen],
            "|yaw|": [abs(marks.pose.yaw) for marks in seen],
            "|roll|": [abs(marks.pose.roll) for marks in seen],
        }
        for name, each in values.items():
            printed.append([drawing, box, name, *(f"{level:.2f}" for level in np.percentile(each, LEVELS))])
    print(table(["drawn", "box of", "value", *(f"{level} %" for level in LEVELS)], printed))


if __name__ == "__main__":
    sys.exit(main())
