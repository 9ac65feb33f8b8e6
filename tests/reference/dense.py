"""Dense layers, float and int8."""

from __future__ import annotations

import numpy as np


def activation(y: np.ndarray, name: str) -> np.ndarray:
    """The textbook functions, in the type of y."""
    if name == "sigmoid":
        power = np.exp(-np.abs(y))
        return np.where(y < 0, power, 1) / (1 + power)
    if name == "relu":
        return np.maximum(y, 0)
    if name == "softmax":
        power = np.exp(y - y.max(axis=-1, keepdims=True))
        return power / power.sum(axis=-1, keepdims=True)
    return y


def fully_connected(x, weights, bias, activation_name="none") -> np.ndarray:
    """y = f(W x + b) in float64."""
    y = x.astype(np.float64) @ weights.astype(np.float64).T + bias.astype(np.float64)
    return activation(y, activation_name)


def quantised_multiplier(real: float) -> tuple[int, int]:
    """Jacob et al. 2018, equation 6: real = 2^shift * multiplier / 2^31, the multiplier in [2^30, 2^31)."""
    fraction, shift = np.frexp(real)
    multiplier = int(np.floor(fraction * 2.0**31 + 0.5))
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return 2**31 - 1, 30
    return multiplier, int(shift)


def fully_connected_int8(
    x, weights, bias, *, input_zero_point, output_zero_point, input_scale, weight_scale, output_scale, activation="none"
) -> np.ndarray:
    """Jacob et al. 2018, equation 7, in integers of unlimited size but for the 32 bits of a sum."""
    real = np.float64(np.float32(input_scale)) * np.asarray(weight_scale, np.float32).astype(np.float64)
    if real.ndim == 0:
        real = np.full(len(bias), np.float64(np.float32(real)))
    real = real / np.float64(np.float32(output_scale))
    sums = (x.astype(np.int64) - input_zero_point) @ weights.astype(np.int64).T + bias
    sums = sums.astype(np.int32).astype(object)
    scaled = np.empty(sums.shape, np.int64)
    for o, factor in enumerate(real):
        multiplier, shift = quantised_multiplier(float(factor))
        scaled[..., o] = [(int(s) * multiplier + 2 ** (30 - shift)) >> (31 - shift) for s in np.ravel(sums[..., o])]

    def quantised(value):
        steps = float(np.float32(value) / np.float32(output_scale))
        return output_zero_point + int(np.sign(steps) * np.floor(abs(steps) + 0.5))

    ends = {
        "none": (-128, 127),
        "relu": (quantised(0), 127),
        "relu6": (quantised(0), quantised(6)),
        "relu_n1_to_1": (quantised(-1), quantised(1)),
    }[activation]
    low, high = max(ends[0], -128), min(ends[1], 127)
    return np.clip(scaled + output_zero_point, low, high).astype(np.int8)
