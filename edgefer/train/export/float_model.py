"""A finished run as a TFLite file with float input and output, for other programs than edgefer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from edgefer import labels
from edgefer.errors import UsageError
from edgefer.train import runs
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.export.calibration import ECE_RULE, cross_fitted_ece, fit_temperature
from edgefer.train.export.int8_model import describe_network
from edgefer.train.export.measured import measured_on
from edgefer.train.export.quantise import convert
from edgefer.train.settings import load_data


def export_float(run: Path, out: Path, precision: str) -> dict[str, Any]:
    """Write the TFLite file `out` with float input and output, and `out` with .json, which is returned.

    Raises:
        As of `int8_model.export`.
    """
    from ai_edge_litert.interpreter import Interpreter as LiteRT

    lineage, done = runs.read_finished(run)
    settings = lineage[-1][1]
    if settings.quantisation_aware:
        raise UsageError(f"{run}: was trained to be int8; export {settings.start} as {precision}")
    model = runs.network(*lineage[-1])
    val = load_data(settings)[1]
    inputs = Inputs(input_spec(settings.input, settings.size))
    content = convert(model, precision)
    network = LiteRT(model_content=content, num_threads=1)
    network.allocate_tensors()
    outputs = []
    for image in val.images:
        network.set_tensor(network.get_input_details()[0]["index"], inputs.stack([image]))
        network.invoke()
        outputs.append(network.get_tensor(network.get_output_details()[0]["index"])[0])
    measured = measured_on(lineage, model, np.array(outputs), inputs, val)
    measured.check(precision)
    spec = inputs.spec
    facts = {
        "precision": precision,
        "architecture": describe_network(settings),
        "input": {
            "shape": list(model.input_shape[1:]),
            "dtype": "float32",
            "planes": spec.channels,
            "value_range": spec.value_range,
        },
        "output": {
            "labels": labels.label_set(settings.labels),
            "values": "logits",
            "temperature": fit_temperature(measured.outputs, val.truth),
        },
        "metrics": {
            "split": "val",
            "rule": done["val_rule"],
            "rows": len(val),
            "accuracy": round(measured.accuracy, 2),
            "accuracy_keras": round(measured.accuracy_before, 2),
            "same_label": round(measured.same_label, 2),
            "logit_error": measured.logit_error,
            "ece": round(cross_fitted_ece(measured.outputs, val.truth), 2),
            "ece_rule": ECE_RULE,
        },
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
    out.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n")
    return facts
