"""A TFLite model of one int8 FULLY_CONNECTED layer, written by hand, so that tests need no TensorFlow."""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

ACTIVATIONS = {
    "none": schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu_n1_to_1": schema.ActivationFunctionType.RELU_N1_TO_1,
    "relu6": schema.ActivationFunctionType.RELU6,
}


def _tensor(name, shape, kind, buffer, scales, zero_point):
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, buffer
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = [float(scale) for scale in np.atleast_1d(scales)]
    tensor.quantization.zeroPoint = [zero_point] * len(tensor.quantization.scale)
    tensor.quantization.quantizedDimension = 0
    return tensor


def _buffer(array=None):
    buffer = schema.BufferT()
    if array is not None:
        buffer.data = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
    return buffer


def fully_connected_model(
    weights,
    bias,
    batch,
    *,
    input_scale,
    input_zero_point,
    weight_scale,
    output_scale,
    output_zero_point,
    activation="none",
) -> bytes:
    """The flatbuffer of a model: int8 (batch, in) -> FULLY_CONNECTED -> int8 (batch, out).

    Args:
        weights: int8, shape (out, in). bias: int32, shape (out,).
        weight_scale: one scale, or one for each output.
    """
    outputs, inputs = weights.shape
    int8, int32 = schema.TensorType.INT8, schema.TensorType.INT32
    bias_scale = np.float32(input_scale) * np.asarray(weight_scale, np.float32)
    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor("x", (batch, inputs), int8, 0, input_scale, input_zero_point),
        _tensor("weights", weights.shape, int8, 1, weight_scale, 0),
        _tensor("bias", bias.shape, int32, 2, bias_scale, 0),
        _tensor("y", (batch, outputs), int8, 0, output_scale, output_zero_point),
    ]
    graph.inputs, graph.outputs = [0], [3]
    layer = schema.OperatorT()
    layer.opcodeIndex, layer.inputs, layer.outputs = 0, [0, 1, 2], [3]
    layer.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    layer.builtinOptions = schema.FullyConnectedOptionsT()
    layer.builtinOptions.fusedActivationFunction = ACTIVATIONS[activation]
    graph.operators = [layer]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4
    model = schema.ModelT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], [code]
    model.buffers = [_buffer(), _buffer(weights), _buffer(bias)]
    builder = flatbuffers.Builder(weights.nbytes + bias.nbytes + 1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def reference_interpreter(model: bytes) -> Interpreter:
    """An interpreter with TFLite's reference kernels, which no delegate replaces."""
    interpreter = Interpreter(
        model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    return interpreter


def run_reference_kernels(model: bytes, x: np.ndarray) -> np.ndarray:
    """The model's output for one input by TFLite's reference kernels."""
    interpreter = reference_interpreter(model)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
