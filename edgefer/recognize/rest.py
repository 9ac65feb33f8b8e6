"""How each face looks at rest: what most of its calmer crops show, over all of its track so far.

Crops are taken in media time, the more seldom the longer a face is known, so that they are spread over its whole track
whatever the frame rate; where one of two neighbours must go, the calmer stays. Of these the calmer half counts, and of
each pixel the median; then the half that is nearest to that: a blink, a word or a smile that passes leaves no trace. A
face that never rests has its commonest look for rest.

How calm a crop is two networks say: that of one picture, which knows a smile whoever smiles, and, once a face at rest
is known, that of the face against it, which sees smaller movements. Since the face at rest may prove another, one
of the crops is judged against it again with each that comes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np

from edgefer.preprocess import pairs
from edgefer.recognize.windows import NS

#: Time between crops at first; how many are kept at most, then every second one goes and the time doubles; how many
#: crops and how much time it takes until a face at rest is known; faces that are kept at most.
EVERY_S, MOST, FEWEST, FIRST_S, TRACKS = 0.125, 16, 5, 1.0, 32
#: What the movement against the face at rest counts beside that of one picture. With more of it smaller movements are
#: told apart, and a smile that was taken for rest stays so for longer.
AGAINST = 0.25


@dataclass
class _Track:
    """Crops of one face.

    Attributes:
        every_ns: time between them. times_ns, crops: of those that are kept, oldest first.
        alone, against: how far each is from rest by itself, and against the face at rest; 0 while that is not known.
        judged: crops that were judged again. rest: made of them; None while there are too few.
    """

    every_ns: int = round(EVERY_S * NS)
    times_ns: list[int] = field(default_factory=list)
    crops: list[np.ndarray] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    against: list[float] = field(default_factory=list)
    judged: int = 0
    rest: pairs.Rest | None = None


class Rests:
    """The faces at rest of those that were seen last.

    Args:
        moved: how far a crop is from a face at rest, on the scale of what `add` is given.
    """

    def __init__(self, moved: Callable[[pairs.Rest, np.ndarray], float]) -> None:
        self._moved = moved
        self._tracks: dict[int, _Track] = {}

    def due(self, track: int, media_ns: int) -> bool:
        """Whether a crop of this frame is wanted; a step back in time begins the track again."""
        kept = self._tracks.pop(track, None)
        if kept is None or (kept.times_ns and media_ns < kept.times_ns[-1]):
            kept = _Track()
        self._tracks[track] = kept  # the last to have been seen
        if len(self._tracks) > TRACKS:
            del self._tracks[next(iter(self._tracks))]
        return not kept.times_ns or media_ns - kept.times_ns[-1] >= kept.every_ns

    def add(self, track: int, media_ns: int, crop: np.ndarray, movement: float) -> None:
        """Takes a crop that is due; movement: how far the face is from rest by itself."""
        kept = self._tracks[track]
        kept.times_ns.append(media_ns)
        kept.crops.append(crop)
        kept.alone.append(movement)
        kept.against.append(0.0)
        if kept.rest is not None:
            kept.judged += 1
            for number in {len(kept.crops) - 1, kept.judged % len(kept.crops)}:
                kept.against[number] = self._moved(kept.rest, kept.crops[number])
        if len(kept.crops) > MOST:
            kept.every_ns *= 2
            # the newest stays, so that the next is due a whole step after it; of every two before it the calmer
            older = [min(pair, key=_movement(kept).__getitem__) for pair in zip(*[iter(range(MOST))] * 2, strict=True)]
            for values in (kept.times_ns, kept.crops, kept.alone, kept.against):
                values[:] = [values[number] for number in (*older, MOST)]  # type: ignore[index]
        if len(kept.crops) >= FEWEST and (kept.rest or media_ns - kept.times_ns[0] >= FIRST_S * NS):
            kept.rest = pairs.at_rest(_most_common(kept.crops, _movement(kept)))

    def of(self, track: int) -> pairs.Rest | None:
        """A face at rest; None while it is not known."""
        return self._tracks[track].rest if track in self._tracks else None

    def forget(self, tracks: Collection[int]) -> None:
        """Drops what is kept of faces that will not come back."""
        for track in tracks:
            self._tracks.pop(track, None)


def _movement(kept: _Track) -> list[float]:
    return [alone + AGAINST * against for alone, against in zip(kept.alone, kept.against, strict=True)]


def _most_common(crops: list[np.ndarray], movement: list[float]) -> np.ndarray:
    """The median of the calmer half by movement; then of the half that is nearest to it, which sees more units."""
    count = max(FEWEST, (len(crops) + 1) // 2)
    calm = np.argsort(movement, kind="stable")[:count]
    stack = np.stack(crops)
    first = pairs.middle(stack[calm])
    apart = stack.astype(np.float32) - first
    apart -= apart.mean(axis=(1, 2), keepdims=True)  # another light is no movement
    near = np.argsort(np.abs(apart).mean(axis=(1, 2)), kind="stable")[:count]
    return pairs.middle(stack[near])
