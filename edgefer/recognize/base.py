"""What every recognizer is: faces in, observations out; it owns what it remembers of a face."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from msgspec import Struct, field

from edgefer.defaults import MODEL
from edgefer.errors import ExpressionError
from edgefer.values import Event, Face, Frame


class Needs(NamedTuple):
    """What a recognizer has to be given.

    Attributes:
        landmarks: faces come with their landmarks and pose.
        colour: frames come with their colours.
        window_s: length of the window it judges, s of media time; 0 where it judges single frames. A kind
            with a window cannot read photographs.
        rate_hz: frames a second its window is made of; 0 where any rate will do.
        min_face_px: smallest face it can judge, side in pixels of the source.
    """

    landmarks: bool = False
    colour: bool = False
    window_s: float = 0.0
    rate_hz: float = 0.0
    min_face_px: float = 0.0


class Observation(Struct):
    """What a recognizer says of one face.

    Attributes:
        scores: float32, shape (number of labels,), summing to 1; not smoothed.
        spent_ns: time by stage, of "preprocess" and "infer".
        sketch: uint8, shape (H, W), the emotion sketch that was judged, for pictures; None where there is none.
        points: float32, shape (N, 2), the points that were judged, pixels of the source; None where there are none.
        units: float32, shape (2, number of units), of action units their intensities, 0 to 5, and the probabilities
            that they show; not smoothed; None where the model gives none.
    """

    scores: np.ndarray
    spent_ns: dict[str, int] = field(default_factory=dict)
    sketch: np.ndarray | None = None
    points: np.ndarray | None = None
    units: np.ndarray | None = None


class Refused(Struct):
    """What a recognizer says of a face that it cannot judge, though the gate lets it pass.

    Attributes:
        reason: what it lacks, one word of values.LACKING, which stands among the reasons of the reading.
    """

    reason: str


class Recognizer(Protocol):
    """What the pipeline needs of a recognizer, whatever its kind.

    Attributes:
        name: of the model.
        labels: in the order of the scores; empty for a model that gives no expression.
        needs: what it has to be given.
    """

    name: str
    labels: tuple[str, ...]
    needs: Needs

    def observe(self, frame: Frame, face: Face) -> Observation | Refused | None:
        """Judges a face in the next frame; None while there is nothing to say, as with half a window."""

    def forget(self, tracks: Collection[int]) -> None:
        """Drops what is kept of faces that will not come back."""


class UnitRecognizer(Recognizer, Protocol):
    """A recognizer of action units.

    Attributes:
        units: their names, in the order of an observation's.
    """

    units: tuple[str, ...]


def unit_names(recognizer: Recognizer) -> tuple[str, ...]:
    """The action units that a recognizer gives; empty for most."""
    return tuple(getattr(recognizer, "units", ()))


def require_expression(recognizers: Sequence[Recognizer]) -> None:
    """One of the models must give an expression: every reading has one.

    Raises:
        ExpressionError: none does.
    """
    if not any(recognizer.labels for recognizer in recognizers):
        name = recognizers[0].name
        raise ExpressionError(
            f"model {name} gives no expression; put one that does beside it: --model {MODEL} --model {name}"
        )


class WindowedRecognizer(Recognizer, Protocol):
    """A recognizer with `needs.window_s` above 0: it also sees the frames in which a face is not judged."""

    def gather(self, frame: Frame, face: Face) -> None:
        """Takes a frame in which the face is not judged, so that its window has no gap."""


@runtime_checkable
class RememberingRecognizer(Protocol):
    """A recognizer that keeps something of each face."""

    def another(self) -> Recognizer:
        """One for another film, with a memory of its own; the networks are shared."""


@runtime_checkable
class EventRecognizer(Protocol):
    """A recognizer that also tells of events, some time after they are over."""

    def spotted(self, media_ns: int, last: bool) -> list[Event]:
        """Events since this was asked last, each once; it is asked after every frame of a film.

        Args:
            media_ns: of the frame. last: whether none follows it, so that nothing may be kept back.
        """
