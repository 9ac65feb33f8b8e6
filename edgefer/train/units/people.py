"""A model of the kind `units` on films of people, beside what the teacher says of the same frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefer.detect import open_detector
from edgefer.landmarks.follow import Follower
from edgefer.landmarks.network import open_network
from edgefer.measure.agreement import pcc
from edgefer.recognize.rest import FIRST_S
from edgefer.recognize.units import UnitsRecognizer
from edgefer.recognize.windows import NS
from edgefer.sources import open_source
from edgefer.support.progress import progress_bar
from edgefer.track import Tracker
from edgefer.train.units.fit import NAMES, SURE_UNITS
from edgefer.train.units.teacher import BlendshapeTeacher, intensities

#: Film after a face was first seen from which its frames count, s: a little more than until it is known at rest.
KNOWN_S = FIRST_S + 0.1
ENDINGS = (".mkv", ".mov", ".mp4")


@dataclass(frozen=True)
class Told:
    """Of the frames in which a face at rest is known, float32 (N, units).

    Attributes:
        teacher, film, alone: intensities of the teacher, of the model as it reads a film, and of each frame alone.
    """

    teacher: np.ndarray
    film: np.ndarray
    alone: np.ndarray
    films: int


def told(model: UnitsRecognizer, data: Path) -> Told | None:
    """All films in `videos` of the data; None where there is none."""
    paths = sorted(path for path in (data / "videos").glob("*") if path.suffix in ENDINGS)
    detector, landmarks, teacher = open_detector(min_face_px=48), Follower(open_network()), BlendshapeTeacher(data)
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for path in progress_bar(paths, "films of people"):
        tracker, marks, first_ns = Tracker(detector), landmarks.another(), dict[int, int]()
        with open_source(path) as source:
            while (frame := source.read()) is not None:
                for face in tracker.update(frame):
                    found = marks.find(frame, face)
                    if found is None:
                        tracker.doubt(face.track)
                        continue
                    if found.box is not None:
                        face.box = tracker.reseat(frame, face.track, found.box)
                    points = face.landmarks = found.points
                    if face.quality.reasons:
                        continue
                    said, crop = model.observe(frame, face), model.crop(frame.grey, points)
                    since = frame.media_ns - first_ns.setdefault(face.track, frame.media_ns)
                    if said is None or said.units is None or crop is None or since < KNOWN_S * NS:
                        continue
                    coefficients = teacher.coefficients(frame.grey, points.astype(np.float64))
                    truth = intensities(coefficients[None], teacher.names, points[None])[0]
                    rows.append((truth, said.units[0], model.judge(crop)[0]))
        model.forget(list(first_ns))
    if not rows:
        return None
    truth, film, alone = (np.stack(each) for each in zip(*rows, strict=True))
    return Told(truth, film, alone, len(paths))


def words(found: Told) -> str:
    """A table of correlations, for the units of which the teacher is believed."""
    lines = [
        f"Real: {found.films} films, {len(found.teacher)} frames in which a face at rest is known; correlation with "
        "the teacher's.",
        "",
        "| unit | in a film | each frame alone | mean of the teacher | in a film | alone |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for unit in SURE_UNITS:
        column = NAMES.index(f"AU{unit}")
        truth, film, alone = (each[:, column] for each in (found.teacher, found.film, found.alone))
        lines.append(
            f"| AU{unit} | {pcc(truth, film):.3f} | {pcc(truth, alone):.3f} | {truth.mean():.2f} | {film.mean():.2f} | "
            f"{alone.mean():.2f} |"
        )
    return "\n".join(lines)
