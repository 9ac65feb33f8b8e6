"""Films of moving faces as the runtime's clip recognizer would crop them, with the truth of every frame.

Their rate is that of a window, so that ten frames that follow each other are a clip. Whatever is learnt from them is
*synthetic*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from edgefer import kernels
from edgefer.errors import UsageError
from edgefer.support.atomic import write_bytes
from edgefer.train.data.synthetic import films, script, units
from edgefer.train.data.synthetic.drawn import drawn
from edgefer.train.data.synthetic.script import Camera, Event
from edgefer.train.data.synthetic.warp import Face, Identity

SIDE, RATE_HZ, SECONDS = 48, 10.0, 6.0
#: Side of the rendered frames, pixels, and what they show in parts of the square round the points.
RENDERED, ROOM = 96, 1.3
#: A detector's box about a face, in eye distances: its side, and how far its middle lies below that of the eyes:
#: medians over FER-2013, which is framed as the detector's boxes are. How far both vary from film to film, and from
#: frame to frame.
BOX_SIDE, BOX_BELOW = 1.92, 0.21
FILM_SIZE, FILM_SHIFT = 0.10, 0.06
FRAME_SIZE, FRAME_SHIFT = 0.008, 0.008
#: Of films in which the detector moves the box at once, and by how much.
SEATED, SEAT_SIZE, SEAT_SHIFT = 0.4, 0.05, 0.05
BLINKS_A_MINUTE = 15.0
GAP_S = (0.3, 1.6)
_NAMES = tuple(name for name in units.EXPRESSIONS if name != "neutral")


@dataclass(frozen=True)
class Films:
    """What `write` writes and `read` reads; N films of T frames.

    Attributes:
        frames: uint8 (N, T, SIDE, SIDE), crops.
        expression: int8 (N, T), index in FERPLUS8.
        share: float32 (N, T), of the event that goes on, what part of its strength is shown; 0 between events.
        event: int8 (N, T), which event goes on; -1: none.
        strength: float32 (N, T), that of the event, in parts of full intensity.
        identity: int32 (N,), whose face; none is in two parts. real: bool (N,), whether it is a photograph's.
    """

    frames: np.ndarray
    expression: np.ndarray
    share: np.ndarray
    event: np.ndarray
    strength: np.ndarray
    identity: np.ndarray
    real: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)


def identities(data: Path, labels: Path, part: str, most: int, people: int) -> tuple[list[Identity], int]:
    """So many photographs of a part at most, and after them so many faces drawn for it alone; how many photographs."""
    from edgefer.train.data.synthetic.identities import PARTS, photographs

    real = photographs(data, labels, part)[:most]
    first = 1_000_000 * (1 + PARTS.index(part))
    return [*real, *(drawn(first + number) for number in range(people))], len(real)


def write(out: Path, faces: Sequence[Identity], real: int, each: int, seed: int) -> int:
    """Takes `each` films of each face and writes them to a directory; returns how many.

    Args:
        real: how many of the faces, the first ones, are photographs.
    """
    count, length = each * len(faces), round(SECONDS * RATE_HZ)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("done", "features.npy"):  # of other films that were there
        (out / name).unlink(missing_ok=True)
    shape = (count, length, SIDE, SIDE)
    frames = np.lib.format.open_memmap(out / "frames.npy", "w+", np.uint8, shape)
    expression, event = np.zeros((count, length), np.int8), np.full((count, length), -1, np.int8)
    share, strength = np.zeros((count, length), np.float32), np.zeros((count, length), np.float32)
    for number, identity in enumerate(faces):
        face = Face(identity, room=ROOM, seed=number)
        for take in range(each):
            row = number * each + take
            rng = np.random.default_rng((seed, number, take))
            events = script_of(rng)
            camera = Camera(
                sway=float(rng.uniform(0.2, 1.5)),
                light=float(rng.uniform(0.2, 1.3)),
                noise=float(rng.uniform(1, 6)),
                quality=int(rng.integers(35, 80)),
            )
            taken = films.film(
                face, events, SECONDS, RATE_HZ, RENDERED, int(rng.integers(1 << 31)), camera, BLINKS_A_MINUTE
            )
            frames[row] = cropped(taken.frames, taken.landmarks, rng)
            expression[row] = taken.expression
            for index, each_event in enumerate(events):
                shown = each_event.share(taken.t_s)
                going = shown > 0
                share[row, going], event[row, going] = shown[going], index
                strength[row, going] = max(each_event.units.values()) / units.FULL
    frames.flush()
    who = np.repeat(np.arange(len(faces), dtype=np.int32), each)
    known = {"expression": expression, "share": share, "event": event, "strength": strength}
    known |= {"identity": who, "real": who < real}
    np.savez(out / "truth.npz", **known)  # type: ignore[arg-type]  # the stub takes an array for allow_pickle
    write_bytes(out / "done", b"")
    return count


def read(path: Path) -> Films:
    """Raises: UsageError: they are not there, or not whole."""
    if not (path / "done").is_file():
        raise UsageError(f"{path}: holds no films, or not all; make them with `python -m edgefer.train.clips films`")
    truth = np.load(path / "truth.npz")
    names = [field.name for field in fields(Films) if field.name != "frames"]
    return Films(np.load(path / "frames.npy", mmap_mode="r"), **{name: truth[name] for name in names})


def script_of(rng: np.random.Generator) -> list[Event]:
    """Expressions one after the other, with pauses between them, until a film is over."""
    events, t = [], float(rng.uniform(0, 1.2))
    while t < SECONDS - 0.5:
        events.append(script.event(rng, t, str(rng.choice(_NAMES))))
        t = events[-1].offset_s + float(rng.uniform(*GAP_S))
    return events


def cropped(frames: np.ndarray, landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The crops of a film that a tracker's boxes would cut: uint8 (T, SIDE, SIDE); every other film is mirrored."""
    count = len(frames)
    eyes = landmarks[:, [36, 45]].mean(axis=1)
    apart = float(np.median(np.linalg.norm(landmarks[:, 45] - landmarks[:, 36], axis=1)))
    size = np.exp(rng.normal(0, FILM_SIZE) + rng.normal(0, FRAME_SIZE, count))
    shift = rng.normal(0, FILM_SHIFT, 2) + rng.normal(0, FRAME_SHIFT, (count, 2))
    if rng.random() < SEATED:
        at = int(rng.integers(count))
        size[at:] *= np.exp(rng.normal(0, SEAT_SIZE))
        shift[at:] += rng.normal(0, SEAT_SHIFT, 2)
    middle = eyes + apart * (shift + [0, BOX_BELOW])
    half = apart * BOX_SIDE * size / 2
    boxes = np.column_stack([middle - half[:, None], middle + half[:, None]])
    crops = np.stack(
        [
            kernels.crop_resize(frame, tuple(box), (SIDE, SIDE))
            for frame, box in zip(frames, boxes.tolist(), strict=True)
        ]
    )
    return crops[:, :, ::-1] if rng.random() < 0.5 else crops
