"""The values that rooms hand to each other: Frame -> Face -> FaceReading -> Reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from msgspec import Struct, field
from msgspec.structs import replace

from edgefer.geometry import Box

#: The stages of a frame, in order of execution, and what is timed. `capture` ends where `total` begins; the
#: others are parts of `total`.
STAGES = {
    "capture": "from the capture of a frame to the loop taking it",
    "detect": "finding faces; 0 in frames without a detection",
    "track": "carrying faces, identities, quality gate",
    "landmarks": "points and pose of all faces of the frame, where something needs them",
    "preprocess": "face to tensor, all faces of the frame",
    "infer": "the networks, all faces of the frame",
    "smooth": "averaging the scores",
    "total": "everything from the loop taking the frame to its reading; the governor keeps p95",
}


class _WithArrays(Struct, eq=False):
    """Equal to another of its type whose fields are all equal, arrays by shape and content."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        for name in self.__struct_fields__:
            mine, its = getattr(self, name), getattr(other, name)
            either = isinstance(mine, np.ndarray) or isinstance(its, np.ndarray)
            if not (np.array_equal(mine, its) if either else mine == its):
                return False
        return True


class Frame(_WithArrays, eq=False):
    """One image of a source.

    Attributes:
        index: position in the source, from 0; a dropped frame leaves a gap.
        grey: uint8, shape (H, W), luma, last axis contiguous; the working format.
        media_ns: time on the source's own clock, ns from its start; tracking and smoothing use it.
        captured_ns: time.monotonic_ns() at capture (the driver's, where it tells); age is measured from it.
        bgr: gives the uint8 (H, W, 3) colour image, or None where only grey exists; called only by sinks
            that need it. Where a camera gave it as a JPEG, the bytes of that are its attribute `jpeg`.
        source: name of the source, as it may be shown.
        still: True for a photograph, which has nothing to do with the frame before it.
        image: file name of a still; empty for what has none.
        duration_ns: how long it is shown if it is the last one, where the source says so; else 0.
    """

    index: int
    grey: np.ndarray
    media_ns: int
    captured_ns: int
    bgr: Callable[[], np.ndarray | None] | None = None
    source: str = ""
    still: bool = False
    image: str = ""
    duration_ns: int = 0


class Detection(Struct):
    """One face found in one image; score in [0, 1] where the detector gives one, else 1."""

    box: Box
    score: float = 1.0


#: What a model that judges points may lack: the landmarks, or what a stage of the classic chain looks for.
LACKING = ("landmarks", "face", "nose", "eyes", "eyebrows", "lips")


class Quality(Struct):
    """Whether a face may be judged.

    Attributes:
        side_px: side of the face's box, pixels of the source.
        sharpness: variance of the Laplacian of the face at 64x64, smoothed once against noise, divided by
            the variance of the face itself; 0 or more, about 0.05 in an ordinary photograph.
        brightness: mean luma of the face, 0 to 255.
        reasons: why the face is uncertain, of "small", "blurred", "turned", "tilted", "dark", "bright",
            "occluded"; in a reading also one of LACKING; empty when it is fit.
    """

    side_px: float
    sharpness: float
    brightness: float
    reasons: tuple[str, ...] = ()


class Pose(NamedTuple):
    """The direction of a head, degrees: yaw to its left, pitch upwards, roll clockwise as the viewer sees it."""

    yaw: float
    pitch: float
    roll: float


class Face(_WithArrays, eq=False):
    """A face followed over time, as the tracker gives it for one frame.

    Attributes:
        landmarks: float32, shape (68, 2), x and y in pixels of the source in the order of iBUG; None where
            nothing needs them.
        pose: of the head; None where nothing needs it.
    """

    track: int
    box: Box
    quality: Quality
    landmarks: np.ndarray | None = None
    pose: Pose | None = None


class ModelReading(Struct):
    """The result of one model for a face: its strongest label, that label's smoothed score, and all of them."""

    expression: str
    confidence: float
    scores: dict[str, float]


class FaceReading(_WithArrays, eq=False):
    """What is read from one face in one frame.

    Attributes:
        track: identity over time, from 1.
        box: pixels of the source.
        expression: a label of the model's set, or labels.UNCERTAIN.
        confidence: smoothed score of the strongest label, 0 to 1.
        scores: smoothed score by label, summing to 1.
        quality: the measurements behind the gate.
        models: the results of the models after the first, by name.
        landmarks, pose: as Face has them.
        units: smoothed intensity of action units by name, 0 to 5; empty where no model gives them.
        unit_scores: smoothed probability that they show, by name, 0 to 1.
        sketch: uint8, shape (H, W), the emotion sketch that a model judged, for pictures; None where none does.
        points: float32, shape (N, 2), the points that a model judged, pixels of the source, for pictures; None where
            none does. In frames in which the face was not recognized they are carried with its box.
        scores_age_ms: media time since the face was last recognized; 0: in this frame; None: it never was.
    """

    track: int
    box: Box
    expression: str
    confidence: float
    scores: dict[str, float]
    quality: Quality
    models: dict[str, ModelReading] = field(default_factory=dict)
    landmarks: np.ndarray | None = None
    pose: Pose | None = None
    units: dict[str, float] = field(default_factory=dict)
    unit_scores: dict[str, float] = field(default_factory=dict)
    sketch: np.ndarray | None = None
    points: np.ndarray | None = None
    scores_age_ms: float | None = None

    def elsewhere(self, factor: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> FaceReading:
        """The same in another picture, of which this one, enlarged by a factor, is the part that begins at `shift`."""
        # a box counts from the edge of the first pixel, points from its centre
        x, y = shift
        box = Box(*(factor * edge + start for edge, start in zip(self.box, (x, y, x, y), strict=True)))
        to = np.array(shift, np.float32) + np.float32((factor - 1) / 2)
        landmarks, points = (
            None if each is None else each * np.float32(factor) + to for each in (self.landmarks, self.points)
        )
        return replace(self, box=box, landmarks=landmarks, points=points)


#: The kinds of events there are.
EVENT_KINDS = ("micro",)


class Event(Struct):
    """Something that a face did over time, as a micro-expression; times are media time, s.

    Attributes:
        expression: what it showed, a label; empty where the model does not say.
    """

    track: int
    kind: str
    onset_s: float
    apex_s: float
    offset_s: float
    confidence: float
    expression: str = ""


class Reading(Struct):
    """Everything read from one frame; the attributes bear the names of the JSON fields.

    Attributes:
        frame: index in the source, from 0; a dropped frame leaves a gap.
        t_s: media time, s from the source's first picture; 0 for a still.
        time: wall clock at capture, ISO 8601 with its offset from UTC.
        age_ms: from capture to the end of the reading.
        faces: those in the frame.
        events: those that ended since the reading before.
        latency_ms: by stage (STAGES), in order of execution.
        source: name of the source. image: file name of a still; empty for what has none.
    """

    frame: int
    t_s: float
    time: str
    age_ms: float
    faces: list[FaceReading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    latency_ms: dict[str, float] = field(default_factory=dict)
    source: str = ""
    image: str = ""


class Heat(NamedTuple):
    """State of the processor: its hottest zone, None where the system does not report it; whether it is slowed down,
    by its firmware or by the kernel; and whether its supply gives too little."""

    temperature_c: float | None
    throttled: bool
    under_voltage: bool = False


class Health(Struct):
    """How a run is doing, for sinks that report it besides the readings.

    Attributes:
        frames, dropped: readings so far, and frames that the newest-frame rule passed over.
        faces: in the last frame; 0 while the source gives none.
        fps: readings a second, over the last seconds.
        age_ms: of the last reading.
        reconnects: how often the source was opened again.
        governor_level: 0 for full work; greater where work is left out to keep the budget.
        temperature_c: of the processor, None where the system does not report it. throttled: slowed down by its
            firmware or the kernel. under_voltage: its supply gives too little.
        source: "running"; "stalled" while it gives no picture that can be read, and is opened again; "resting" while
            an output has switched it off; or "ended".
        trouble: why it is stalled, in words; empty where it is not.
        restarts: how often the service began again after an end that was not clean.
        length: frames of the source, None where it does not know or has no end.
        first_index: of its first frame; above 0 where other sources came before.
    """

    frames: int
    dropped: int
    faces: int
    fps: float
    age_ms: float
    reconnects: int
    governor_level: int
    temperature_c: float | None
    throttled: bool
    source: Literal["running", "stalled", "resting", "ended"]
    length: int | None = None
    first_index: int = 0
    trouble: str = ""
    under_voltage: bool = False
    restarts: int = 0
