#if defined(__x86_64__)
#include <immintrin.h>  // AVX2

#include "kernels.h"
#include "target.h"

EDGEFER_BEGIN_AVX2

namespace edgefer {
namespace {

__m256i load16(const std::int8_t* from) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Sums of products for up to four outputs; rows beyond `outputs` repeat the last one and are not used.
void dot4(const std::int8_t* x, std::ptrdiff_t inputs, const std::int8_t* weights, std::ptrdiff_t outputs,
          std::int32_t zero_point, std::uint32_t* sums) {
  const std::int8_t* rows[4];
  for (std::ptrdiff_t j = 0; j < 4; ++j) rows[j] = weights + (j < outputs ? j : outputs - 1) * inputs;
  const __m256i shift = _mm256_set1_epi16(static_cast<std::int16_t>(zero_point));
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  std::ptrdiff_t i = 0;
  for (; i + 16 <= inputs; i += 16) {
    const __m256i value = _mm256_sub_epi16(load16(x + i), shift);  // -255 to 255
    a = _mm256_add_epi32(a, _mm256_madd_epi16(value, load16(rows[0] + i)));
    b = _mm256_add_epi32(b, _mm256_madd_epi16(value, load16(rows[1] + i)));
    c = _mm256_add_epi32(c, _mm256_madd_epi16(value, load16(rows[2] + i)));
    d = _mm256_add_epi32(d, _mm256_madd_epi16(value, load16(rows[3] + i)));
  }
  // Within each lane: the sums of a, b, c and d.
  const __m256i lanes = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(sums),
                   _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1)));
  for (; i < inputs; ++i)
    for (int j = 0; j < 4; ++j) sums[j] += static_cast<std::uint32_t>((x[i] - zero_point) * rows[j][i]);
}

}  // namespace

void fully_connected_s8_avx2(const std::int8_t* x, std::ptrdiff_t batch, std::ptrdiff_t inputs,
                             const std::int8_t* weights, const std::int32_t* bias, std::ptrdiff_t outputs,
                             const Requantisation& requantisation, std::int8_t* y) {
  for (std::ptrdiff_t n = 0; n < batch; ++n, x += inputs, y += outputs) {
    for (std::ptrdiff_t o = 0; o < outputs; o += 4) {
      const std::ptrdiff_t here = outputs - o < 4 ? outputs - o : 4;
      std::uint32_t sums[4];
      dot4(x, inputs, weights + o * inputs, here, requantisation.input_zero_point, sums);
      for (std::ptrdiff_t j = 0; j < here; ++j)
        y[o + j] = requantised(static_cast<std::int32_t>(sums[j] + static_cast<std::uint32_t>(bias[o + j])), o + j,
                               requantisation);
    }
  }
}

}  // namespace edgefer

EDGEFER_END_TARGET
#endif
