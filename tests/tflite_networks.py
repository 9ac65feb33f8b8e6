"""Dense networks as TFLite models, written by hand, so that tests and benches need no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

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
FULLY_CONNECTED, LOGISTIC, SOFTMAX = 0, 1, 2  # indices of the operator codes below


def _float(shape, buffer=0):
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer = list(shape), schema.TensorType.FLOAT32, buffer
    return tensor


def _quantised(shape, kind, buffer, scales, zero_point):
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer = list(shape), kind, buffer
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


class _Network:
    """A chain of operators; tensor 0 is the input, `last` what came out so far."""

    def __init__(self, first) -> None:
        self.tensors, self.buffers, self.operators, self.last = [first], [_buffer()], [], 0

    def constant(self, array: np.ndarray) -> int:
        """Index of a new buffer with these contents."""
        self.buffers.append(_buffer(array))
        return len(self.buffers) - 1

    def add(self, code: int, inputs: list, output, options=None) -> None:
        """One operator of `last` and further tensors; `options` is (type, value)."""
        operator = schema.OperatorT()
        operator.opcodeIndex = code
        operator.inputs = [self.last, *range(len(self.tensors), len(self.tensors) + len(inputs))]
        self.tensors += [*inputs, output]
        self.last = len(self.tensors) - 1
        operator.outputs = [self.last]
        if options is not None:
            operator.builtinOptionsType, operator.builtinOptions = options
        self.operators.append(operator)

    def content(self, dense_version: int) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [0], [self.last]
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, [graph], self.buffers, []
        kinds = schema.BuiltinOperator
        versions = ((kinds.FULLY_CONNECTED, dense_version), (kinds.LOGISTIC, 1), (kinds.SOFTMAX, 1))
        for kind, version in versions:
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = kind
            code.version = version
            model.operatorCodes.append(code)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _dense_options(activation: str = "none"):
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = ACTIVATIONS[activation]
    return schema.BuiltinOptions.FullyConnectedOptions, options


def float_network(layers: list[tuple[np.ndarray, np.ndarray, str]]) -> bytes:
    """The model of kernels.Mlp(layers), batch 1; activations none, sigmoid and softmax."""
    network = _Network(_float((1, layers[0][0].shape[1])))
    for weights, bias, activation in layers:
        shape = (1, len(bias))
        parameters = [_float(array.shape, network.constant(array)) for array in (weights, bias)]
        network.add(FULLY_CONNECTED, parameters, _float(shape), _dense_options())
        if activation == "sigmoid":
            network.add(LOGISTIC, [], _float(shape))
        elif activation == "softmax":
            options = schema.SoftmaxOptionsT()
            options.beta = 1.0
            network.add(SOFTMAX, [], _float(shape), (schema.BuiltinOptions.SoftmaxOptions, options))
    return network.content(dense_version=1)


def int8_network(layers: list[tuple], input_scale: float, input_zero_point: int, batch: int = 1) -> bytes:
    """The model of kernels.MlpInt8(layers, …): int8 (batch, in) to int8 (batch, out).

    Args:
        layers: weights, int8 (out, in); bias, int32 (out,); weight scale, one or one for each output; output scale
            and zero point; a name of ACTIVATIONS.
    """
    int8, int32 = schema.TensorType.INT8, schema.TensorType.INT32
    scale, zero_point = np.float32(input_scale), input_zero_point
    network = _Network(_quantised((batch, layers[0][0].shape[1]), int8, 0, scale, zero_point))
    for weights, bias, weight_scale, output_scale, output_zero_point, activation in layers:
        bias_scale = scale * np.asarray(weight_scale, np.float32)
        parameters = [
            _quantised(weights.shape, int8, network.constant(weights), weight_scale, 0),
            _quantised(bias.shape, int32, network.constant(bias), bias_scale, 0),
        ]
        output = _quantised((batch, len(bias)), int8, 0, output_scale, output_zero_point)
        network.add(FULLY_CONNECTED, parameters, output, _dense_options(activation))
        scale, zero_point = np.float32(output_scale), output_zero_point
    return network.content(dense_version=4)


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
    """An int8 network of one layer, by the arguments of kernels.fully_connected_int8."""
    layer = (weights, bias, weight_scale, output_scale, output_zero_point, activation)
    return int8_network([layer], input_scale, input_zero_point, batch)


def reference_interpreter(model: bytes) -> Interpreter:
    """An interpreter with TFLite's reference kernels, which no delegate replaces."""
    return Interpreter(model_content=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1)


def run_reference_kernels(model: bytes, x: np.ndarray) -> np.ndarray:
    """The model's output for one input by TFLite's reference kernels."""
    return litert(reference_interpreter(model), x)()


def litert(model: bytes | Interpreter, x: np.ndarray) -> Callable[[], np.ndarray]:
    """A call of a model on x by set_tensor and get_tensor: quicker than through views."""
    interpreter = model if isinstance(model, Interpreter) else Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    into = interpreter.get_input_details()[0]["index"]
    out_of = interpreter.get_output_details()[0]["index"]

    def run():
        interpreter.set_tensor(into, x)
        interpreter.invoke()
        return interpreter.get_tensor(out_of)

    return run
