"""Action units in films: a face is judged against itself at rest once that is known, and by one picture until then."""

from __future__ import annotations

import io

import msgspec
import numpy as np
import pytest

import edgefer
from edgefer.errors import ModelError
from edgefer.geometry import Box
from edgefer.models import directory, manifest, store
from edgefer.models.units import UnitsAlone, UnitsManifest, UnitsRest
from edgefer.preprocess import pairs
from edgefer.preprocess.aligned import STILL
from edgefer.recognize.units import UnitsRecognizer, open_networks
from edgefer.recognize.windows import NS
from edgefer.values import Face, Frame, Quality

POINTS = np.random.default_rng(1).uniform(60, 100, (68, 2))
POINTS[STILL] = np.array([(60, 60), (72, 61), (88, 61), (100, 60), (80, 60), (80, 65), (80, 70), (80, 76), (80, 83)])
GREY = np.random.default_rng(2).integers(0, 256, (160, 160), np.uint8)


class Fake:
    """A network that always says the same, and counts how often it was asked."""

    def __init__(self, level: int, units: int) -> None:
        self.level, self.units, self.asked = level, units, 0

    def run(self, tensor: np.ndarray) -> np.ndarray:
        self.asked += 1
        return np.full((1, 2 * self.units), self.level, np.int8)


@pytest.fixture
def spec() -> UnitsManifest:
    shipped = directory.load(store.find("units"))
    assert isinstance(shipped, UnitsManifest)
    step, zero = manifest.SKETCH_LEVELS
    rest = UnitsRest(
        name="units", height=pairs.ROWS, width=pairs.COLUMNS, scale=step, zero_point=zero,
        value_range=((-128 - zero) * step, (127 - zero) * step), output_scale=0.05, output_zero_point=0,
        training=shipped.training, data="films", rows=0, people=0, f1=0, icc=0, pcc=0, mse=0, mae=0, f1_alone=0,
        icc_alone=0, mse_alone=0, self_test=(manifest.SelfTest(seed=0, output=(0,) * (2 * len(shipped.units))),),
    )  # fmt: skip
    return msgspec.structs.replace(shipped, rest=rest)


@pytest.fixture
def model(spec):
    return UnitsRecognizer(spec, Fake(60, len(spec.units)), Fake(100, len(spec.units)))


def played(model, seconds: float, track: int = 1, start_s: float = 0.0, fps: float = 20, still: bool = False):
    """Intensities of the first unit, frame by frame."""
    said = []
    for number in range(round(seconds * fps)):
        frame = Frame(number, GREY, round((start_s + number / fps) * NS), 0, still=still)
        seen = Face(track, Box(40, 40, 120, 120), Quality(80, 1, 100), landmarks=POINTS)
        said.append(float(model.observe(frame, seen).units[0, 0]))
    return said


def test_after_a_second_a_face_is_judged_against_its_own_rest(model):
    first, *_, last = said = played(model, 2)
    assert first != last and last == 5.0
    assert 20 <= said.index(last) <= 23 and set(said) == {first, last}
    # both ways in each frame since, and of each crop that was due since: itself, and one that was kept
    later = [number for number in range(0, 40, 3) if number > said.index(last)]
    assert model._against.asked == 2 * (40 - said.index(last)) + 4 * len(later)


def test_one_picture_is_heard_about_the_units_that_the_model_names(spec):
    """Of AU1 it is believed where it says much, of AU2 by its share, of AU4 about intensity, of others not."""
    heard = {
        "AU1": UnitsAlone(share=0.0, clear=1.0),
        "AU2": UnitsAlone(share=0.25, clear=4.0),
        "AU4": UnitsAlone(share=0.25, shown=0.0, clear=4.0),
    }
    spec = msgspec.structs.replace(spec, rest=msgspec.structs.replace(spec.rest, alone=heard))
    model = UnitsRecognizer(spec, Fake(60, len(spec.units)), Fake(-10, len(spec.units)))
    frames = [Frame(0, GREY, round(t * NS), 0) for t in np.arange(0, 2, 0.05)]
    seen = Face(1, Box(40, 40, 120, 120), Quality(80, 1, 100), landmarks=POINTS)
    units = [model.observe(frame, seen).units for frame in frames][-1]
    alone = model.judge(model.crop(GREY, POINTS))
    assert 1 < alone[0, 0] < 4
    np.testing.assert_array_equal(units[:, 0], alone[:, 0])
    assert units[0, 1:3] == pytest.approx(0.25 * alone[0, 1:3])
    assert units[1, 1] == pytest.approx(0.25 * alone[1, 1] + 0.75 * units[1, 3]) and units[1, 2] == units[1, 3]
    assert (units[0, 3:] == 0).all() and (units[1, 3:] < 0.5).all()


def test_photographs_are_judged_alone(model):
    assert len(set(played(model, 3, still=True))) == 1 and model._against.asked == 0


def test_each_face_has_its_own_rest_and_a_forgotten_one_none(model):
    played(model, 2)
    alone = played(model, 0.2, track=2, start_s=2)[0]
    assert played(model, 0.1, start_s=2.2)[0] != alone
    model.forget([1, 7])
    assert played(model, 0.1, start_s=2.4)[0] == alone


def test_a_model_of_one_network_judges_films_by_pictures(spec):
    one = UnitsRecognizer(msgspec.structs.replace(spec, rest=None), Fake(60, len(spec.units)), None)
    assert len(set(played(one, 2))) == 1


def test_a_file_that_does_not_hold_both_networks_is_refused(spec):
    file = io.BytesIO()
    np.savez(file, alone=np.zeros(4, np.uint8))
    for content, what in ((b"", "units: model.npz"), (file.getvalue(), "against")):
        with pytest.raises(ModelError, match=what):
            open_networks(spec, content)


def test_a_manifest_says_where_its_networks_are(spec):
    assert spec.network == "model.npz" and list(spec.faults()) == []
    assert msgspec.structs.replace(spec, rest=None).network == "model.tflite"
    assert "in films F1" in spec.figures()[2]
    unknown = msgspec.structs.replace(spec.rest, alone={"AU99": UnitsAlone(share=0, clear=2)})
    assert "AU99" in "".join(msgspec.structs.replace(spec, rest=unknown).faults())
    wrong = msgspec.structs.replace(spec.rest, self_test=(manifest.SelfTest(seed=0, output=(1, 2)),))
    assert "self_test" in "".join(msgspec.structs.replace(spec, rest=wrong).faults())


def test_what_is_remembered_of_a_face_belongs_to_one_film():
    """And the networks to all: they are loaded once, also where the model was removed meanwhile."""
    with edgefer.Reader(["edgefer-nano", "units", "edgefer-clip", "micro"], profile="generic") as reader:
        first, second = (reader._opened().recognizers() for _ in range(2))
    assert [one is other for one, other in zip(first, second, strict=True)] == [True, False, False, False]
    assert first[1]._alone is second[1]._alone and first[1]._rests is not second[1]._rests
    assert first[2]._interpreter is second[2]._interpreter and first[2]._windows is not second[2]._windows
    assert first[3]._spotter is second[3]._spotter and first[3]._faces is not second[3]._faces
