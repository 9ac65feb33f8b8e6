"""Recognizers of distances between points: from both sources of points, by hand, and what is refused."""

from __future__ import annotations

import io
import re

import msgspec
import numpy as np
import pytest
from portrait import BOX, POINTS, landmarks_of, portrait
from sketch_faces import a_face

from edgefer import recognize
from edgefer.errors import ModelError, UsageError
from edgefer.geometry import Box
from edgefer.labels import BASIC7
from edgefer.models import directory
from edgefer.models.geometry import GeometryPart, geometry_test_input
from edgefer.models.manifest import from_fields
from edgefer.preprocess.points import chain, features
from edgefer.recognize.base import Refused
from edgefer.recognize.geometry import GeometryRecognizer, Layers
from edgefer.values import Face, Frame, Quality

WIDTHS = (12, 7, 7)
COUNT = 12 * 13 + 7 * 13 + 7 * 8


def numbers(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.7, 2 * COUNT).astype(np.float32)


def by_hand(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """MLP 12-12-7-7 with sigmoids and a soft-max, from equations 5 to 7 of the paper."""
    inputs, at = x.astype(np.float64), 0
    for width in WIDTHS:
        size = len(inputs)
        weights = values[at : at + width * size].reshape(width, size)
        bias = values[at + width * size : at + width * (size + 1)]
        z, at = weights @ inputs + bias, at + width * (size + 1)
        inputs = 1 / (1 + np.exp(-z))
    return np.exp(z) / np.exp(z).sum()


def part(values: np.ndarray, **changes) -> dict:
    scores = [float(score) for score in by_hand(geometry_test_input(0), values)]
    return {
        "distances": "interocular",
        "mean": [0.3] * 12,
        "deviation": [0.1] * 12,
        "widths": list(WIDTHS),
        "activations": ["sigmoid", "sigmoid", "softmax"],
        "training": {"data": "none", "split": "train", "rule": "none", "rows": 0, "command": "none", "seed": 0},
        "metrics": {"split": "val", "rule": "none", "rows": 9, "accuracy": 50.0, "chance": 20.0},
        "self_test": [{"seed": 0, "scores": scores}],
        **changes,
    }


def fields(values: np.ndarray, **changes) -> dict:
    return {
        "kind": "geometry",
        "name": "tiny-geometry",
        "paper": "none",
        "architecture": "MLP 12-12-7-7",
        "licence": {"weights": "none", "training_data": "none"},
        "output": {"labels": "basic7"},
        "points": "landmarks",
        "classic": part(values[:COUNT]),
        "landmarks": part(values[COUNT:]),
        **changes,
    }


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "tiny-geometry"
    path.mkdir()
    values = numbers()
    np.save(path / "model.npy", values)
    directory.write(path, from_fields(fields(values)))
    return path


def face(points: np.ndarray | None, box: Box = BOX) -> Face:
    return Face(1, box, Quality(box.width, 0.1, 120), None if points is None else points.astype(np.float32))


FRAME = Frame(0, np.zeros((400, 400), np.uint8), 0, 0)


def test_a_face_is_judged_by_the_distances_of_its_landmarks(model):
    recognizer = recognize.open(model)
    assert isinstance(recognizer, GeometryRecognizer) and recognizer.labels == BASIC7
    assert recognizer.points == "landmarks" and recognizer.needs.landmarks
    observation = recognizer.observe(FRAME, face(a_face()))
    points = features.from_landmarks(a_face())
    np.testing.assert_array_equal(observation.points, points)
    expected = by_hand((features.distances(points) - np.float32(0.3)) / np.float32(0.1), numbers()[COUNT:])
    # float32 sums of up to 13 products behind two sigmoids
    np.testing.assert_allclose(observation.scores, expected, atol=1e-5)
    assert set(observation.spent_ns) == {"preprocess", "infer"}


def test_the_option_points_chooses_the_chain_and_its_own_layers(model):
    recognizer = recognize.open(f"{model},points=classic")
    image = portrait()
    marks = landmarks_of(POINTS)
    observation = recognizer.observe(Frame(0, image, 0, 0), face(marks))
    found = chain.find(image, BOX, marks[30], marks)
    np.testing.assert_array_equal(observation.points, found.points)
    expected = by_hand((features.distances(found.points) - np.float32(0.3)) / np.float32(0.1), numbers()[:COUNT])
    np.testing.assert_allclose(observation.scores, expected, atol=1e-5)


def test_what_is_lacking_is_said(model):
    """No landmarks, landmarks that are no face's, and a stage of the chain that finds nothing or the wrong thing."""
    marks = np.full((68, 2), 265.0)
    for points in (None, marks, np.full((68, 2), np.nan)):
        assert recognize.open(model).observe(FRAME, face(points)) == Refused("landmarks")
    classic = recognize.open(f"{model},points=classic")
    assert classic.observe(FRAME, face(None)) == Refused("landmarks")
    assert classic.observe(FRAME, face(marks)) == Refused("eyes")
    moved = landmarks_of(POINTS)
    moved[17] -= (0, 40)  # a brow that is not where the chain finds it
    assert classic.observe(Frame(0, portrait(), 0, 0), face(moved)) == Refused("eyebrows")


def test_raw_distances_are_taken_where_the_manifest_says_so():
    values = numbers()[:COUNT]
    raw = msgspec.convert(part(values, distances="pixels", mean=[20.0] * 12, deviation=[9.0] * 12), type=GeometryPart)
    points = features.from_landmarks(a_face())
    expected = by_hand((features.distances(points, normalised=False) - np.float32(20)) / np.float32(9), values)
    np.testing.assert_allclose(Layers(raw, values)(points), expected, atol=1e-5)


def test_a_temperature_flattens_the_scores_and_keeps_their_order():
    values = numbers()[:COUNT]
    made = msgspec.convert(part(values), type=GeometryPart)
    points = features.from_landmarks(a_face())
    plain, flat = Layers(made, values)(points), Layers(made, values, temperature=2.0)(points)
    np.testing.assert_array_equal(plain.argsort(), flat.argsort())
    root = np.sqrt(plain)
    np.testing.assert_allclose(flat, root / root.sum(), rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"output": {"labels": "five"}}, "output.labels: expected one of"),
        ({"classic": {"activations": ["sigmoid", "softmax"]}}, "classic.activations: expected 3, one a layer, got 2"),
        ({"classic": {"widths": [12, 7, 6]}}, "classic: expected a last layer of 7 with softmax, got 6"),
        ({"landmarks": {"mean": [0.0] * 11}}, "Expected `array` of length >= 12"),
        ({"landmarks": {"deviation": [0.0] * 12}}, "Expected `float` > 0"),
        ({"points": "guessed"}, "Invalid enum value 'guessed'"),
    ],
    ids=["labels", "activations", "widths", "mean", "deviation", "points"],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes, said):
    made = fields(numbers())
    for key, change in changes.items():
        made[key] = {**made[key], **change} if key in ("classic", "landmarks") else change
    with pytest.raises((ValueError, msgspec.ValidationError), match=said):
        from_fields(made)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (numbers()[:-1], f"expected {2 * COUNT} finite float32 numbers, got float32"),
        (numbers().astype(np.float64), "got float64"),
        (np.where(np.arange(2 * COUNT) == 5, np.nan, numbers()).astype(np.float32), "finite"),
        (numbers(seed=4), "self-test 0 of classic failed"),
    ],
    ids=["short", "float64", "nan", "others"],
)
def test_numbers_that_are_not_the_manifests_are_refused(model, content, said):
    manifest = directory.load(model)
    np.save(model / "model.npy", content)
    directory.write(model, manifest)
    with pytest.raises(ModelError, match=said):
        recognize.open(model)


def test_a_file_that_is_no_array_is_refused(model):
    manifest = directory.load(model)
    buffer = io.BytesIO()
    np.savez(buffer, a=1)
    (model / "model.npy").write_bytes(b"\x93NUMPY" + buffer.getvalue())
    directory.write(model, manifest)
    with pytest.raises(ModelError, match="is no array"):
        recognize.open(model)


def test_a_cascade_for_the_nose_is_for_the_chain_and_must_be_one(model, tmp_path):
    with pytest.raises(UsageError, match="nose= is for points=classic"):
        recognize.open(f"{model},nose=x.xml")
    with pytest.raises(UsageError, match=r"no such file|has no cascades"):
        recognize.open(f"{model},points=classic,nose={tmp_path}/none.xml")
    (tmp_path / "text.xml").write_text("no cascade")
    with pytest.raises(UsageError, match=r"expected a cascade file|has no cascades"):
        recognize.open(f"{model},points=classic,nose={tmp_path}/text.xml")


@pytest.mark.parametrize(
    ("option", "said"),
    [("points=nose", "points: expected one of"), ("method=flow", "option 'method' is unknown; options: points, nose")],
)
def test_a_wrong_option_is_said_of_the_model_as_it_was_written(model, option, said):
    with pytest.raises(UsageError, match=re.escape(f"model '{model},{option}': {said}")):
        recognize.open(f"{model},{option}")
