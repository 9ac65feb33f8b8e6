"""Dense layers and small networks of them, float and int8."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgefer.kernels.compiled import compiled, compiled_class


@compiled
def fully_connected(
    x: np.ndarray, weights: np.ndarray, bias: np.ndarray, activation: str = "none", out: np.ndarray | None = None
) -> np.ndarray:
    """One dense layer: activation(x @ weights.T + bias).

    The weights are rearranged at every call; to run the same layer often, keep an `Mlp` of it.

    Args:
        x: float32, shape (N, in) with N at least 1, or (in,); contiguous.
        weights: float32, shape (out, in), contiguous.
        bias: float32, shape (out,), contiguous.
        activation: "none", "sigmoid", "relu" or "softmax" (over the outputs of each row).
        out: float32, shape (N, out) or (out,), contiguous, written and returned; allocated when None.

    Returns:
        float32, shape (N, out) or (out,). Products are added in the order of the inputs, in float32.

    Raises:
        TypeError: an array is not float32. ValueError: shapes that do not fit, or an unknown activation.
    """


@compiled_class
class Mlp:
    """A multilayer perceptron whose weights are copied and packed once.

    Call it as `mlp(x, out=None)`: x is float32, shape (N, in) with N at least 1, or (in,), contiguous; the
    result is float32, shape (N, out) or (out,), `out` itself when given. `sizes` lists the width of the input
    and of every layer. Several threads may call one object.

    Args:
        layers: tuples (weights, bias, activation) as for `fully_connected`; each takes what the one before
            it gives.

    Raises:
        TypeError: an array is not float32, or a layer is not such a tuple. ValueError: no layer, shapes that
        do not fit, or an unknown activation.
    """

    sizes: list[int]

    def __init__(self, layers: Sequence[tuple[np.ndarray, np.ndarray, str]]) -> None: ...

    def __call__(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray: ...


@compiled
def fully_connected_int8(
    x: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
    *,
    input_zero_point: int,
    output_zero_point: int,
    input_scale: float,
    weight_scale: float | np.ndarray,
    output_scale: float,
    activation: str = "none",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """One int8 dense layer with the arithmetic of TFLite, bit for bit equal to its reference kernel.

    Scales are turned into multipliers at every call; to run the same layers often, keep an `MlpInt8` of them.

    A real value is (quantised - zero_point) * scale. Weights have zero point 0; the bias has the scale
    input_scale * weight_scale. Sums have 32 bits and are scaled by a 31-bit multiplier with one rounding.

    Args:
        x: int8, shape (N, in) with N at least 1, or (in,); contiguous.
        weights: int8, shape (out, in), contiguous.
        bias: int32, shape (out,), contiguous.
        input_zero_point, output_zero_point: -128 to 127.
        input_scale, output_scale: positive, used as float32.
        weight_scale: positive, used as float32; one number, or float32 of shape (out,), one for each output.
        activation: "none", "relu", "relu6" or "relu_n1_to_1".
        out: int8, shape (N, out) or (out,), contiguous, written and returned; allocated when None.

    Returns:
        int8, shape (N, out) or (out,).

    Raises:
        TypeError: an array of the wrong dtype. ValueError: shapes that do not fit, a scale or zero point
        out of range, or an unknown activation.

    Reference: Jacob et al., Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference, CVPR 2018, equation 7.
    """


@compiled_class
class MlpInt8:
    """Int8 dense layers one after the other, prepared once: `fully_connected_int8` of each, bit for bit.

    Call it as `mlp(x, out=None)`: x is int8, shape (N, in) with N at least 1, or (in,), contiguous; the
    result is int8, shape (N, out) or (out,), `out` itself when given. `sizes` lists the width of the input
    and of every layer. Several threads may call one object.

    Args:
        layers: tuples (weights, bias, weight_scale, output_scale, output_zero_point, activation) as for
            `fully_connected_int8`; each takes what the one before it gives, in its scale and zero point.
        input_scale, input_zero_point: of the first layer.

    Raises:
        TypeError: an array of the wrong dtype, or a layer is not such a tuple. ValueError: no layer, shapes
        that do not fit, a scale or zero point out of range, or an unknown activation.
    """

    sizes: list[int]

    def __init__(
        self,
        layers: Sequence[tuple[np.ndarray, np.ndarray, float | np.ndarray, float, int, str]],
        *,
        input_scale: float,
        input_zero_point: int,
    ) -> None: ...

    def __call__(self, x: np.ndarray, out: np.ndarray | None = None) -> np.ndarray: ...
