// The family of dense layers, float and int8.
#pragma once

#include <vector>

#include "core/plane.h"

namespace edgefer {

// fully_connected: y[n, o] = bias[o] + sum over i of x[n, i] * weights[o, i], added in the order of i.
// x is (batch, inputs) and y is (batch, outputs), both without gaps.
// `packed` holds the weights in panels of eight outputs: packed[(o / 8 * inputs + i) * 8 + o % 8], and `bias` is
// as long as the panels; both are padded with zeros.
constexpr std::ptrdiff_t panel = 8;
using FullyConnectedFn = void(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                              const float* bias, std::ptrdiff_t outputs, float* y);
FullyConnectedFn fully_connected_f32_scalar, fully_connected_f32_avx2, fully_connected_f32_neon;

// The layer's non-linearity over y (batch, outputs), in place. The exponent is never positive, so nothing overflows.
enum class Activation { none, sigmoid, relu, softmax };
void activate(Activation activation, float* y, std::ptrdiff_t batch, std::ptrdiff_t outputs);

// fully_connected_int8: TFLite's fully-connected layer.
//   sum  = bias[o] + sum over i of (x[n, i] - input_zero_point) * weights[o, i]      32 bits, wrapping
//   y    = clamp(((sum * multiplier[o] + half) >> (31 - shift[o])) + output_zero_point, activation_min, activation_max)
// with half = 2^(30 - shift[o]): one rounding, ties upwards, in 64 bits. A scaled sum beyond 32 bits saturates;
// TFLite leaves that case undefined.
// x (batch, inputs), weights (outputs, inputs) and y (batch, outputs) are without gaps.
struct Requantisation {
  std::int32_t input_zero_point, output_zero_point;  // -128 to 127
  const std::int32_t* multipliers;                   // [outputs], 0 or 2^30 to 2^31 - 1
  const std::int32_t* shifts;                        // [outputs], -31 to 30; positive is to the left
  std::int32_t activation_min, activation_max;       // -128 <= min <= max <= 127
};
using FullyConnectedS8Fn = void(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                                const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                                const Requantisation& requantisation, std::int8_t* y);
FullyConnectedS8Fn fully_connected_s8_scalar, fully_connected_s8_avx2, fully_connected_s8_avx512vnni,
    fully_connected_s8_neon, fully_connected_s8_neon_dotprod;

// ------------------------------------------------------------------------------------------- layers with their memory

// A float layer, its weights (outputs, inputs) and bias packed once; for the bindings and the C functions.
class DenseLayer {
 public:
  DenseLayer(const float* weights, const float* bias, std::ptrdiff_t inputs, std::ptrdiff_t outputs,
             Activation activation);
  void run(FullyConnectedFn* kernel, const float* x, std::ptrdiff_t batch, float* y) const;

  std::ptrdiff_t inputs, outputs;

 private:
  Activation activation_;
  std::vector<float> packed_, bias_;
};

// What an int8 layer's scales and zero points are: real value = (int8 value - zero point) * scale, weights having zero
// point 0. Scales are positive and finite, and so is input_scale * *weight_scales where there is one.
enum class ClampS8 { none, relu, relu6, relu_n1_to_1 };
struct Quantisation {
  std::int32_t input_zero_point, output_zero_point;
  float input_scale, output_scale;
  const float* weight_scales;  // one for all outputs, or one for each
  bool one_scale;
  ClampS8 clamp;
};

// The Requantisation of a layer, with its memory, which keeps its place when this is moved.
class Rescaling {
 public:
  Rescaling(const Quantisation& quantisation, std::ptrdiff_t outputs);
  Rescaling(Rescaling&&) = default;
  const Requantisation& requantisation() const { return requantisation_; }

 private:
  std::vector<std::int32_t> multipliers_, shifts_;
  Requantisation requantisation_;
};

// ------------------------------------------------------------------------------------------ shared by the variants

// The factor real > 0 as multiplier * 2^(shift - 31), the nearest with a multiplier of 31 bits; 0 below 2^-32.
void quantise_multiplier(double real, std::int32_t& multiplier, std::int32_t& shift);

// The last step for one output, shared by the variants.
std::int8_t requantised(std::int32_t sum, std::ptrdiff_t output, const Requantisation& requantisation);

// What the NEON variants of fully_connected_int8 share.
#if defined(__aarch64__)
// For four outputs, or the fewer that are left: the last row stands for those that are not there. Writes sums of x *
// weight, or of the weights alone when x is null, into sums[4].
using Dot4Fn = void (*)(const std::int8_t* x, std::ptrdiff_t inputs, const std::int8_t* weights, std::ptrdiff_t outputs,
                        std::int32_t* sums);

// The layer over the sums of one variant.
void fully_connected_s8_by(Dot4Fn dot4, const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                           const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                           const Requantisation& requantisation, std::int8_t* y);
#endif

}  // namespace edgefer
