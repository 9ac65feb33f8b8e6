"""Dense networks, every variant beside NumPy and LiteRT."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from cases import rows
from tflite_layer import fully_connected_model, reference_interpreter

from edgefer import kernels

RNG = np.random.default_rng(0)


def khan_layers():
    """Khan's network, 12-12-7-7."""
    widths = (12, 12, 7, 7)
    return [
        (
            RNG.standard_normal((outputs, inputs), dtype=np.float32),
            RNG.standard_normal(outputs, dtype=np.float32),
            activation,
        )
        for inputs, outputs, activation in zip(widths[:-1], widths[1:], ("sigmoid", "sigmoid", "softmax"), strict=True)
    ]


@pytest.mark.parametrize("row", rows("fully_connected", "numpy"))
def test_mlp(benchmark, row):
    benchmark.group = "mlp 12-12-7-7, one sample"
    layers = khan_layers()
    x, out = RNG.standard_normal(12, dtype=np.float32), np.empty(7, np.float32)
    mlp = kernels.Mlp(layers)

    def numpy_mlp():
        y = x
        for weights, bias, activation in layers:
            y = weights @ y + bias
            if activation == "sigmoid":
                y = 1 / (1 + np.exp(-y))
        y = np.exp(y - y.max())
        return y / y.sum()

    expected = x
    for layer in layers:
        expected = reference.fully_connected(expected, *layer)
    run = numpy_mlp if row == "numpy" else lambda: mlp(x, out)
    with kernels.forced(None if row == "numpy" else row):
        np.testing.assert_allclose(run(), expected, atol=1e-6)
        benchmark(run)


@pytest.mark.parametrize("row", rows("fully_connected_int8", "tflite reference kernel"))
def test_fully_connected_int8(benchmark, row):
    benchmark.group = "fully_connected_int8 1024 to 256, one sample"
    weights = RNG.integers(-127, 128, (256, 1024)).astype(np.int8)
    bias = RNG.integers(-9999, 9999, 256).astype(np.int32)
    x = RNG.integers(-128, 128, (1, 1024)).astype(np.int8)
    arguments = {
        "input_zero_point": 3,
        "output_zero_point": -5,
        "input_scale": 0.02,
        "weight_scale": 0.01,
        "output_scale": 0.6,
    }
    model = fully_connected_model(weights, bias, 1, **arguments)
    interpreter = reference_interpreter(model)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    if row == "tflite reference kernel":
        run = interpreter.invoke
    else:

        def run():
            return kernels.call("fully_connected_int8", row, x, weights, bias, **arguments)

        np.testing.assert_array_equal(run(), expected)
    benchmark(run)
