#include <algorithm>  // max
#include <cmath>      // exp, fabs

#include "kernels.h"

namespace edgefer {
namespace {

float sigmoid(float x) {
  const float power = std::exp(-std::fabs(x));
  return (x < 0 ? power : 1.0f) / (1.0f + power);
}

void softmax(float* y, std::ptrdiff_t outputs) {
  float largest = y[0];
  for (std::ptrdiff_t o = 1; o < outputs; ++o) largest = std::max(largest, y[o]);
  float total = 0;
  for (std::ptrdiff_t o = 0; o < outputs; ++o) total += y[o] = std::exp(y[o] - largest);
  for (std::ptrdiff_t o = 0; o < outputs; ++o) y[o] /= total;
}

}  // namespace

void activate(Activation activation, float* y, std::ptrdiff_t batch, std::ptrdiff_t outputs) {
  switch (activation) {
    case Activation::none: return;
    case Activation::sigmoid:
      for (std::ptrdiff_t i = 0; i < batch * outputs; ++i) y[i] = sigmoid(y[i]);
      return;
    case Activation::relu:
      for (std::ptrdiff_t i = 0; i < batch * outputs; ++i) y[i] = std::max(y[i], 0.0f);
      return;
    case Activation::softmax:
      for (std::ptrdiff_t n = 0; n < batch; ++n) softmax(y + n * outputs, outputs);
      return;
  }
}

}  // namespace edgefer
