"""What a run tells of films with micro-expressions, against the truth: by the runtime's own chain.

python -m edgefer.train.micro bar --data DATA --labels LABELS --model micro --films 24

Films are of faces that nothing was learnt from or chosen on: neutral but for micro-expressions and blinks, with sway,
flicker, noise and compression, 30, 60 and 200 frames a second. The same film at each rate: a seed decides all else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgefer.models import directory
from edgefer.models.micro import MicroFigures, MicroManifest
from edgefer.recognize.micro import spot
from edgefer.recognize.micro.learned import Decoding, LearnedSpotter, Network
from edgefer.recognize.micro.quiet import Quiet
from edgefer.recognize.micro.recognizer import MicroRecognizer
from edgefer.recognize.micro.spot import Found
from edgefer.train.data.synthetic.films import Film
from edgefer.train.data.synthetic.warp import Identity
from edgefer.train.micro import films, scores
from edgefer.values import Event, Frame

RATES = (30.0, 60.0, 200.0)
METHODS, FLOW_ALONE = ("lstm", "flow"), "flow alone"
SECONDS = 8.0
#: A film's side in pixels and in parts of the square round the face's points.
SIDE, ROOM = 256, 1.9


class Both:
    """Both ways on the same fields of motion; what each found bears its name."""

    def __init__(self, spotters: dict[str, spot.Spotter | LearnedSpotter]) -> None:
        self._spotters = spotters
        self.scores: np.ndarray | None = None

    def add(self, tick: Quiet) -> list[Found]:
        return [self._named(way, each) for way, spotter in self._spotters.items() for each in spotter.add(tick)]

    def finish(self) -> list[Found]:
        return [self._named(way, each) for way, spotter in self._spotters.items() for each in spotter.finish()]

    @staticmethod
    def _named(way: str, found: Found) -> Found:
        return replace(found, expression=f"{way} {found.expression}")


def recognizer(model: Path | None) -> MicroRecognizer:
    """What spots by both ways of a model directory, or by flow alone where there is none."""
    if model is None:
        return MicroRecognizer(FLOW_ALONE, lambda: Both({"flow": spot.Spotter()}))
    manifest, content = directory.read(model)
    assert isinstance(manifest, MicroManifest)
    network, how = Network(content, manifest), Decoding(manifest.begin, manifest.sure)
    labels = manifest.expression_labels
    return MicroRecognizer(
        "micro", lambda: Both({"lstm": LearnedSpotter(network, how, labels), "flow": spot.Spotter()})
    )


class Chain:
    """Detector, tracker, landmarks and recognizer, as a run has them; its networks are loaded once."""

    def __init__(self, spotter: MicroRecognizer) -> None:
        from edgefer.detect import open_detector
        from edgefer.detect.registry import DETECTORS
        from edgefer.landmarks.follow import Follower
        from edgefer.landmarks.network import open_network

        self.spotter = spotter
        self._detector = open_detector(DETECTORS.choose(DETECTORS.default), min_face_px=48, threads=1)
        self._landmarks = Follower(open_network())

    def told(self, film: Iterable[Frame]) -> list[Event]:
        """The events of a film, from its pictures alone."""
        from edgefer.track import Tracker

        tracker, marks = Tracker(self._detector), self._landmarks.another()
        events: list[Event] = []
        frame = None
        for frame in film:
            for face in tracker.update(frame):
                found = marks.find(frame, face)
                if found is None:
                    tracker.doubt(face.track)
                elif found.box is not None:
                    face.box = tracker.reseat(frame, face.track, found.box)
                    face.landmarks = found.points
                fit = found is not None and not face.quality.reasons
                (self.spotter.observe if fit else self.spotter.gather)(frame, face)
            events += self.spotter.spotted(frame.media_ns, False)
        return events + self.spotter.spotted(frame.media_ns if frame else 0, True)


def frames(film: Film) -> Iterator[Frame]:
    for number, (grey, t_s) in enumerate(zip(film.frames, film.t_s.tolist(), strict=True)):
        yield Frame(number, grey, round(t_s * 1e9), 0)


def measure(
    faces: list[Identity],
    fps: float,
    spotter: MicroRecognizer,
    scale: films.Scale = "move",
    seconds: float = SECONDS,
    seed: int = 7,
    neutral: bool = False,
) -> dict[str, scores.Tally]:
    """Both ways over a film of each face; neutral: films without micro-expressions, for false events alone."""
    tallies = {way: scores.Tally() for way in METHODS}
    learned, chain = spotter.name != FLOW_ALONE, Chain(spotter)
    for number, face in enumerate(faces):
        rate = 1e-3 if neutral else 24.0
        film = films.taken(face, 1000 * seed + number, seconds, fps, scale, rate, side=SIDE, room=ROOM)
        events = chain.told(frames(film))
        for way, tally in tallies.items():
            if way == "lstm" and not learned:
                continue
            tally.add(film.events, [event for event in events if event.expression.split(" ")[0] == way], seconds)
            for event in events:
                named = event.expression.split(" ")
                true = [each for each in film.events if scores.overlap(each, event) >= 0.5 and each.expression]
                if named[0] == way and named[1] and true:
                    tally.named += 1
                    tally.right += named[1] == true[0].expression
    return tallies


def figures(fps: float, tally: scores.Tally) -> MicroFigures:
    """A row for the manifest."""
    row = tally.row()
    return MicroFigures(
        fps=fps,
        f1_30=row["f1_0.3"],
        f1_50=row["f1_0.5"],
        f1_70=row["f1_0.7"],
        onset_ms=row["onset_mean_ms"],
        false_a_minute=row["false_a_minute"],
    )
