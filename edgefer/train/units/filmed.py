"""A model of the kind `units` in films, fed frame by frame: it finds out by itself how a face looks at rest.

A film begins with frames at rest; then pictures with units, and after each a frame at rest, or none. The pictures are
judged, drawn as those of `material` are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefer.errors import UsageError
from edgefer.geometry import Box
from edgefer.landmarks.network import open_network
from edgefer.measure.agreement import Agreement, agreement, always_zero, table
from edgefer.recognize.units import UnitsRecognizer
from edgefer.recognize.windows import NS
from edgefer.support.progress import progress_bar
from edgefer.train.data.synthetic import identities
from edgefer.train.data.synthetic.script import Camera
from edgefer.train.data.synthetic.warp import Face
from edgefer.train.units import shots
from edgefer.train.units.material import looked
from edgefer.values import Face as Seen
from edgefer.values import Frame, Quality

#: Distances of the outer corners of the eyes, pixels of the frames, between which figures stand by themselves.
SIZES_PX = (0, 50, 70, 1000)
#: A camera before which heads turn by six degrees, as heads, where they otherwise turn by three, as planes.
TURNING = Camera(sway=2.0, depth=1.0)
DATA = (
    "films of people who are not in training: photographs at rest, warped along action units at any strength, with "
    "sway, light, noise and compression; a face at rest is found by the recognizer itself"
)


@dataclass(frozen=True)
class Read:
    """What a model said of the pictures in films.

    Attributes:
        truth: float32 (N, units). said, alone: float32 (N, 2, units), as it does in a film, and of each picture alone.
        eyes_px: float32 (N,), distance of the outer corners of the eyes. people: that were filmed.
    """

    truth: np.ndarray
    said: np.ndarray
    alone: np.ndarray
    eyes_px: np.ndarray
    people: int

    def agreement(self, names: tuple[str, ...], of: np.ndarray | None = None, alone: bool = False) -> list[Agreement]:
        """With the truth, of some of the pictures."""
        chosen = slice(None) if of is None else of
        said = (self.alone if alone else self.said)[chosen]
        return agreement(names, self.truth[chosen], said[:, 1] >= 0.5, said[:, 0])


def read_all(model: UnitsRecognizer, data: Path, labels: Path, part: str) -> tuple[Read, dict[str, Read]]:
    """Films as `read` gives them, and others that are harder, by their names."""
    return read(model, data, labels, part), {
        "no rest between pictures": read(model, data, labels, part, between=0),
        "heads that turn twice as far, and are no planes": read(model, data, labels, part, camera=TURNING),
    }


def read(
    model: UnitsRecognizer,
    data: Path,
    labels: Path,
    part: str,
    between: int = 1,
    camera: Camera | None = None,
    seed: int = 1,
) -> Read:
    """Films of all people of a part, one each, as a model reads them.

    Args:
        labels: directory with `faces.npz`, which `edgefer.train.teachers` writes.
        between: frames at rest after each picture.

    Raises:
        UsageError: a face of a film was not found.
    """
    network, truth, said, alone, eyes = open_network(), [], [], [], []
    people = identities.photographs(data, labels, part)
    for number, identity in enumerate(progress_bar(people, f"films, {part}")):
        rng = np.random.default_rng((seed, 23, identities.PARTS.index(part), number))
        taken = shots.film(Face(identity, seed=number), rng, shots.PICTURES[part], camera or Camera(), between)
        size = float(np.linalg.norm(taken.landmarks[0, 45] - taken.landmarks[0, 36]))
        for at, (grey, t_s) in enumerate(zip(taken.frames, taken.t_s.tolist(), strict=True)):
            side = grey.shape[0]
            points = looked(grey, taken.landmarks[at], network, rng)
            seen = Seen(number, Box(0, 0, side, side), Quality(side, 1, 100), landmarks=points)
            judged = model.observe(Frame(at, grey, round(t_s * NS), 0), seen)
            if (at - shots.QUIET) % (1 + between) or at < shots.QUIET:
                continue
            crop = model.crop(grey, points)
            if judged is None or judged.units is None or crop is None:
                raise UsageError(f"{identity.name}: its face was not found in a film of it")
            truth.append(taken.units[at])
            said.append(judged.units)
            alone.append(model.judge(crop))
            eyes.append(size)
        model.forget([number])
    return Read(np.stack(truth), np.stack(said), np.stack(alone), np.array(eyes, np.float32), len(people))


def words(names: tuple[str, ...], found: Read, others: dict[str, Read]) -> str:
    """Tables: by unit, and the means: of the network of one picture, by size of face, and of other films."""
    rows = found.agreement(names)
    lines = [table(rows, always_zero(names, found.truth)), "", "| mean of the units | pictures | F1 | ICC(3,1) | MSE |"]
    lines.append("|---|---:|---:|---:|---:|")

    def line(what: str, row: Agreement) -> str:
        return f"| {what} | {row.rows} | {row.f1:.3f} | {row.icc:.3f} | {row.mse:.3f} |"

    lines.append(line("against the face at rest", rows[-1]))
    lines.append(line("the same pictures, each alone", found.agreement(names, alone=True)[-1]))
    for low, high in zip(SIZES_PX, SIZES_PX[1:], strict=False):
        of = (found.eyes_px >= low) & (found.eyes_px < high)
        if of.sum() > 1:
            size = f"below {high}" if not low else f"{low} and more" if high == SIZES_PX[-1] else f"{low} to {high}"
            lines.append(line(f"eyes {size} pixels apart", found.agreement(names, of)[-1]))
    lines += [line(what, other.agreement(names)[-1]) for what, other in others.items()]
    return "\n".join(lines)
