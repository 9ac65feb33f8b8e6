"""Trees like CK+'s and Oulu-CASIA's, of faces that we make: films from neutral to the peak of an expression.

So readers, protocols and trainings run as they do on those sets, which cannot be given away. Their figures are
synthetic: a file `MARK` in each tree says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edgefer.measure.datasets.ckplus import EMOTIONS, IMAGES
from edgefer.support.atomic import write_bytes
from edgefer.train.data.synthetic import units
from edgefer.train.data.synthetic.films import Film, film
from edgefer.train.data.synthetic.script import Camera, Event
from edgefer.train.data.synthetic.warp import Face, Identity

#: File of a tree that says that its faces are made; what is measured on it is called synthetic.
MARK = "SYNTHETIC"
#: Frames of a film, and strength of its peak in parts of full intensity.
FRAMES, STRENGTH = (8, 24), (0.6, 1.0)
#: A studio: little sway, light and noise, no compression.
STUDIO = Camera(0.4, 0.4, 0.005, 2.0, 0)
#: Another room: its camera moves and compresses more.
ROOM = Camera(0.8, 0.8, 0.01, 4.0, 70)
#: Frames a second of the two sets.
CKPLUS_FPS, OULU_FPS = 30, 25


def write_ckplus(root: Path, identities: Sequence[Identity], side: int = 128, seed: int = 0) -> int:
    """Write a film of each expression for each face; subjects are S001, S002, … in their order.

    Returns:
        The number of films.
    """
    written = 0
    for number, place, event, taken in _films(identities, CKPLUS_FPS, side, seed, STUDIO):
        folder, stem = f"S{number:03d}/{place:03d}", f"S{number:03d}_{place:03d}"
        for index, (frame, points) in enumerate(zip(taken.frames, taken.landmarks, strict=True), start=1):
            _write(root / IMAGES / folder / f"{stem}_{index:08d}.png", cv2.imencode(".png", frame)[1].tobytes())
            lines = "".join(f"   {x:.7e}   {y:.7e}\n" for x, y in points)
            _write(root / "Landmarks" / folder / f"{stem}_{index:08d}_landmarks.txt", lines.encode())
        peak, emotion = f"{stem}_{len(taken.frames):08d}", EMOTIONS.index(event.expression)
        _write(root / "Emotion" / folder / f"{peak}_emotion.txt", f"   {emotion:.7e}\n".encode())
        codes = "".join(f"   {unit:.7e}   {max(1, round(value)):.7e}\n" for unit, value in event.units.items())
        _write(root / "FACS" / folder / f"{peak}_facs.txt", codes.encode())
        written += 1
    _mark(root)
    return written


def write_oulu(root: Path, identities: Sequence[Identity], side: int = 128, seed: int = 0) -> int:
    """Write the same as Oulu-CASIA's camera VL in strong light; subjects are P001, P002, … in their order.

    Returns:
        The number of films.
    """
    written = 0
    for number, _, event, taken in _films(identities, OULU_FPS, side, seed, ROOM):
        folder = root / "OriginalImg/VL/Strong" / f"P{number:03d}" / event.expression.capitalize()
        for index, frame in enumerate(taken.frames):
            _write(folder / f"{index:03d}.jpeg", cv2.imencode(".jpeg", frame)[1].tobytes())
        written += 1
    _mark(root)
    return written


def _films(
    identities: Sequence[Identity], fps: int, side: int, seed: int, camera: Camera
) -> Iterator[tuple[int, int, Event, Film]]:
    """Films of each expression for each face: number of the face and of the expression, from 1, and what is shown."""
    names = [name for name in units.EXPRESSIONS if name != "neutral"]
    for number, identity in enumerate(identities, start=1):
        face = Face(identity, room=1.3, seed=number)
        for place, name in enumerate(names, start=1):
            rng = np.random.default_rng((seed, number, place))
            count = int(rng.integers(FRAMES[0], FRAMES[1] + 1))
            full = units.combination(name, units.FULL * float(rng.uniform(*STRENGTH)))
            shown = {unit: float(value) for unit, value in zip(units.UNITS, full, strict=True) if value}
            end = (count - 1) / fps
            event = Event(0.0, end, end + 1, shown, name)
            yield number, place, event, film(face, [event], count / fps, fps, side, int(rng.integers(1 << 31)), camera)


def _mark(root: Path) -> None:
    _write(root / MARK, b"These faces are made, by python -m edgefer.train.data.synthetic.\n")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)
