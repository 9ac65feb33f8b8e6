"""Networks for sketches learn, start from digits, and become model directories that run."""

from __future__ import annotations

import json
import struct

import cv2
import numpy as np
import pytest
from sketch_faces import a_face

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from edgefer import recognize  # noqa: E402
from edgefer.errors import UsageError  # noqa: E402
from edgefer.geometry import Box  # noqa: E402
from edgefer.labels import COSTACHE4, FERPLUS8  # noqa: E402
from edgefer.measure import datasets  # noqa: E402
from edgefer.models import directory  # noqa: E402
from edgefer.train.sketch import networks, own, paper  # noqa: E402
from edgefer.train.sketch.__main__ import main  # noqa: E402
from edgefer.train.sketch.paper import Training, fit  # noqa: E402
from edgefer.values import Face, Frame, Quality  # noqa: E402

SIDE = 144  # the least that leaves capsnet's second convolution a place
EXPRESSIONS = ("happiness", "sadness", "surprise", "neutral")


def mouth(points: np.ndarray, wide: float, high: float) -> np.ndarray:
    points = points.copy()
    points[48:68] = (points[48:68] - [200, 255]) * [wide, high] + [200, 255]
    return points


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Faces whose mouths tell their expression, half train and half val, and their landmarks."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(1)
    shapes = [(1.6, 0.6), (0.7, 0.4), (0.8, 2.5), (1.0, 1.0)]
    each = 160
    truth = np.tile(np.arange(4), each)
    points = [mouth(a_face(), *shapes[index]) + rng.normal(0, 1, (68, 2)) for index in truth]
    votes = np.zeros((len(truth), len(datasets.VOTE_COLUMNS)), np.int16)
    votes[np.arange(len(truth)), [FERPLUS8.index(EXPRESSIONS[index]) for index in truth]] = 10
    image = cv2.imencode(".webp", np.zeros((48, 48), np.uint8))[1].ravel()
    np.savez(
        folder / "fer.npz",
        webp=np.tile(image, len(truth)),
        offset=np.arange(len(truth) + 1) * len(image),
        emotion=np.zeros(len(truth), np.uint8),
        split=(np.arange(len(truth)) >= len(truth) // 2).astype(np.uint8),
        votes=votes,
    )
    np.savez(folder / "points.npz", points=np.float32(points), score=np.ones(len(truth), np.float32))
    return str(folder / "fer.npz"), folder / "points.npz"


@pytest.fixture
def few_rows(monkeypatch):
    for name, rows in (("TRAIN_ROWS", 24), ("VAL_ROWS", 12), ("QUERY_ROWS", 8)):
        monkeypatch.setattr(paper, name, rows)


def write_digits(folder) -> None:
    images, labels = (
        np.random.default_rng(2).integers(0, 255, (20, 28, 28), np.uint8),
        np.arange(20, dtype=np.uint8) % 10,
    )
    folder.mkdir()
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        (folder / f"train-{name}-ubyte").write_bytes(head + array.tobytes())


def test_a_network_starts_from_what_it_learnt_of_digits(files, tmp_path, few_rows):
    write_digits(tmp_path / "idx")
    digits = Training("capsnet", digits=str(tmp_path / "idx"), side=SIDE, epochs=1, batch=10)
    done = fit(digits, tmp_path / "digits", *files)
    assert done["classes"] == 10 and done["rows"] == 20 and "val" not in done
    transfer = Training("capsnet", start=str(tmp_path / "digits"), side=SIDE, epochs=1, batch=12)
    done = fit(transfer, tmp_path / "run", *files)
    assert done == json.loads((tmp_path / "run" / "done.json").read_text())
    assert (done["rows"], len(done["val"]["truth"]), len(done["query"]["truth"])) == (24, 12, 8)
    assert np.bincount(done["query"]["truth"]).tolist() == [2, 2, 2, 2]
    assert not set(done["val"]["row"]) & set(done["query"]["row"])
    np.testing.assert_allclose(np.sum(done["query"]["scores"], axis=1), 1, atol=1e-3)

    before, after = (networks.capsnet(classes, SIDE) for classes in (10, 4))
    before.load_weights(tmp_path / "digits" / paper.WEIGHTS)
    paper.start_from(tmp_path / "digits", after, transfer)
    np.testing.assert_array_equal(*(model.get_layer("conv1").kernel.numpy() for model in (before, after)))
    with pytest.raises(UsageError, match="expected a run of capsnet at 250 pixels, got capsnet at 144"):
        fit(Training("capsnet", start=str(tmp_path / "digits")), tmp_path / "other", *files)


def test_unknown_networks_and_weights_are_refused():
    with pytest.raises(UsageError, match="unknown network 'vgg12'; available: vgg11, resnet50, capsnet"):
        Training("vgg12")
    with pytest.raises(UsageError, match="ImageNet's are for resnet50"):
        Training("vgg11", weights="weights.h5")


def test_altered_landmarks_keep_their_meaning():
    """In a mirror the right brow is the left one: FL17 stays left of FL26 in the picture."""
    rng = np.random.default_rng(1)
    faces = own.altered(np.repeat(a_face()[None], 200, axis=0), rng)
    assert faces.shape == (200, 68, 2)
    assert (faces[:, 16, 0] > faces[:, 0, 0]).all() and (faces[:, 26, 0] > faces[:, 17, 0]).all()
    assert (faces[:, 33, 1] > faces[:, 27, 1]).all()
    assert own.MIRRORED[own.MIRRORED].tolist() == list(range(68))
    plain = a_face()
    np.testing.assert_allclose(plain[own.MIRRORED] * [-1, 1] + [400, 0], plain, atol=1e-9)  # it is symmetric


def test_our_network_learns_is_exported_and_reads_a_face(files, tmp_path, capsys):
    data, landmarks = files
    options = ["--data", data, "--landmarks", str(landmarks)]
    assert main(["own", "--out", str(tmp_path / "run"), *options, "--epochs", "6", "--batch", "32"]) == 0
    assert json.loads((tmp_path / "run" / "done.json").read_text())["val_accuracy_float32"] > 60
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "drawn"), *options]) == 0
    assert "of val, int8" in capsys.readouterr().out
    manifest = directory.load(tmp_path / "drawn")
    assert manifest.kind == "sketch" and manifest.labels == COSTACHE4 and manifest.metrics.rows == 320
    recognizer = recognize.open(tmp_path / "drawn")
    points = mouth(a_face(), 0.8, 2.5).astype(np.float32)
    face = Face(1, Box(90, 90, 310, 320), Quality(220, 0.1, 120), points)
    observation = recognizer.observe(Frame(0, np.zeros((400, 400), np.uint8), 0, 0), face)
    assert COSTACHE4[int(observation.scores.argmax())] == "awe"
    assert observation.sketch.shape == (64, 64)
