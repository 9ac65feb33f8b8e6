"""A model small enough to keep beside the tests: average pool 8x8, then one fully connected layer, all int8.

`python tests/tiny_model.py` writes fixtures/tiny.tflite again. The file is kept because tflite-runtime, which
the tests must also run with, brings no schema to write one; a test holds that it computes what `expected`
says. It is 64x64x3 in (grey and its two gradients), eight logits out, with seeded random weights.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np

from edgefer.models import directory as directories
from edgefer.models import manifest as manifests

FIXTURE = Path(__file__).parent / "fixtures" / "tiny.tflite"
POOL = 8
INPUT_SCALE, WEIGHT_SCALE, OUTPUT_SCALE = 1 / 128, 1 / 128, 1 / 8


def weights() -> tuple[np.ndarray, np.ndarray]:
    """int8 (8, 192) and int32 (8,), from raw PCG64 output, which every NumPy gives alike."""
    raw = np.random.PCG64(7).random_raw(8 * 192 // 8 + 8)
    kernel = np.maximum(raw[8:].astype("<u8").view(np.int8), -127).reshape(8, 192)
    bias = (raw[:8] % np.uint64(8001)).astype(np.int32) - 4000
    return kernel, bias


def expected(tensor: np.ndarray) -> np.ndarray:
    """The logits in real arithmetic, in int8 levels: float, shape (8,); tensor int8, shape (1, 64, 64, 3)."""
    kernel, bias = weights()
    blocks = tensor[0].astype(float).reshape(64 // POOL, POOL, 64 // POOL, POOL, 3)
    pooled = blocks.mean(axis=(1, 3)).reshape(-1)
    return np.clip((kernel @ pooled + bias) * INPUT_SCALE * WEIGHT_SCALE / OUTPUT_SCALE, -128, 127)


def build() -> bytes:
    """The flatbuffer."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT()
    model.version, model.description = 3, "edgefer test model"
    kernel, bias = weights()
    model.buffers = []
    for data in (b"", kernel.tobytes(), bias.astype("<i4").tobytes()):
        buffer = schema.BufferT()
        buffer.data = list(data) or None
        model.buffers.append(buffer)

    def tensor(name, shape, kind, buffer, scale):
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), kind, buffer
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [0]
        return made

    int8, int32 = schema.TensorType.INT8, schema.TensorType.INT32
    graph = schema.SubGraphT()
    graph.name = "main"
    graph.tensors = [
        tensor("image", (1, 64, 64, 3), int8, 0, INPUT_SCALE),
        tensor("pooled", (1, 64 // POOL, 64 // POOL, 3), int8, 0, INPUT_SCALE),
        tensor("kernel", kernel.shape, int8, 1, WEIGHT_SCALE),
        tensor("bias", bias.shape, int32, 2, INPUT_SCALE * WEIGHT_SCALE),
        tensor("logits", (1, 8), int8, 0, OUTPUT_SCALE),
    ]
    graph.inputs, graph.outputs = [0], [4]

    def code(builtin):
        made = schema.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = builtin
        made.version = 4 if builtin == schema.BuiltinOperator.FULLY_CONNECTED else 2
        return made

    model.operatorCodes = [code(schema.BuiltinOperator.AVERAGE_POOL_2D), code(schema.BuiltinOperator.FULLY_CONNECTED)]
    pool, dense = schema.OperatorT(), schema.OperatorT()
    pool.opcodeIndex, pool.inputs, pool.outputs = 0, [0], [1]
    pool.builtinOptionsType = schema.BuiltinOptions.Pool2DOptions
    pool.builtinOptions = schema.Pool2DOptionsT()
    pool.builtinOptions.padding = schema.Padding.VALID
    pool.builtinOptions.strideH = pool.builtinOptions.strideW = POOL
    pool.builtinOptions.filterHeight = pool.builtinOptions.filterWidth = POOL
    dense.opcodeIndex, dense.inputs, dense.outputs = 1, [1, 2, 3], [4]
    dense.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    dense.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators = [pool, dense]
    model.subgraphs = [graph]

    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def manifest(**changes) -> manifests.FrameManifest:
    """The tiny model's manifest; self-test vectors are computed here, not asked of the runtime."""
    vectors = []
    for seed in (0, 3, 4):
        tensor = manifests.self_test_input(seed, (1, 64, 64, 3))
        vectors.append(manifests.SelfTest(seed=seed, output=tuple(int(v) for v in np.rint(expected(tensor)))))
    made = manifests.FrameManifest(
        name="tiny",
        paper="none; a model for tests",
        architecture="average pool 8x8, fully connected",
        input=manifests.Input(
            height=64,
            width=64,
            channels="grey+sobel",
            scale=INPUT_SCALE,
            zero_point=0,
            value_range=(-1.0, 127 / 128),
            crop_margin=0.1,
        ),
        output=manifests.Output(labels="ferplus8", values="logits", scale=OUTPUT_SCALE, zero_point=0),
        training=manifests.Training(
            data="none", split="train", rule="none", rows=0, command="python tests/tiny_model.py", seed=7
        ),
        metrics=manifests.Metrics(split="val", rule="none", rows=0, accuracy_int8=12.5, accuracy_float32=12.5),
        licence=manifests.Licence(weights="MIT", training_data='no data; "random" weights\twith a tab'),
        self_test=tuple(vectors),
    )
    return msgspec.structs.replace(made, **changes)


def make_directory(directory: Path, **changes) -> Path:
    """A whole model directory; changes go to the manifest."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / manifests.MODEL_NAME).write_bytes(FIXTURE.read_bytes())
    (directory / "MODEL_CARD.md").write_text("# tiny\n\nA model for tests.\n")
    directories.write(directory, manifest(**changes))
    return directory


if __name__ == "__main__":
    FIXTURE.parent.mkdir(exist_ok=True)
    FIXTURE.write_bytes(build())
    sys.stdout.write(f"wrote {FIXTURE.name}, {FIXTURE.stat().st_size} bytes\n")
