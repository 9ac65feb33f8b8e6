"""Where the faces are in the training photographs, as YuNet sees them: squares as Haar's, and five key points.

    python -m edgefer.train.detector.labels --out runs/edgefer-face

Each set of pictures gets a table of its faces; the pictures themselves are read from the shared data again.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edgefer.detect.yunet import YuNetDetector
from edgefer.errors import EdgeferError
from edgefer.support.atomic import replacing
from edgefer.train.command import needed, read_table, reported
from edgefer.train.settings import find_data

#: An image is shown to the teacher twice as large, up to this side, with its edge carried on all round: many faces
#: fill theirs.
SHOWN_PX, EDGE = 224, 0.3
#: From this score on what the teacher sees is noted: below SURE as a place that is neither face nor background.
NOTED, SURE = 0.3, 0.75
#: Steps in a pixel in which places are kept.
FINE = 64


class Faces(NamedTuple):
    """Images with the faces in them.

    Attributes:
        images: uint8 (H, W) each.
        image: int32 (M,), index of the image that a face is in.
        score: float32 (M,), the teacher's.
        square: float32 (M, 3): x and y of the centre, and side, pixels from the image's top left edge.
        points: float32 (M, 5, 2): right and left eye, nose, right and left corner of the mouth, likewise.
    """

    images: list[np.ndarray]
    image: np.ndarray
    score: np.ndarray
    square: np.ndarray
    points: np.ndarray

    def save(self, path: Path) -> None:
        """Writes the table, without the images."""
        fine = {name: np.round(getattr(self, name) * FINE).astype(np.int16) for name in ("square", "points")}
        with replacing(path) as scratch, scratch.open("wb") as file:
            np.savez_compressed(file, image=self.image, score=self.score.astype(np.float16), **fine)

    @classmethod
    def load(cls, path: Path, images: list[np.ndarray]) -> Faces:
        """A table that was written, with the images that it is of.

        Raises:
            UsageError: it is not there, or damaged. EdgeferError: there are fewer images.
        """
        kept = read_table(
            path, "what python -m edgefer.train.detector.labels writes", "image", "score", "square", "points"
        )
        if kept["image"].max(initial=-1) >= len(images):
            raise EdgeferError(
                f"{path}: expected at least {kept['image'].max() + 1} pictures, the data has {len(images)}"
            )
        fine = (kept[name].astype(np.float32) / FINE for name in ("square", "points"))
        return cls(images, kept["image"], kept["score"].astype(np.float32), *fine)


def annotate(images: list[np.ndarray], teacher: bytes) -> Faces:
    """What the teacher sees in each image."""
    yunet = cv2.FaceDetectorYN.create(
        "onnx", np.frombuffer(teacher, np.uint8), np.empty(0, np.uint8), (64, 64), NOTED, 0.3, 50
    )
    rows = []
    for index, image in enumerate(images):
        shown_px = min(SHOWN_PX, 2 * max(image.shape))
        scale = shown_px / max(image.shape)
        shown = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        edge = round(EDGE * shown_px)
        below, right = edge + -(shown.shape[0] + 2 * edge) % 32, edge + -(shown.shape[1] + 2 * edge) % 32
        shown = cv2.copyMakeBorder(shown, edge, below, edge, right, cv2.BORDER_REPLICATE)
        yunet.setInputSize(shown.shape[::-1])
        found = yunet.detect(cv2.cvtColor(shown, cv2.COLOR_GRAY2BGR))[1]
        for row in found if found is not None else ():
            x, y, width, height = row[:4]
            side = YuNetDetector.SIDE * height
            centre = np.array([x + width / 2, y + height * (0.5 + YuNetDetector.SHIFT)])
            points = (row[4:14].reshape(5, 2) - edge) / scale
            rows.append((index, row[14], *((centre - edge) / scale), side / scale, *points.ravel()))
    table = np.array(rows, np.float32).reshape(-1, 15)
    return Faces(images, table[:, 0].astype(np.int32), table[:, 1], table[:, 2:5], table[:, 5:].reshape(-1, 5, 2))


def photographs() -> list[np.ndarray]:
    """The face photographs, in the order of their names, grey."""
    with zipfile.ZipFile(needed(find_data("faces/faces.zip"), "photographs of faces, under EDGEFER_DATA")) as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg", ".png")))
        pixels = [np.frombuffer(archive.read(name), np.uint8) for name in names]
    return [_decoded(each) for each in pixels]


def fer(split: int) -> list[np.ndarray]:
    """The 48x48 images of FER-2013's training (0) or validation (1) split; of the latter none that is in both."""
    names = ("split", "duplicate_of_train", "offset", "webp")
    data = read_table(find_data("fer2013/fer2013_train_val.npz"), "FER-2013, under EDGEFER_DATA", *names)
    kept = np.flatnonzero((data["split"] == split) & ~data["duplicate_of_train"])
    offset, pixels = data["offset"], data["webp"]
    return [_decoded(pixels[offset[i] : offset[i + 1]]) for i in kept]


def _decoded(content: np.ndarray) -> np.ndarray:
    image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise EdgeferError("labels: a picture of the data cannot be decoded; fetch the data again")
    return image


#: Sets of pictures, by the names of their tables.
SETS: dict[str, Callable[[], list[np.ndarray]]] = {
    "photographs": photographs,
    "fer-train": lambda: fer(0),
    "fer-val": lambda: fer(1),
}


def load(folder: Path, name: str) -> Faces:
    """One of SETS, from the tables in a folder and the shared data."""
    return Faces.load(folder / f"{name}.npz", SETS[name]())


@reported
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="directory of the tables")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    teacher = needed(find_data("teachers/face_detection_yunet_2023mar.onnx"), "YuNet, under EDGEFER_DATA").read_bytes()
    for name, images in SETS.items():
        if (out / f"{name}.npz").exists():
            continue
        faces = annotate(images(), teacher)
        faces.save(out / f"{name}.npz")
        sure = faces.score >= SURE
        print(
            f"{name}: {len(faces.images)} images, {sure.sum()} faces, {np.unique(faces.image[sure]).size} with one",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
