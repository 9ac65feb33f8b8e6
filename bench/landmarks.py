"""The landmark network compared with its teacher and with other networks, on hand-labelled faces.

    python bench/landmarks.py --data DATA [--labels LABELS] [--face-api package/model] [--json FILE]

* Errors, percent of the distance of the outer corners of the eyes: after two looks (the middle of the picture, then
  round the points found), and with a photograph's full effort; other networks get their best square round the labels.
* Time of a look, crop included for ours, compared with the teacher's network alone: the median of alternating rounds,
  one thread each, in processor time.
* Steadiness: a still face, a new frame of sensor noise (sigma 2 grey levels) each time, looked at round the last
  points; and with the picture moved by -1, 0 or 1 pixel at random as well. Mean over points of the standard deviation,
  as found and behind the runtime's filter at 30 frames a second.
* Cover, where LABELS are given (edgefer.train.teachers): the photographs kept out of training, bare, with a mask and
  with dark glasses drawn on (edgefer/train/landmarks/cover.py): how many the runtime's gate calls occluded. Faces
  that its gate would refuse for being turned do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import machine, table
from landmark_peers import FaceApi

from edgefer.geometry import Box
from edgefer.landmarks.base import Landmarks
from edgefer.landmarks.cover import CoverGate
from edgefer.landmarks.network import LandmarkNetwork, open_network
from edgefer.landmarks.one_euro import OneEuro
from edgefer.landmarks.points import REGIONS, eye_distance
from edgefer.landmarks.pose import head_pose
from edgefer.measure.points import HELEN, PointErrors, labelled_faces, measured, point_errors
from edgefer.models import store
from edgefer.train.landmarks import data
from edgefer.train.landmarks.cover import dark_glasses, face_mask
from edgefer.train.teachers import MeshTeacher

FRAME_NS = 33_333_333


def time_ratio(network: LandmarkNetwork, teacher: MeshTeacher, grey: np.ndarray, rounds: int = 40) -> float:
    """Our time of a look, crop included, in parts of the teacher's network alone."""
    square = Box(0, 0, grey.shape[1], grey.shape[0])
    sides: list[Callable[[], object]] = [lambda: network.locate(grey, square), teacher.invoke]
    ratios = []
    for _ in range(rounds):
        took = []
        for side in sides:
            # of several short spells the best, in the thread's own time: others may be at work on this machine
            spells = []
            for _ in range(4):
                start = time.thread_time()
                for _ in range(5):
                    side()
                spells.append(time.thread_time() - start)
            took.append(min(spells))
        ratios.append(took[0] / took[1])
    return float(np.median(ratios))


def jitter(network: LandmarkNetwork, images: list[np.ndarray], move: int, frames: int = 60) -> tuple[float, float]:
    """Standard deviation of a still face's points, percent: as found, and filtered."""
    rng = np.random.default_rng(0)
    raw, filtered = [], []
    for image in images:
        square = Box(0.1 * image.shape[1], 0.1 * image.shape[0], 0.9 * image.shape[1], 0.9 * image.shape[0])
        for _ in range(3):
            square = network.around_points(network.locate(image, square).points)
        points, smooth = network.locate(image, square).points, OneEuro()
        seen: list[tuple[np.ndarray, np.ndarray]] = []
        size = eye_distance(points)
        for number in range(frames):
            shift = rng.integers(-move, move + 1, 2)
            moved = np.roll(image, shift[::-1], axis=(0, 1))
            noisy = np.clip(moved + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
            # where it was in the frame before: how this one has moved is not known
            points = network.locate(noisy, network.around_points(points)).points - shift
            seen.append((points, smooth.update(points, size, number * FRAME_NS)))
        found, behind = (np.stack(each)[frames // 3 :] for each in zip(*seen, strict=True))
        for each, out in ((found, raw), (behind, filtered)):
            out.append(100 * float(np.sqrt(each.var(axis=0).sum(axis=1)).mean()) / size)
    return float(np.mean(raw)), float(np.mean(filtered))


def covered(network: LandmarkNetwork, faces: data.Faces) -> dict[str, tuple[int, int]]:
    """How many of how many faces the gate calls occluded: bare, masked, behind dark glasses."""
    gate, rng = CoverGate(), np.random.default_rng(11)
    draws = {"bare": None, "mask": face_mask, "dark glasses": dark_glasses}
    counts = dict.fromkeys(draws, (0, 0))
    for image, truth in zip(faces.images, faces.points, strict=True):
        for name, draw in draws.items():
            picture, points = image.copy(), truth
            if draw is not None:
                draw(picture, truth.astype(np.float64), rng)
            square, seen = network.around_points(points), None
            for _ in range(2):
                found = network.locate(picture, square)
                square = network.around_points(found.points)
            if found.confidence[0] >= 0.5:
                said = dict(zip(REGIONS, found.confidence.tolist(), strict=True))
                seen = Landmarks(found.points, head_pose(found.points), seen=said)
            pose = head_pose(truth)
            if pose is not None and abs(pose.yaw) > gate.max_yaw_deg:
                continue
            hit, all_ = counts[name]
            counts[name] = hit + ("occluded" in gate.reasons(seen, picture.shape)), all_ + 1
    return counts


def row(name: str, errors: PointErrors, size: str, ratio: str) -> list[str]:
    return [name, *(f"{value:.2f}" for value in (errors.inner, errors.all, errors.jaw_across)), size, ratio]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EDGEFER_DATA", "../shared/data")))
    parser.add_argument("--labels", type=Path, help="what edgefer.train.teachers wrote")
    parser.add_argument("--face-api", type=Path, help="the folder `model` of the npm package @vladmandic/face-api")
    parser.add_argument("--model", default="edgefer-landmarks", help="name or directory")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    arguments = parser.parse_args()

    network, teacher = open_network(arguments.model), MeshTeacher(arguments.data)
    images, truth = labelled_faces(arguments.data / HELEN)
    ratio = time_ratio(network, teacher, images[0])
    size = (store.find(arguments.model) / "model.tflite").stat().st_size
    ours = measured(network, list(images), truth)
    teachers = point_errors(np.stack([teacher.label(image).points for image in images]), truth)
    big = (arguments.data / "teachers" / "face_landmarks_v2.tflite").stat().st_size
    settled = measured(network, list(images), truth, full=True)
    rows = [row("edgefer-landmarks, int8", ours, f"{size / 1000:.0f} KB", f"{ratio:.2f}")]
    rows.append(row("the same, full effort (photographs)", settled, "", ""))
    rows.append(row("the teacher and its offsets", teachers, f"{big / 1000:.0f} KB", "1"))
    for name in ("face_landmark_68_model", "face_landmark_68_tiny_model") if arguments.face_api else ():
        peer = FaceApi(arguments.face_api / f"{name}-weights_manifest.json")
        found = np.stack([peer.locate(image, peer.around(label)) for image, label in zip(images, truth, strict=True)])
        rows.append(row(f"face-api {name}", point_errors(found, truth), f"{peer.size / 1000:.0f} KB", "not measured"))
    print(table(["network", "inner 51, %", "all 68, %", "jaw across, %", "size", "time / teacher"], rows))
    print(f"\n{len(truth)} faces of {HELEN.name}, which nothing was fitted on. {machine()['cpu']}.\n")

    still, moved = jitter(network, list(images[:30]), 0), jitter(network, list(images[:30]), 1)
    lines = [
        [name, f"{raw:.2f}", f"{smooth:.2f}"] for name, (raw, smooth) in (("noise", still), ("noise, +-1 px", moved))
    ]
    print(table(["a still face, 30 faces", "as found, %", "filtered, %"], lines))
    counts = {}
    if arguments.labels:
        counts = covered(network, data.photographs(arguments.data, arguments.labels, "val"))
        lines = [[name, str(all_), f"{100 * hit / all_:.1f} %"] for name, (hit, all_) in counts.items()]
        print("\n" + table(["faces kept out of training", "faces", "called occluded"], lines))
    if arguments.json:
        result = {"machine": machine(), "networks": rows, "still": still, "moved": moved, "covered": counts}
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
