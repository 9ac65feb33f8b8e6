#include <algorithm>  // min

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

}  // namespace edgefer
