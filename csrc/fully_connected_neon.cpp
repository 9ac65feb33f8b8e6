#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include <algorithm>  // min
#include <cstring>    // memcpy

#include "kernels.h"

namespace edgefer {

// Products and sums are rounded separately, in the order of the inputs, as in the scalar loop.
void fully_connected_f32_neon(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                              const float* bias, std::ptrdiff_t outputs, float* y) {
  for (std::ptrdiff_t n = 0; n < batch; ++n, x += inputs, y += outputs) {
    for (std::ptrdiff_t o = 0; o < outputs; o += panel) {
      const float* weights = packed + o * inputs;
      float32x4_t low = vld1q_f32(bias + o), high = vld1q_f32(bias + o + 4);
      for (std::ptrdiff_t i = 0; i < inputs; ++i, weights += panel) {
        low = vaddq_f32(low, vmulq_n_f32(vld1q_f32(weights), x[i]));
        high = vaddq_f32(high, vmulq_n_f32(vld1q_f32(weights + 4), x[i]));
      }
      float sums[panel];
      vst1q_f32(sums, low);
      vst1q_f32(sums + 4, high);
      std::memcpy(y + o, sums, static_cast<std::size_t>(std::min(panel, outputs - o)) * sizeof(float));
    }
  }
}

}  // namespace edgefer
#endif
