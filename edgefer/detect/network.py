"""Model directories of detector networks: made of a file, and read back."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from edgefer.detect.registry import NetworkEntry
from edgefer.errors import EdgeferError, ModelError, UsageError
from edgefer.models import directory, slots
from edgefer.models.manifest import DetectorManifest, DetectorTest, Licence, self_test_input
from edgefer.support.registry import imported

#: Largest difference between a score and the one the self-test expects: without XNNPACK int8 networks round otherwise.
TOLERANCE = 0.1
SEEDS = (0, 1, 2, 3, 4)
TEST_SIDE_PX = 128


class ScoringDetector(Protocol):
    """A detector that runs a network."""

    def best_score(self, grey: np.ndarray) -> float:
        """The greatest score the network gives anywhere in a small image, however low."""


AnyDetector = TypeVar("AnyDetector", bound=ScoringDetector)


def open_network(
    decoding: str, model: str | os.PathLike, make: Callable[..., AnyDetector], *arguments: int
) -> AnyDetector:
    """A detector from its model directory.

    Args:
        decoding: the detector's name.
        model: the directory, or the name of an installed one.
        make: gives the detector from the network's bytes, a name for messages, and the arguments.

    Raises:
        ModelError: the directory is refused, holds another model, or the self-test fails.
    """
    path = slots.installed(os.fspath(model)) or Path(model)
    if path.is_file():
        raise UsageError(
            f"detector {decoding}: expected a model directory, got the file {str(model)!r}; make one: "
            f"edgefer models pack {model} DIRECTORY --decoding {decoding}"
        )
    manifest, content = directory.read(path)
    if not isinstance(manifest, DetectorManifest) or manifest.decoding != decoding:
        kind = getattr(manifest, "decoding", manifest.kind)
        raise ModelError(f"detector {decoding}: {path} holds another model, {manifest.name} ({kind})")
    detector = make(content, manifest.name, *arguments)
    for vector in manifest.self_test:
        score = detector.best_score(_test_image(vector.seed))
        if abs(score - vector.score) > TOLERANCE:
            raise ModelError(
                f"model {manifest.name}: self-test {vector.seed} failed: expected a score of "
                f"{vector.score:.3f} within {TOLERANCE}, got {score:.3f}"
            )
    return detector


def pack(
    file: str | os.PathLike,
    out: str | os.PathLike,
    entry: NetworkEntry,
    *,
    name: str,
    licence: str,
    training_data: str = "as its authors state",
    card: str = "",
) -> None:
    """Makes a model directory of a network file.

    Args:
        file: the network, in the form its detector reads (.onnx or .tflite).
        out: directory to make; must not exist, or be empty.
        entry: the detector that it is for.
        name, licence, training_data: for the manifest; the last two are the licence words of the weights, and of
            what they were trained on.
        card: a model card to go with it.

    Raises:
        UsageError: there is no such file, or the directory is not empty.
        ModelError: it is not such a network. EdgeferError: the directory cannot be written.
    """
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; expected the file of a network") from None
    detector = imported(entry.network)(content, str(file))
    tests = tuple(DetectorTest(seed=seed, score=round(detector.best_score(_test_image(seed)), 4)) for seed in SEEDS)
    manifest = DetectorManifest(
        name=name,
        paper=entry.paper,
        architecture=entry.name,
        licence=Licence(weights=licence, training_data=training_data),
        decoding=entry.name,
        file=entry.file,
        self_test=tests,
    )
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise UsageError(f"{out}: expected a new or an empty directory, it has files in it")
        (out / manifest.network).write_bytes(content)
        if card:
            (out / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    except OSError as error:
        raise EdgeferError(f"{out}: cannot be written: {error.strerror}; choose another directory") from None
    directory.write(out, manifest)


def _test_image(seed: int) -> np.ndarray:
    """uint8 (TEST_SIDE_PX, TEST_SIDE_PX), of the self-test's pattern."""
    tensor = self_test_input(seed, (1, TEST_SIDE_PX, TEST_SIDE_PX, 1))
    return (tensor[0, :, :, 0].astype(np.int16) + 128).astype(np.uint8)
