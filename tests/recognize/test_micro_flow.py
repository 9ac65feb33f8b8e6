"""Micro-expressions by flow, from frames to events, on drawn faces that move."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.geometry import Box
from edgefer.recognize.micro import fields, quiet, spot, ticks
from edgefer.recognize.micro.recognizer import LAG_S, MIN_FACE_PX, MicroRecognizer
from edgefer.train.data.synthetic import drawn, films, script, warp
from edgefer.train.data.synthetic.script import Camera, Event
from edgefer.values import Face, Frame, Quality

STEADY = Camera(0.5, 0.5, 0.01, 1.5, 0)


def film(events=(), seconds=3.0, fps=60.0, blinks=0.0, camera=STEADY, side=144):
    face = warp.Face(drawn.drawn(4), room=1.3)
    return films.film(face, events, seconds, fps, side, 3, camera, blinks)


def spotted(taken, held=(), recognizer=None, track=1):
    """The events of a film, and in which frame each was told; `held`: frames in which the gate holds the face back."""
    recognizer = recognizer or MicroRecognizer("micro")
    told = []
    for i, (grey, points, t) in enumerate(zip(taken.frames, taken.landmarks, taken.t_s, strict=True)):
        x0, y0 = points.min(axis=0)
        x1, y1 = points.max(axis=0)
        quality = Quality(100.0, 1.0, 100.0, ("turned",) if i in held else ())
        frame = Frame(i, grey, round(t * 1e9), 0)
        face = Face(track, Box(x0, y0, x1, y1), quality, landmarks=points)
        (recognizer.gather if i in held else recognizer.observe)(frame, face)
        told += [(i, event) for event in recognizer.spotted(frame.media_ns, i == len(taken.t_s) - 1)]
    return told


SMILE = Event(1.2, 1.35, 1.5, {6: 1.0, 12: 2.0})


@pytest.fixture(scope="module")
def smile():
    return film([SMILE], 3.6)


def test_a_small_quick_smile_is_told_once_with_its_times(smile):
    ((frame, event),) = spotted(smile)
    assert event.track == 1 and event.kind == "micro" and 0.5 < event.confidence <= 1
    assert abs(event.onset_s - SMILE.onset_s) < 0.05 and abs(event.offset_s - SMILE.offset_s) < 0.05
    assert event.onset_s < event.apex_s < event.offset_s
    assert smile.t_s[frame] - event.apex_s <= LAG_S + 0.05


@pytest.mark.parametrize("fps", [30.0, 200.0])
def test_films_of_other_rates_tell_the_same(fps, smile):
    ((_, at_60),) = spotted(smile)
    ((_, other),) = spotted(film([SMILE], 3.6, fps))
    assert abs(other.onset_s - at_60.onset_s) < 0.04 and abs(other.offset_s - at_60.offset_s) < 0.04


def test_an_event_shortly_before_the_end_is_told_with_the_last_frame():
    taken = film([SMILE], 2.1)
    ((frame, event),) = spotted(taken)
    assert frame == len(taken.t_s) - 1 and abs(event.onset_s - SMILE.onset_s) < 0.06


def test_a_face_that_goes_has_its_event_told(smile):
    recognizer = MicroRecognizer("micro")
    short = films.Film(smile.frames[:126], smile.t_s[:126], smile.landmarks[:126], *[None] * 5)
    for i in range(len(short.t_s)):
        face = Face(1, Box(0, 0, 100, 100), Quality(100.0, 1.0, 100.0), landmarks=short.landmarks[i])
        recognizer.observe(Frame(i, short.frames[i], round(short.t_s[i] * 1e9), 0), face)
        assert not recognizer.spotted(round(short.t_s[i] * 1e9), False)
    assert len(recognizer.spotted(round((short.t_s[-1] + 1) * 1e9), False)) == 1
    assert recognizer.spotted(round((short.t_s[-1] + 2) * 1e9), True) == []


def test_neutral_film_with_blinks_tells_nothing():
    assert spotted(film([], 4.0, blinks=30.0)) == []


def test_a_large_expression_and_speech_tell_nothing():
    rng = np.random.default_rng(2)
    grin = [script.event(rng, 0.8, "happiness", seconds=2.0)]
    assert spotted(film(grin, 3.6)) == []


def test_nothing_is_believed_while_the_gate_holds_the_face_back(smile):
    assert spotted(smile, held=range(70, 80)) == []


def test_needs_say_that_time_and_a_large_enough_face_are_needed():
    needs = MicroRecognizer("micro").needs
    assert needs.landmarks and needs.window_s > 1 and needs.min_face_px == MIN_FACE_PX


def test_the_grid_lies_on_the_face():
    points = drawn.drawn(1).points
    cells = fields.LAID @ points
    eye = cells[np.abs(fields.GRID - (-0.375, 0.05)).sum(axis=1).argmin()]
    size = np.hypot(*(points[45] - points[36]))
    assert np.hypot(*(eye - points[36:42].mean(axis=0))) < 0.12 * size
    assert {name for name in spot.REGIONS if "brow" in name} == {
        "right inner brow", "left inner brow", "right outer brow", "left outer brow"
    }  # fmt: skip


def test_a_head_that_only_moves_moves_no_cell():
    taken = film([], 1.0, camera=Camera(1.0, 0.0, 0.0, 0.0, 0))
    motion = fields.Fields()
    steps = [motion.update(f, p, t).steps for f, p, t in zip(taken.frames, taken.landmarks, taken.t_s, strict=True)]
    heads = np.hypot(*(taken.landmarks[:, 27] - taken.landmarks[0, 27]).T).max() / 60
    assert np.median(np.abs(steps[-1])) < 0.002 < heads


@pytest.mark.parametrize("fps", [24.0, 60.0, 61.7, 240.0])
def test_ticks_keep_the_mean_of_a_signal(fps):
    t = np.arange(0, 2, 1 / fps)
    resampler, done = ticks.Ticks(), []
    for at in t:
        done += resampler.add(at, np.array([np.sin(2 * np.pi * at), 1.0, at]))
    at, values = np.array([a for a, _ in done]), np.array([value for _, value in done])
    assert np.allclose(np.diff(at), 1 / ticks.RATE_HZ) and np.allclose(values[:, 1], 1)
    assert np.abs(values[:, 2] - at).max() < 1e-6
    assert np.abs(values[:, 0] - np.sin(2 * np.pi * at)).max() < 0.02


def test_what_is_slow_is_taken_away_and_what_is_quick_stays():
    t = np.arange(0, 4, 1 / 60)
    pulse = np.exp(-(((t - 2) / 0.08) ** 2)) * 0.01
    slow = 0.01 * t + 0.004 * np.sin(2 * np.pi * 0.1 * t)
    steps = np.zeros((len(t), fields.CELLS, 2), np.float32)
    steps[:, :, 0] = (pulse + slow)[:, None]
    quieter, given = quiet.Quieter(), []
    for at, step in zip(t, steps, strict=True):
        tick = quieter.add(at, step)
        given += [tick] if tick is not None else []
    given += quieter.rest()
    assert np.allclose([tick.t_s for tick in given], t)
    left = np.array([tick.steps[0, 0] for tick in given])
    assert np.abs(left - pulse)[48:-48].max() < 0.003  # at both ends there is less to compare with
