"""Films of faces that move, with the truth of every frame. A seed decides all of a film but its frame rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edgefer.train.data.synthetic import script, units
from edgefer.train.data.synthetic.script import Camera, Event
from edgefer.train.data.synthetic.warp import Face

#: An expression holds from this part of its strength on.
SHOWN = 0.5
#: Left and right of a face do not move alike: deviation of a side's share, and its bounds.
ASYMMETRY, LEAST, MOST = 0.07, 0.8, 1.2
_NOISE = np.random.default_rng(0).standard_normal(1 << 18, np.float32)  # drawn from at random places: far cheaper


@dataclass(frozen=True)
class Film:
    """What `film` gives.

    Attributes:
        frames: uint8 (T, side, side), grey. t_s: float64 (T,), media time.
        landmarks: float32 (T, 68, 2), pixels of the frames, the first pixel's centre (0, 0).
        units: float32 (T, len(UNITS)), intensities 0 to 5 in the order of units.UNITS; the mean of both sides.
        expression: int64 (T,), index in FERPLUS8.
        events: those that were asked for, without blinks. blinks: theirs.
        identity: name of the face.
    """

    frames: np.ndarray
    t_s: np.ndarray
    landmarks: np.ndarray
    units: np.ndarray
    expression: np.ndarray
    events: tuple[Event, ...]
    blinks: tuple[Event, ...]
    identity: str


def film(
    face: Face,
    events: Sequence[Event],
    seconds: float,
    fps: float = 30.0,
    side: int = 96,
    seed: int = 0,
    camera: Camera | None = None,
    blinks_a_minute: float = 0.0,
) -> Film:
    """Take a film of a face.

    Args:
        events: what happens; they may overlap: intensities add up to 5 at most.
        side: of the frames, pixels.
        seed: of all that is not given: sway, light, noise, compression, asymmetry, blinks.
    """
    camera = camera or Camera()
    rng = np.random.default_rng(seed)
    shut = script.blinks(rng, seconds, blinks_a_minute)
    uneven = np.clip(rng.normal(1, ASYMMETRY, (len(units.UNITS), 2)), LEAST, MOST)
    uneven /= uneven.mean(axis=1, keepdims=True)  # so that the intensity is the mean of both sides
    uneven[units.UNITS.index(43)] = 1.0
    sway = script.Sway(rng, camera.sway, camera.depth)
    develop = _Developing(rng, camera, side, seed)
    t = np.arange(max(1, round(seconds * fps))) / fps
    both, expression = sides([*events, *shut], t), truth(events, t)[1]
    intensity = both.mean(axis=2)
    frames, points = np.empty((len(t), side, side), np.uint8), np.empty((len(t), 68, 2), np.float32)
    for i, now in enumerate(t.tolist()):
        strength = both[i] / units.FULL * uneven
        clean, points[i] = face.render(strength, sway(now), side)
        frames[i] = develop(clean, now, i)
    return Film(frames, t, points, intensity.astype(np.float32), expression, tuple(events), tuple(shut), face.name)


def truth(events: Sequence[Event], t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intensities, float64 (T, units), and expressions, int64 (T,), at some times."""
    expression = np.zeros(len(t), np.int64)
    for event in events:
        if event.expression:
            expression[event.share(t) >= SHOWN] = units.expression_index(event.expression)
    return sides(events, t).mean(axis=2), expression


def sides(events: Sequence[Event], t: np.ndarray) -> np.ndarray:
    """Intensities of the person's right and left, float64 (T, units, 2), 0 to 5, at some times."""
    intensity = np.zeros((len(t), len(units.UNITS), 2))
    for event in events:
        share = event.share(t)
        moves = slice(None) if event.side is None else slice(event.side, event.side + 1)
        for unit, value in event.units.items():
            intensity[:, units.UNITS.index(unit), moves] += (value * share)[:, None]
    return np.minimum(intensity, units.FULL)


class _Developing:
    """Light, noise and compression of one film."""

    def __init__(self, rng: np.random.Generator, camera: Camera, side: int, seed: int):
        self._level = script.waves(rng, 0.03 * camera.light)
        self._slope = [script.waves(rng, 0.03 * camera.light) for _ in range(2)]
        self._gain = float(np.exp(rng.normal(0, 0.22 * camera.light)))
        self._gamma = float(np.exp(rng.normal(0, 0.18 * camera.light)))
        self._aslant = rng.normal(0, 0.15 * camera.light, 2)
        self._flicker = float(rng.uniform(0, camera.flicker)) if camera.flicker else 0.0
        self._mains = float(rng.choice([100.0, 120.0])), float(rng.uniform(0, 2 * np.pi))
        self._noise = float(rng.uniform(0.3, 1)) * camera.noise
        self._quality = int(rng.integers(camera.quality, 96)) if camera.quality else 0
        self._blur = float(rng.uniform(0, 0.8)) if camera.noise else 0.0
        self._across = np.linspace(-0.5, 0.5, side, dtype=np.float32)
        self._plain = not (camera.light or camera.flicker)
        self._seed = seed

    def __call__(self, frame: np.ndarray, t: float, number: int) -> np.ndarray:
        if self._blur > 0.3:
            frame = cv2.GaussianBlur(frame, (0, 0), self._blur)
        if not self._plain or self._noise:
            level = self._gain * (
                1 + self._level(t) + self._flicker * np.sin(2 * np.pi * self._mains[0] * t + self._mains[1])
            )
            table = (255 * (np.arange(256, dtype=np.float32) / 255) ** self._gamma * level).astype(np.float32)
            x, y = (float(rest) + wave(t) for rest, wave in zip(self._aslant, self._slope, strict=True))
            light = (1 + x * self._across)[None] * (1 + y * self._across)[:, None]
            lit = cv2.multiply(cv2.LUT(frame, table), light.astype(np.float32))
            if self._noise:
                # another place for every frame, by the frame's number alone
                start = (number * 7919 + self._seed * 104_729) % (len(_NOISE) - lit.size)
                cv2.scaleAdd(_NOISE[start : start + lit.size].reshape(lit.shape), self._noise, lit, lit)
            frame = cv2.convertScaleAbs(np.maximum(lit, 0, out=lit))
        if self._quality:
            _, coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
            frame = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))
        return frame
