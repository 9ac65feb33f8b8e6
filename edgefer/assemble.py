"""From settings to the objects of the loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

import msgspec

from edgefer import config
from edgefer.config import Settings
from edgefer.errors import UsageError

Made = TypeVar("Made")


def settings_from(args) -> Settings:
    """The profile's settings with the command line's over them.

    Args:
        args: parsed arguments; those of `profile model detector detector_model threads` that are None or
            absent leave the profile's value.

    Raises:
        UsageError: the profile is wrong, or the command line contradicts it.
    """
    profile = getattr(args, "profile", None)
    if profile is None:
        profile = config.fitting_profile(config.board_model())
    settings = config.load_profile(profile)
    replace = msgspec.structs.replace
    detector = settings.detector
    kind, file = getattr(args, "detector", None), getattr(args, "detector_model", None)
    if file and not kind and detector.kind == "haar":
        raise UsageError(
            "--detector-model: the haar detector takes no file; add --detector yunet or blazeface"
        )
    if kind and kind != detector.kind:
        detector = replace(detector, kind=kind, model="")
    if file:
        detector = replace(detector, model=file)
    if detector.kind != "haar" and not detector.model:
        raise UsageError(f"--detector {detector.kind} needs its network; add --detector-model FILE")
    if detector.kind == "haar" and detector.model:
        raise UsageError("--detector-model: the haar detector takes no file; leave it out")
    settings = replace(settings, detector=detector)
    if getattr(args, "model", None) is not None:
        settings = replace(settings, recognizer=replace(settings.recognizer, model=args.model))
    if getattr(args, "threads", None):
        settings = replace(settings, compute=replace(settings.compute, threads=args.threads))
    return settings


def prepare_process(settings: Settings) -> None:
    """Binds this thread, and all it will start, to the profile's processors; sets OpenCV's threads.

    Raises:
        UsageError: the machine lacks one of the processors, or EDGEFER_ISA is wrong.
    """
    import cv2

    from edgefer import kernels

    for op in kernels.operations():
        kernels.active(op)  # a wrong EDGEFER_ISA shows now, not with the first face
    cv2.setNumThreads(settings.compute.opencv_threads)
    pin = settings.compute.pin
    if pin:
        available = sorted(os.sched_getaffinity(0))
        missing = sorted(set(pin) - set(available))
        if missing:
            raise UsageError(
                f"compute.pin: expected processors of this machine ({_shown(available)}),"
                f" got {_shown(missing)}; change the profile"
            )
        os.sched_setaffinity(0, pin)


def _shown(processors: list[int]) -> str:
    return ", ".join(map(str, processors))


_FOURCC = {"auto": None, "grey": "GREY", "yuyv": "YUYV", "nv12": "NV12", "mjpeg": "MJPG"}


def open_the_source(settings: Settings, spec: str):
    """The source; a camera is asked for the profile's size, rate and format."""
    from edgefer.sources import open_source

    camera = settings.camera
    return open_source(spec, size=tuple(camera.size), fps=camera.fps, format=_FOURCC[camera.format])


def open_recognizer(settings: Settings):
    """The profile's model, verified."""
    from edgefer import recognize

    return recognize.open(settings.recognizer.model, threads=settings.compute.threads)


def open_tracker(settings: Settings):
    """The profile's detector with the tracker and quality gate around it."""
    from edgefer.detect import open_detector
    from edgefer.track import QualityGate, Tracker

    detector = open_detector(
        settings.detector.kind,
        settings.detector.model or None,
        min_face_px=settings.detector.min_face_px,
        threads=settings.compute.threads,
    )
    quality = settings.quality
    gate = QualityGate(
        min_side_px=quality.min_side_px,
        min_sharpness=quality.min_sharpness,
        dark=quality.min_brightness,
        bright=quality.max_brightness,
    )
    return Tracker(detector, detect_interval_ms=settings.detector.interval_ms, gate=gate)


def make_pipeline(settings: Settings, tracker, recognizer, live: bool):
    """The loop's middle. Only for a live source is work left out to keep time; a file is read whole."""
    from edgefer.loop.governor import Governor
    from edgefer.loop.pipeline import Pipeline
    from edgefer.track import Smoother

    governor, max_faces = None, None
    if live:
        max_faces = settings.recognizer.max_faces
    if live and settings.governor.enabled:
        governor = Governor(
            settings.budget_ms.total.p95,
            settings.governor.window_frames,
            settings.governor.max_temperature_c,
        )
    smoother = Smoother(settings.smoothing.lag_ms)
    return Pipeline(tracker, recognizer, smoother, governor, max_faces)


class Background:
    """Something made on a thread of its own while the caller makes the rest."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._made: Made | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, args=(make,), name="start", daemon=True)
        self._thread.start()

    def _work(self, make: Callable[[], Made]) -> None:
        try:
            self._made = make()
        except BaseException as error:
            self._error = error

    def result(self) -> Made:
        """Waits for it; raises what its making raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._made
