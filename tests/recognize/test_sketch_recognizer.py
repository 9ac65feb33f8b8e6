"""Recognizers of sketches: what they see of a face, what they leave unsaid, and what their manifests may say."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import tiny_model
from sketch_faces import a_face

from edgefer.geometry import Box
from edgefer.labels import COSTACHE4
from edgefer.models import manifest as manifests
from edgefer.preprocess.sketch import sketch
from edgefer.recognize.base import Refused
from edgefer.recognize.sketch import SketchRecognizer
from edgefer.values import Face, Frame, Quality


def sketch_manifest(**changes) -> manifests.SketchManifest:
    fields = msgspec.to_builtins(tiny_model.manifest()) | {"kind": "sketch", "name": "tiny-sketch"}
    fields["input"] = {
        **{"height": 64, "width": 64, "upright": True, "scale": 1 / 128, "zero_point": 0},
        "value_range": [-1.0, 127 / 128],
        **changes,
    }
    fields["output"]["labels"] = "costache4"
    fields["self_test"] = [{"seed": 0, "output": [0, 0, 0, 0]}]
    return manifests.from_fields(fields)


class Network:
    """Keeps what it is given; the first label wins."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def run(self, tensor: np.ndarray) -> np.ndarray:
        self.seen.append(tensor.copy())
        return np.int8([[100, 0, -50, 0]])


@pytest.fixture
def network():
    return Network()


def face(points: np.ndarray | None) -> Face:
    return Face(1, Box(90, 90, 310, 320), Quality(220, 0.1, 120), None if points is None else points.astype(np.float32))


FRAME = Frame(0, np.zeros((400, 400), np.uint8), 0, 0)


def test_a_face_with_landmarks_is_judged_by_its_sketch(network):
    recognizer = SketchRecognizer(sketch_manifest(), network)
    assert recognizer.needs.landmarks and recognizer.labels == COSTACHE4
    observation = recognizer.observe(FRAME, face(a_face()))
    expected = sketch(a_face(), 64, upright=True)
    np.testing.assert_array_equal(observation.sketch, expected)
    np.testing.assert_array_equal(network.seen[0][0, :, :, 0].astype(int), expected.astype(int) - 128)
    assert observation.scores.shape == (4,) and observation.scores.argmax() == 0
    assert observation.scores.sum() == pytest.approx(1, abs=1e-6)
    assert set(observation.spent_ns) == {"preprocess", "infer"}


def test_a_face_is_refused_without_landmarks_or_where_they_have_no_sketch(network):
    recognizer = SketchRecognizer(sketch_manifest(), network)
    assert recognizer.observe(FRAME, face(None)) == Refused("landmarks")
    assert recognizer.observe(FRAME, face(np.full((68, 2), 7.0))) == Refused("landmarks")
    assert not network.seen


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 32}, "expected a square, got 32x64"),
        ({"scale": 1 / 64, "value_range": [-2.0, 127 / 64]}, "scale and zero_point: expected 0.0078125, 0"),
        ({"channels": "grey"}, "Invalid enum value 'grey'"),
        ({"crop_margin": 0.1}, "unknown field `crop_margin`"),
    ],
    ids=["not-square", "other-levels", "other-planes", "a-crop"],
)
def test_a_manifest_that_says_otherwise_is_refused(changes, said):
    with pytest.raises((ValueError, msgspec.ValidationError), match=said):
        sketch_manifest(**changes)


def test_what_several_kinds_share_is_no_kind():
    kinds = manifests.manifest_kinds()
    assert {"frame", "sketch", "detector"} <= set(kinds)
    assert "NetworkManifest" not in kinds
