#if defined(__x86_64__)
#include <immintrin.h>  // AVX2

#include <algorithm>  // min
#include <cstring>    // memcpy

#include "kernels.h"
#include "target.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

// Eight outputs. Products and sums are rounded separately, in the order of the inputs, as in the scalar loop.
__m256 one_panel(const float* x, std::ptrdiff_t inputs, const float* weights, __m256 sum) {
  for (std::ptrdiff_t i = 0; i < inputs; ++i)
    sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_set1_ps(x[i]), _mm256_loadu_ps(weights + i * panel)));
  return sum;
}

// Thirty-two outputs at once: four sums hide the latency of the additions.
void four_panels(const float* x, std::ptrdiff_t inputs, const float* weights, const float* bias, float* y) {
  const std::ptrdiff_t next = inputs * panel;
  __m256 a = _mm256_loadu_ps(bias), b = _mm256_loadu_ps(bias + panel);
  __m256 c = _mm256_loadu_ps(bias + 2 * panel), d = _mm256_loadu_ps(bias + 3 * panel);
  for (std::ptrdiff_t i = 0; i < inputs; ++i, weights += panel) {
    const __m256 value = _mm256_set1_ps(x[i]);
    a = _mm256_add_ps(a, _mm256_mul_ps(value, _mm256_loadu_ps(weights)));
    b = _mm256_add_ps(b, _mm256_mul_ps(value, _mm256_loadu_ps(weights + next)));
    c = _mm256_add_ps(c, _mm256_mul_ps(value, _mm256_loadu_ps(weights + 2 * next)));
    d = _mm256_add_ps(d, _mm256_mul_ps(value, _mm256_loadu_ps(weights + 3 * next)));
  }
  _mm256_storeu_ps(y, a);
  _mm256_storeu_ps(y + panel, b);
  _mm256_storeu_ps(y + 2 * panel, c);
  _mm256_storeu_ps(y + 3 * panel, d);
}

}  // namespace

void fully_connected_f32_avx2(const float* x, std::ptrdiff_t batch, std::ptrdiff_t inputs, const float* packed,
                              const float* bias, std::ptrdiff_t outputs, float* y) {
  for (std::ptrdiff_t n = 0; n < batch; ++n, x += inputs, y += outputs) {
    std::ptrdiff_t o = 0;
    for (; o + 4 * panel <= outputs; o += 4 * panel) four_panels(x, inputs, packed + o * inputs, bias + o, y + o);
    for (; o < outputs; o += panel) {
      float sums[panel];
      _mm256_storeu_ps(sums, one_panel(x, inputs, packed + o * inputs, _mm256_loadu_ps(bias + o)));
      std::memcpy(y + o, sums, static_cast<std::size_t>(std::min(panel, outputs - o)) * sizeof(float));
    }
  }
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
