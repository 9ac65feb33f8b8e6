"""From weights to a model directory: full int8 TFLite, without names and ranges that only a debugger reads.

python -m edgefer.train.detector.export runs/edgefer-face --backgrounds /usr/share/backgrounds
"""

from __future__ import annotations

import argparse
from pathlib import Path

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from tensorflow.lite.tools import flatbuffer_utils

from edgefer.train.detector import network, scenes
from edgefer.train.detector.fit import read_sources
from edgefer.train.export.quantise import quantise

#: Scenes that the ranges of the activations are read from.
SCENES = 400


def slim(content: bytes) -> bytes:
    """The same network without names, signatures and the ranges that were seen, and with equal vectors kept once.

    Zero points alone are a seventh of a small file: eight bytes for each channel, all of them zero.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    model.signatureDefs, model.metadata, model.description = [], [], None
    for graph in model.subgraphs:
        graph.name = None
        for tensor in graph.tensors:
            tensor.name = None
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
    used = {0} | {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None
    builder = _Sharing(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class _Sharing(flatbuffers.Builder):
    """Writes vectors that are equal once."""

    def __init__(self, size: int):
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802: the name is the library's
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="directory of a run of fit")
    parser.add_argument("--backgrounds", type=Path, nargs="+", required=True, help="as for fit")
    parser.add_argument("--out", type=Path, help="file to write; default: model.tflite in the run")
    chosen = parser.parse_args()
    model = network.build()
    model.load_weights(chosen.run / "latest.weights.h5")
    examples = chosen.run / "examples.npy"  # kept: to read the sources again takes longer than all else here
    if not examples.exists():
        composer = scenes.Composer(read_sources(chosen.run, chosen.backgrounds, kept=False), seed=1000)
        np.save(examples, np.stack([composer.scene().image for _ in range(SCENES)]))
    content = slim(quantise(model, network.blocks(np.load(examples))))
    out = chosen.out or chosen.run / "model.tflite"
    out.write_bytes(content)
    print(f"{out}: {len(content)} bytes, {model.count_params()} parameters")


if __name__ == "__main__":
    main()
