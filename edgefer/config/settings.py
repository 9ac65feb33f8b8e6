"""What a profile may hold: types, ranges, defaults and meanings.

The validator, its messages and docs/configuration.md are all derived from these classes.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

STAGES = ("detect", "track", "preprocess", "infer", "smooth", "total")

Side = Annotated[int, Meta(ge=16, le=8192)]
Index = Annotated[int, Meta(ge=0, le=255)]
Text = Annotated[str, Meta(min_length=1)]
Cpu = Annotated[int, Meta(ge=0, le=1023)]
Millis = Annotated[float, Meta(gt=0, le=60_000)]


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the profile."""


class Camera(_Table):
    """The camera that `edgefer run` opens when neither --camera nor --source is given."""

    device: Annotated[Index | Text, Meta(description="index of the camera, or its path")] = 0
    size: Annotated[
        list[Side],
        Meta(min_length=2, max_length=2, description="width and height asked of the camera, pixels"),
    ] = msgspec.field(default_factory=lambda: [640, 480])
    fps: Annotated[float, Meta(ge=1, le=240, description="frames a second asked of the camera")] = 30.0
    format: Annotated[
        Literal["auto", "grey", "yuyv", "nv12", "mjpeg"],
        Meta(
            description="pixel format asked of the camera; grey, yuyv and nv12 give luma without a conversion"
        ),
    ] = "auto"


class Compute(_Table):
    """Threads, and the processors they may use."""

    threads: Annotated[int, Meta(ge=1, le=64, description="threads of the network")] = 1
    opencv_threads: Annotated[int, Meta(ge=1, le=64, description="threads of OpenCV (detector, codecs)")] = 1
    pin: Annotated[
        list[Cpu],
        Meta(max_length=64, description="processors the process is bound to; empty: the system decides"),
    ] = msgspec.field(default_factory=list)


class Detector(_Table):
    """How faces are found. Between two detections each face is carried along by tracking."""

    kind: Annotated[
        Literal["haar", "yunet", "blazeface"],
        Meta(description="`haar` needs no file; the others need `detector.model`"),
    ] = "haar"
    model: Annotated[
        str,
        Meta(description="file of the yunet (.onnx) or blazeface (.tflite) network, relative to the profile"),
    ] = ""
    interval_ms: Annotated[
        float,
        Meta(
            gt=0,
            le=10_000,
            description="time between two searches of the whole image; half of it while no face is seen",
        ),
    ] = 500.0
    min_face_px: Annotated[
        int,
        Meta(ge=20, le=2000, description="smallest face that is looked for, side in pixels of the source"),
    ] = 60


class Recognizer(_Table):
    """The network that reads expressions."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            description="a shipped model (`edgefer models list`), or a directory relative to the profile",
        ),
    ] = "edgefer-s"
    max_faces: Annotated[
        int, Meta(ge=1, le=64, description="faces recognised in one frame; with more of them they take turns")
    ] = 4


class Smoothing(_Table):
    """Scores are averaged over time, face by face."""

    lag_ms: Annotated[
        float,
        Meta(ge=0, le=5000, description="mean delay the average adds to a change of expression; 0: none"),
    ] = 200.0


class QualityGate(_Table):
    """A face that fails one of these is reported as `uncertain`."""

    min_side_px: Annotated[
        float, Meta(ge=0, le=2000, description="smallest face that is judged, side in pixels")
    ] = 40.0
    min_sharpness: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="least sharpness: variance of the smoothed Laplacian over that of the face, at 64x64",
        ),
    ] = 0.018
    min_brightness: Annotated[float, Meta(ge=0, le=255, description="least mean luma of the face")] = 35.0
    max_brightness: Annotated[float, Meta(ge=0, le=255, description="greatest mean luma of the face")] = 225.0


class Output(_Table):
    """Where readings go when no --output is given."""

    sinks: Annotated[
        list[Text],
        Meta(
            max_length=16, description="as --output takes them: table, jsonl[:FILE], csv[:FILE], video:FILE"
        ),
    ] = msgspec.field(default_factory=lambda: ["table"])


class Governor(_Table):
    """Keeps the total's p95 within the budget by lowering the detector's rate, then the recogniser's."""

    enabled: Annotated[bool, Meta(description="whether the rates may be lowered")] = True
    window_frames: Annotated[
        int, Meta(ge=10, le=10_000, description="frames whose p95 is compared to the budget")
    ] = 90
    max_temperature_c: Annotated[
        float,
        Meta(ge=30, le=120, description="temperature of the processor from which the rates are lowered"),
    ] = 80.0


class Percentiles(_Table):
    """Upper bounds in ms; a percentile that is left out is not checked."""

    p50: Annotated[Millis | None, Meta(description="median")] = None
    p95: Annotated[Millis | None, Meta(description="19 frames of 20")] = None
    p99: Annotated[Millis | None, Meta(description="99 frames of 100")] = None


class Budgets(_Table):
    """Time a frame may take, ms, by stage; each an inline table `{ p50 = …, p95 = …, p99 = … }`."""

    detect: Annotated[Percentiles, Meta(description="finding faces; 0 in frames without a detection")] = (
        Percentiles()
    )
    track: Annotated[Percentiles, Meta(description="carrying faces, identities, quality gate")] = (
        Percentiles()
    )
    preprocess: Annotated[Percentiles, Meta(description="face to tensor, all faces of the frame")] = (
        Percentiles()
    )
    infer: Annotated[Percentiles, Meta(description="the network, all faces of the frame")] = Percentiles()
    smooth: Annotated[Percentiles, Meta(description="averaging the scores")] = Percentiles()
    total: Annotated[
        Percentiles,
        Meta(description="everything from the loop taking the frame to its reading; the governor keeps p95"),
    ] = Percentiles()


class Settings(_Table):
    """A profile. Every key may be left out."""

    board: Annotated[str, Meta(max_length=200, description="the board this profile is for, in words")] = ""
    match: Annotated[
        list[Text],
        Meta(description="parts of /proc/device-tree/model by which the board is recognised"),
    ] = msgspec.field(default_factory=list)
    camera: Camera = Camera()
    compute: Compute = Compute()
    detector: Detector = Detector()
    recognizer: Recognizer = Recognizer()
    smoothing: Smoothing = Smoothing()
    quality: QualityGate = QualityGate()
    output: Output = Output()
    governor: Governor = Governor()
    budget_ms: Budgets = Budgets()


def tables() -> list[tuple[str, type[Struct]]]:
    """The tables of a profile by name, in order."""
    return [
        (field.name, type(field.default))
        for field in msgspec.structs.fields(Settings)
        if isinstance(field.default, _Table)
    ]
