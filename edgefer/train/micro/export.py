"""Writes the model directory of a network that spots micro-expressions: int8 features, an LSTM, its figures."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgefer.models import directory
from edgefer.models.manifest import Licence, Training
from edgefer.models.micro import MicroInput, MicroManifest, MicroMetrics, MicroTest
from edgefer.recognize.micro.fields import SIDE
from edgefer.recognize.micro.learned import SPAN, UNIT, Network, squeezed
from edgefer.train.micro.network import CELLS_LSTM, FEATURES, Course, build

PAPER = "Breuer and Kimmel, A Deep Learning Perspective on the Origin of Facial Expressions, section 4"
ARCHITECTURE = (
    "3 convolutions 3x3 (12, 16, 24) on 13x13 fields of optical flow, dense 32, in int8; LSTM of 32 and two dense "
    "layers in float32, 60 steps a second"
)
LICENCE = Licence(
    weights="Apache-2.0, as far as the terms of the photographs, whose origin is not stated, allow",
    training_data="6,361 face photographs: repository Apache-2.0; origin of the photographs not stated: research use",
)
NO_METRICS = MicroMetrics(split="val", rule="not measured", films=0, lstm=(), flow=())
SEEDS = range(4)


def export(
    weights: Path,
    courses: Sequence[Course],
    out: Path,
    name: str,
    training: Training,
    *,
    begin: float,
    sure: float,
    method: str = "lstm",
    metrics: MicroMetrics = NO_METRICS,
    card: Path | None = None,
) -> MicroManifest:
    """From the weights of a run to a model directory; `courses` set the ranges of the int8 activations."""
    from edgefer.train.export.quantise import quantisation, quantise

    cnn, whole = build()
    whole.load_weights(str(weights))
    rng = np.random.default_rng(0)
    images = np.concatenate([each.images[rng.integers(len(each.images), size=24)] for each in courses])
    content = quantise(cnn, squeezed(images.astype(np.float32)))
    (scale, zero_point), (feature_scale, feature_zero_point) = quantisation(content)
    kernel, recurrent, bias = whole.get_layer("lstm").get_weights()
    arrays = {"kernel": kernel, "recurrent": recurrent, "bias": bias}
    for head in ("phase", "expression"):
        arrays[head], arrays[f"{head}_bias"] = whole.get_layer(head).get_weights()
    file = io.BytesIO()
    np.savez(file, features=np.frombuffer(content, np.uint8), **arrays)
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.npz").write_bytes(file.getvalue())
    if card is not None:
        shutil.copy(card, out / "MODEL_CARD.md")
    manifest = MicroManifest(
        name=name,
        paper=PAPER,
        architecture=ARCHITECTURE,
        licence=LICENCE,
        method=method,  # type: ignore[arg-type]  # the manifest checks the word
        input=MicroInput(
            height=SIDE,
            width=SIDE,
            unit=UNIT,
            span=SPAN,
            scale=scale,
            zero_point=zero_point,
            value_range=((-128 - zero_point) * scale, (127 - zero_point) * scale),
        ),
        features=FEATURES,
        feature_scale=feature_scale,
        feature_zero_point=feature_zero_point,
        cells=CELLS_LSTM,
        expressions="micro6",
        begin=begin,
        sure=sure,
        training=training,
        metrics=metrics,
        self_test=(),
    )
    untested = Network(file.getvalue(), manifest)
    tests = tuple(
        MicroTest(seed=seed, phases=tuple(round(float(chance), 5) for chance in untested.tested(seed)))  # type: ignore[arg-type]
        for seed in SEEDS
    )
    written = directory.write(out, _replaced(manifest, self_test=tests))
    assert isinstance(written, MicroManifest)
    return written


def _replaced(manifest: MicroManifest, **fields: object) -> MicroManifest:
    import msgspec

    return msgspec.structs.replace(manifest, **fields)
