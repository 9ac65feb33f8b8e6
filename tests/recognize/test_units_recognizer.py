"""The shipped model of action units, from a face to its reading."""

from __future__ import annotations

import numpy as np
import pytest

import edgefer
from edgefer import recognize
from edgefer.errors import UsageError
from edgefer.geometry import Box
from edgefer.landmarks.network import open_network
from edgefer.landmarks.squares import around_points
from edgefer.models import store
from edgefer.recognize.units import UnitsRecognizer
from edgefer.sources.demo import portrait_path
from edgefer.train.data.synthetic import films
from edgefer.train.data.synthetic.script import Event
from edgefer.train.data.synthetic.sheet import portrait
from edgefer.train.data.synthetic.units import UNITS
from edgefer.train.data.synthetic.warp import Face, Pose
from edgefer.values import Face as Seen
from edgefer.values import Frame, Quality


@pytest.fixture(scope="module")
def model() -> UnitsRecognizer:
    return recognize.open("units")


@pytest.fixture(scope="module")
def read(model):
    """Reads a warped portrait: intensities by unit, at some intensity of one of them, the head in some pose."""
    pytest.importorskip("matplotlib", reason="needs its sample portrait")
    face, network = Face(portrait()), open_network()

    def at(unit: int, intensity: float, pose: Pose | None = None) -> dict[str, float]:
        strength = np.zeros((len(UNITS), 2))
        strength[UNITS.index(unit)] = intensity / 5
        grey, points = face.render(strength, pose or Pose(), 260)
        seen = found(network, grey, points)
        units = model.observe(Frame(0, grey, 0, 0, still=True), seen).units
        return dict(zip(model.units, units[0].tolist(), strict=True))

    return at


def found(network, grey: np.ndarray, points: np.ndarray, track: int = 1) -> Seen:
    """The face as a device finds it."""
    square = around_points(points)
    for _ in range(2):
        points = network.locate(grey, square).points
        square = network.around_points(points)
    return Seen(track, Box(0, 0, *grey.shape[::-1]), Quality(grey.shape[0], 1, 100), landmarks=points)


@pytest.mark.parametrize("unit", [4, 9, 15])
def test_a_film_tells_what_a_picture_does_not(model, unit):
    """Units that a face's own lines and brows hide from one picture, on a portrait that is in no training."""
    pytest.importorskip("matplotlib", reason="needs its sample portrait")
    event = Event(2.0, 2.3, 3.2, {unit: 4.5}, hold_s=0.6)
    taken, network = films.film(Face(portrait()), [event], 2.8, 10, 200, seed=4), open_network()
    read = []
    for grey, points, t_s in zip(taken.frames, taken.landmarks, taken.t_s.tolist(), strict=True):
        seen = found(network, grey, points, track=77)
        read.append(model.observe(Frame(0, grey, round(t_s * 1e9), 0), seen).units[:, UNITS.index(unit)])
    model.forget([77])
    intensity, chance = np.array(read).T
    assert intensity[15:20].max() < 1.5 and intensity[23:26].min() > 2.0
    assert chance[15:20].max() < 0.5 < chance[23:26].min()
    alone = model.judge(model.crop(grey, seen.landmarks))[0, UNITS.index(unit)]
    assert alone < intensity[23:26].mean()


@pytest.mark.parametrize("unit", [12, 26, 43])
def test_a_stronger_unit_reads_stronger(read, unit):
    """On the warped portrait; nobody of its training."""
    rest, half, full = (read(unit, intensity)[f"AU{unit}"] for intensity in (0, 2.5, 5))
    assert rest <= half <= full and full > rest + 0.5


def test_a_tilted_head_reads_like_an_upright_one(read):
    upright, tilted = (read(43, 5, pose) for pose in (Pose(), Pose(roll=0.2)))
    assert max(abs(upright[name] - tilted[name]) for name in upright) < 1.2


def test_there_is_nothing_to_say_without_landmarks(model):
    seen = Seen(1, Box(0, 0, 50, 50), Quality(50, 1, 100))
    assert model.observe(Frame(0, np.zeros((50, 50), np.uint8), 0, 0), seen) is None


def test_a_photograph_has_units_beside_its_expression():
    pytest.importorskip("matplotlib", reason="needs its sample portrait")
    (face,) = edgefer.read(portrait_path(), model=["edgefer-s", "units"])
    assert list(face.units) == list(face.unit_scores) == [f"AU{unit}" for unit in UNITS]
    assert all(0 <= value <= 5 for value in face.units.values())
    assert all(0 <= value <= 1 for value in face.unit_scores.values())
    (alone,) = edgefer.read(portrait_path(), model="edgefer-s")
    assert (alone.expression, alone.units) == (face.expression, {})


def test_units_alone_are_refused_with_what_to_do():
    with pytest.raises(UsageError, match="model units gives no expression; put one that does beside it"):
        edgefer.Reader(model="units")


def test_the_card_says_synthetic_first():
    """And the model is small enough for a device."""
    folder = store.find("units")
    first = (folder / "MODEL_CARD.md").read_text().splitlines()[0]
    assert "synthetic" in first and "another network labelled" in first
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1_000_000
