#if defined(__aarch64__)
#include <arm_neon.h>  // NEON

#include <algorithm>  // min
#include <cstring>    // memcpy

#include "core/target.h"
#include "dense/dense.h"

namespace edgefer {
namespace {

// `rows` samples by `panels` panels of eight outputs, their sums in registers: eight or more of them hide the latency
// of the additions. Products and sums are rounded separately, in the order of the inputs, as in the scalar loop.
EDGEFER_ALWAYS_INLINE void block(int rows, int panels, const float* x, std::ptrdiff_t inputs, const float* weights,
                                 const float* bias, float32x4_t* sums) {
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < 2 * panels; ++p) sums[r * 2 * panels + p] = vld1q_f32(bias + p * 4);
  for (std::ptrdiff_t i = 0; i < inputs; ++i, weights += panel) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const float value = x[r * inputs + i];
#pragma GCC unroll 8
      for (int p = 0; p < 2 * panels; ++p) {
        float32x4_t& sum = sums[r * 2 * panels + p];
        sum = vaddq_f32(sum, vmulq_n_f32(vld1q_f32(weights + p / 2 * inputs * panel + p % 2 * 4), value));
      }
    }
  }
}

EDGEFER_ALWAYS_INLINE void some_rows(int rows, int panels, const float* x, std::ptrdiff_t inputs, const float* packed,
                                     const float* bias, std::ptrdiff_t outputs, float* y) {
  float32x4_t sums[8];
  std::ptrdiff_t o = 0;
  for (; o + panels * panel <= outputs; o += panels * panel) {
    block(rows, panels, x, inputs, packed + o * inputs, bias + o, sums);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
      for (int p = 0; p < 2 * panels; ++p) vst1q_f32(y + r * outputs + o + p * 4, sums[r * 2 * panels + p]);
  }
  for (; o < outputs; o += panel) {
    block(rows, 1, x, inputs, packed + o * inputs, bias + o, sums);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      float eight[panel];
      vst1q_f32(eight, sums[2 * r]);
      vst1q_f32(eight + 4, sums[2 * r + 1]);
      std::memcpy(y + r * outputs + o, eight, static_cast<std::size_t>(std::min(panel, outputs - o)) * sizeof(float));
    }
  }
}

}  // namespace

void fully_connected_f32_neon(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                              const float* bias, std::ptrdiff_t outputs, float* y) {
  std::ptrdiff_t n = 0;
  for (; n + 4 <= batch; n += 4) some_rows(4, 1, x + n * inputs, inputs, packed, bias, outputs, y + n * outputs);
  for (; n < batch; ++n) some_rows(1, 4, x + n * inputs, inputs, packed, bias, outputs, y + n * outputs);
}

}  // namespace edgefer
#endif
