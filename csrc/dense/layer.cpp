#include <algorithm>  // clamp, max
#include <cmath>      // round
#include <cstring>    // memcpy
#include <utility>

#include "dense/dense.h"

namespace edgefer {
namespace {

// Vectors of the compiler's own, which every processor has: a plain loop it does not make into them, for the bound of
// x.
using Floats = float __attribute__((vector_size(16)));
using Integers = std::int32_t __attribute__((vector_size(16)));
constexpr std::ptrdiff_t lanes = 4;

Floats chosen(Integers mask, Floats yes, Floats no) {
  return (Floats)((mask & (Integers)yes) | (~mask & (Integers)no));
}

// exp(x) for x <= 0; below -104 it is 0, as the exact value rounds. Only additions, multiplications and integers: every
// processor gives the same bits.
//   x = n ln 2 + r with |r| <= 0.35, exp(x) = 2^n exp(r), exp(r) by its Taylor series.
// u = 2^-24 is one rounding. r: n times the first part of ln 2 (9 bits) is exact, and so is taking it from x; the
// product with the second part is at most 0.033 and rounds by 0.033 u, r itself by at most 0.35 u. The series leaves
// out r^8 / 8! + ... <= 6e-9 = 0.1 u; the rounding of its terms is at most 0.35 * (0.35 / 2 + ...) u, of its sum u, and
// the last addition 1.5 u of 2^n exp(r) >= 0.7. Together below 3.5 u, 2 ulp of the result; the scaling is exact but for
// a result below 2^-126, which rounds once more, to a multiple of 2^-149.
Floats exponential(Floats x) {
  const Floats lowest = Floats{} - 104.0f;
  x = chosen((Integers)(x < lowest), lowest, x);     // a NaN stays one
  const Floats to_integer = Floats{} + 12582912.0f;  // 1.5 * 2^23: a sum with it has no bits below one
  const Floats shifted = x * 1.44269504f + to_integer;
  const Floats n = shifted - to_integer;
  const Floats r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Floats series = Floats{} + 1.0f / 5040;
  series = series * r + 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  series = series * r + 1.0f;
  series = series * r + 1.0f;
  // 2^n in two factors, each of normal size: n is down to -150.
  const Integers exponent = (Integers)shifted - (Integers)to_integer, half = exponent >> 1;
  const Integers first = (half + 127) << 23, second = (exponent - half + 127) << 23;
  return series * (Floats)first * (Floats)second;
}

// Replaces every value by f of it. The last vector may overlap the one before: it is read before that is written.
template <class F> void replace(float* y, std::ptrdiff_t count, F f) {
  Floats values{};
  if (count < lanes) {
    for (std::ptrdiff_t j = 0; j < count; ++j) values[j] = y[j];
    values = f(values);
    for (std::ptrdiff_t j = 0; j < count; ++j) y[j] = values[j];
    return;
  }
  Floats last;
  std::memcpy(&last, y + count - lanes, sizeof last);
  for (std::ptrdiff_t i = 0; i + lanes <= count; i += lanes) {
    std::memcpy(&values, y + i, sizeof values);
    values = f(values);
    std::memcpy(y + i, &values, sizeof values);
  }
  if (count % lanes == 0) return;
  last = f(last);
  std::memcpy(y + count - lanes, &last, sizeof last);
}

Floats sigmoid(Floats x) {
  const Floats one = Floats{} + 1.0f;
  const Floats power = exponential((Floats)((Integers)x | INT32_MIN));  // of -|x|
  return chosen((Integers)(x < 0.0f), power, one) / (one + power);
}

void softmax(float* y, std::ptrdiff_t outputs) {
  float largest = y[0];
  for (std::ptrdiff_t o = 1; o < outputs; ++o) largest = std::max(largest, y[o]);
  replace(y, outputs, [=](Floats logits) { return exponential(logits - largest); });
  float total = 0;
  for (std::ptrdiff_t o = 0; o < outputs; ++o) total += y[o];
  for (std::ptrdiff_t o = 0; o < outputs; ++o) y[o] /= total;
}

}  // namespace

void activate(Activation activation, float* y, std::ptrdiff_t batch, std::ptrdiff_t outputs) {
  switch (activation) {
    case Activation::none: return;
    case Activation::sigmoid: replace(y, batch * outputs, sigmoid); return;
    case Activation::relu:
      for (std::ptrdiff_t i = 0; i < batch * outputs; ++i) y[i] = std::max(y[i], 0.0f);
      return;
    case Activation::softmax:
      for (std::ptrdiff_t n = 0; n < batch; ++n) softmax(y + n * outputs, outputs);
      return;
  }
}

DenseLayer::DenseLayer(const float* weights, const float* bias, std::ptrdiff_t inputs_, std::ptrdiff_t outputs_,
                       Activation activation)
    : inputs(inputs_), outputs(outputs_), activation_(activation), bias_(bias, bias + outputs_) {
  const std::ptrdiff_t padded = (outputs + panel - 1) / panel * panel;
  packed_.resize(static_cast<std::size_t>(padded * inputs));
  bias_.resize(static_cast<std::size_t>(padded));
  for (std::ptrdiff_t o = 0; o < outputs; ++o)
    for (std::ptrdiff_t i = 0; i < inputs; ++i)
      packed_[(o / panel * inputs + i) * panel + o % panel] = weights[o * inputs + i];
}

void DenseLayer::run(FullyConnectedFn* kernel, const float* x, std::ptrdiff_t batch, float* y) const {
  kernel(x, batch, inputs, packed_.data(), bias_.data(), outputs, y);
  activate(activation_, y, batch, outputs);
}

namespace {

// The factor of one output. TFLite takes the product of the scales in float32 for one scale of all weights, in float64
// for one of each output.
double real_multiplier(const Quantisation& q, std::ptrdiff_t output) {
  const float weight_scale = q.weight_scales[q.one_scale ? 0 : output], rounded = q.input_scale * weight_scale;
  const double product = q.one_scale ? static_cast<double>(rounded)
                                     : static_cast<double>(q.input_scale) * static_cast<double>(weight_scale);
  return product / static_cast<double>(q.output_scale);
}

// The ends of an activation's range as int8, at most the type's own.
std::pair<std::int32_t, std::int32_t> activation_range(const Quantisation& q) {
  const auto quantised = [&](float value) {
    // A tiny scale must not leave the range of an integer.
    const double steps = std::round(static_cast<double>(value / q.output_scale));
    return static_cast<std::int32_t>(std::clamp(steps + q.output_zero_point, -128.0, 127.0));
  };
  switch (q.clamp) {
    case ClampS8::none: return {-128, 127};
    case ClampS8::relu: return {quantised(0), 127};
    case ClampS8::relu6: return {quantised(0), quantised(6)};
    case ClampS8::relu_n1_to_1: return {quantised(-1), quantised(1)};
  }
  return {-128, 127};
}

}  // namespace

Rescaling::Rescaling(const Quantisation& quantisation, std::ptrdiff_t outputs)
    : multipliers_(static_cast<std::size_t>(outputs)), shifts_(multipliers_.size()) {
  for (std::ptrdiff_t o = 0; o < outputs; ++o)
    quantise_multiplier(real_multiplier(quantisation, o), multipliers_[o], shifts_[o]);
  const auto [lowest, highest] = activation_range(quantisation);
  requantisation_ = {quantisation.input_zero_point,
                     quantisation.output_zero_point,
                     multipliers_.data(),
                     shifts_.data(),
                     lowest,
                     highest};
}

}  // namespace edgefer
