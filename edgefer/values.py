"""The values that travel the way of a frame: Frame -> Face -> FaceReading -> Reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from edgefer.geometry import Box


@dataclass(slots=True)
class Frame:
    """One image of a source.

    Attributes:
        index: position in the source, from 0; a dropped frame leaves a gap.
        grey: uint8, shape (H, W), luma, last axis contiguous; the working format.
        media_ns: time on the source's own clock, ns from its start; tracking and smoothing use it.
        captured_ns: time.monotonic_ns() at capture (the driver's, where it tells); age is measured from it.
        bgr: gives the uint8 (H, W, 3) colour image, or None where only grey exists; called only by sinks
            that need it.
    """

    index: int
    grey: np.ndarray
    media_ns: int
    captured_ns: int
    bgr: Callable[[], np.ndarray | None] | None = None


@dataclass(slots=True)
class Detection:
    """One face found in one image; score in [0, 1] where the detector gives one, else 1."""

    box: Box
    score: float = 1.0


@dataclass(slots=True)
class Quality:
    """Whether a face may be judged.

    Attributes:
        side_px: side of the face's box, pixels of the source.
        sharpness: variance of the Laplacian of the face at 64x64, smoothed once against noise, in parts of
            the variance of the face itself; 0 or more, about 0.05 in an ordinary photograph.
        brightness: mean luma of the face, 0 to 255.
        reasons: why the face is uncertain, of "small", "blurred", "turned", "dark", "bright", "occluded";
            empty when it is fit.
    """

    side_px: float
    sharpness: float
    brightness: float
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Face:
    """A face followed over time, as the tracker gives it for one frame."""

    track: int
    box: Box
    quality: Quality


@dataclass(slots=True)
class FaceReading:
    """What is read from one face in one frame.

    Attributes:
        track: identity over time, from 1.
        box: pixels of the source.
        expression: a label of the model's set, or labels.UNCERTAIN.
        confidence: smoothed score of the strongest label, 0 to 1.
        scores: smoothed score by label, summing to 1.
        quality: the measurements behind the gate.
    """

    track: int
    box: Box
    expression: str
    confidence: float
    scores: dict[str, float]
    quality: Quality


@dataclass(slots=True)
class Reading:
    """Everything read from one frame; `latency_ms` is by stage, in order of execution, and `total`."""

    frame: int
    time: str
    age_ms: float
    faces: list[FaceReading] = field(default_factory=list)
    latency_ms: dict[str, float] = field(default_factory=dict)


class Heat(NamedTuple):
    """State of the processor: its hottest zone, None where the system does not tell, and throttling."""

    temperature_c: float | None
    throttled: bool


@dataclass(slots=True)
class Health:
    """State of a run, given to sinks at their own pace beside the readings.

    Attributes:
        frames, dropped, faces: since the start: frames read, frames the source gave and nobody read, and
            identities seen.
        fps: frames read per second, of late.
        age_ms: age of the newest reading when it was made; None before the first, and for files.
        reconnects: how often the source was opened again.
        level: the governor's, 0 for full work; 0 without a governor.
        temperature_c: of the processor; None where the system does not tell.
        source: "running"; "stalled" while nothing comes and the source is opened again; "ended".
    """

    frames: int = 0
    dropped: int = 0
    faces: int = 0
    fps: float = 0.0
    age_ms: float | None = None
    reconnects: int = 0
    level: int = 0
    temperature_c: float | None = None
    source: Literal["running", "stalled", "ended"] = "running"
