"""What a profile may hold: types, ranges, defaults and meanings.

The validator, its messages and docs/configuration.md are all derived from these classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edgefer import defaults
from edgefer.detect.registry import DETECTORS
from edgefer.sinks.registry import OUTPUTS
from edgefer.sources.registry import CameraOptions
from edgefer.support.registry import Choice, Options, split_options
from edgefer.support.typed import converted
from edgefer.values import STAGES

#: The stages that a profile can bound: those of `total`, and itself.
BOUNDED = tuple(stage for stage in STAGES if stage != "capture")

Text = Annotated[str, Meta(min_length=1)]
Cpu = Annotated[int, Meta(ge=0, le=1023)]
Millis = Annotated[float, Meta(gt=0, le=60_000)]


class _Table(Options, frozen=True):
    """A table of the profile."""


class CaptureTable(_Table, frozen=True):
    """How cameras, streams and pipes are waited for."""

    patience_s: Annotated[
        float,
        Meta(
            ge=0,
            le=1e6,
            description="how long one that is not there, or gives no frame any more, is tried again, at the start as "
            "later; 0: not at all. A wrong password ends at once",
        ),
    ] = defaults.PATIENCE_S
    frozen_s: Annotated[
        Annotated[float, Meta(ge=2.5, le=1e6)] | Literal["auto", "never"],
        Meta(
            description="how long one may give the same picture, to the last bit, until it is taken for frozen and "
            "opened again; auto: 2.5 s, coded video 30 s; never: it may be still, or black, for ever, as a screen, a "
            "test pattern or a simulation"
        ),
    ] = "auto"


class ComputeTable(_Table, frozen=True):
    """Threads, and the processors they may use."""

    threads: Annotated[int, Meta(ge=1, le=64, description="threads of the network")] = 1
    opencv_threads: Annotated[int, Meta(ge=1, le=64, description="threads of OpenCV (detector, codecs)")] = 1
    pin: Annotated[
        list[Cpu], Meta(max_length=64, description="processors the process is bound to; empty: the system decides")
    ] = []


class DetectorTable(_Table, frozen=True):
    """How faces are found; between two detections each face is carried along by tracking."""

    kind: Annotated[str, Meta(description="which detector; each brings keys of its own, below")] = DETECTORS.default
    interval_ms: Annotated[
        float,
        Meta(
            gt=0,
            le=10_000,
            description="time between two searches of the whole image; half of it while no face is seen",
        ),
    ] = defaults.DETECT_INTERVAL_MS
    min_face_px: Annotated[
        int,
        Meta(
            ge=defaults.MIN_FACE_PX_RANGE[0],
            le=defaults.MIN_FACE_PX_RANGE[1],
            description="smallest face that is looked for, side in pixels of the source",
        ),
    ] = defaults.MIN_FACE_PX


class RecognizerTable(_Table, frozen=True):
    """The networks that read expressions."""

    models: Annotated[
        list[Text],
        Meta(
            min_length=1,
            max_length=8,
            description="installed or shipped models (`edgefer models list`), or directories relative to the "
            "profile; the first gives the expression",
        ),
    ] = msgspec.field(default_factory=lambda: [defaults.MODEL])
    max_faces: Annotated[
        int, Meta(ge=1, le=64, description="faces recognized in one frame; with more of them they take turns")
    ] = 4
    rate_hz: Annotated[
        float,
        Meta(
            ge=0,
            le=240,
            description="recognitions a second that the faces in a film or before a camera share, in turns; scores are "
            "carried between; 0: every face in every frame",
        ),
    ] = defaults.RATE_HZ
    turns_hz: Annotated[
        float,
        Meta(
            ge=0,
            le=240,
            description="times a second that each face is recognized at least, however many there are; of no account "
            "where rate_hz is 0",
        ),
    ] = defaults.TURNS_HZ


class LandmarksTable(_Table, frozen=True):
    """The network that finds 68 points of each face: for readings, for models that need them, and for the gate."""

    points: Annotated[
        bool, Meta(description="whether readings hold the points and the pose of each face, as with --landmarks")
    ] = False
    model: Annotated[
        Text, Meta(description="installed or shipped landmark network, or its model directory relative to the profile")
    ] = defaults.LANDMARK_MODEL


class SmoothingTable(_Table, frozen=True):
    """Scores are averaged over time, face by face."""

    lag_ms: Annotated[
        float, Meta(ge=0, le=5000, description="mean delay the average adds to a change of expression; 0: none")
    ] = 200.0


class QualityTable(_Table, frozen=True):
    """A face that fails one of these is reported as `uncertain`."""

    min_side_px: Annotated[float, Meta(ge=0, le=2000, description="smallest face that is judged, side in pixels")] = (
        defaults.MIN_SIDE_PX
    )
    min_sharpness: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="least sharpness: variance of the smoothed Laplacian over that of the face, at 64x64",
        ),
    ] = defaults.MIN_SHARPNESS
    min_brightness: Annotated[float, Meta(ge=0, le=255, description="least mean luma of the face")] = (
        defaults.MIN_BRIGHTNESS
    )
    max_brightness: Annotated[float, Meta(ge=0, le=255, description="greatest mean luma of the face")] = (
        defaults.MAX_BRIGHTNESS
    )

    cover: Annotated[
        bool,
        Meta(
            description="whether the landmark network looks a few times a second, and at every photograph, if eyes "
            "and mouth can be seen and how the head is turned; without it a covered, "
            "turned or tilted face is judged as any other"
        ),
    ] = defaults.COVER
    max_yaw_deg: Annotated[
        float, Meta(ge=0, le=180, description="yaw to either side beyond which a face is `turned`, degrees")
    ] = defaults.MAX_YAW_DEG
    max_roll_deg: Annotated[
        float, Meta(ge=0, le=180, description="roll to either side beyond which a face is `tilted`, degrees")
    ] = defaults.MAX_ROLL_DEG


class GovernorTable(_Table, frozen=True):
    """Keeps the total's p95 within the budget by lowering the detector's rate, then the recognizer's."""

    enabled: Annotated[bool, Meta(description="whether the rates may be lowered")] = True
    window_frames: Annotated[int, Meta(ge=10, le=10_000, description="frames whose p95 is compared to the budget")] = (
        defaults.GOVERNOR_WINDOW_FRAMES
    )
    max_temperature_c: Annotated[
        float, Meta(ge=30, le=120, description="temperature of the processor from which the rates are lowered")
    ] = defaults.MAX_TEMPERATURE_C


class Percentiles(_Table, frozen=True):
    """Upper bounds in ms; a percentile that is left out is not checked."""

    p50: Annotated[Millis | None, Meta(description="median")] = None
    p95: Annotated[Millis | None, Meta(description="19 frames of 20")] = None
    p99: Annotated[Millis | None, Meta(description="99 frames of 100")] = None


Budgets: type[Struct] = msgspec.defstruct(
    "Budgets",
    [(stage, Annotated[Percentiles, Meta(description=STAGES[stage])], Percentiles()) for stage in BOUNDED],
    bases=(_Table,),
    frozen=True,
    kw_only=True,
)
Budgets.__doc__ = "Time a frame may take, ms, by stage; each an inline table `{ p50 = …, p95 = …, p99 = … }`."


class Tables(_Table, frozen=True):
    """The keys of a profile, without its `[[output]]` tables; every one may be left out."""

    board: Annotated[str, Meta(max_length=200, description="the board this profile is for, in words")] = ""
    match: Annotated[
        list[Text], Meta(description="parts of /proc/device-tree/model by which the board is recognized")
    ] = []
    camera: CameraOptions = CameraOptions()
    capture: CaptureTable = CaptureTable()
    compute: ComputeTable = ComputeTable()
    detector: DetectorTable = DetectorTable()
    recognizer: RecognizerTable = RecognizerTable()
    landmarks: LandmarksTable = LandmarksTable()
    smoothing: SmoothingTable = SmoothingTable()
    quality: QualityTable = QualityTable()
    governor: GovernorTable = GovernorTable()
    budget_ms: Budgets = Budgets()  # type: ignore[valid-type]


class Settings(Tables, frozen=True):
    """A profile with what its tables choose: the detector, and the outputs."""

    detector_choice: Choice = DETECTORS.choose(DETECTORS.default)
    outputs: tuple[Choice, ...] = (OUTPUTS.choose(OUTPUTS.default),)


def tables() -> list[tuple[str, type[Struct]]]:
    """The tables of a profile by name, in order, without the `[[output]]` tables."""
    return [
        (field.name, type(field.default))
        for field in msgspec.structs.fields(Tables)
        if isinstance(field.default, Struct)
    ]


def settings_of(data: Mapping[str, Any]) -> Settings:
    """Settings from a parsed profile that has passed every check."""
    fields = {name: value for name, value in data.items() if name != "output"}
    own, options = split_detector(fields.get("detector", {}))
    chosen = converted({**fields, "detector": own}, Tables)
    outputs = [{**table} for table in data.get("output", [{"kind": OUTPUTS.default}])]
    return Settings(
        **{name: getattr(chosen, name) for name in Tables.__struct_fields__},
        detector_choice=DETECTORS.choose(chosen.detector.kind, **options),
        outputs=tuple(OUTPUTS.choose(table.pop("kind"), **table) for table in outputs),
    )


def model_names(settings: Settings) -> list[str]:
    """Names or paths of all models that a run with these settings opens."""
    detector = getattr(settings.detector_choice.options, "model", "")
    models = [split_options(model)[0] for model in settings.recognizer.models]
    return [name for name in (*models, settings.landmarks.model, detector) if name]


def split_detector(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys of `[detector]`: those that every detector has, and those of its kind."""
    own = DetectorTable.__struct_fields__
    return (
        {key: value for key, value in table.items() if key in own},
        {key: value for key, value in table.items() if key not in own},
    )


def limits(settings: Tables, stage: str) -> Percentiles:
    """The bounds of a stage."""
    return getattr(settings.budget_ms, stage)
