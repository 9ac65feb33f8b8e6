"""Recognizers of clips: what they see of a face over time, when they speak, and what they leave out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import tiny_model

import edgefer
from edgefer import recognize
from edgefer.commands.console import main
from edgefer.errors import UsageError
from edgefer.geometry import Box
from edgefer.models import directory as directories
from edgefer.models import manifest as manifests
from edgefer.models.clip import ClipManifest
from edgefer.recognize.clip import ClipRecognizer
from edgefer.sources.demo import Demo, portrait_path
from edgefer.values import Face, Frame, Quality

NS = 1_000_000_000
FRAMES, RATE_HZ = 4, 10.0


def clip_manifest(**changes) -> ClipManifest:
    """The tiny network's, whose 64 rows are taken for four frames of 16."""
    fields = msgspec.to_builtins(tiny_model.manifest()) | {"kind": "clip", "name": "tiny-clip"}
    fields["input"] |= {"height": 16, "frames": FRAMES, "rate_hz": RATE_HZ, "min_face_px": 40.0, **changes}
    made = manifests.from_fields(fields)
    assert isinstance(made, ClipManifest)
    return made


@pytest.fixture
def clip_directory(tmp_path) -> Path:
    folder = tmp_path / "tiny-clip"
    folder.mkdir()
    (folder / manifests.MODEL_NAME).write_bytes(tiny_model.FIXTURE.read_bytes())
    directories.write(folder, clip_manifest())
    return folder


class Network:
    """Keeps what it is given; the first label wins."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def run(self, tensor: np.ndarray) -> np.ndarray:
        self.seen.append(tensor.copy())
        return np.int8([[100, 0, 0, 0, 0, 0, 0, 0]])


def scene(t: float) -> np.ndarray:
    """A picture whose light moves."""
    x, y = np.meshgrid(np.arange(120), np.arange(100))
    return np.rint(120 + 60 * np.sin(x / 17 + 3 * t) * np.cos(y / 11 - 2 * t)).astype(np.uint8)


def frame(t: float) -> Frame:
    return Frame(round(1000 * t), scene(t), round(t * NS), 0)


def face(track: int = 1, side: float = 80, reasons: tuple[str, ...] = ()) -> Face:
    return Face(track, Box(20, 10, 20 + side, 10 + side), Quality(side, 0.1, 120, reasons))


def test_a_window_is_whole_before_anything_is_said():
    network = Network()
    recognizer = ClipRecognizer(clip_manifest(), network)
    assert recognizer.needs == (False, False, 0.4, 10.0, 40.0)
    said = [recognizer.observe(frame(number / 30), face()) for number in range(13)]
    assert [each is None for each in said] == [True] * 9 + [False] * 4  # samples at 0, 0.1, 0.2 and 0.3 s
    assert said[-1].scores.shape == (8,) and said[-1].scores.argmax() == 0
    assert set(said[-1].spent_ns) == {"preprocess", "infer"}
    assert network.seen[0].shape == (1, 64, 64, 3)


def test_the_network_runs_once_for_each_window_however_often_it_is_asked():
    network = Network()
    recognizer = ClipRecognizer(clip_manifest(), network)
    said = [recognizer.observe(frame(number / 60), face()) for number in range(61)]
    assert len(network.seen) == 8  # windows that end at 0.3, 0.4, ..., 1.0 s
    said[-1].scores[:] = 7
    assert recognizer.observe(frame(1.001), face()).scores.sum() == pytest.approx(1)


@pytest.mark.parametrize("fps", [25, 60, 200])
def test_frame_rates_agree(fps):
    """The windows of 30 frames a second and of others differ by no more than interpolation does."""

    def windows(rate: int) -> np.ndarray:
        network = Network()
        recognizer = ClipRecognizer(clip_manifest(), network)
        for number in range(rate + 1):
            moment, seen = frame(number / rate), face()
            recognizer.observe(moment, seen) if number % 3 == 0 or number == rate else recognizer.gather(moment, seen)
        return network.seen[-1].astype(int)

    assert np.abs(windows(fps) - windows(30)).max() <= 2


def test_every_track_has_a_window_of_its_own_and_is_forgotten():
    recognizer = ClipRecognizer(clip_manifest(), Network())
    for number in range(10):
        recognizer.gather(frame(number / 30), face(1))
    assert recognizer.observe(frame(10 / 30), face(2)) is None
    assert recognizer.observe(frame(10 / 30), face(1)) is not None
    recognizer.forget({1, 5})
    assert recognizer.observe(frame(11 / 30), face(1)) is None


@pytest.mark.parametrize("held", [face(reasons=("occluded",)), face(side=30)], ids=["by the gate", "too small"])
def test_what_is_held_back_is_not_in_the_window(held):
    recognizer = ClipRecognizer(clip_manifest(), Network())
    for number in range(15):
        recognizer.gather(frame(number / 30), face())
    for number in range(15, 30):
        recognizer.gather(frame(number / 30), held)
    assert recognizer.observe(frame(1.0), face()) is None  # half a second was not seen


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frames": 1}, "Expected `int` >= 2"),
        ({"rate_hz": 0.0}, "Expected `float` >= 1"),
        ({"window": 3}, "unknown field `window`"),
        ({"value_range": [-1.0, 1.0]}, "input.value_range: expected"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        clip_manifest(**changes)


def test_a_model_directory_opens_as_a_recognizer_and_shows_its_window(clip_directory, capsys):
    recognizer = recognize.open(clip_directory)
    assert isinstance(recognizer, ClipRecognizer)
    assert main(["models", "verify", str(clip_directory)]) == 0
    assert main(["models", "show", str(clip_directory)]) == 0
    assert "frames 4, rate hz 10" in " ".join(capsys.readouterr().out.split())


def test_a_film_is_uncertain_until_the_window_is_full_and_then_judged(clip_directory):
    demo = Demo()
    reader = edgefer.Reader(model=clip_directory)
    said = [reader.process(demo.render(number).grey, t_s=number / 30) for number in range(16)]
    faces = [reading.faces[0] for reading in said if reading.faces]
    assert len(faces) >= 14
    assert faces[0].expression == "uncertain" and faces[0].scores_age_ms is None
    assert faces[-1].expression != "uncertain" and faces[-1].scores_age_ms is not None


def test_photographs_are_refused_in_one_line(clip_directory, capsys):
    assert main(["run", "-q", "--source", str(portrait_path()), "--model", str(clip_directory)]) == 2
    error = capsys.readouterr().err.strip()
    assert "tiny-clip judges 0.4 s of film" in error and "\n" not in error
    with pytest.raises(UsageError, match=r"judges 0\.4 s of film"):
        edgefer.read(portrait_path(), model=clip_directory)


def test_two_models_run_side_by_side(clip_directory):
    demo = Demo()
    reader = edgefer.Reader(model=["edgefer-nano", str(clip_directory)])
    said = [reader.process(demo.render(number).grey, t_s=number / 30) for number in range(16)]
    faces = [reading.faces[0] for reading in said if reading.faces]
    assert faces[0].expression != "uncertain" and faces[0].models["tiny-clip"].expression == "uncertain"
    assert faces[-1].models["tiny-clip"].expression != "uncertain"
