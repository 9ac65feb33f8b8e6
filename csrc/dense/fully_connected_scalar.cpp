#include <algorithm>  // min, clamp
#include <cmath>      // frexp, round

#include "dense/dense.h"

namespace edgefer {

void fully_connected_f32_scalar(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                                const float* bias, std::ptrdiff_t outputs, float* y) {
  for (std::ptrdiff_t n = 0; n < batch; ++n, x += inputs, y += outputs) {
    for (std::ptrdiff_t o = 0; o < outputs; o += panel) {
      const float* weights = packed + o * inputs;
      float sums[panel];
      for (std::ptrdiff_t j = 0; j < panel; ++j) sums[j] = bias[o + j];
      for (std::ptrdiff_t i = 0; i < inputs; ++i)
        for (std::ptrdiff_t j = 0; j < panel; ++j) sums[j] += x[i] * weights[i * panel + j];
      for (std::ptrdiff_t j = 0; j < std::min(panel, outputs - o); ++j) y[o + j] = sums[j];
    }
  }
}

void quantise_multiplier(double real, std::int32_t& multiplier, std::int32_t& shift) {
  int exponent = 0;
  auto fraction = static_cast<std::int64_t>(std::round(std::frexp(real, &exponent) * (std::int64_t{1} << 31)));
  if (fraction == std::int64_t{1} << 31) {  // rounded up to a whole
    fraction /= 2;
    ++exponent;
  }
  if (exponent < -31) fraction = exponent = 0;
  if (exponent > 30) {  // the largest factor there is
    fraction = (std::int64_t{1} << 31) - 1;
    exponent = 30;
  }
  multiplier = static_cast<std::int32_t>(fraction);
  shift = exponent;
}

std::int8_t requantised(std::int32_t sum, std::ptrdiff_t output, const Requantisation& requantisation) {
  const int right = 31 - requantisation.shifts[output];
  const std::int64_t product = std::int64_t{sum} * requantisation.multipliers[output];
  const std::int64_t scaled = (product + (std::int64_t{1} << (right - 1))) >> right;
  return static_cast<std::int8_t>(std::clamp(scaled + requantisation.output_zero_point,
                                             std::int64_t{requantisation.activation_min},
                                             std::int64_t{requantisation.activation_max}));
}

void fully_connected_s8_scalar(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                               const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                               const Requantisation& requantisation, std::int8_t* y) {
  for (std::ptrdiff_t n = 0; n < batch; ++n, x += inputs, y += outputs) {
    for (std::ptrdiff_t o = 0; o < outputs; ++o) {
      const std::int8_t* row = weights + o * inputs;
      std::uint32_t sum = static_cast<std::uint32_t>(bias[o]);  // unsigned: wraps where it overflows
      for (std::ptrdiff_t i = 0; i < inputs; ++i)
        sum += static_cast<std::uint32_t>((x[i] - requantisation.input_zero_point) * row[i]);
      y[o] = requantised(static_cast<std::int32_t>(sum), o, requantisation);
    }
  }
}

}  // namespace edgefer
