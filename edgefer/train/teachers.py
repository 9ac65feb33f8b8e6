"""The landmark teacher: 68 points of photographs of faces, from a face mesh of 478.

    python -m edgefer.train.teachers --data DATA --out LABELS

writes `LABELS/faces.npz` (name, points, score) of `faces/faces.zip` and `LABELS/fer.npz` (row, split, points, score) of
`fer2013/fer2013_train_val.npz`. Points are in pixels of the photograph, the first pixel's centre (0, 0); the score is
the probability that the mesh's own flag gives the face in the last pass.

The mesh is MediaPipe's Face Landmarker v2. A vertex and a constant offset for each point of iBUG
(`landmarks/mesh_to_ibug.json`) turn it into 68. It looks twice: at squares that may hold the face, and then at
the square round what it found, turned so that the outer corners of the eyes are level; there in the picture and in its
mirror, and the mean of both counts.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edgefer.landmarks.points import MIRROR
from edgefer.support.atomic import write_bytes
from edgefer.support.progress import progress_bar
from edgefer.train.command import needed, read_table, reported

SIDE = 192
#: The second look's square, in parts of the longer side of the mesh's own.
ROUND_MESH = 1.5
#: Outer corners of the eyes in the mesh: the person's right, then left.
CORNERS = (33, 263)
#: A photograph of one face shows it somewhat like one of these: side of the square, in parts of its longer side.
SQUARES = (1.0, 1.3, 0.8, 1.7)


class Labelled(NamedTuple):
    """One face: float32 (68, 2) pixels of the image, and the probability that it is a face."""

    points: np.ndarray
    score: float


class MeshTeacher:
    """The face mesh, by LiteRT, and the way from its vertices to 68 points.

    Args:
        data: directory with `teachers` and `landmarks`.
        threads: of the runtime.

    Raises:
        UsageError: a file is not there.
    """

    def __init__(self, data: Path, threads: int = 1):
        from ai_edge_litert.interpreter import Interpreter

        mesh = needed(data / "teachers" / "face_landmarks_v2.tflite", "the face mesh, in the folder --data")
        points = needed(data / "landmarks" / "mesh_to_ibug.json", "the table from mesh to points, in the folder --data")
        self._mesh = Interpreter(str(mesh), num_threads=threads)
        self._mesh.allocate_tensors()
        self._input = self._mesh.get_input_details()[0]["index"]
        sizes = {int(np.prod(entry["shape"])): entry["index"] for entry in self._mesh.get_output_details()}
        self._points, self._flag = sizes[478 * 3], sizes[1]
        table = json.loads(points.read_text())
        self._vertices = np.array(table["vertices"])
        self._offsets = np.array([table["dx"], table["dy"]], np.float64).T / 1000

    def label(self, grey: np.ndarray, squares: Iterable[Sequence[float]] | None = None) -> Labelled:
        """The face in an image, by two looks.

        Args:
            grey: uint8 (H, W).
            squares: (x, y of the middle, side), pixels, where the face may be; the best is taken. None: an
                image that is one face.
        """
        height, width = grey.shape
        if squares is None:
            middle, side = ((width - 1) / 2, (height - 1) / 2), max(height, width)
            squares = [(*middle, side * part) for part in SQUARES]
        first = max((self.look(grey, *square) for square in squares), key=lambda found: found[1])
        x, y, side, angle = _around(first[0])
        mesh, flag = self.look(grey, x, y, side, angle)
        # the mean of what it sees in the picture and in its mirror lies nearer to labels made by hand
        width = grey.shape[1]
        other, _ = self.look(np.ascontiguousarray(grey[:, ::-1]), width - 1 - x, y, side, -angle)
        mirrored = self.ibug(other)[MIRROR] * (-1, 1) + (width - 1, 0)
        points = (self.ibug(mesh) + mirrored) / 2
        return Labelled(points.astype(np.float32), 1 / (1 + math.exp(-flag)))

    def look(self, grey: np.ndarray, x: float, y: float, side: float, angle: float = 0.0) -> tuple[np.ndarray, float]:
        """One pass: the mesh, float64 (478, 2) pixels of the image, and its flag as a logit.

        Args:
            x, y, side: middle and side of the square, pixels; the first pixel's centre is (0, 0).
            angle: that the square is turned by, radians, x towards y.
        """
        along = np.array([np.cos(angle), np.sin(angle)]) * side / SIDE
        axes = np.array([[along[0], -along[1]], [along[1], along[0]]])
        # the middle of the crop, (SIDE - 1) / 2, lies on the middle of the square
        corner = np.array([x, y]) - axes @ np.full(2, (SIDE - 1) / 2)
        matrix = np.column_stack([axes, corner])
        shrink = side / SIDE
        if shrink > 1:  # bilinear samples would leave pixels out
            grey = cv2.GaussianBlur(grey, (0, 0), 0.5 * np.sqrt(shrink**2 - 1))
        crop = cv2.warpAffine(
            grey, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )
        tensor = np.repeat(crop[None, :, :, None].astype(np.float32) / 255, 3, axis=3)
        self._mesh.set_tensor(self._input, tensor)
        self.invoke()
        # the mesh counts from the crop's edge
        mesh = self._mesh.get_tensor(self._points).reshape(478, 3)[:, :2].astype(np.float64) - 0.5
        return mesh @ axes.T + corner, float(self._mesh.get_tensor(self._flag).ravel()[0])

    def invoke(self) -> None:
        """Run the mesh on whatever it was given last; for timing."""
        self._mesh.invoke()

    def ibug(self, mesh: np.ndarray) -> np.ndarray:
        """The 68 points of a mesh, (478, 2) to (68, 2), same pixels."""
        right, left = mesh[CORNERS[0]], mesh[CORNERS[1]]
        x = left - right
        axes = np.array([x, [-x[1], x[0]]])
        return mesh[self._vertices] + self._offsets @ axes


def _around(mesh: np.ndarray) -> tuple[float, float, float, float]:
    """The square round a mesh, turned with it."""
    x = mesh[CORNERS[1]] - mesh[CORNERS[0]]
    angle = float(np.arctan2(x[1], x[0]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    level = mesh @ turn
    low, high = level.min(axis=0), level.max(axis=0)
    middle = turn @ ((low + high) / 2)
    return float(middle[0]), float(middle[1]), float((high - low).max()) * ROUND_MESH, angle


def photographs(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Name and grey image of every photograph of faces.zip, in order of name."""
    with zipfile.ZipFile(needed(data / "faces" / "faces.zip", "photographs of faces, in the folder --data")) as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(".jpg")):
            yield name, np.asarray(cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_GRAYSCALE))


def fer_images(data: Path) -> Iterator[np.ndarray]:
    """Every image of the FER-2013 file, uint8 (48, 48), in its order."""
    path = data / "fer2013" / "fer2013_train_val.npz"
    webp, offset = read_table(path, "FER-2013, in the folder --data", "webp", "offset").values()
    for start, end in zip(offset[:-1], offset[1:], strict=True):
        yield np.asarray(cv2.imdecode(webp[start:end], cv2.IMREAD_GRAYSCALE))


def write_labels(data: Path, out: Path, threads: int = 1) -> None:
    """Both files of labels."""
    teacher = MeshTeacher(data, threads)
    out.mkdir(parents=True, exist_ok=True)
    pairs = [(name, teacher.label(image)) for name, image in progress_bar(photographs(data), "faces")]
    _save(out / "faces.npz", [found for _, found in pairs], name=np.array([Path(name).name for name, _ in pairs]))
    found = [teacher.label(image) for image in progress_bar(fer_images(data), "FER-2013")]
    with np.load(data / "fer2013" / "fer2013_train_val.npz") as archive:
        _save(out / "fer.npz", found, row=archive["row"], split=archive["split"])


def _save(path: Path, found: Sequence[Labelled], **columns: np.ndarray) -> None:
    file = io.BytesIO()
    points = np.stack([face.points for face in found])
    columns |= {"points": points, "score": np.array([face.score for face in found], np.float32)}
    np.savez(file, allow_pickle=False, **columns)
    write_bytes(path, file.getvalue())


@reported
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EDGEFER_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    write_labels(arguments.data, arguments.out, arguments.threads)


if __name__ == "__main__":
    sys.exit(main())
