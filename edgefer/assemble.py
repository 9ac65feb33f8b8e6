"""From settings to the objects of a run; it knows nothing of the command line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from edgefer import defaults
from edgefer.config.settings import Settings, limits
from edgefer.detect.registry import DETECTORS
from edgefer.errors import UsageError
from edgefer.landmarks.base import LANDMARKERS
from edgefer.models import directory, store
from edgefer.models.manifest import DetectorManifest, LandmarkManifest
from edgefer.sinks.registry import LANDMARKS
from edgefer.sources.registry import STILL
from edgefer.support.locks import Guard
from edgefer.support.registry import Choice

if TYPE_CHECKING:  # these bring OpenCV and the interpreter
    from edgefer.detect import Detector
    from edgefer.landmarks.base import Landmarker
    from edgefer.loop.marks import Marks
    from edgefer.loop.pipeline import Pipeline
    from edgefer.recognize.base import Recognizer
    from edgefer.sinks import SinkThread
    from edgefer.track import Photographs, QualityGate, Tracker

Value = TypeVar("Value")


def prepare_process(settings: Settings) -> None:
    """Binds this thread, and all it will start, to the profile's processors; sets OpenCV's threads.

    Raises:
        UsageError: the machine lacks one of the processors, or EDGEFER_ISA is wrong.
    """
    import cv2

    check_kernels()
    check_processors(settings)
    cv2.setNumThreads(settings.compute.opencv_threads)
    if settings.compute.pin:
        os.sched_setaffinity(0, settings.compute.pin)


def check_kernels() -> None:
    """Raises UsageError where EDGEFER_ISA is wrong: now, and not with the first face."""
    from edgefer import kernels

    for op in kernels.operations():
        kernels.active(op)


def check_processors(settings: Settings) -> None:
    """Raises UsageError where the machine lacks one of the profile's processors."""
    available = sorted(os.sched_getaffinity(0))
    missing = sorted(set(settings.compute.pin) - set(available))
    if missing:
        raise UsageError(
            f"compute.pin: expected processors of this machine ({', '.join(map(str, available))}),"
            f" got {', '.join(map(str, missing))}; change the profile"
        )


def open_models(settings: Settings) -> list[Recognizer]:
    """The profile's models, each verified; the first gives the expression.

    Raises:
        UsageError: an unknown name or option. ModelError: one is refused.
    """
    return [open_model(model, settings) for model in settings.recognizer.models]


def open_model(model: str, settings: Settings) -> Recognizer:
    """One of them."""
    from edgefer import recognize

    return recognize.open(model, settings.compute.threads)


def verify_model(model: str | os.PathLike) -> None:
    """Opens a model of any kind as a run would.

    Raises:
        UsageError: an unknown name. ModelError: it is refused.
    """
    from edgefer import recognize
    from edgefer.detect import open_detector

    path = store.find(model)
    manifest = directory.load(path)
    if isinstance(manifest, DetectorManifest):
        open_detector(DETECTORS.choose(manifest.decoding, model=str(path)))
    elif isinstance(manifest, LandmarkManifest):
        from edgefer.landmarks.network import open_network

        open_network(path)
    else:
        recognize.open(path)


def open_faces(settings: Settings) -> Detector:
    """The profile's detector; any number of trackers, on any threads, may ask it.

    Raises:
        UsageError: a number out of range. ModelError: its model is refused.
    """
    from edgefer.detect import open_detector

    return open_detector(
        settings.detector_choice, min_face_px=settings.detector.min_face_px, threads=settings.compute.threads
    )


def open_tracker(settings: Settings, detector: Detector | None = None) -> Tracker:
    """A detector, the profile's by default, with the tracker and quality gate around it."""
    from edgefer.track import Tracker

    detector = detector or open_faces(settings)
    return Tracker(detector, detect_interval_ms=settings.detector.interval_ms, gate=_gate(settings))


def open_photographs(settings: Settings, detector: Detector) -> Photographs:
    """What finds the faces of photographs with a detector, and judges them by the same quality gate."""
    from edgefer.track import Photographs

    return Photographs(detector, min(settings.detector.min_face_px, defaults.STILL_FACE_PX), _gate(settings))


def _gate(settings: Settings) -> QualityGate:
    from edgefer.track import QualityGate

    quality = settings.quality
    return QualityGate(
        min_side_px=quality.min_side_px,
        min_sharpness=quality.min_sharpness,
        dark=quality.min_brightness,
        bright=quality.max_brightness,
    )


def make_pipeline(
    settings: Settings,
    recognizers: Sequence[Recognizer],
    live: bool,
    outputs: Sequence[Choice] = (),
    landmarks: bool = False,
    detector: Detector | None = None,
    landmarker: Callable[[], Landmarker] | None = None,
) -> Pipeline:
    """The loop's middle.

    Args:
        settings: of the run.
        recognizers: as open_models gives them.
        live: whether the source is; only then is work left out to keep time, for a file is read whole.
        outputs: of the run; where one of them, or a recognizer, needs landmarks, they are found.
        landmarks: whether they are found in any case.
        detector: as open_faces gives it; one of its own by default.
        landmarker: gives what finds landmarks; called where they are needed. open_landmarker by default.

    Raises:
        UsageError: something needs landmarks, and nothing finds them. ModelError: the detector is refused, or
        the landmark network.
    """
    from edgefer.device.heat import read_heat
    from edgefer.loop.governor import Governor
    from edgefer.loop.pipeline import Pipeline
    from edgefer.loop.smooth import Smoother
    from edgefer.loop.turns import Turns

    governor, how = None, settings.recognizer
    turns = Turns(how.rate_hz, how.turns_hz, how.max_faces if live else None)
    if live:
        governor = Governor(
            limits(settings, "total").p95,
            settings.governor.window_frames,
            settings.governor.max_temperature_c,
            heat=read_heat,
            acts=settings.governor.enabled,
        )
    marks = None
    always = need_landmarks(settings, recognizers, outputs, landmarks)
    if always or settings.quality.cover:
        marks = open_marks(settings, landmarker() if landmarker else open_landmarker(settings), always)
    smoother = partial(Smoother, settings.smoothing.lag_ms)
    detector = detector or open_faces(settings)
    tracker, photographs = open_tracker(settings, detector), open_photographs(settings, detector)
    if marks is not None:  # they confirm faces; the detector is asked only where they do not
        tracker.confirm_interval_ms = max(tracker.confirm_interval_ms, 1.25 * defaults.COVER_INTERVAL_MS)
    return Pipeline(tracker, recognizers, smoother, governor, turns, marks, photographs)


def need_landmarks(
    settings: Settings, recognizers: Sequence[Recognizer], outputs: Sequence[Choice] = (), landmarks: bool = False
) -> bool:
    """Whether something needs the landmarks of every face in every frame."""
    return (
        landmarks
        or settings.landmarks.points
        or any(recognizer.needs.landmarks for recognizer in recognizers)
        or any(LANDMARKS in output.entry.needs for output in outputs)
    )


def open_landmarks(settings: Settings, recognizers: Sequence[Recognizer], outputs: Sequence[Choice] = ()) -> None:
    """Tries what finds landmarks, where one of these or the gate needs them.

    Raises:
        UsageError: nothing finds them. ModelError: the network is refused.
    """
    if settings.quality.cover or need_landmarks(settings, recognizers, outputs):
        open_landmarker(settings)


def open_landmarker(settings: Settings) -> Landmarker:
    """What finds landmarks; each pipeline takes `another` of it.

    Raises:
        UsageError: an unknown network. ModelError: it is refused.
    """
    choice = LANDMARKERS.choose(LANDMARKERS.default)
    return choice.make(model=settings.landmarks.model, threads=settings.compute.threads)


def open_marks(settings: Settings, landmarker: Landmarker, always: bool) -> Marks:
    """When faces are looked at for landmarks; see Marks."""
    from edgefer.landmarks.cover import CoverGate
    from edgefer.loop.marks import Marks

    quality = settings.quality
    gate = CoverGate(max_yaw_deg=quality.max_yaw_deg, max_roll_deg=quality.max_roll_deg) if quality.cover else None
    return Marks(landmarker.another(steady=always), always=always, gate=gate, interval_ms=defaults.COVER_INTERVAL_MS)


def check_stills(source: Choice, recognizers: Sequence[Recognizer]) -> None:
    """Refuses to read photographs with a model that judges a window of time.

    Raises:
        UsageError: a recognizer has a window, and the source has no time.
    """
    for recognizer in recognizers:
        if STILL in source.entry.needs and recognizer.needs.window_s > 0:
            raise UsageError(
                f"model {recognizer.name} judges {recognizer.needs.window_s:.2g} s of film;"
                f" {source.target} holds photographs: use another model for them"
            )


def start_sinks(
    outputs: Sequence[Choice],
    *,
    labels: Sequence[str],
    models: Mapping[str, Sequence[str]],
    title: str,
    fps: float | None,
    live: bool,
    units: Sequence[str] = (),
) -> list[SinkThread]:
    """The outputs of a run, each on its thread; all of them or, on an error, none.

    Args:
        outputs: of the run.
        labels, models, units, title, fps: see sinks.open_sink.
        live: whether the source is; then an output that is too slow loses readings rather than delay them.

    Raises:
        UsageError, SinkError: one cannot be opened.
    """
    from edgefer.sinks import start_sink

    sinks: list[SinkThread] = []
    try:
        for output in outputs:
            sinks.append(start_sink(output, labels=labels, models=models, title=title, fps=fps, drop=live, units=units))
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    return sinks


def try_output(output: Choice, recognizers: Sequence[Recognizer]) -> None:
    """Opens an output that has a path, and closes it before anything is written: what is there stays as it is.

    Raises:
        UsageError, SinkError: it cannot be opened.
    """
    from edgefer.sinks import open_sink

    if output.target:
        labels = {recognizer.name: recognizer.labels for recognizer in recognizers if recognizer.labels}
        first = next(iter(labels.values()), ())
        open_sink(output, labels=first, models=labels, title="", fps=None).close()


class Parts:
    """What all pipelines of one program share: the models and the detector, loaded once, for any thread.

    Loading begins at once, on a thread of its own, while the caller opens a source.
    """

    def __init__(self, settings: Settings, landmarks: bool = False) -> None:
        """Args:
        settings: of the program.
        landmarks: whether faces get landmarks in any case.
        """
        self.settings = settings
        self._landmarks = landmarks
        self._lock = Guard()
        self._models = Background(self._open)
        self._detector: Detector | None = None
        self._landmarker: Background[Landmarker] | None = None
        if landmarks or settings.landmarks.points or settings.quality.cover:
            self._landmarker = Background(partial(open_landmarker, settings))

    def _open(self) -> list[Recognizer]:
        return open_models(self.settings)

    def recognizers(self) -> list[Recognizer]:
        """The models for one more pipeline; what one remembers of a face no other pipeline sees.

        Raises:
            UsageError: an unknown name or option. ModelError: one is refused.
        """
        from edgefer.recognize.base import RememberingRecognizer

        return [each.another() if isinstance(each, RememberingRecognizer) else each for each in self._models.result()]

    def detector(self) -> Detector:
        """The detector. Raises UsageError and ModelError as open_faces."""
        with self._lock:
            if self._detector is None:
                self._detector = open_faces(self.settings)
            return self._detector

    def landmarker(self) -> Landmarker:
        """What finds landmarks. Raises UsageError and ModelError as open_landmarker."""
        with self._lock:
            if self._landmarker is None:
                self._landmarker = Background(partial(open_landmarker, self.settings))
            landmarker = self._landmarker
        return landmarker.result()

    def pipeline(self, source: Choice | None, live: bool, outputs: Sequence[Choice] = ()) -> Pipeline:
        """The loop's middle, with a memory of its own.

        Args:
            source: where it reads; None for what the caller hands over.
            live, outputs: see make_pipeline.

        Raises:
            UsageError: something needs landmarks, or a model cannot read that source. ModelError: a model or
            the detector is refused.
        """
        recognizers = self.recognizers()
        if source is not None:
            check_stills(source, recognizers)
        return make_pipeline(
            self.settings, recognizers, live, outputs, self._landmarks, self.detector(), self.landmarker
        )


class Background(Generic[Value]):
    """Something built on a thread of its own while the caller builds the rest."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._done = False
        self._value: Value | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="start", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._value = self._make()
        except BaseException as error:
            self._error = error
        self._done = True

    def result(self) -> Value:
        """Waits for it; raises what building it raised."""
        if not self._done and self._pid != os.getpid():
            self._begin()  # the thread did not come along when the process was forked
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # the thread has ended without an error
