"""Dense layers: floats against float64 within derived bounds, int8 against TFLite's reference kernels."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import reference
from tflite_networks import ACTIVATIONS, fully_connected_model, run_reference_kernels

from edgefer import kernels

SIZES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97)
F32 = np.float32
EPSILON = float(np.finfo(F32).eps)


def layer(outputs: int, inputs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((outputs, inputs), dtype=np.float32), rng.standard_normal(outputs, dtype=np.float32))


def batch_of(count: int, inputs: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, inputs), dtype=np.float32)


def sum_bound(x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Error of a float32 sum of n products and a bias, added one by one.

    Every term passes at most n additions and one multiplication, each with a relative error of epsilon / 2:
    gamma = (n + 1) u / (1 - (n + 1) u) of the sum of magnitudes, u = epsilon / 2 (Higham 2002, 3.1). Twice
    the first-order term covers the denominator for every n here.
    """
    magnitude = np.abs(x).astype(np.float64) @ np.abs(weights).astype(np.float64).T + np.abs(bias)
    return (x.shape[-1] + 1) * EPSILON * magnitude


@pytest.mark.parametrize("variant", kernels.variants("fully_connected"))
def test_a_layer_is_within_the_bound_of_float64_at_every_size(variant):
    for inputs in SIZES:
        for outputs in SIZES:
            weights, bias = layer(outputs, inputs)
            x = batch_of(3, inputs)
            y = kernels.call("fully_connected", variant, x, weights, bias)
            error = abs(y - reference.fully_connected(x, weights, bias))
            assert (error <= sum_bound(x, weights, bias)).all(), (inputs, outputs)


@pytest.mark.parametrize("variant", kernels.variants("fully_connected"))
def test_every_variant_adds_in_the_order_of_the_inputs(variant):
    """Bit for bit the plain float32 loop."""
    weights, bias = layer(70, 65)
    x = batch_of(2, 65)
    expected = np.tile(bias, (2, 1))
    for i in range(65):
        expected = expected + x[:, i : i + 1] * weights[:, i]
    np.testing.assert_array_equal(kernels.call("fully_connected", variant, x, weights, bias), expected)


@pytest.mark.parametrize("count", [1, 2, 5, 33])
@pytest.mark.parametrize("variant", kernels.variants("fully_connected"))
def test_a_batch_is_its_rows_one_by_one(variant, count):
    weights, bias = layer(13, 21)
    x = batch_of(count, 21)
    together = kernels.call("fully_connected", variant, x, weights, bias, "sigmoid")
    alone = [kernels.call("fully_connected", variant, row, weights, bias, "sigmoid") for row in x]
    assert together.shape == (count, 13) and alone[0].shape == (13,)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("activation", ["none", "sigmoid", "relu", "softmax"])
@pytest.mark.parametrize("variant", kernels.variants("fully_connected"))
def test_activations_are_within_the_bound_of_float64(variant, activation):
    """Sigmoid and softmax pass on an error e of the logits as at most e: their derivatives, over all logits
    together, are at most 1/4 and 2 p (1 - p) <= 1/2. The exponential is good to 3.5 roundings, below 2 ulp
    (csrc/activation.cpp), the rest of a softmax over n outputs adds n + 2 roundings, all relative to results
    of at most one."""
    weights, bias = layer(17, 40)
    x = batch_of(6, 40)
    y = kernels.call("fully_connected", variant, x, weights, bias, activation)
    bound = sum_bound(x, weights, bias).max() + (17 + 6) * EPSILON
    assert abs(y - reference.fully_connected(x, weights, bias, activation)).max() <= bound


@pytest.mark.parametrize("variant", kernels.variants("fully_connected"))
def test_zero_weights_return_the_bias(variant):
    _, bias = layer(19, 1)
    y = kernels.call("fully_connected", variant, batch_of(2, 30), np.zeros((19, 30), np.float32), bias)
    np.testing.assert_array_equal(y, np.tile(bias, (2, 1)))


@pytest.mark.parametrize("variant", kernels.variants("fully_connected"))
def test_an_identity_matrix_returns_the_input(variant):
    x = batch_of(1, 33)
    y = kernels.call("fully_connected", variant, x, np.eye(33, dtype=np.float32), np.zeros(33, np.float32))
    np.testing.assert_array_equal(y, x)


def test_the_exponential_is_good_to_two_units_in_the_last_place():
    """Through the sigmoid: exp(-|x|) within 3.5 u (csrc/activation.cpp, u = 2^-24), one rounding each for the
    sum and the quotient; together 5.5 u, and 6 leaves room for their products. Below 2^-126 a rounding is
    half of 2^-149: one each for the exponential and the quotient."""
    x = np.linspace(-105, 105, 400_001, dtype=np.float32)[:, None]
    y = kernels.fully_connected(x, np.ones((1, 1), F32), np.zeros(1, F32), "sigmoid")
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert (abs(y - exact) <= 6 * EPSILON / 2 * exact + 2.0**-149).all()


@pytest.mark.parametrize("count", SIZES)
def test_an_activation_is_the_same_wherever_a_value_stands(count):
    """Vectors overlap at the end of the data; no value may pass through twice."""
    x = batch_of(1, count)
    eye, zeros = np.eye(count, dtype=np.float32), np.zeros(count, np.float32)
    alone = [kernels.fully_connected(v.reshape(1), eye[:1, :1], zeros[:1], "sigmoid")[0] for v in x[0]]
    np.testing.assert_array_equal(kernels.fully_connected(x, eye, zeros, "sigmoid")[0], alone)


def test_softmax_stands_logits_of_any_size():
    """Adding a constant to all logits changes nothing, however large it is."""
    eye = np.eye(3, dtype=np.float32)
    for shift in (0.0, 1e4, -1e4, 3e38):
        scores = kernels.fully_connected(np.zeros(3, np.float32), eye, np.full(3, shift, np.float32), "softmax")
        np.testing.assert_allclose(scores, 1 / 3, atol=2 * EPSILON)
    far = kernels.fully_connected(np.array([1e30, -1e30, 0], np.float32), eye, np.zeros(3, np.float32), "softmax")
    np.testing.assert_array_equal(far, [1, 0, 0])


def test_sigmoid_does_not_overflow():
    x = np.array([-3e38, -1000, -90, 0, 90, 1000, 3e38], np.float32)
    y = kernels.fully_connected(x, np.eye(7, dtype=np.float32), np.zeros(7, np.float32), "sigmoid")
    assert np.isfinite(y).all()
    np.testing.assert_array_equal(y[[0, 1, 3, 4, 5, 6]], [0, 0, 0.5, 1, 1, 1])
    assert 0 < y[2] < 1e-38


@pytest.mark.parametrize("variant", kernels.variants("fully_connected"))
def test_a_layer_writes_nothing_beside_its_output(variant):
    for outputs in SIZES:
        weights, bias = layer(outputs, 5)
        memory = np.full(2 * outputs + 32, 77, np.float32)
        out = memory[16:-16].reshape(2, outputs)
        assert kernels.call("fully_connected", variant, batch_of(2, 5), weights, bias, out=out) is out
        assert (memory[:16] == 77).all() and (memory[-16:] == 77).all()
        assert (out != 77).all()


W, B, X = np.zeros((3, 4), F32), np.zeros(3, F32), np.zeros((2, 4), F32)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X.astype(float), W, B), TypeError, r"fully_connected: x must be float32 .*, got float64 \(2, 4\)"),
        ((X, W.astype(float), B), TypeError, r"weights must be float32 with shape \(out, in\), got float64"),
        ((X, W, B.astype(int)), TypeError, r"bias must be float32 with shape \(out,\), got int64 \(3,\)"),
        ((X, W, B[:2]), ValueError, r"bias must be float32 with shape \(3,\), the weights' outputs, got"),
        ((X[:, :3], W, B), ValueError, "x must be contiguous"),
        ((X[:, :3].copy(), W, B), ValueError,
         r"x must be float32 with shape \(N, 4\) or \(4,\), N at least 1"),
        ((X[:0], W, B), ValueError, r"N at least 1, got float32 \(0, 4\)"),
        ((X[None], W, B), ValueError,
         r"x must be float32 with shape \(N, in\) or \(in,\), got float32 \(1, 2, 4\)"),
        ((X, W.T.copy().T, B), ValueError, "weights must be contiguous"),
        ((X, W[:0], B[:0]), ValueError, "weights must not be empty"),
        ((X, W, B, "tanh"), ValueError, "unknown activation 'tanh'; available: none, sigmoid, relu, softmax"),
        ((X, W, B, "none", np.zeros((2, 4), F32)), ValueError, r"out must be float32 with shape \(2, 3\)"),
        ((X, W, B, "none", X.ravel()[:6].reshape(2, 3)), ValueError, "out overlaps the input"),
    ],
)  # fmt: skip
def test_a_layer_refuses_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        kernels.fully_connected(*arguments)


# ------------------------------------------------------------------------------------------------------- Mlp


def khan_layers() -> list[tuple[np.ndarray, np.ndarray, str]]:
    """The shape of Khan's network: 12-12-7-7."""
    widths, names = (12, 12, 7, 7), ("sigmoid", "sigmoid", "softmax")
    shapes = zip(widths[1:], widths[:-1], names, strict=True)
    return [(*layer(o, i, seed=o + i), name) for o, i, name in shapes]


def test_an_mlp_is_its_layers_one_after_the_other():
    layers = khan_layers()
    mlp = kernels.Mlp(layers)
    assert mlp.sizes == [12, 12, 7, 7]
    for x in (batch_of(1, 12), batch_of(40, 12), batch_of(1, 12)[0]):
        expected = x
        for weights, bias, activation in layers:
            expected = kernels.fully_connected(expected, weights, bias, activation)
        np.testing.assert_array_equal(mlp(x), expected)


@pytest.mark.parametrize("widths", [(1, 1), (5, 97, 3), (64, 33, 65, 2, 17), (300, 200, 100)], ids=str)
def test_an_mlp_of_any_widths_is_near_float64(widths):
    """The bounds of the layers add up: a sigmoid passes on a quarter of an error times the weights."""
    layers = [(*layer(o, i, seed=i), "sigmoid") for i, o in zip(widths[:-1], widths[1:], strict=True)]
    x = batch_of(4, widths[0])
    expected, bound = x.astype(np.float64), np.zeros_like(x, np.float64)
    for weights, bias, activation in layers:
        grown = bound @ np.abs(weights).astype(np.float64).T
        bound = 0.25 * (grown + sum_bound(np.abs(expected) + bound, weights, bias)) + 4 * EPSILON
        expected = reference.fully_connected(expected, weights, bias, activation)
    assert (abs(kernels.Mlp(layers)(x) - expected) <= bound).all()


def test_an_mlp_keeps_its_own_copy_of_the_weights():
    layers = khan_layers()
    mlp, x = kernels.Mlp(layers), batch_of(1, 12)
    before = mlp(x)
    for weights, bias, _ in layers:
        weights[:], bias[:] = 0, 0
    np.testing.assert_array_equal(mlp(x), before)


def test_an_mlp_writes_into_out():
    mlp, out = kernels.Mlp(khan_layers()), np.zeros(7, np.float32)
    assert mlp(batch_of(1, 12)[0], out) is out
    assert abs(out.sum() - 1) <= 8 * EPSILON


def test_threads_may_share_an_mlp():
    """The second batch is large enough that the GIL is released."""
    mlp, wrong = kernels.Mlp(khan_layers()), []

    def work(seed: int) -> None:
        x = batch_of(200, 12, seed)
        expected = mlp(x)
        wrong.extend(i for i in range(200) if not np.array_equal(mlp(x), expected))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ([], ValueError, "Mlp: layers must be a sequence of"),
        (5, ValueError, "Mlp: layers must be a sequence of"),
        ([(W, B)], TypeError, "each layer must be a tuple"),
        ([(W, B, 3)], TypeError, "activation must be a string, got int"),
        ([(W, B, "tanh")], ValueError, "Mlp: unknown activation 'tanh'"),
        ([(W, B, "none"), (W, B, "none")], ValueError,
         "layer 1 must take the 3 outputs of the layer before it"),
        ([(W.astype(float), B, "none")], TypeError, "Mlp: weights must be float32"),
    ],
    ids=["none", "a number", "pair", "activation type", "activation", "chain", "dtype"],
)  # fmt: skip
def test_an_mlp_refuses_bad_layers(layers, error, message):
    with pytest.raises(error, match=message):
        kernels.Mlp(layers)


def test_an_mlp_refuses_a_wrong_input():
    mlp = kernels.Mlp(khan_layers())
    with pytest.raises(ValueError, match=r"Mlp: x must be float32 with shape \(N, 12\) or \(12,\)"):
        mlp(np.zeros(11, np.float32))
    with pytest.raises(TypeError, match="Mlp: x must be float32"):
        mlp(np.zeros(12))


# ------------------------------------------------------------------------------------------------------ int8


def random_int8_layer(rng: np.random.Generator, outputs: int, inputs: int, count: int, per_output: bool):
    """Data and arguments whose results spread over the range of int8, some beyond it."""
    weights = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    x = rng.integers(-128, 128, (count, inputs)).astype(np.int8)
    bias = rng.integers(-20000, 20000, outputs).astype(np.int32)
    input_scale = np.float32(10 ** rng.uniform(-3, 0))
    weight_scale = (10 ** rng.uniform(-4, -1, outputs)).astype(np.float32)
    if not per_output:
        weight_scale = weight_scale[0]
    typical = 74 * 90 * np.sqrt(inputs)  # about the deviation of such a sum
    output_scale = np.float32(input_scale * weight_scale.mean() * typical / 10 ** rng.uniform(0.5, 2.5))
    arguments = {
        "input_zero_point": int(rng.integers(-128, 128)),
        "output_zero_point": int(rng.integers(-128, 128)),
        "input_scale": input_scale,
        "weight_scale": weight_scale,
        "output_scale": output_scale,
        "activation": list(ACTIVATIONS)[rng.integers(len(ACTIVATIONS))],
    }
    return x, weights, bias, arguments


@pytest.mark.parametrize("per_output", [False, True], ids=["one scale", "scale by output"])
@pytest.mark.parametrize("variant", kernels.variants("fully_connected_int8"))
def test_int8_equals_tflite_bit_for_bit(variant, per_output):
    """300 random models through the reference kernels of TFLite."""
    rng = np.random.default_rng(int(per_output))
    seen = set()
    for _ in range(300):
        outputs, inputs, count = (int(n) for n in rng.integers(1, (40, 100, 5)))
        x, weights, bias, arguments = random_int8_layer(rng, outputs, inputs, count, per_output)
        y = kernels.call("fully_connected_int8", variant, x, weights, bias, **arguments)
        np.testing.assert_array_equal(
            y, run_reference_kernels(fully_connected_model(weights, bias, count, **arguments), x)
        )
        seen.update(y.ravel().tolist())
    assert len(seen) == 256  # the models reach every value, both ends included


@pytest.mark.parametrize("variant", kernels.variants("fully_connected_int8"))
def test_int8_equals_tflite_at_the_extremes(variant):
    """Extreme data and zero points; factors from 1e-6 to 131, where a scaled sum almost fills 32 bits."""
    for inputs in (1, 16, 33, 257):
        for x_value in (-128, 127):
            for weight in (-128, 127):
                for zero_point in (-128, 127):
                    for output_scale in (2.0**-16, 1e-4, 0.01, 1.0, 2000.0):
                        x = np.full((1, inputs), x_value, np.int8)
                        weights = np.full((2, inputs), weight, np.int8)
                        bias = np.array([-(2**20), 2**20], np.int32)
                        arguments = {
                            "input_zero_point": zero_point,
                            "output_zero_point": -1 - zero_point,
                            "input_scale": 0.02,
                            "weight_scale": 0.1,
                            "output_scale": output_scale,
                            "activation": "none",
                        }
                        model = fully_connected_model(weights, bias, 1, **arguments)
                        np.testing.assert_array_equal(
                            kernels.call("fully_connected_int8", variant, x, weights, bias, **arguments),
                            run_reference_kernels(model, x),
                        )


@pytest.mark.parametrize("per_output", [False, True], ids=["one scale", "scale by output"])
@pytest.mark.parametrize("variant", kernels.variants("fully_connected_int8"))
def test_int8_equals_the_equation_at_every_size(variant, per_output):
    rng = np.random.default_rng(5)
    for inputs in SIZES:
        for outputs in SIZES:
            x, weights, bias, arguments = random_int8_layer(rng, outputs, inputs, 2, per_output)
            memory = np.full(2 * outputs + 64, 77, np.int8)
            out = memory[32:-32].reshape(2, outputs)
            y = kernels.call("fully_connected_int8", variant, x, weights, bias, **arguments, out=out)
            assert y is out
            np.testing.assert_array_equal(y, reference.fully_connected_int8(x, weights, bias, **arguments))
            assert (memory[:32] == 77).all() and (memory[-32:] == 77).all()


@pytest.mark.parametrize("variant", kernels.variants("fully_connected_int8"))
def test_int8_sums_wrap_at_32_bits(variant):
    """Far beyond any real layer, but defined: as the definition says, and without a trap."""
    x, weights = np.full((1, 40), -128, np.int8), np.full((1, 40), -128, np.int8)
    bias = np.array([2**31 - 1], np.int32)
    arguments = {
        "input_zero_point": 127,
        "output_zero_point": 0,
        "input_scale": 1.0,
        "weight_scale": 1.0,
        "output_scale": 2.0**26,
    }
    y = kernels.call("fully_connected_int8", variant, x, weights, bias, **arguments)
    np.testing.assert_array_equal(y, reference.fully_connected_int8(x, weights, bias, **arguments))
    assert y[0, 0] < 0


@pytest.mark.parametrize("variant", kernels.variants("fully_connected_int8"))
def test_int8_saturates_where_tflite_is_undefined(variant):
    """A scaled sum beyond 32 bits ends at the end of the range, on its own side."""
    bias = np.array([-(2**31), -(2**24), -(2**20), 2**20, 2**24, 2**31 - 1], np.int32)
    x, weights = np.zeros((1, 3), np.int8), np.zeros((6, 3), np.int8)
    for output_scale in (2.0**-18, 2.0**-25, 1e-30):
        arguments = {**FINE, "output_zero_point": -100, "output_scale": output_scale}
        y = kernels.call("fully_connected_int8", variant, x, weights, bias, **arguments)
        np.testing.assert_array_equal(y, [[-128, -128, -128, 127, 127, 127]])
        np.testing.assert_array_equal(y, reference.fully_connected_int8(x, weights, bias, **arguments))


@pytest.mark.parametrize("variant", kernels.variants("fully_connected_int8"))
def test_int8_zero_weights_return_the_bias_in_units_of_the_output(variant):
    bias = np.array([-300, -1, 0, 1, 100], np.int32)
    y = kernels.call(
        "fully_connected_int8",
        variant,
        np.full(20, 99, np.int8),
        np.zeros((5, 20), np.int8),
        bias,
        input_zero_point=5,
        output_zero_point=3,
        input_scale=0.5,
        weight_scale=0.5,
        output_scale=0.25,
    )
    np.testing.assert_array_equal(y, [-128, 2, 3, 4, 103])


I8 = np.int8
X8, W8, B8 = np.zeros((2, 4), I8), np.zeros((3, 4), I8), np.zeros(3, np.int32)
FINE = {"input_zero_point": 0, "output_zero_point": 0, "input_scale": 0.1, "weight_scale": 0.1, "output_scale": 0.1}


@pytest.mark.parametrize(
    ("arguments", "change", "error", "message"),
    [
        ((X8.view(np.uint8), W8, B8), {}, TypeError, "fully_connected_int8: x must be int8"),
        ((X8, W8, B8.astype(I8)), {}, TypeError, "bias must be int32"),
        ((X8, W8.astype(np.int16), B8), {}, TypeError, "weights must be int8"),
        ((X8[:, :2].copy(), W8, B8), {}, ValueError, r"x must be int8 with shape \(N, 4\)"),
        ((X8, W8, B8), {"input_zero_point": 128}, ValueError,
         "input_zero_point must be from -128 to 127, got 128"),
        ((X8, W8, B8), {"output_zero_point": -129}, ValueError, "output_zero_point must be from -128 to 127"),
        ((X8, W8, B8), {"input_scale": 0.0}, ValueError, "input_scale must be positive and finite"),
        ((X8, W8, B8), {"output_scale": np.nan}, ValueError, "output_scale must be positive and finite"),
        ((X8, W8, B8), {"weight_scale": -1.0}, ValueError, "weight_scale must be positive and finite"),
        ((X8, W8, B8), {"input_scale": 1e30, "weight_scale": 1e30}, ValueError,
         r"input_scale \* weight_scale must be finite in float32, got 1e\+30 \* 1e\+30"),
        ((X8, W8, B8), {"weight_scale": np.ones(2, np.float32)}, ValueError,
         r"weight_scale must be a number, or float32 with shape \(3,\), got float32 \(2,\)"),
        ((X8, W8, B8), {"weight_scale": np.ones(3)}, TypeError,
         r"weight_scale must be float32 with shape \(out,\)"),
        ((X8, W8, B8), {"activation": "gelu"}, ValueError,
         "unknown activation 'gelu'; available: none, relu, relu6, relu_n1_to_1"),
    ],
)  # fmt: skip
def test_int8_refuses_bad_arguments(arguments, change, error, message):
    with pytest.raises(error, match=message):
        kernels.fully_connected_int8(*arguments, **{**FINE, **change})


# --------------------------------------------------------------------------------------------------- MlpInt8


def random_int8_layers(widths: tuple[int, ...], seed: int, per_output: bool = False) -> list[dict]:
    """Arguments of `fully_connected_int8` for each layer, each in the scale of the one before it."""
    rng = np.random.default_rng(seed)
    layers: list[dict] = []
    for inputs, outputs in zip(widths[:-1], widths[1:], strict=True):
        _, weights, bias, arguments = random_int8_layer(rng, outputs, inputs, 1, per_output)
        if layers:
            arguments["output_scale"] = np.float32(
                arguments["output_scale"] * layers[-1]["output_scale"] / arguments["input_scale"]
            )
            arguments["input_scale"] = layers[-1]["output_scale"]
            arguments["input_zero_point"] = layers[-1]["output_zero_point"]
        layers.append({"weights": weights, "bias": bias, **arguments})
    return layers


def prepared(layers: list[dict]) -> kernels.MlpInt8:
    names = ("weights", "bias", "weight_scale", "output_scale", "output_zero_point", "activation")
    first = layers[0]
    return kernels.MlpInt8(
        [tuple(layer[name] for name in names) for layer in layers],
        input_scale=first["input_scale"],
        input_zero_point=first["input_zero_point"],
    )


@pytest.mark.parametrize("per_output", [False, True], ids=["one scale", "scale by output"])
@pytest.mark.parametrize("widths", [(1, 1), (12, 12, 7, 7), (256, 256, 8), (65, 17, 130, 9), (300, 16)], ids=str)
@pytest.mark.parametrize("variant", kernels.variants("fully_connected_int8"))
def test_an_int8_mlp_equals_tflites_reference_kernels_layer_by_layer(variant, widths, per_output):
    layers = random_int8_layers(widths, sum(widths), per_output)
    mlp = prepared(layers)
    assert mlp.sizes == list(widths)
    x = np.random.default_rng(1).integers(-128, 128, (3, widths[0])).astype(np.int8)
    expected = x
    for layer in layers:
        arguments = {name: value for name, value in layer.items() if name not in ("weights", "bias")}
        model = fully_connected_model(layer["weights"], layer["bias"], 3, **arguments)
        expected = run_reference_kernels(model, expected)
    with kernels.forced(variant):
        np.testing.assert_array_equal(mlp(x), expected)
        np.testing.assert_array_equal([mlp(row) for row in x], expected)


@pytest.mark.parametrize("variant", kernels.variants("fully_connected_int8"))
def test_an_int8_mlp_wraps_where_the_layer_does(variant):
    """The zero point stands in the bias, which may wrap for that; the sums come out the same."""
    x, weights = np.full((1, 70), -128, np.int8), np.full((17, 70), -128, np.int8)
    layer = {
        "weights": weights,
        "bias": np.linspace(-(2**31), 2**31 - 1, 17).astype(np.int32),
        "input_zero_point": 127,
        "output_zero_point": 0,
        "input_scale": 1.0,
        "weight_scale": 1.0,
        "output_scale": 2.0**26,
        "activation": "none",
    }
    mlp = prepared([layer])
    with kernels.forced(variant):
        np.testing.assert_array_equal(mlp(x), reference.fully_connected_int8(x, **layer))


def test_an_int8_mlp_keeps_its_own_copy_and_writes_into_out():
    layers = random_int8_layers((12, 12, 7), 3)
    mlp, x = prepared(layers), np.arange(12, dtype=np.int8)
    before = mlp(x)
    for layer in layers:
        layer["weights"][:], layer["bias"][:] = 0, 0
    memory = np.full(7 + 64, 77, np.int8)
    out = memory[32:-32]
    assert mlp(x, out=out) is out
    np.testing.assert_array_equal(out, before)
    assert (memory[:32] == 77).all() and (memory[-32:] == 77).all()


LAYER8 = (W8, B8, 0.1, 0.1, 0, "none")


@pytest.mark.parametrize(
    ("layers", "arguments", "error", "message"),
    [
        ([], {}, ValueError, "MlpInt8: layers must be a sequence of"),
        ([(W8, B8)], {}, TypeError, "each layer must be a tuple"),
        ([(W8, B8, 0.1, 0.1, 0, 3)], {}, TypeError, "MlpInt8: activation must be a string, got int"),
        ([(W8, B8, 0.1, 0.1, 128, "none")], {}, ValueError, "output_zero_point must be from -128 to 127"),
        ([(W8, B8, "x", 0.1, 0, "none")], {}, TypeError, "MlpInt8: weight_scale must be a number"),
        ([(W, B8, 0.1, 0.1, 0, "none")], {}, TypeError, "MlpInt8: weights must be int8"),
        ([LAYER8, LAYER8], {}, ValueError, "layer 1 must take the 3 outputs of the layer before it"),
        ([LAYER8], {"input_scale": 0.0}, ValueError, "MlpInt8: input_scale must be positive"),
        ([LAYER8], {"input_zero_point": 1.5}, TypeError, "MlpInt8: input_zero_point must be an integer"),
    ],
)
def test_an_int8_mlp_refuses_bad_layers(layers, arguments, error, message):
    with pytest.raises(error, match=message):
        kernels.MlpInt8(layers, **{"input_scale": 0.1, "input_zero_point": 0, **arguments})
