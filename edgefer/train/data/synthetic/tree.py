"""A tree like CK+'s, of faces that we make: films from neutral to the peak of an expression, with all labels.

So readers, protocols and trainings run as they do on CK+, which cannot be given away. Its figures are synthetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edgefer.measure.datasets.ckplus import EMOTIONS, IMAGES
from edgefer.support.atomic import write_bytes
from edgefer.train.data.synthetic import units
from edgefer.train.data.synthetic.films import film
from edgefer.train.data.synthetic.script import Camera, Event
from edgefer.train.data.synthetic.warp import Face, Identity

FPS = 30
#: Frames of a film, and strength of its peak in parts of full intensity.
FRAMES, STRENGTH = (8, 24), (0.6, 1.0)
#: A studio: little sway, light and noise, no compression.
STUDIO = Camera(0.4, 0.4, 0.005, 2.0, 0)


def write_ckplus(root: Path, identities: Sequence[Identity], side: int = 128, seed: int = 0) -> int:
    """Write a film of each expression for each face; subjects are S001, S002, … in their order.

    Returns:
        The number of films.
    """
    names = [name for name in units.EXPRESSIONS if name != "neutral"]
    for number, identity in enumerate(identities, start=1):
        face = Face(identity, room=1.3, seed=number)
        for place, name in enumerate(names, start=1):
            rng = np.random.default_rng((seed, number, place))
            count = int(rng.integers(FRAMES[0], FRAMES[1] + 1))
            full = units.combination(name, units.FULL * float(rng.uniform(*STRENGTH)))
            shown = {unit: float(value) for unit, value in zip(units.UNITS, full, strict=True) if value}
            end = (count - 1) / FPS
            event = Event(0.0, end, end + 1, shown, name)
            taken = film(face, [event], count / FPS, FPS, side, int(rng.integers(1 << 31)), STUDIO)
            folder, stem = f"S{number:03d}/{place:03d}", f"S{number:03d}_{place:03d}"
            for index, (frame, points) in enumerate(zip(taken.frames, taken.landmarks, strict=True), start=1):
                picture = cv2.imencode(".png", frame)[1].tobytes()
                _write(root / IMAGES / folder / f"{stem}_{index:08d}.png", picture)
                lines = "".join(f"   {x:.7e}   {y:.7e}\n" for x, y in points)
                _write(root / "Landmarks" / folder / f"{stem}_{index:08d}_landmarks.txt", lines.encode())
            peak = f"{stem}_{len(taken.frames):08d}"
            _write(root / "Emotion" / folder / f"{peak}_emotion.txt", f"   {EMOTIONS.index(name):.7e}\n".encode())
            codes = "".join(f"   {unit:.7e}   {max(1, round(value)):.7e}\n" for unit, value in shown.items())
            _write(root / "FACS" / folder / f"{peak}_facs.txt", codes.encode())
    return len(identities) * len(names)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)
