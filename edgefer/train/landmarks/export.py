"""From a run's averaged weights to the model directory: int8 with float heads, manifest, card.

    python -m edgefer.train.landmarks.export runs/edgefer-landmarks/deep80 --data DATA --labels LABELS \\
        --out edgefer/models/shipped/edgefer-landmarks

256 levels of a crop's side are too coarse for places, so the last two layers, from features to points and
confidences, stay float32. Every figure in the manifest is measured here, on the bytes that ship.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgefer.landmarks.network import LandmarkNetwork
from edgefer.landmarks.points import REGIONS, face_square
from edgefer.landmarks.squares import around_points
from edgefer.measure.points import HELEN, labelled_faces, measured
from edgefer.models import directory
from edgefer.models.manifest import (
    Input,
    LandmarkManifest,
    LandmarkMetrics,
    LandmarkTest,
    Licence,
    Training,
    self_test_input,
)
from edgefer.train.checkpoint import load_weights
from edgefer.train.command import reported
from edgefer.train.export.place import check_place, replace_directory
from edgefer.train.landmarks import data
from edgefer.train.landmarks.card import render
from edgefer.train.landmarks.develop import developed, looks
from edgefer.train.landmarks.fit import prepared
from edgefer.train.landmarks.network import SHAPES, build
from edgefer.train.settings import read_json

NAME = "edgefer-landmarks"
RULE = (
    "200 faces of HELEN train with 68 hand-made points; two looks: the middle 80 % of the picture, then the square "
    "round the points found; mean distance in percent of the distance of the outer corners of the eyes"
)
#: Crops that set the ranges of int8.
SAMPLES = 400
#: For the network that is to be measured.
UNMEASURED = LandmarkMetrics(
    data="none", rule="none", rows=0, inner=0, all=0, jaw_across=0, inner_float32=0, all_float32=0
)
LICENCE = Licence(
    weights="MIT, as far as the terms of the training images, which are not stated, allow",
    training_data=(
        "face photographs: repository Apache-2.0, origin not stated, research use; FER-2013 pixels: research use, "
        "original terms unstated; the teacher, MediaPipe Face Landmarker v2: Apache-2.0, Google; its offsets to the 68 "
        "points were measured on HELEN labels (iBUG 300-W: research use; excludes commercial use), no weight was"
    ),
)
TEACH = "python -m edgefer.train.teachers --data DATA --out LABELS"
FIT = "python -m edgefer.train.landmarks.fit --data DATA --labels LABELS {} --out RUN"
EXPORT = "python -m edgefer.train.landmarks.export RUN --data DATA --labels LABELS --out DIRECTORY"


def quantised(model: Any, representative: np.ndarray) -> bytes:
    """The network in int8, its two heads in float32; the input's levels are those of grey less 128.

    Args:
        model: of network.build. representative: float32 (N, S, S, 1), crops that set the ranges.
    """
    import keras
    import tensorflow as tf
    from tensorflow.lite.python.util import modify_model_io_type

    ends = np.resize(np.array([-1, 127 / 128], np.float32), (1, *representative.shape[1:]))
    with tempfile.TemporaryDirectory() as saved:
        signature = [keras.InputSpec(shape=ends.shape, dtype="float32")]
        model.export(saved, input_signature=signature, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([x] for x in (ends, *representative[:, None]))
        # the debugger is the converter's only way to leave some layers out
        options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=["FULLY_CONNECTED", "LOGISTIC"])
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=lambda: ([x] for x in (ends,)), debug_options=options
        )
        content = debugger.get_nondebug_quantized_model()
    return bytes(modify_model_io_type(content, tf.int8, tf.float32))


class KerasNetwork(LandmarkNetwork):
    """The network before quantisation, looking where the shipped one looks."""

    def __init__(self, model: Any, manifest: LandmarkManifest):
        self._model, self._manifest = model, manifest

    def _forward(self, tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points, confidence = self._model(tensor.astype(np.float32) / 128, training=False)
        return np.array(points).reshape(68, 2), np.array(confidence)[0]


def face_frame(faces: data.Faces) -> tuple[float, float]:
    """Side of the network's square in parts of a detector's box, and how far its middle lies below (medians)."""
    ratios = []
    for points in faces.points:
        box, square = face_square(points), around_points(points)
        ratios.append([square.width / box.width, (square.centre[1] - box.centre[1]) / box.width])
    side, shift = np.median(ratios, axis=0).round(3).tolist()
    return side, shift


def export(run: Path, folder: Path, labels: Path, out: Path) -> LandmarkManifest:
    """Write the model directory; a model of that name is replaced.

    Raises:
        UsageError: `out` is there and no model.
    """
    check_place(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    settings = read_json(run / "settings.json")
    sources = data.taught(folder, labels)
    shape = SHAPES[settings["shape"]]
    sampler, rng = data.Sampler(sources, [], seed=7), np.random.default_rng(8)
    canvases = np.stack([sampler.sample()[0] for _ in range(SAMPLES)])
    representative = np.asarray(prepared(developed(canvases, looks(rng, SAMPLES), shape.side)))
    model = build(shape, np.zeros(136))
    load_weights(model, run / "averaged.weights.h5")
    content = quantised(model, representative)
    side, shift = face_frame(sources[0][0])
    draft = LandmarkManifest(
        name=NAME,
        paper="none; our own",
        architecture=f"{NAME}, input grey, 68 points and {len(REGIONS)} confidences by float heads",
        licence=LICENCE,
        input=Input(
            height=shape.side, width=shape.side, channels="grey", scale=1 / 128, zero_point=0,
            value_range=(-1.0, 127 / 128),
        ),
        order="ibug68",
        regions=REGIONS,
        face_side=side,
        face_shift=shift,
        training=Training(
            data="faces.zip and FER-2013 Training images, with the points of MediaPipe Face Landmarker v2",
            split="train",
            rule=f"faces whose flag the teacher gives a probability of at least {data.SURE}; every twentieth "
            "photograph of faces.zip is left out and chosen by" + settings.get("note", ""),
            rows=sum(len(faces) for faces, _ in sources),
            command=" && ".join([TEACH, *(FIT.format(stage) for stage in settings["stages"]), EXPORT]),
            seed=settings["seed"],
        ),
        metrics=UNMEASURED,
        self_test=(),
    )  # fmt: skip
    images, truth = labelled_faces(folder / HELEN)
    network = LandmarkNetwork(content, draft)
    ours, before = measured(network, images, truth), measured(KerasNetwork(model, draft), images, truth)
    metrics = LandmarkMetrics(
        data="helen_val: iBUG 300-W labels, for measuring only; no weight, offset or threshold was fitted on them",
        rule=RULE, rows=len(truth), inner=round(ours.inner, 3), all=round(ours.all, 3),
        jaw_across=round(ours.jaw_across, 3), inner_float32=round(before.inner, 3), all_float32=round(before.all, 3),
    )  # fmt: skip
    tests = []
    for seed in (0, 2, 4):
        points, confidence = network._forward(self_test_input(seed, (1, shape.side, shape.side, 1)))
        tests.append(
            LandmarkTest(
                seed=seed,
                points=tuple(round(float(value), 5) for value in points.ravel()),
                confidence=tuple(round(float(value), 4) for value in confidence),
            )
        )
    final = LandmarkManifest(
        **{
            field: getattr(draft, field)
            for field in draft.__struct_fields__
            if field not in ("metrics", "self_test", "files")
        },
        metrics=metrics,
        self_test=tuple(tests),
    )
    with tempfile.TemporaryDirectory(dir=out.parent) as made:
        new = Path(made) / NAME
        new.mkdir()
        (new / "model.tflite").write_bytes(content)
        (new / "MODEL_CARD.md").write_text(render(final, settings, len(content)))
        directory.write(new, final)
        replace_directory(new, out)
    return final


@reported
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EDGEFER_DATA", "../shared/data")))
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    metrics = export(arguments.run, arguments.data, arguments.labels, arguments.out).metrics
    print(f"{arguments.out}: inner {metrics.inner} %, all {metrics.all} %, jaw across {metrics.jaw_across} %; float32 "
          f"{metrics.inner_float32} % and {metrics.all_float32} %")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
