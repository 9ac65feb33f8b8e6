"""The detectors side by side: faces found and missed, false ones, and the time from a frame to boxes.

    python bench/detectors.py --labels LABELS [--backgrounds FOLDER …] [--only PART …] [--json FILE]

LABELS holds the faces that `python -m edgefer.train.detector.labels` noted in the photographs of the shared data
(EDGEFER_DATA); of them only those kept from training are used. FOLDERs hold pictures without faces, of which every
fourth was kept. `clips` takes the frames of the shared films in which Haar and YuNet see the same face. A face is
found where a box overlaps it by 0.4 that the tracker would take for a new face: sure at once, or likely in two looks. A
box is false where it overlaps none by 0.25 and neither teacher sees one.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from common import frames_of, machine, table
from peers import DATA

from edgefer import kernels
from edgefer.detect import DETECTORS, Detector, Examiner, borne_out, open_detector
from edgefer.detect.network import pack
from edgefer.detect.photograph import find_faces
from edgefer.geometry import Box, iou
from edgefer.train.detector import material, scenes
from edgefer.train.detector.labels import SURE, load

FOUND, FALSE = 0.4, 0.25
#: Scenes are shown this much larger than they were composed, as VGA frames.
ENLARGED = 4
#: How far a head is turned aside, and tilted with the tilt that its photograph has, degrees, in the second of the rows.
ASIDE, TILT = 40, 45
WITHIN = f"turned <= {ASIDE} and tilted <= {TILT} degrees"
TEACHERS = {"yunet": "face_detection_yunet_2023mar.onnx", "blazeface": "blazeface_short_range.tflite"}
Row = dict[str, float]


def box_of(face: Sequence[float], scale: float = 1.0) -> Box:
    """The square of a face in a table of scenes."""
    x, y, half = face[0] * scale, face[1] * scale, face[2] * scale / 2
    return Box(x - half, y - half, x + half, y + half)


class Count:
    """Faces found of those there are, and boxes that are none."""

    def __init__(self) -> None:
        self.pictures = self.there = self.found = self.false = 0

    def add(self, boxes: Sequence[Box], faces: Sequence[Box], unsure: Sequence[Box] = ()) -> None:
        self.pictures += 1
        self.there += len(faces)
        self.found += sum(any(iou(box, face) >= FOUND for box in boxes) for face in faces)
        every = (*faces, *unsure)
        self.false += sum(all(iou(box, face) < FALSE for face in every) for box in boxes)

    def row(self) -> Row:
        recall = self.found / self.there if self.there else float("nan")
        return {
            "pictures": self.pictures,
            "faces": self.there,
            "recall": recall,
            "false": self.false,
            "false per 100": 100 * self.false / max(self.pictures, 1),
        }


def sure(detector: Detector, grey: np.ndarray) -> list[Box]:
    """The faces that a film's frame gives, as the tracker takes them: sure at once, or likely in two looks."""
    boxes, levels = [], detector.levels
    faint = isinstance(detector, Examiner)
    for face in detector.detect(grey, faint=True) if faint else detector.detect(grey):
        worth = faint or face.score >= levels.likely
        look = borne_out(detector, grey, face) if worth and face.score < levels.sure else None
        if face.score >= levels.sure or look is not None:
            boxes.append(face.box)
    return boxes


def clips(detectors: dict[str, Detector], every: int) -> dict[str, Row]:
    """Frames of the shared films in which Haar and YuNet agree; false faces are counted in all of them."""
    counts = {name: Count() for name in detectors}
    for path in sorted((DATA / "videos").glob("*.m*")):
        for frame in frames_of(str(path))[::every]:
            seen = {name: sure(detector, frame.grey) for name, detector in detectors.items()}
            agreed = [box for box in seen["haar"] if any(iou(box, other) >= FOUND for other in seen["yunet"])]
            either = seen["haar"] + [face.box for face in detectors["yunet"].detect(frame.grey)]
            for name, boxes in seen.items():
                counts[name].add(boxes, agreed, either)
    return {name: count.row() for name, count in counts.items()}


def composed(
    detectors: dict[str, Detector], teacher: Detector, sources: material.Sources, number: int, plain: bool
) -> dict[str, Row]:
    """Scenes of faces and backgrounds kept from training, as VGA frames: plain ones, or spoilt as in training.

    A photograph may show faces that nobody noted: a box is not false where the teacher sees one.

    Returns:
        Of each detector a row of all faces, and one of those turned and tilted no further than ASIDE and TILT.
    """
    counts = {name: Count() for name in detectors}
    ahead = {f"{name}, {WITHIN}": Count() for name in detectors}
    composer = scenes.Composer(sources, seed=77, plain=plain, tilt=TILT)
    least = 60 / ENLARGED
    for _ in range(number):
        scene = composer.scene()
        shown = cv2.resize(scene.image, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
        judged = scene.faces[(scene.faces[:, 13] == 1) & (scene.faces[:, 2] >= least)]
        faces = [box_of(face, ENLARGED) for face in judged]
        within = (yaw(judged) <= ASIDE) & (tilt(judged) <= TILT)
        others = [box_of(face, ENLARGED) for face in scene.faces if face[13] >= 0]
        for name, detector in detectors.items():
            boxes = sure(detector, shown)
            strange = [box for box in boxes if all(iou(box, face) < FALSE for face in (*faces, *others))]
            looks = [teacher.look(shown, box) for box in strange]
            seen = [look.box for look in looks if look is not None and look.score >= teacher.levels.likely]
            counts[name].add(boxes, faces, [*others, *seen])
            of_these = [face for face, chosen in zip(faces, within, strict=True) if chosen]
            ahead[f"{name}, {WITHIN}"].add(boxes, of_these, [*faces, *others, *seen])
    return {name: count.row() for name, count in (counts | ahead).items()}


def yaw(faces: np.ndarray) -> np.ndarray:
    """How far heads are turned aside, degrees: of faces (n, 14).

    Of a head turned by so many degrees the nose, half an eye distance before them, moves by 0.6 of the sine.
    """
    return np.degrees(np.arcsin(np.clip(np.abs(material.aside(faces)) / 0.6, 0, 0.99)))


def tilt(faces: np.ndarray) -> np.ndarray:
    """How far heads are tilted, degrees: of faces (n, 14)."""
    eyes = faces[:, 5:7] - faces[:, 3:5]
    return np.abs(np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0])))


def portraits(detectors: dict[str, Detector], sources: material.Sources, number: int) -> dict[str, dict[str, Row]]:
    """Single photographs turned in their plane, and those of heads turned aside, at 90 to 130 pixels in VGA."""
    rows: dict[str, dict[str, Row]] = {}
    rng = np.random.default_rng(5)
    turned = yaw(np.stack([faces[0] for faces in sources.faces]))
    sets = {f"turned {degrees:+}": (degrees, np.arange(len(turned))) for degrees in (-45, -30, -15, 0, 15, 30, 45)}
    sets |= {
        f"yaw {low}-{high}": (0, np.flatnonzero((turned >= low) & (turned < high)))
        for low, high in ((20, 30), (30, 40))
    }
    sets["yaw over 40"] = (0, np.flatnonzero(turned >= 40))
    for title, (degrees, chosen) in sets.items():
        counts = {name: Count() for name in detectors}
        for index in rng.permutation(chosen)[:number]:
            image, face = sources.levels[index][0], sources.faces[index][0]
            scale = rng.uniform(90, 130) / face[2]
            turn = cv2.getRotationMatrix2D((float(face[0]), float(face[1])), degrees, scale)
            turn[:, 2] += (320 - face[0], 240 - face[1])
            background = sources.backgrounds[rng.integers(len(sources.backgrounds))]
            frame = cv2.resize(background[:360, :480], (640, 480))
            flags = cv2.INTER_LINEAR
            part = cv2.warpAffine(np.full(image.shape, 255, np.uint8), turn, (640, 480), flags=flags) > 127
            frame = np.where(part, cv2.warpAffine(image, turn, (640, 480), flags=flags), frame)
            box = box_of((320, 240, face[2] * scale))
            for name, detector in detectors.items():
                counts[name].add(sure(detector, frame), [box])
        rows[title] = {name: count.row() for name, count in counts.items()}
    return rows


def stills(detectors: dict[str, Detector], sources: material.Sources, number: int) -> dict[str, Row]:
    """Pictures of 3840x2160 with 60 faces of 36 to 300 pixels, each read as a photograph."""
    counts = {name: Count() for name in detectors}
    rng = np.random.default_rng(6)
    for _ in range(number):
        background = sources.backgrounds[rng.integers(len(sources.backgrounds))]
        canvas = cv2.resize(background, (3840, 2160), interpolation=cv2.INTER_CUBIC)
        faces = []
        for cell in rng.permutation(10 * 6):  # one in each cell of a grid, so that none covers another
            index = int(rng.integers(len(sources.levels)))
            image, face = sources.levels[index][0], sources.faces[index][0]
            side = float(np.exp(rng.uniform(np.log(36), np.log(180))))
            scale = min(side / face[2], 350 / max(image.shape))
            size = tuple(max(1, round(n * scale)) for n in image.shape[::-1])
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
            x = int(cell % 10 * 384 + rng.integers(0, 384 - size[0] + 1))
            y = int(cell // 10 * 360 + rng.integers(0, 360 - size[1] + 1))
            canvas[y : y + size[1], x : x + size[0]] = small
            faces.append(box_of((x + face[0] * scale, y + face[1] * scale, face[2] * scale)))
        for name, detector in detectors.items():
            counts[name].add([look.box for look in find_faces(detector, canvas, 30)], faces)
    return {name: count.row() for name, count in counts.items()}


def empty(detectors: dict[str, Detector], pictures: Sequence[np.ndarray]) -> dict[str, dict[str, float]]:
    """False faces in pictures without any, read as photographs."""
    rows = {}
    pixels = sum(picture.size for picture in pictures) / 1e6
    for name, detector in detectors.items():
        false = sum(len(find_faces(detector, picture, 30)) for picture in pictures)
        rows[name] = {"pictures": len(pictures), "megapixels": pixels, "false": false}
    return rows


def times(detectors: dict[str, Detector], frame: np.ndarray, rounds: int) -> dict[str, Row]:
    """Milliseconds from a VGA frame to boxes, in turns: each peer on one view of the whole frame."""
    yunet = cv2.FaceDetectorYN.create(str(DATA / "teachers" / TEACHERS["yunet"]), "", (160, 120), 0.6)

    def at_160() -> object:
        return yunet.detect(
            cv2.cvtColor(cv2.resize(frame, (160, 120), interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
        )

    runs: dict[str, Callable[[], object]] = {
        "edgefer": lambda: detectors["edgefer"].detect(frame),
        "blazeface": lambda: detectors["blazeface one view"].detect(frame),
        "yunet 160": at_160,
        "haar": lambda: detectors["haar"].detect(frame),
        "resize": lambda: kernels.crop_resize(frame, (0, 0, 640, 480), (120, 160)),
    }
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            spent[name].append((time.perf_counter() - began) * 1e3)
    ours = spent["edgefer"]
    return {
        name: {
            "p50 ms": float(np.median(each)),
            "least ms": min(each),
            "edgefer / it, p50": float(np.median(ours) / np.median(each)),
            "edgefer / it, least": min(ours) / min(each),
        }
        for name, each in spent.items()
    }


def opened(folder: Path, **options: int) -> dict[str, Detector]:
    """Every detector."""
    found: dict[str, Detector] = {
        "edgefer": open_detector("edgefer", **options),
        "haar": open_detector("haar", **options),
    }
    for kind, file in TEACHERS.items():
        if not (folder / kind).exists():
            pack(
                DATA / "teachers" / file, folder / kind, DETECTORS.find(kind), name=kind, licence="as its authors state"
            )
        found[kind] = open_detector(f"{kind}:{folder / kind}", **options)
    return found


def kept_sources(labels: Path, folders: Sequence[Path]) -> material.Sources:
    """Photographs and pictures that training did not see; each photograph is taken as often as any other."""
    faces = material.part(load(labels, "photographs"), kept=True)
    pictures = [image for index, image in enumerate(material.backgrounds(folders).values()) if index % 4 == 1]
    kept = material.sources([faces], pictures)
    return kept._replace(upto=np.arange(1, len(kept.levels) + 1) / len(kept.levels))


def shown(title: str, rows: dict[str, dict[str, float]]) -> str:
    """One table."""
    header = ["detector", *next(iter(rows.values()))]
    body = [[name, *(f"{value:.4g}" for value in row.values())] for name, row in rows.items()]
    return f"\n{title}\n\n{table(header, body)}"


PARTS = ("clips", "composed", "portraits", "stills", "empty", "times")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, help="directory with the noted faces; without it only clips and times")
    parser.add_argument("--backgrounds", type=Path, nargs="*", default=[], help="folders of pictures without faces")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--detectors", nargs="*", help="of edgefer, haar, yunet, blazeface; default: all")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--every", type=int, default=1, help="of the clips' frames take one in so many")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    if not (DATA / "teachers").is_dir():
        print("detectors: no teachers; set EDGEFER_DATA to the shared data", file=sys.stderr)
        return 3
    cv2.setNumThreads(1)
    parts = [part for part in options.only if options.labels or part in ("clips", "times")]
    results: dict[str, object] = {"machine": machine()}
    sources = kept_sources(options.labels, options.backgrounds) if options.labels else None
    with tempfile.TemporaryDirectory() as folder:
        every = opened(Path(folder))
        chosen = {name: every[name] for name in options.detectors or every}
        for part in parts:
            if part == "clips":
                results[part] = clips(every, options.every)
            elif part == "times":
                frame = frames_of(str(DATA / "videos" / "asl_yes.mkv"), 20)[-1].grey
                large = open_detector(f"blazeface:{Path(folder) / 'blazeface'}", min_face_px=100)
                results[part] = times({**every, "blazeface one view": large}, frame, 200)
            elif part == "composed" and sources:
                results["composed, plain"] = composed(chosen, every["yunet"], sources, options.scenes, plain=True)
                results["composed, spoilt and covered"] = composed(
                    chosen, every["yunet"], sources, options.scenes, plain=False
                )
            elif part == "portraits" and sources:
                for title, rows in portraits(chosen, sources, options.scenes // 2).items():
                    results[title] = rows
            elif part == "stills" and sources:
                results[part] = stills(chosen, sources, 3)
            elif part == "empty" and sources:
                results[part] = empty(chosen, sources.backgrounds)
    for title, rows in results.items():
        if title != "machine":
            print(shown(title, rows), flush=True)  # type: ignore[arg-type]
    print(f"\n{results['machine']}; faces in photographs that the teacher is sure of ({SURE} and more)")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
