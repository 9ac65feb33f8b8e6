"""Readings made up on the spot."""

from __future__ import annotations

import numpy as np

from edgefer.geometry import Box
from edgefer.labels import FERPLUS8, UNCERTAIN
from edgefer.values import FaceReading, Frame, Health, Quality, Reading


def face(track: int = 1, strongest: str = "happiness", reasons: tuple[str, ...] = (), x: float = 20.0) -> FaceReading:
    rest = 0.3 / (len(FERPLUS8) - 1)
    scores = {label: 0.7 if label == strongest else rest for label in FERPLUS8}
    return FaceReading(
        track=track,
        box=Box(x, 30.04, x + 60.123456, 90.0),
        expression=UNCERTAIN if reasons else strongest,
        confidence=0.7,
        scores=scores,
        quality=Quality(60.123456, 0.0512345, 100.55, reasons),
    )


def reading(index: int = 0, *faces: FaceReading, total_ms: float = 5.0) -> Reading:
    return Reading(
        frame=index,
        t_s=index * 0.04,
        time="2026-11-21T10:00:00.125+01:00",
        age_ms=12.3456789,
        faces=list(faces),
        latency_ms={"capture": 0.5, "detect": 2.0, "infer": 2.25, "total": total_ms},
        source="clip.mp4",
    )


def frame(index: int = 0, width: int = 160, height: int = 120, colour: bool = True) -> Frame:
    image = np.full((height, width, 3), 90, np.uint8)
    return Frame(index, image[:, :, 0].copy(), index * 40_000_000, 0, (lambda: image) if colour else None)


def health() -> Health:
    return Health(1, 0, 1, 30.0, 5.0, 0, 0, None, False, "running")
