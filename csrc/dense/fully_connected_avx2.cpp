#if defined(__x86_64__)
#include <immintrin.h>  // AVX2

#include <algorithm>  // min
#include <cstring>    // memcpy

#include "core/target.h"
#include "dense/dense.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

// `rows` samples by `panels` panels of eight outputs, their sums in registers. Products and sums are rounded
// separately, in the order of the inputs, as in the scalar loop.
EDGEFER_ALWAYS_INLINE void block(int rows, int panels, const float* x, std::ptrdiff_t inputs, const float* weights,
                                 const float* bias, __m256* sums) {
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < panels; ++p) sums[r * panels + p] = _mm256_loadu_ps(bias + p * panel);
  for (std::ptrdiff_t i = 0; i < inputs; ++i, weights += panel) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const __m256 value = _mm256_broadcast_ss(x + r * inputs + i);
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) {
        __m256& sum = sums[r * panels + p];
        sum = _mm256_add_ps(sum, _mm256_mul_ps(value, _mm256_loadu_ps(weights + p * inputs * panel)));
      }
    }
  }
}

// `rows` samples: the panels in pairs, the first of them whole, then what is left.
EDGEFER_ALWAYS_INLINE void some_rows(int rows, int panels, const float* x, std::ptrdiff_t inputs, const float* packed,
                                     const float* bias, std::ptrdiff_t outputs, float* y) {
  __m256 sums[8];
  std::ptrdiff_t o = 0;
  for (; o + panels * panel <= outputs; o += panels * panel) {
    block(rows, panels, x, inputs, packed + o * inputs, bias + o, sums);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < panels; ++p) _mm256_storeu_ps(y + r * outputs + o + p * panel, sums[r * panels + p]);
  }
  for (; o < outputs; o += panel) {
    block(rows, 1, x, inputs, packed + o * inputs, bias + o, sums);
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      float eight[panel];
      _mm256_storeu_ps(eight, sums[r]);
      std::memcpy(y + r * outputs + o, eight, static_cast<std::size_t>(std::min(panel, outputs - o)) * sizeof(float));
    }
  }
}

}  // namespace

void fully_connected_f32_avx2(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                              const float* bias, std::ptrdiff_t outputs, float* y) {
  std::ptrdiff_t n = 0;
  for (; n + 4 <= batch; n += 4) some_rows(4, 2, x + n * inputs, inputs, packed, bias, outputs, y + n * outputs);
  for (; n < batch; ++n) some_rows(1, 4, x + n * inputs, inputs, packed, bias, outputs, y + n * outputs);
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
